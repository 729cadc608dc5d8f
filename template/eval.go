package template

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/tule-cloud/tule/ordered"
)

// An Env is what a template's values are evaluated in.
type Env struct {
	Template   *Template
	Pseudo     map[string]any    // "AWS::Region" and the like
	Parameters map[string]string // as Bind gives them, those of Systems Manager looked up
	Conditions map[string]bool   // as Decide finds them
	// Ref and GetAtt are what a resource yields. Either may answer Unknown.
	Ref    func(resource string) (any, error)
	GetAtt func(resource, attribute string) (any, error)
	// Import is the value that another stack exports.
	Import func(name string) (any, error)
	// Zones are the availability zones of a region.
	Zones func(region string) []string
	// Resolve is the value of a dynamic reference, such as ssm:name:1.
	Resolve func(reference string) (string, error)
	// Extended says that the template has the functions of AWS::LanguageExtensions.
	Extended bool
}

// Unknown is a value that is not known yet: what a resource yields that is still to be
// made. What is made of it is unknown too.
type Unknown struct{}

// Value evaluates all intrinsic functions within a value. present is false for what
// AWS::NoValue takes away. An error is what AWS says.
func (e *Env) Value(v any) (out any, present bool, err error) {
	out, err = e.value(v)
	if _, none := out.(noValue); none {
		return nil, false, err
	}
	return out, out != nil, err
}

// Properties evaluates a resource's properties. Null ones are absent.
func (e *Env) Properties(v any) (*ordered.Object, error) {
	out, _, err := e.Value(v)
	if err != nil {
		return nil, err
	}
	o, ok := out.(*ordered.Object)
	if !ok {
		return ordered.New(), nil
	}
	return o, nil
}

// StringValue evaluates what must be a text.
func (e *Env) StringValue(v any) (string, error) {
	out, _, err := e.Value(v)
	if err != nil {
		return "", err
	}
	text, ok := scalarText(out)
	if !ok && out != nil {
		if _, unknown := out.(Unknown); !unknown {
			return "", errors.New("Template format error: The Value field must be a string.")
		}
	}
	return text, nil
}

func (e *Env) value(v any) (any, error) {
	if name, argument, ok := Function(v); ok {
		return e.call(name, argument)
	}
	switch v := v.(type) {
	case *ordered.Object:
		out := ordered.New()
		for _, name := range v.Names() {
			member, present, err := e.Value(v.Get(name))
			if err != nil {
				return nil, err
			}
			if present {
				out.Set(name, member)
			}
		}
		return out, nil
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			item, present, err := e.Value(item)
			if err != nil {
				return nil, err
			}
			if present {
				out = append(out, item)
			}
		}
		return out, nil
	case string:
		return e.dynamic(v)
	}
	return v, nil
}

// dynamic replaces dynamic references: {{resolve:ssm:name}}.
func (e *Env) dynamic(text string) (any, error) {
	if e.Resolve == nil || !strings.Contains(text, "{{resolve:") {
		return text, nil
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{{resolve:")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		reference, after, closed := strings.Cut(rest, "}}")
		if !closed {
			b.WriteString("{{resolve:" + rest)
			return b.String(), nil
		}
		value, err := e.Resolve(reference)
		if err != nil {
			return nil, err
		}
		b.WriteString(value)
		text = after
	}
}

// call evaluates one function.
func (e *Env) call(name string, argument any) (any, error) {
	switch name {
	case "Ref":
		return e.ref(Text(argument))
	case "Fn::GetAtt":
		return e.getAtt(argument)
	case "Fn::If":
		return e.choose(argument)
	case "Fn::Sub":
		return e.sub(argument)
	case "Condition", "Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals":
		yes, err := e.Condition(ordered.New().Set(name, argument))
		return yes, err
	}
	v, present, err := e.Value(argument)
	if err != nil {
		return nil, err
	}
	if !present {
		v = nil
	}
	if f, ok := functions[name]; ok && !hasUnknown(v) {
		return f(e, v)
	} else if ok {
		return Unknown{}, nil
	}
	if f, ok := extensions[name]; ok {
		if !e.Extended {
			return nil, fmt.Errorf("Template format error: Unrecognized function %s; it needs the transform AWS::LanguageExtensions.", name)
		}
		if hasUnknown(v) {
			return Unknown{}, nil
		}
		return f(e, v)
	}
	return nil, fmt.Errorf("Template error: unsupported function %s.", name)
}

// hasUnknown reports whether something within a value is not known yet.
func hasUnknown(v any) bool {
	switch v := v.(type) {
	case Unknown:
		return true
	case []any:
		for _, item := range v {
			if hasUnknown(item) {
				return true
			}
		}
	case *ordered.Object:
		for _, name := range v.Names() {
			if hasUnknown(v.Get(name)) {
				return true
			}
		}
	}
	return false
}

// functions are the intrinsic functions whose arguments are evaluated before them.
var functions = map[string]func(e *Env, v any) (any, error){
	"Fn::Base64":      base64Of,
	"Fn::Join":        join,
	"Fn::Select":      choice,
	"Fn::Split":       split,
	"Fn::FindInMap":   findInMap,
	"Fn::GetAZs":      zones,
	"Fn::ImportValue": importValue,
	"Fn::Cidr":        cidr,
}

