package cloudformation

import (
	"context"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/template"
)

func (s *Service) getTemplate(ctx context.Context, in *api.GetTemplateInput) (*api.GetTemplateOutput, error) {
	scope := scopeOf(ctx)
	var v version
	err := s.Store.View(ctx, func(r store.Reader) error {
		if in.ChangeSetName != nil {
			_, cs, err := findSet(ctx, r, scope, in.StackName, *in.ChangeSetName)
			v = cs.Version
			return err
		}
		st, err := findStack(ctx, r, scope, aws.Value(in.StackName))
		if err != nil || st.Version == 0 {
			return err
		}
		v, err = versions.Get(ctx, r, scope, st.UUID, int64(st.Version))
		return err
	})
	body := v.Body
	if aws.Value(in.TemplateStage) == api.TemplateStageProcessed && v.Processed != "" {
		body = v.Processed
	}
	return &api.GetTemplateOutput{TemplateBody: &body, StagesAvailable: []string{api.TemplateStageOriginal, api.TemplateStageProcessed}}, err
}

// loose reads a template that is not to become a stack now.
func (s *Service) loose(ctx context.Context, body, url *string) (*template.Template, *version, error) {
	v := &version{}
	var err error
	if v.Body, err = s.body(ctx, &source{Body: body, URL: url}, nil); err != nil {
		return nil, nil, err
	}
	t, err := v.template()
	if err != nil {
		return nil, nil, invalid("%s", err)
	}
	return t, v, nil
}

func (s *Service) validateTemplate(ctx context.Context, in *api.ValidateTemplateInput) (*api.ValidateTemplateOutput, error) {
	t, v, err := s.loose(ctx, in.TemplateBody, in.TemplateURL)
	if err != nil {
		return nil, err
	}
	out := &api.ValidateTemplateOutput{Description: text(t.Description), Parameters: []api.TemplateParameter{}, DeclaredTransforms: t.Transforms}
	for i := range t.Parameters {
		p := &t.Parameters[i]
		out.Parameters = append(out.Parameters, api.TemplateParameter{ParameterKey: &p.Name, DefaultValue: p.Default, NoEcho: &p.NoEcho, Description: text(p.Description)})
	}
	if out.Capabilities, out.CapabilitiesReason, err = s.summary(ctx, t, v); err != nil {
		return nil, err
	}
	return out, nil
}

// summary says what a template asks to be acknowledged, and holds its references.
func (s *Service) summary(_ context.Context, t *template.Template, v *version) (capabilities []string, reason *string, err error) {
	if slices.Contains(t.Transforms, serverless) || slices.Contains(t.Transforms, extensions) {
		return []string{api.CapabilityCapabilityAutoExpand}, new("The following transform(s) require CAPABILITY_AUTO_EXPAND: [" + strings.Join(t.Transforms, ", ") + "]"), nil
	}
	p := &plan{Template: t, version: *v}
	values := map[string]string{}
	for i := range t.Parameters {
		values[t.Parameters[i].Name] = aws.Value(t.Parameters[i].Default)
	}
	p.env = template.Env{Template: t, Pseudo: pseudo(store.Scope{}, &stack{}, v), Parameters: values, Zones: zones}
	if err = p.env.Decide(); err == nil {
		p.needs, err = p.env.Depends()
	}
	if err == nil {
		p.wanted, err = p.env.Attributes()
	}
	if err != nil {
		return nil, nil, invalid("%s", err)
	}
	need, types := p.needed()
	if need == "" {
		return nil, nil, nil
	}
	return []string{need}, new("The following resource(s) require capabilities: [" + strings.Join(types, ", ") + "]"), nil
}

func (s *Service) getSummary(ctx context.Context, in *api.GetTemplateSummaryInput) (*api.GetTemplateSummaryOutput, error) {
	var t *template.Template
	var v *version
	var err error
	if in.StackName != nil {
		if in.TemplateBody != nil || in.TemplateURL != nil {
			return nil, invalid("Only one of StackName, TemplateBody, TemplateURL can be specified.")
		}
		_, have, e := s.current(ctx, scopeOf(ctx), *in.StackName)
		if e != nil {
			return nil, e
		}
		v = &have
		if t, err = (&version{Body: have.Body}).template(); err != nil {
			return nil, invalid("%s", err)
		}
	} else if t, v, err = s.loose(ctx, in.TemplateBody, in.TemplateURL); err != nil {
		return nil, err
	}
	out := &api.GetTemplateSummaryOutput{Description: text(t.Description), Parameters: []api.ParameterDeclaration{}, ResourceTypes: []string{}, DeclaredTransforms: t.Transforms,
		Version: text(template.Text(t.Source.Get("AWSTemplateFormatVersion")))}
	for i := range t.Parameters {
		p := &t.Parameters[i]
		d := api.ParameterDeclaration{ParameterKey: &p.Name, ParameterType: &p.Type, DefaultValue: p.Default, NoEcho: &p.NoEcho, Description: text(p.Description), ParameterConstraints: &api.ParameterConstraints{}}
		if p.AllowedValues != nil {
			d.ParameterConstraints.AllowedValues = p.AllowedValues
		}
		out.Parameters = append(out.Parameters, d)
	}
	for i := range t.Resources {
		if !slices.Contains(out.ResourceTypes, t.Resources[i].Type) {
			out.ResourceTypes = append(out.ResourceTypes, t.Resources[i].Type)
		}
	}
	if t.Source.Has("Metadata") {
		out.Metadata = new(string(ordered.Compact(t.Metadata)))
	}
	out.Capabilities, out.CapabilitiesReason, err = s.summary(ctx, t, v)
	return out, err
}

func (s *Service) estimate(ctx context.Context, in *api.EstimateTemplateCostInput) (*api.EstimateTemplateCostOutput, error) {
	if _, _, err := s.loose(ctx, in.TemplateBody, in.TemplateURL); err != nil {
		return nil, err
	}
	return &api.EstimateTemplateCostOutput{Url: new("https://calculator.aws/#/estimate")}, nil
}
