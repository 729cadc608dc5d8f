package ses

import (
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/ses"
	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	"github.com/tule-cloud/tule/store"
)

// template1 is a template in the first version's form.
func template1(name *string, c *apiv2.EmailTemplateContent) *api.Template {
	return &api.Template{TemplateName: name, SubjectPart: c.Subject, TextPart: c.Text, HtmlPart: c.Html}
}

func (s *Service) createTemplate2(ctx context.Context, in *apiv2.CreateEmailTemplateRequest) (*apiv2.CreateEmailTemplateResponse, error) {
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, s.putTemplate(ctx, template1(in.TemplateName, in.TemplateContent), tags, false)
}

func (s *Service) updateTemplate2(ctx context.Context, in *apiv2.UpdateEmailTemplateRequest) (*apiv2.UpdateEmailTemplateResponse, error) {
	return nil, s.putTemplate(ctx, template1(in.TemplateName, in.TemplateContent), nil, true)
}

func (s *Service) getTemplate2(ctx context.Context, in *apiv2.GetEmailTemplateRequest) (*apiv2.GetEmailTemplateResponse, error) {
	t, err := s.template(ctx, *in.TemplateName)
	if err != nil {
		return nil, err
	}
	c := &apiv2.EmailTemplateContent{Subject: &t.Subject}
	if t.Text != "" {
		c.Text = &t.Text
	}
	if t.HTML != "" {
		c.Html = &t.HTML
	}
	return &apiv2.GetEmailTemplateResponse{TemplateName: &t.Name, TemplateContent: c, Tags: tagList(t.Tags)}, nil
}

func (s *Service) deleteTemplate2(ctx context.Context, in *apiv2.DeleteEmailTemplateRequest) (*apiv2.DeleteEmailTemplateResponse, error) {
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := templates.Get(ctx, tx, scope, *in.TemplateName); errors.Is(err, store.ErrNotFound) {
			return noTemplate(*in.TemplateName)
		} else if err != nil {
			return err
		}
		return templates.Delete(tx, scope, *in.TemplateName)
	})
}

func (s *Service) listTemplates2(ctx context.Context, in *apiv2.ListEmailTemplatesRequest) (*apiv2.ListEmailTemplatesResponse, error) {
	got, err := s.listTemplates(ctx, &api.ListTemplatesRequest{NextToken: in.NextToken, MaxItems: in.PageSize})
	if err != nil {
		return nil, err
	}
	out := &apiv2.ListEmailTemplatesResponse{TemplatesMetadata: []apiv2.EmailTemplateMetadata{}, NextToken: got.NextToken}
	for _, t := range got.TemplatesMetadata {
		out.TemplatesMetadata = append(out.TemplatesMetadata, apiv2.EmailTemplateMetadata{TemplateName: t.Name, CreatedTimestamp: t.CreatedTimestamp})
	}
	return out, nil
}

func (s *Service) testRender2(ctx context.Context, in *apiv2.TestRenderEmailTemplateRequest) (*apiv2.TestRenderEmailTemplateResponse, error) {
	got, err := s.testRenderTemplate(ctx, &api.TestRenderTemplateRequest{TemplateName: in.TemplateName, TemplateData: in.TemplateData})
	if err != nil {
		return nil, err
	}
	return &apiv2.TestRenderEmailTemplateResponse{RenderedTemplate: got.RenderedTemplate}, nil
}
