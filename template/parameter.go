package template

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/ordered"
)

// A Parameter is one of a template's parameters.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
type Parameter struct {
	Name, Type, Description string
	Default                 *string
	NoEcho                  bool
	AllowedValues           []string
	AllowedPattern          string
	ConstraintDescription   string
	MinLength, MaxLength    *int
	MinValue, MaxValue      *float64
}

const (
	maxParameters = 200
	maxValue      = 4096 // bytes of a value
	ssmPrefix     = "AWS::SSM::Parameter::"
	ssmValue      = ssmPrefix + "Value<"
)

// kinds are the types of parameters beside those of SSM and lists of AWS's kinds.
var kinds = []string{"String", "Number", "List<Number>", "CommaDelimitedList", "AWS::EC2::AvailabilityZone::Name", "AWS::EC2::Image::Id",
	"AWS::EC2::Instance::Id", "AWS::EC2::KeyPair::KeyName", "AWS::EC2::SecurityGroup::GroupName", "AWS::EC2::SecurityGroup::Id",
	"AWS::EC2::Subnet::Id", "AWS::EC2::Volume::Id", "AWS::EC2::VPC::Id", "AWS::Route53::HostedZone::Id", ssmPrefix + "Name"}

func knownKind(kind string) bool {
	if inner, ok := strings.CutPrefix(kind, ssmValue); ok {
		inner, ok = strings.CutSuffix(inner, ">")
		return ok && (inner == "List<String>" || knownKind(inner))
	}
	if inner, ok := strings.CutPrefix(kind, "List<AWS::"); ok {
		inner, ok = strings.CutSuffix(inner, ">")
		return ok && slices.Contains(kinds, "AWS::"+inner)
	}
	return slices.Contains(kinds, kind)
}

// FromStore reports whether the parameter's value is the name of a parameter of Systems
// Manager, whose value is meant.
func (p *Parameter) FromStore() bool { return strings.HasPrefix(p.Type, ssmValue) }

// list reports whether the value is a list, written with commas.
func (p *Parameter) list() bool {
	kind := strings.TrimPrefix(p.Type, ssmValue)
	return strings.HasPrefix(kind, "List<") || strings.HasPrefix(kind, "CommaDelimitedList")
}

func (t *Template) readParameters() error {
	err := t.each("Parameters", func(name string, o *ordered.Object) error {
		p := Parameter{Name: name, Type: Text(o.Get("Type")), Description: Text(o.Get("Description")), AllowedPattern: Text(o.Get("AllowedPattern")),
			ConstraintDescription: Text(o.Get("ConstraintDescription")), NoEcho: strings.EqualFold(Text(o.Get("NoEcho")), "true")}
		if p.Type == "" {
			return fmt.Errorf("Template format error: [/Parameters/%s] Every Parameters object must contain a Type member.", name)
		}
		if !knownKind(p.Type) {
			return fmt.Errorf("Template format error: Unrecognized parameter type: %s", p.Type)
		}
		for _, member := range o.Names() {
			if !slices.Contains([]string{"Type", "Default", "NoEcho", "AllowedValues", "AllowedPattern", "MaxLength", "MinLength", "MaxValue", "MinValue", "Description", "ConstraintDescription"}, member) {
				return fmt.Errorf("Invalid template parameter property '%s'", member)
			}
		}
		if v := o.Get("Default"); v != nil {
			text, ok := scalarText(v)
			if list, isList := v.([]any); isList && p.list() {
				text, ok = strings.Join(texts(list), ","), true
			}
			if !ok {
				return fmt.Errorf("Template format error: Every Default member must be a string.")
			}
			p.Default = &text
		}
		if v := o.Get("AllowedValues"); v != nil {
			list, ok := v.([]any)
			if !ok {
				return fmt.Errorf("Template format error: Every AllowedValues member must be a list.")
			}
			p.AllowedValues = texts(list)
		}
		if err := p.readBounds(o); err != nil {
			return err
		}
		t.Parameters = append(t.Parameters, p)
		return nil
	})
	if err == nil && len(t.Parameters) > maxParameters {
		return fmt.Errorf("Template format error: Number of parameters, %d, is greater than maximum allowed, %d", len(t.Parameters), maxParameters)
	}
	return err
}

