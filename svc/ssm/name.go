package ssm

import (
	"regexp"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/ssm"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	maxName   = 1011 // with the ARN's other parts, 2,048
	maxLevels = 15
)

var goodName = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$|^(/[a-zA-Z0-9_.-]+)+$`)

// checkName says whether a parameter may be called so.
func checkName(name string) error {
	first := strings.ToLower(strings.TrimPrefix(name, "/"))
	switch {
	case strings.Contains(name, "/") && !strings.HasPrefix(name, "/"):
		return api.ValidationException("Parameter name must be a fully qualified name.")
	case strings.HasPrefix(first, "ssm") || strings.HasPrefix(first, "aws"):
		return api.ValidationException(`Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive).`)
	case !goodName.MatchString(name):
		return api.ValidationException(`Parameter name: can't be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of ` +
			`sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_`)
	case len(name) > maxName:
		return api.ValidationException("Parameter name: can't be longer than %d characters.", maxName)
	case strings.Count(name, "/") > maxLevels:
		return api.HierarchyLevelLimitExceededException("A hierarchy can have a maximum of %d levels.", maxLevels)
	}
	return nil
}

// arnOf is a parameter's ARN: a name that is a path brings its slash along.
func arnOf(scope store.Scope, name string) string {
	return aws.NewARN("ssm", scope.Region, scope.Account, "parameter/"+strings.TrimPrefix(name, "/")).String()
}

// A selector is what a name says beside the name: which version, by number or label.
type selector struct {
	name, text string // text is with its colon, empty for the newest
	number     int64
	label      string
}

// selected takes apart what GetParameter is given: name, name:3, name:label, or any of
// these as an ARN.
func selected(text string) selector {
	if a, ok := aws.ParseARN(text); ok && a.Service == "ssm" {
		rest := strings.TrimPrefix(a.Resource, "parameter/")
		if name, _, _ := strings.Cut(rest, ":"); strings.Contains(name, "/") {
			rest = "/" + rest
		}
		text = rest
	}
	name, version, found := strings.Cut(text, ":")
	if !found {
		return selector{name: name}
	}
	s := selector{name: name, text: ":" + version, label: version}
	if n, err := strconv.ParseInt(version, 10, 64); err == nil {
		s.number, s.label = n, ""
	}
	return s
}

// scopeFor is where the parameter lies that an ARN names, the caller's own else.
func scopeFor(own store.Scope, text string) store.Scope {
	if a, ok := aws.ParseARN(text); ok && a.Service == "ssm" {
		return store.Scope{Account: a.Account, Region: a.Region}
	}
	return own
}
