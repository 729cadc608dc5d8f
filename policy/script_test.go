package policy_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/tule-cloud/tule/policy"
)

// TestScripts runs the scripts in testdata. They know these commands:
//
//	parse                    a document; prints its statements, or the error
//	validate kind=… …        a document; prints ok, or the error
//	policy name              statements in short form (see shortPolicy), or a document
//	decide                   requests, one a line (see shortRequest); prints the decisions
//	message                  the same; prints AWS's sentences for those denied
//	remedy                   the same; prints the statements that would have helped
//	explain                  one request; prints the explanation
//	keys                     the name of a policy; prints the condition keys it asks for
//
// "{1}" and "{9}" stand for the accounts 111111111111 and 999999999999.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s := &script{policies: map[string]*policy.Policy{}}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				out, err := s.run(t, d)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				return out
			})
		})
	}
}

type script struct {
	policies map[string]*policy.Policy
}

var accounts = strings.NewReplacer("{1}", "111111111111", "{9}", "999999999999")

func (s *script) run(t *testing.T, d *datadriven.TestData) (string, error) {
	input := accounts.Replace(d.Input)
	switch d.Cmd {
	case "parse":
		return parseScript(input), nil
	case "validate":
		return validateScript(t, d, input), nil
	case "policy":
		return "", s.definePolicy(d.CmdArgs[0].Key, input)
	case "decide":
		return s.each(input, func(d policy.Decision, _ *policy.Request) string { return d.String() })
	case "message":
		return s.each(input, func(d policy.Decision, r *policy.Request) string { return fmt.Sprintf("%q", d.Message(r)) })
	case "remedy":
		return s.each(input, func(d policy.Decision, r *policy.Request) string {
			if text := d.Remedy(r); text != "" {
				return d.By.String() + ": " + text
			}
			return "none"
		})
	case "explain":
		req, set, err := s.shortRequest(input)
		if err != nil {
			return "", err
		}
		return policy.Explain(req, set).String(), nil
	case "keys":
		return strings.Join(s.policies[strings.TrimSpace(input)].ContextKeys(), "\n") + "\n", nil
	}
	return "", fmt.Errorf("unknown command %s", d.Cmd)
}

// each decides the requests of a script, one a line.
func (s *script) each(input string, show func(policy.Decision, *policy.Request) string) (string, error) {
	var out strings.Builder
	for _, line := range strings.Split(input, "\n") {
		req, set, err := s.shortRequest(line)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(&out, show(policy.Evaluate(req, set), req))
	}
	return out.String(), nil
}

func (s *script) definePolicy(name, input string) error {
	if !strings.HasPrefix(input, "{") {
		text, err := shortPolicy(input)
		if err != nil {
			return err
		}
		input = text
	}
	p, err := policy.ParseAndCompile(input)
	s.policies[name] = p
	return err
}

func parseScript(input string) string {
	doc, err := policy.Parse(input)
	if err != nil {
		return err.Error() + "\n"
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s %q\n", doc.Version, doc.ID)
	for _, s := range doc.Statements {
		line, column := doc.Position(s.Offset)
		endLine, endColumn := doc.Position(s.End)
		fmt.Fprintf(&out, "%d.%d-%d.%d: %s sid=%q", line, column, endLine, endColumn, s.Effect, s.Sid)
		show := func(name string, not bool, list any, written bool) {
			if written {
				fmt.Fprintf(&out, " %s%s=%q", map[bool]string{true: "Not"}[not], name, list)
			}
		}
		show("Principal", s.NotPrincipal, s.Principals, s.Principals != nil)
		show("Action", s.NotAction, s.Actions, s.Actions != nil)
		show("Resource", s.NotResource, s.Resources, s.Resources != nil)
		show("Condition", false, s.Conditions, s.Conditions != nil)
		out.WriteByte('\n')
	}
	return out.String()
}

func validateScript(t *testing.T, d *datadriven.TestData, input string) string {
	rules := policy.Rules{Require2012: d.HasArg("2012"), IgnoreSpace: d.HasArg("ignore-space")}
	d.MaybeScanArgs(t, "size", &rules.MaxSize)
	kind := "identity"
	d.MaybeScanArgs(t, "kind", &kind)
	rules.Kind = map[string]policy.Kind{"identity": policy.Identity, "trust": policy.Trust, "resource": policy.Resource,
		"session": policy.Session, "scp": policy.ServiceControl, "rcp": policy.ResourceControl}[kind]
	var out strings.Builder
	for _, text := range strings.Split(input, "\n---\n") { // several documents, an answer each
		doc, err := policy.Parse(text)
		if err == nil {
			err = doc.Validate(rules)
		}
		if err != nil {
			fmt.Fprintln(&out, err)
		} else {
			fmt.Fprintln(&out, "ok")
		}
	}
	return out.String()
}

// shortPolicy turns lines of the form
//
//	Allow|Deny ACTION RESOURCE [by PRINCIPAL] [if OPERATOR KEY VALUE]… [sid SID]
//
// into a document. A leading "!" makes NotAction, NotResource, NotPrincipal; "-"
// leaves an element out; "|" separates values. A line "2008" or "2012" sets the
// version; without one it is 2012.
func shortPolicy(input string) (string, error) {
	doc := map[string]any{"Version": policy.Version2012}
	statements := []any{}
	for _, line := range strings.Split(input, "\n") {
		f := strings.Fields(line)
		if len(f) == 1 && (f[0] == "2008" || f[0] == "2012") {
			doc["Version"] = f[0] + "-10-17"
			continue
		}
		if len(f) < 3 {
			return "", fmt.Errorf("short statement %q", line)
		}
		s := map[string]any{"Effect": f[0]}
		element(s, "Action", f[1], func(v []string) any { return v })
		element(s, "Resource", f[2], func(v []string) any { return v })
		conditions := map[string]map[string][]string{}
		for f = f[3:]; len(f) > 0; {
			switch f[0] {
			case "by":
				element(s, "Principal", f[1], shortPrincipals)
				f = f[2:]
			case "sid":
				s["Sid"] = f[1]
				f = f[2:]
			case "if":
				if conditions[f[1]] == nil {
					conditions[f[1]] = map[string][]string{}
				}
				conditions[f[1]][f[2]] = shortValues(f[3])
				f = f[4:]
			default:
				return "", fmt.Errorf("unknown word %q", f[0])
			}
		}
		if len(conditions) > 0 {
			s["Condition"] = conditions
		}
		statements = append(statements, s)
	}
	doc["Statement"] = statements
	text, err := json.MarshalIndent(doc, "", " ")
	return string(text), err
}

func element(s map[string]any, name, v string, form func([]string) any) {
	if v == "-" {
		return
	}
	if rest, not := strings.CutPrefix(v, "!"); not {
		name, v = "Not"+name, rest
	}
	s[name] = form(shortValues(v))
}

// shortValues splits at "|"; "_" is a space and "”" the empty string.
func shortValues(v string) []string {
	list := strings.Split(v, "|")
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], "_", " ")
		if list[i] == "''" {
			list[i] = ""
		}
	}
	return list
}

// shortPrincipals reads "*", "AWS=…", "Service=…"; without a type it is AWS.
func shortPrincipals(list []string) any {
	if len(list) == 1 && list[0] == "*" {
		return "*"
	}
	m := map[string][]string{}
	for _, v := range list {
		kind, name, ok := strings.Cut(v, "=")
		if !ok {
			kind, name = "AWS", v
		}
		m[kind] = append(m[kind], name)
	}
	return m
}
