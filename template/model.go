package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/ordered"
)

// A Template is a template's parts, by what they are. Values within it are still to be
// evaluated.
type Template struct {
	Source      *ordered.Object
	Description string
	Transforms  []string // the macros that the whole template names
	Parameters  []Parameter
	Mappings    *ordered.Object
	Conditions  *ordered.Object
	Resources   []Resource
	Outputs     []Output
	Rules       *ordered.Object
	Metadata    *ordered.Object
}

// A Resource is one of a template's resources.
type Resource struct {
	Name, Type          string
	Condition           string
	DependsOn           []string
	Properties          any // *ordered.Object, nil, or what yields one
	Metadata            any
	DeletionPolicy      any // a text, or what yields one
	UpdateReplacePolicy any
	CreationPolicy      any
	UpdatePolicy        any
}

// An Output is one of a template's outputs.
type Output struct {
	Name, Description string
	Condition         string
	Value             any
	Export            any // the export's name; nil for none
}

// MaxResources is how many resources a template may have.
const MaxResources = 500

var sections = []string{"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Rules", "Resources",
	"Outputs", "Transform", "Hooks", "Globals"}

var members = []string{"Type", "Properties", "Metadata", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "CreationPolicy",
	"UpdatePolicy", "Version"}

// Read holds a template's form against the language. The macros that it names have been
// applied, or are about to be. An error is what AWS says of such a template.
func Read(o *ordered.Object) (*Template, error) {
	t := &Template{Source: o}
	var unknown []string
	for _, name := range o.Names() {
		if !slices.Contains(sections, name) {
			unknown = append(unknown, name)
		}
	}
	if unknown != nil {
		return nil, fmt.Errorf("Invalid template property or properties [%s]", strings.Join(unknown, ", "))
	}
	if v := o.Get("AWSTemplateFormatVersion"); v != nil && Text(v) != "2010-09-09" {
		return nil, fmt.Errorf("Template format error: %s is not a supported value for AWSTemplateFormatVersion.", Text(v))
	}
	if v := o.Get("Description"); v != nil {
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("Template format error: Description must be a string.")
		}
		if len(text) > 1024 {
			return nil, fmt.Errorf("Template format error: 'Description' length is greater than 1024.")
		}
		t.Description = text
	}
	var err error
	if t.Transforms, err = Transforms(o); err != nil {
		return nil, err
	}
	for name, to := range map[string]**ordered.Object{"Metadata": &t.Metadata, "Mappings": &t.Mappings, "Conditions": &t.Conditions, "Rules": &t.Rules} {
		if *to, err = section(o, name); err != nil {
			return nil, err
		}
	}
	for _, read := range []func() error{t.readParameters, t.readMappings, t.readResources, t.readOutputs} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Transforms are the macros that a whole template names.
func Transforms(o *ordered.Object) ([]string, error) {
	list, ok := o.Get("Transform").([]any)
	if !ok && o.Get("Transform") != nil {
		list = []any{o.Get("Transform")}
	}
	var out []string
	for _, v := range list {
		if in, ok := v.(*ordered.Object); ok {
			v = in.Get("Name")
		}
		name, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("Template format error: Transform must be a string or a list of strings.")
		}
		out = append(out, name)
	}
	return out, nil
}

// section is a part of a template that is an object; an empty one where there is none.
func section(o *ordered.Object, name string) (*ordered.Object, error) {
	v := o.Get(name)
	if v == nil {
		return ordered.New(), nil
	}
	in, ok := v.(*ordered.Object)
	if !ok {
		return nil, fmt.Errorf("Template format error: %s must be an object.", name)
	}
	return in, nil
}

// each calls read for every member of a section, which are objects.
func (t *Template) each(name string, read func(name string, o *ordered.Object) error) error {
	in, err := section(t.Source, name)
	if err != nil {
		return err
	}
	for _, member := range in.Names() {
		if strings.HasPrefix(member, "Fn::ForEach::") {
			return fmt.Errorf("Template format error: %s of %s needs the transform AWS::LanguageExtensions.", member, name)
		}
		if !alphanumeric(member) {
			return fmt.Errorf("Template format error: %s name '%s' is non alphanumeric.", strings.TrimSuffix(name, "s"), member)
		}
		o, ok := in.Get(member).(*ordered.Object)
		if !ok {
			return fmt.Errorf("Template format error: [/%s/%s] Every %s member must be an object.", name, member, name)
		}
		if err := read(member, o); err != nil {
			return err
		}
	}
	return nil
}

