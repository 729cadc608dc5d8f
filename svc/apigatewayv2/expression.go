package apigatewayv2

import (
	"context"
	"errors"
	"strings"

	"github.com/tule-cloud/tule/vtl/jsonpath"
	"github.com/tule-cloud/tule/vtl/value"
)

// An expression is text with variables in it: "$request.method $request.path",
// "Bearer ${request.header.token}".
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-websocket-api-selection-expressions.html
type expression []part

// A part is text, or a variable by its name.
type part struct {
	text     string
	variable bool
	path     *jsonpath.Path // of a variable that is a place in a body
}

var errExpression = errors.New("the expression is not valid")

// roots are what variables begin with.
var roots = []string{"request", "response", "integration", "context", "stageVariables", "connectionId", "default"}

// parseExpression reads an expression.
func parseExpression(text string) (expression, error) {
	var out expression
	for text != "" {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			return append(out, part{text: text}), nil
		}
		if i > 0 {
			before := strings.TrimSuffix(text[:i], `\`) // \${…} is a variable, too
			if before != "" {
				out = append(out, part{text: before})
			}
		}
		name, rest, err := cutVariable(text[i+1:])
		if err != nil {
			return nil, err
		}
		p, err := variable(name)
		if err != nil {
			return nil, err
		}
		out, text = append(out, p), rest
	}
	return out, nil
}

// cutVariable reads a variable's name, behind its dollar.
func cutVariable(text string) (name, rest string, err error) {
	if inner, ok := strings.CutPrefix(text, "{"); ok {
		name, rest, ok = strings.Cut(inner, "}")
		if !ok {
			return "", "", errExpression
		}
		return name, rest, nil
	}
	end := strings.IndexFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-[]*'$", r))
	})
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:], nil
}

// variable checks a variable's name. What follows body is a path into JSON, of one
// place: AWS has neither descents nor filters here.
func variable(name string) (part, error) {
	root, _, _ := strings.Cut(name, ".")
	known := false
	for _, r := range roots {
		known = known || r == root
	}
	if !known {
		return part{}, errExpression
	}
	p := part{text: name, variable: true}
	for _, body := range []string{"request.body", "response.body", "integration.response.body"} {
		rest, ok := strings.CutPrefix(name, body)
		if !ok || rest == "" {
			continue
		}
		if strings.Contains(rest, "..") || strings.Contains(rest, "?(") || rest[0] != '.' && rest[0] != '[' {
			return part{}, errExpression
		}
		var err error
		if p.path, err = jsonpath.Compile("$" + rest); err != nil {
			return part{}, errExpression
		}
		p.text = body
	}
	return p, nil
}

// A lookup is what variables are worth: their texts, and whether there are such.
type values interface {
	variable(name string) (string, bool)
	body() *document
}

// eval is the text of an expression, and whether every variable in it was there.
func (e expression) eval(v values) (string, bool) {
	if len(e) == 1 && !e[0].variable {
		return e[0].text, true
	}
	var b strings.Builder
	whole := true
	for _, p := range e {
		text, ok := p.text, true
		switch {
		case p.path != nil:
			text, ok = v.body().at(p.path)
		case p.variable:
			text, ok = v.variable(p.text)
		}
		whole = whole && ok
		b.WriteString(text)
	}
	return b.String(), whole
}

// A document is a body that is parsed when a place in it is first asked for.
type document struct {
	text   string
	doc    any
	parsed bool
	bad    bool
}

// maxSelected is how much of a body places are looked for in, as AWS has it.
const maxSelected = 100 << 10

// at is the text at a place: a string as it is, anything else as JSON.
func (d *document) at(p *jsonpath.Path) (string, bool) {
	if !d.parsed {
		d.parsed = true
		doc, err := value.DecodeJSON(d.text[:min(len(d.text), maxSelected)])
		d.doc, d.bad = doc, err != nil
	}
	if d.bad {
		return "", false
	}
	m := &value.Meter{Ctx: context.Background(), Steps: 1_000_000, Bytes: 64 << 20, MaxDepth: value.MaxJSONDepth}
	v, ok, err := p.Eval(m, d.doc)
	if err != nil || !ok || v == nil {
		return "", false
	}
	if s, ok := v.(string); ok {
		return s, true
	}
	b, err := value.AppendJSON(m, nil, v)
	return string(b), err == nil
}
