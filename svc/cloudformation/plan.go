package cloudformation

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/cloudformation/resource"
	"github.com/tule-cloud/tule/template"
)

const (
	maxInline    = 51_200
	maxStackTags = 50
)

// A plan is a version, read: what of it is to be, and in what order.
type plan struct {
	*template.Template
	version version
	env     template.Env
	needs   map[string][]string // of the resources that are to be
	wanted  map[string][]string // attributes that the template asks for
}

// template reads a version's template, with its transforms applied.
func (v *version) template() (*template.Template, error) {
	o, err := template.Parse([]byte(cmp.Or(v.Processed, v.Body)))
	if err != nil {
		return nil, err
	}
	return template.Read(o)
}

// pseudo are the values of pseudo parameters.
func pseudo(scope store.Scope, st *stack, v *version) map[string]any {
	notify := []any{}
	for _, arn := range v.Notify {
		notify = append(notify, arn)
	}
	return map[string]any{"AWS::AccountId": scope.Account, "AWS::Region": scope.Region, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
		"AWS::StackName": st.Name, "AWS::StackId": st.ID, "AWS::NotificationARNs": notify}
}

// zones are the availability zones of a region, as AWS names them.
func zones(region string) []string { return []string{region + "a", region + "b", region + "c"} }

// read makes a version's plan. Errors are in AWS's words, and the caller's.
func (s *Service) read(scope store.Scope, st *stack, v version) (*plan, error) {
	t, err := v.template()
	if err != nil {
		return nil, invalid("%s", err)
	}
	p := &plan{Template: t, version: v}
	values := map[string]string{}
	for name, value := range v.Parameters {
		values[name] = value
	}
	for name, value := range v.Looked {
		values[name] = value
	}
	p.env = template.Env{Template: t, Pseudo: pseudo(scope, st, &v), Parameters: values, Zones: zones, Extended: slices.Contains(t.Transforms, "AWS::LanguageExtensions")}
	if err = p.env.Decide(); err == nil {
		p.needs, err = p.env.Depends()
	}
	if err == nil {
		p.wanted, err = p.env.Attributes()
	}
	if err == nil {
		err = s.checkTypes(p)
	}
	if err != nil {
		return nil, invalid("%s", err)
	}
	return p, nil
}

// typeOf finds the row of a type.
func (s *Service) typeOf(name string) (*resource.Type, bool) {
	if resource.Custom(name) {
		return resource.CustomType(name), true
	}
	t, ok := s.Types[name]
	return t, ok
}