func alphanumeric(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' && r < 'A' || r > 'Z' && r < 'a' || r > 'z' {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

func (t *Template) readMappings() error {
	return t.each("Mappings", func(name string, o *ordered.Object) error {
		for _, key := range o.Names() {
			if _, ok := o.Get(key).(*ordered.Object); !ok {
				return fmt.Errorf("Template format error: Every Mappings attribute must be a String or a List.")
			}
		}
		return nil
	})
}

func (t *Template) readResources() error {
	err := t.each("Resources", func(name string, o *ordered.Object) error {
		r := Resource{Name: name, Properties: o.Get("Properties"), Metadata: o.Get("Metadata"), DeletionPolicy: o.Get("DeletionPolicy"),
			UpdateReplacePolicy: o.Get("UpdateReplacePolicy"), CreationPolicy: o.Get("CreationPolicy"), UpdatePolicy: o.Get("UpdatePolicy")}
		for _, member := range o.Names() {
			if !slices.Contains(members, member) {
				return fmt.Errorf("Invalid template resource property '%s'", member)
			}
		}
		var ok bool
		if r.Type, ok = o.Get("Type").(string); !ok || r.Type == "" {
			return fmt.Errorf("Template format error: [/Resources/%s] Every Resources object must contain a Type member.", name)
		}
		if r.Condition, ok = o.Get("Condition").(string); !ok && o.Get("Condition") != nil {
			return fmt.Errorf("Template format error: Every Condition member must be a string.")
		}
		if r.Condition != "" && !t.Conditions.Has(r.Condition) {
			return fmt.Errorf("Template format error: Unresolved condition dependency %s in the Resources block of the template", r.Condition)
		}
		if _, ok := r.Properties.(*ordered.Object); !ok && r.Properties != nil {
			return fmt.Errorf("Template format error: [/Resources/%s/Properties] Every Properties member must be an object.", name)
		}
		switch d := o.Get("DependsOn").(type) {
		case nil:
		case string:
			r.DependsOn = []string{d}
		case []any:
			for _, v := range d {
				text, ok := v.(string)
				if !ok {
					return fmt.Errorf("Template format error: DependsOn must be a string or list of strings.")
				}
				r.DependsOn = append(r.DependsOn, text)
			}
		default:
			return fmt.Errorf("Template format error: DependsOn must be a string or list of strings.")
		}
		t.Resources = append(t.Resources, r)
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(t.Resources) == 0:
		return fmt.Errorf("Template format error: At least one Resources member must be defined.")
	case len(t.Resources) > MaxResources:
		return fmt.Errorf("Template format error: Number of resources, %d, is greater than maximum allowed, %d", len(t.Resources), MaxResources)
	}
	return nil
}

const maxOutputs = 200

func (t *Template) readOutputs() error {
	err := t.each("Outputs", func(name string, o *ordered.Object) error {
		out := Output{Name: name, Value: o.Get("Value"), Description: Text(o.Get("Description"))}
		if out.Value == nil {
			return fmt.Errorf("Template format error: [/Outputs/%s] Every Outputs member must contain a Value object", name)
		}
		out.Condition, _ = o.Get("Condition").(string)
		if out.Condition != "" && !t.Conditions.Has(out.Condition) {
			return fmt.Errorf("Template format error: Unresolved condition dependency %s in the Outputs block of the template", out.Condition)
		}
		if v := o.Get("Export"); v != nil {
			export, ok := v.(*ordered.Object)
			if !ok || export.Get("Name") == nil {
				return fmt.Errorf("Template format error: Output %s is malformed. The Name field of every Export member must be specified.", name)
			}
			out.Export = export.Get("Name")
		}
		t.Outputs = append(t.Outputs, out)
		return nil
	})
	if err == nil && len(t.Outputs) > maxOutputs {
		return fmt.Errorf("Template format error: Number of outputs, %d, is greater than maximum allowed, %d", len(t.Outputs), maxOutputs)
	}
	return err
}

// Resource finds a resource by its logical name.
func (t *Template) Resource(name string) (*Resource, bool) {
	for i := range t.Resources {
		if t.Resources[i].Name == name {
			return &t.Resources[i], true
		}
	}
	return nil, false
}