func (e *Env) ref(name string) (any, error) {
	if name == "AWS::NoValue" {
		return noValue{}, nil
	}
	if v, ok := e.Pseudo[name]; ok {
		return v, nil
	}
	for i := range e.Template.Parameters {
		if p := &e.Template.Parameters[i]; p.Name == name {
			return p.Value(e.Parameters[name]), nil
		}
	}
	if r, ok := e.Template.Resource(name); ok && e.made(r) && e.Ref != nil {
		return e.Ref(name)
	}
	return nil, fmt.Errorf("Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", name)
}

// made reports whether a resource's condition lets it be.
func (e *Env) made(r *Resource) bool { return r.Condition == "" || e.Conditions[r.Condition] }

// attribute reads the argument of Fn::GetAtt.
func attribute(argument any) (resource string, name any, ok bool) {
	if text, isText := argument.(string); isText {
		resource, attr, dotted := strings.Cut(text, ".")
		return resource, attr, dotted
	}
	list, isList := argument.([]any)
	if !isList || len(list) < 2 {
		return "", nil, false
	}
	resource, ok = list[0].(string)
	if len(list) > 2 {
		return resource, strings.Join(texts(list[1:]), "."), ok
	}
	return resource, list[1], ok && list[1] != nil
}

func (e *Env) getAtt(argument any) (any, error) {
	resource, name, ok := attribute(argument)
	if !ok || resource == "" {
		return nil, errors.New("Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
	}
	attr, err := e.StringValue(name)
	if err != nil {
		return nil, err
	}
	r, ok := e.Template.Resource(resource)
	if !ok || !e.made(r) || e.GetAtt == nil {
		return nil, fmt.Errorf("Template error: instance of Fn::GetAtt references undefined resource %s", resource)
	}
	return e.GetAtt(resource, attr)
}

func (e *Env) choose(argument any) (any, error) {
	list, ok := argument.([]any)
	if !ok || len(list) != 3 {
		return nil, errors.New("Template error: Fn::If requires a list argument with three elements")
	}
	name, ok := list[0].(string)
	if !ok {
		return nil, errors.New("Template error: Fn::If requires a list argument with the first element being a condition")
	}
	yes, ok := e.Conditions[name]
	if !ok {
		return nil, fmt.Errorf("Template format error: Unresolved condition dependency %s in the Resources block of the template", name)
	}
	if yes {
		return e.value(list[1])
	}
	return e.value(list[2])
}

var errSub = errors.New("Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string")

// subArgument reads the argument of Fn::Sub.
func subArgument(argument any) (text string, own *ordered.Object, err error) {
	own = ordered.New()
	if list, ok := argument.([]any); ok {
		if len(list) < 1 || len(list) > 2 {
			return "", nil, errSub
		}
		if len(list) == 2 {
			if own, ok = list[1].(*ordered.Object); !ok {
				return "", nil, errSub
			}
		}
		argument = list[0]
	}
	text, ok := argument.(string)
	if !ok {
		return "", nil, errSub
	}
	return text, own, nil
}

// pieces calls each for what of a text stands between the variables of Fn::Sub, and for
// the variables. ${!x} is the text ${x}.
func pieces(text string, each func(plain, variable string) error) error {
	for {
		before, rest, found := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return each(text, "")
		}
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			before, name = before+"${"+literal+"}", ""
		} else if name = strings.TrimSpace(name); name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:&") != "" {
			return errors.New("Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons")
		}
		if err := each(before, name); err != nil {
			return err
		}
		text = after
	}
}

func (e *Env) sub(argument any) (any, error) {
	text, own, err := subArgument(argument)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	unknown := false
	err = pieces(text, func(plain, variable string) error {
		b.WriteString(plain)
		if variable == "" {
			return nil
		}
		var v any
		var err error
		resource, attr, dotted := strings.Cut(variable, ".")
		switch {
		case own.Has(variable):
			v, _, err = e.Value(own.Get(variable))
		case dotted:
			v, err = e.getAtt([]any{resource, attr})
		default:
			v, err = e.ref(variable)
		}
		if err != nil {
			return err
		}
		if hasUnknown(v) {
			unknown = true
			return nil
		}
		item, ok := scalarText(v)
		if !ok {
			return fmt.Errorf("Template error: Fn::Sub expression does not resolve to a string: %s", variable)
		}
		b.WriteString(item)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if unknown {
		return Unknown{}, nil
	}
	return e.dynamic(b.String())
}

func base64Of(_ *Env, v any) (any, error) {
	text, ok := scalarText(v)
	if !ok {
		return nil, errors.New("Template error: every Fn::Base64 object must have a String-typed value.")
	}
	return base64.StdEncoding.EncodeToString([]byte(text)), nil
}

func importValue(e *Env, v any) (any, error) {
	name, ok := scalarText(v)
	if !ok || e.Import == nil {
		return nil, errors.New("Template error: the attribute in Fn::ImportValue must be a string or a function that returns a string")
	}
	return e.Import(name)
}

func zones(e *Env, v any) (any, error) {
	region := Text(v)
	if region == "" {
		region = Text(e.Pseudo["AWS::Region"])
	}
	out := []any{}
	if e.Zones != nil {
		for _, z := range e.Zones(region) {
			out = append(out, z)
		}
	}
	return out, nil
}