// checkTypes holds the template's resources against the types that are known.
func (s *Service) checkTypes(p *plan) error {
	var unknown []string
	for i := range p.Resources {
		if _, made := p.needs[p.Resources[i].Name]; !made {
			continue
		}
		if _, ok := s.typeOf(p.Resources[i].Type); !ok {
			unknown = append(unknown, p.Resources[i].Type)
		}
	}
	for i := range p.Resources {
		if r := &p.Resources[i]; r.CreationPolicy != nil && unknown == nil {
			return fmt.Errorf("Resource %s has a CreationPolicy, which is not available in this version of Tule.", r.Name)
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		return fmt.Errorf("Template format error: Unrecognized resource types: [%s]", strings.Join(slices.Compact(unknown), ", "))
	}
	for name, attributes := range p.wanted {
		r, _ := p.Resource(name)
		t, _ := s.typeOf(r.Type)
		for _, a := range attributes {
			if a != "*" && !t.Attribute(a) {
				return fmt.Errorf("Template error: resource %s does not support attribute type %s in Fn::GetAtt", name, a)
			}
		}
	}
	return s.checkProperties(p)
}

// checkProperties holds what is known already of each resource's properties against its
// type, so that most mistakes are found before anything is made.
func (s *Service) checkProperties(p *plan) error {
	env := p.env
	env.Ref = func(string) (any, error) { return template.Unknown{}, nil }
	env.GetAtt = func(string, string) (any, error) { return template.Unknown{}, nil }
	env.Import = func(string) (any, error) { return template.Unknown{}, nil }
	for i := range p.Resources {
		if _, made := p.needs[p.Resources[i].Name]; !made {
			continue
		}
		if _, err := env.Properties(p.Resources[i].Properties); err != nil {
			return err
		}
	}
	return nil
}

// A source is where a template and its parameters come from: what CreateStack, UpdateStack
// and CreateChangeSet have in common.
type source struct {
	Body, URL    *string
	Previous     bool // the stack's own template
	Parameters   []api.Parameter
	Capabilities []string
	Tags         []api.Tag
	Notify       []string
}

// bind makes a version of a source. before is the version that the stack is made of, if
// it is of one.
func (s *Service) bind(ctx context.Context, src *source, before *version) (version, error) {
	v := version{Capabilities: src.Capabilities, Notify: src.Notify, Tags: tagKeys(src.Tags), Parameters: map[string]string{}}
	var err error
	if v.Body, err = s.body(ctx, src, before); err != nil {
		return v, err
	}
	if err := checkTags(src.Tags); err != nil {
		return v, err
	}
	t, err := v.template()
	if err != nil {
		return v, invalid("%s", err)
	}
	v.Description = t.Description
	for _, p := range src.Parameters {
		name := aws.Value(p.ParameterKey)
		switch {
		case !aws.Value(p.UsePreviousValue):
			v.Parameters[name] = aws.Value(p.ParameterValue)
		case before == nil:
			return v, invalid("Invalid input for parameter key %s. Cannot specify usePreviousValue as true for a parameter key not in the previous template", name)
		default:
			value, ok := before.Parameters[name]
			if !ok {
				return v, invalid("Invalid input for parameter key %s. Cannot specify usePreviousValue as true for a parameter key not in the previous template", name)
			}
			v.Parameters[name] = value
		}
	}
	if v.Parameters, err = t.Bind(v.Parameters); err != nil {
		return v, invalid("%s", err)
	}
	if err := s.look(ctx, t, &v); err != nil {
		return v, err
	}
	return v, s.transform(ctx, &v)
}

// body is the text of the template.
func (s *Service) body(ctx context.Context, src *source, before *version) (string, error) {
	switch {
	case src.Previous && before == nil:
		return "", invalid("No previous template to use.")
	case src.Previous && (src.Body != nil || src.URL != nil), src.Body != nil && src.URL != nil, !src.Previous && src.Body == nil && src.URL == nil:
		return "", invalid("Either Template URL or Template Body must be specified.")
	case src.Previous:
		return before.Body, nil
	case src.URL != nil:
		return s.object(ctx, *src.URL)
	case len(*src.Body) > maxInline:
		return "", invalid("1 validation error detected: Value '%.200s...' at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to %d", *src.Body, maxInline)
	}
	return *src.Body, nil
}

// unpoliced refuses stack policies.
func unpoliced(parts ...*string) error {
	for _, p := range parts {
		if p != nil {
			return aws.Errorf(501, "NotImplemented", "Stack policies are not available in this version of Tule.")
		}
	}
	return nil
}

func checkTags(tags []api.Tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		k := aws.Value(t.Key)
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return invalid("Tag keys cannot begin with aws:")
		}
		if seen[k] {
			return invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[k] = true
	}
	if len(tags) > maxStackTags {
		return invalid("1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to %d", maxStackTags)
	}
	return nil
}

// needed are the capabilities that a template asks its caller to acknowledge.
func (p *plan) needed() (capability string, types []string) {
	for i := range p.Resources {
		r := &p.Resources[i]
		name, ok := namedIdentities[r.Type]
		if _, made := p.needs[r.Name]; !ok || !made {
			continue
		}
		if !slices.Contains(types, r.Type) {
			types = append(types, r.Type)
		}
		props, _ := r.Properties.(*ordered.Object)
		if capability = cmp.Or(capability, "CAPABILITY_IAM"); name != "" && props != nil && props.Get(name) != nil {
			capability = "CAPABILITY_NAMED_IAM"
		}
	}
	return capability, types
}

// namedIdentities are the types whose creation must be acknowledged, with the property
// that names them.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
var namedIdentities = map[string]string{"AWS::IAM::AccessKey": "", "AWS::IAM::Group": "GroupName", "AWS::IAM::InstanceProfile": "InstanceProfileName",
	"AWS::IAM::ManagedPolicy": "ManagedPolicyName", "AWS::IAM::Policy": "", "AWS::IAM::Role": "RoleName", "AWS::IAM::User": "UserName",
	"AWS::IAM::UserToGroupAddition": "", "AWS::IAM::RolePolicy": "", "AWS::IAM::UserPolicy": "", "AWS::IAM::GroupPolicy": ""}

// acknowledged refuses a template that asks for more than its caller acknowledged.
func (p *plan) acknowledged() error {
	need, _ := p.needed()
	have := p.version.Capabilities
	if need == "" || slices.Contains(have, "CAPABILITY_NAMED_IAM") || need == "CAPABILITY_IAM" && slices.Contains(have, "CAPABILITY_IAM") {
		return nil
	}
	return api.InsufficientCapabilitiesException("Requires capabilities : [%s]", need)
}
