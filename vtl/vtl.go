// Package vtl runs the Velocity template language as Amazon API Gateway speaks
// it in mapping templates: Velocity 1.7 with its default settings, whitespace
// rules and Java values (see package value).
//
// A template is parsed once and may then be executed by many goroutines at once.
// Execution is bounded by Limits and by its context; the writer gets the whole
// output or, on an error, nothing.
//
// What differs from Velocity 1.7 on purpose:
//
//   - #parse and #include are refused when the template is parsed: there is no
//     file to read.
//   - ${x|'other'} gives a value for null, as in Velocity 2.1.
//   - #set(${x} = 1) and #define(${x}) mean $x; 1.7 assigns a variable named "{".
//   - $foreach.stop() leaves the loop; 1.7 prints it.
//   - A dollar sign or hash that stands alone is text wherever it stands; 1.7
//     refuses it at the end of a template and swallows it before a directive.
//   - ## begins a comment after $x.y as well; 1.7 prints it there.
//   - A loop over a map may change the map.
//   - $\!{x} prints $!{x}; 1.7 prints $!{ alone.
//   - Macros are the template's own; 1.7 shares them within the engine.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/models-mappings.html
package vtl

import (
	"context"
	"io"
	"strings"

	"github.com/tule-cloud/tule/vtl/value"
)

// Vars are the variables that a template begins with, without their dollar
// signs. Values are those of package value; value.Of makes them.
type Vars map[string]any

// Template is a parsed template, safe for concurrent use.
type Template struct {
	name   string
	src    string
	body   *block
	macros map[string]*macro
}

// Name is the name that the template was parsed under.
func (t *Template) Name() string { return t.name }

// Parse compiles text. Name is for messages. The error is an *Error.
func Parse(name, text string) (*Template, error) {
	t := &Template{name: name, src: text, macros: map[string]*macro{}}
	p := newParser(name, text, t.macros)
	body, err := p.template()
	if err != nil {
		return nil, err
	}
	t.body = body
	return t, nil
}

// Text is what a template of text alone renders; false if there is anything else in it.
func (t *Template) Text() (string, bool) {
	var out strings.Builder
	for _, n := range t.body.nodes {
		piece, ok := n.(text)
		if !ok {
			return "", false
		}
		out.WriteString(string(piece))
	}
	return out.String(), true
}

// Mentions reports whether a template may look at a variable: whether its name is
// anywhere in its text, or may come to be there.
func (t *Template) Mentions(name string) bool {
	return strings.Contains(t.src, name) || strings.Contains(t.src, "evaluate")
}

// Execute renders the template to w. Vars is not changed, but the lists and maps
// in it may be. The error is an *Error, the context's, or the writer's; where a
// limit was exceeded, errors.Is(err, ErrLimit).
func (t *Template) Execute(ctx context.Context, w io.Writer, vars Vars, lim Limits) error {
	lim = lim.orDefault()
	st := &state{
		lim:    lim,
		meter:  value.Meter{Ctx: ctx, Steps: lim.Steps, Bytes: lim.Memory, MaxDepth: value.MaxJSONDepth + lim.Depth},
		macros: t.macros,
		name:   t.name,
		out:    make([]byte, 0, 1024),
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	root := &scope{vars: make(map[string]any, len(vars)+8)}
	for k, v := range vars {
		root.vars[k] = value.Of(v)
	}
	err := t.body.render(st, root)
	if err != nil && !isControl(err) {
		return st.wrap(err, pos{})
	}
	_, err = w.Write(st.out)
	return err
}