func (p *Parameter) readBounds(o *ordered.Object) error {
	for name, to := range map[string]**int{"MinLength": &p.MinLength, "MaxLength": &p.MaxLength} {
		if v := o.Get(name); v != nil {
			n, err := strconv.Atoi(Text(v))
			if err != nil {
				return fmt.Errorf("Template format error: Every %s member must be a number.", name)
			}
			*to = &n
		}
	}
	for name, to := range map[string]**float64{"MinValue": &p.MinValue, "MaxValue": &p.MaxValue} {
		if v := o.Get(name); v != nil {
			n, err := strconv.ParseFloat(Text(v), 64)
			if err != nil {
				return fmt.Errorf("Template format error: Every %s member must be a number.", name)
			}
			*to = &n
		}
	}
	if _, err := regexp.Compile(p.AllowedPattern); err != nil {
		p.AllowedPattern = "" // what only Java's patterns can say
	}
	return nil
}

// texts are values as text.
func texts(list []any) []string {
	out := []string{}
	for _, v := range list {
		out = append(out, Text(v))
	}
	return out
}

// Check holds a value against the parameter's type and bounds.
func (p *Parameter) Check(value string) error {
	if len(value) > maxValue {
		return fmt.Errorf("Parameter '%s' must contain at most %d characters", p.Name, maxValue)
	}
	if p.FromStore() {
		return nil
	}
	items := []string{value}
	if p.list() {
		items = splitList(value)
	}
	for _, item := range items {
		if err := p.checkItem(item); err != nil {
			if p.ConstraintDescription != "" {
				return fmt.Errorf("Parameter %s failed to satisfy constraint: %s", p.Name, p.ConstraintDescription)
			}
			return err
		}
	}
	return nil
}

func (p *Parameter) checkItem(value string) error {
	if len(p.AllowedValues) > 0 && !slices.Contains(p.AllowedValues, value) {
		return fmt.Errorf("Parameter '%s' must be one of AllowedValues", p.Name)
	}
	if p.AllowedPattern != "" && !regexp.MustCompile(`\A(?:`+p.AllowedPattern+`)\z`).MatchString(value) {
		return fmt.Errorf("Parameter '%s' must match pattern %s", p.Name, p.AllowedPattern)
	}
	if p.MinLength != nil && len([]rune(value)) < *p.MinLength {
		return fmt.Errorf("Parameter '%s' must contain at least %d characters", p.Name, *p.MinLength)
	}
	if p.MaxLength != nil && len([]rune(value)) > *p.MaxLength {
		return fmt.Errorf("Parameter '%s' must contain at most %d characters", p.Name, *p.MaxLength)
	}
	if p.Type != "Number" && p.Type != "List<Number>" {
		return nil
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return fmt.Errorf("Parameter '%s' must be a number", p.Name)
	}
	if p.MinValue != nil && n < *p.MinValue {
		return fmt.Errorf("Parameter '%s' must be a number not less than %s", p.Name, strconv.FormatFloat(*p.MinValue, 'f', -1, 64))
	}
	if p.MaxValue != nil && n > *p.MaxValue {
		return fmt.Errorf("Parameter '%s' must be a number not greater than %s", p.Name, strconv.FormatFloat(*p.MaxValue, 'f', -1, 64))
	}
	return nil
}

// Value is what a Ref to the parameter yields: a text, or a list of texts.
func (p *Parameter) Value(text string) any {
	if !p.list() {
		return text
	}
	out := []any{}
	for _, item := range splitList(text) {
		out = append(out, item)
	}
	return out
}

func splitList(text string) []string {
	if text == "" {
		return []string{}
	}
	items := strings.Split(text, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

// Bind gives the template's parameters their values: those given, else their defaults. A
// value that fits none, or is missing, is an error in AWS's words.
func (t *Template) Bind(given map[string]string) (map[string]string, error) {
	out := map[string]string{}
	var missing, unknown []string
	for i := range t.Parameters {
		p := &t.Parameters[i]
		value, ok := given[p.Name]
		if !ok && p.Default != nil {
			value, ok = *p.Default, true
		}
		if !ok {
			missing = append(missing, p.Name)
			continue
		}
		out[p.Name] = value
	}
	for name := range given {
		if !slices.ContainsFunc(t.Parameters, func(p Parameter) bool { return p.Name == name }) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	if unknown != nil {
		return nil, fmt.Errorf("Parameters: [%s] do not exist in the template", strings.Join(unknown, ", "))
	}
	if missing != nil {
		return nil, fmt.Errorf("Parameters: [%s] must have values", strings.Join(missing, ", "))
	}
	for i := range t.Parameters {
		if err := t.Parameters[i].Check(out[t.Parameters[i].Name]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
