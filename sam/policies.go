package sam

import (
	_ "embed"
	"regexp"
	"strings"
	"sync"
)

// The kinds of what stands in Policies.
type policyKind int

const (
	unknownPolicy policyKind = iota
	managedPolicy            // a name, an ARN, or a function that returns one
	statements
	templated
)

type policy struct {
	data any
	kind policyKind
}

// readPolicies are those of a property Policies; templates are known where they are to be
// expanded.
func readPolicies(v any, templates bool) []policy {
	if !truthy(v) {
		return nil
	}
	var out []policy
	for _, p := range asList(v) {
		out = append(out, policy{p, kindOfPolicy(p, templates)})
	}
	return out
}

func kindOfPolicy(v any, templates bool) policyKind {
	d, isDict := v.(*dict)
	switch {
	case isIf(v):
		_, then, otherwise := branches(v, func(says string) { badTemplate("%s", says) })
		a, b := kindOfPolicy(then, templates), kindOfPolicy(otherwise, templates)
		switch {
		case a == b, isNoValue(otherwise):
			return a
		case isNoValue(then):
			return b
		}
		badTemplate("Different policy types within the same Fn::If statement is unsupported. " +
			"Separate different policy types into different Fn::If statements")
	case fits(v, "str"), isIntrinsic(v):
		return managedPolicy
	case isDict && d.has("Statement"):
		return statements
	case templates && d.size() == 1:
		if n, _ := d.first(); policyTemplates()[n.text] != nil {
			return templated
		}
	}
	return unknownPolicy
}

// expandPolicies puts what policy templates say in the place of them.
func (i *item) expandPolicies() {
	given := readPolicies(i.properties.get("Policies"), true)
	if len(given) == 0 {
		return
	}
	out := make([]any, len(given))
	for n, p := range given {
		switch {
		case p.kind != templated:
			out[n] = p.data
		case isIf(p.data):
			list := elements(p.data.(*dict).get(fnIf))
			out[n] = either(list[0], i.expand(list[1]), i.expand(list[2]))
		default:
			out[n] = i.expand(p.data)
		}
	}
	i.properties.set("Policies", out)
}

func (i *item) expand(v any) any {
	if isNoValue(v) {
		return v
	}
	n, parameters := members(v).first()
	t := policyTemplates()[n.text]
	given, ok := parameters.(*dict)
	if !ok {
		i.bad("Must specify valid parameter values for policy template '%s'", n.text)
	}
	var missing []any
	for _, p := range t.parameters {
		if !given.has(p) {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		i.bad("Following required parameters of template '%s' don't have values: %s", n.text, str(missing))
	}
	var list []any
	for _, s := range t.statements {
		list = append(list, s.with(given))
	}
	return object(pair{"Statement", list})
}

// A policyTemplate is one of SAM's.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-policy-template-list.html
type policyTemplate struct {
	parameters []string
	statements []*sketch
}

//go:embed policies.txt
var policyTable string

var policyTemplates = sync.OnceValue(func() map[string]*policyTemplate {
	out := map[string]*policyTemplate{}
	var t *policyTemplate
	tableLines(policyTable, func(level int, word, rest string) {
		if level > 0 {
			t.statements = sketches(t.statements, word, rest)
			return
		}
		n, parameters, _ := strings.Cut(strings.TrimSuffix(word+" "+rest, ") "), "(")
		parameters = strings.TrimSuffix(parameters, ")")
		t = &policyTemplate{}
		for p := range strings.SplitSeq(parameters, ", ") {
			if p != "" {
				t.parameters = append(t.parameters, p)
			}
		}
		out[n] = t
	})
	return out
})

// tableLines gives the lines of a table to a function: how far they are indented, their
// first word, and the rest. A line that begins with + goes on with the one before.
func tableLines(table string, visit func(level int, word, rest string)) {
	table = regexp.MustCompile(`\n\t+\+`).ReplaceAllString(table, "")
	for line := range strings.Lines(table) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		bare := strings.TrimLeft(line, "\t")
		word, rest, _ := strings.Cut(bare, " ")
		visit(len(line)-len(bare), word, rest)
	}
}

// A sketch is a statement of a policy whose values are yet to be put in.
type sketch struct {
	service   string // the principal, if the policy needs one
	actions   []any
	one       bool // actions are a text, not a list
	resources []string
	single    bool // so are resources
	condition []string
}

// sketches are statements, with one line more.
func sketches(list []*sketch, word, rest string) []*sketch {
	var last *sketch
	if len(list) > 0 {
		last = list[len(list)-1]
	}
	begin := word == "by" || (word == "allow" || word == "call") && (last == nil || last.actions != nil)
	if begin {
		last = &sketch{}
		list = append(list, last)
	}
	switch word {
	case "by":
		last.service = rest
	case "allow", "call":
		for a := range strings.FieldsSeq(rest) {
			last.actions = append(last.actions, a)
		}
		last.one = word == "call"
	case "on", "in":
		last.resources = append(last.resources, rest)
		last.single = word == "on"
	case "if":
		last.condition = strings.SplitN(rest, " ", 3)
	}
	return list
}

// statement is the sketch with its values put in by fill.
func (s *sketch) statement(fill func(string) any) *dict {
	out := object(pair{"Effect", "Allow"}, pair{"Action", s.actions})
	if s.one {
		out.set("Action", s.actions[0])
	}
	if s.service != "" {
		out.set("Principal", object(pair{"Service", s.service}))
	}
	var resources []any
	for _, r := range s.resources {
		resources = append(resources, fill(r))
	}
	out.set("Resource", resources)
	if s.single {
		out.set("Resource", resources[0])
	}
	if c := s.condition; c != nil {
		out.set("Condition", object(pair{c[0], object(pair{c[1], fill(c[2])})}))
	}
	return out
}

var variable = regexp.MustCompile(`\$\{(\w+)=(\w+)\}`)

// with is the statement of a policy template with parameters' values.
func (s *sketch) with(given *dict) *dict {
	return s.statement(func(t string) any {
		if !strings.Contains(t, "${") {
			return t
		}
		var values []pair
		for _, m := range variable.FindAllStringSubmatch(t, -1) {
			values = append(values, pair{m[1], given.get(m[2])})
		}
		return sub(variable.ReplaceAllString(t, "$${$1}"), values...)
	})
}
