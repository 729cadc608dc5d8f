package ses

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/ses"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// emailTemplate is what is kept of one.
type emailTemplate struct {
	Name, Subject, Text, HTML string
	Created                   time.Time
	Tags                      map[string]string `json:",omitempty"`
}

func (s *Service) putTemplate(ctx context.Context, t *api.Template, tags map[string]string, update bool) error {
	next := emailTemplate{*t.TemplateName, aws.Value(t.SubjectPart), aws.Value(t.TextPart), aws.Value(t.HtmlPart), s.Clock.Now().Truncate(time.Millisecond), tags}
	if next.Subject == "" {
		return api.InvalidTemplateException("The subject must be specified.")
	}
	for _, part := range []string{next.Subject, next.Text, next.HTML} {
		if _, err := parseTemplate(part); err != nil {
			return api.InvalidTemplateException("%s", err.Error())
		}
	}
	scope := scopeOf(ctx)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := templates.Get(ctx, tx, scope, next.Name)
		switch {
		case err == nil && !update:
			return api.AlreadyExistsException("Template %s already exists for account id %s", next.Name, scope.Account)
		case errors.Is(err, store.ErrNotFound) && update:
			return noTemplate(next.Name)
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return err
		}
		if update {
			next.Created, next.Tags = have.Created, have.Tags
		}
		return templates.Put(tx, scope, next, next.Name)
	})
}

func noTemplate(name string) error {
	return api.TemplateDoesNotExistException("Template %s does not exist", name)
}

func (s *Service) createTemplate(ctx context.Context, in *api.CreateTemplateRequest) (*api.CreateTemplateResponse, error) {
	return nil, s.putTemplate(ctx, in.Template, nil, false)
}

func (s *Service) updateTemplate(ctx context.Context, in *api.UpdateTemplateRequest) (*api.UpdateTemplateResponse, error) {
	return nil, s.putTemplate(ctx, in.Template, nil, true)
}

func (s *Service) template(ctx context.Context, name string) (t emailTemplate, err error) {
	err = s.Store.View(ctx, func(r store.Reader) (err error) {
		t, err = templates.Get(ctx, r, scopeOf(ctx), name)
		if errors.Is(err, store.ErrNotFound) {
			return noTemplate(name)
		}
		return err
	})
	return t, err
}

func (s *Service) getTemplate(ctx context.Context, in *api.GetTemplateRequest) (*api.GetTemplateResponse, error) {
	t, err := s.template(ctx, *in.TemplateName)
	return &api.GetTemplateResponse{Template: &api.Template{TemplateName: &t.Name, SubjectPart: &t.Subject, TextPart: &t.Text, HtmlPart: &t.HTML}}, err
}

func (s *Service) deleteTemplate(ctx context.Context, in *api.DeleteTemplateRequest) (*api.DeleteTemplateResponse, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error { return templates.Delete(tx, scopeOf(ctx), *in.TemplateName) })
}

func (s *Service) listTemplates(ctx context.Context, in *api.ListTemplatesRequest) (*api.ListTemplatesResponse, error) {
	o, most, err := pageOf(in.NextToken, in.MaxItems, 100)
	if err != nil {
		return nil, err
	}
	out := &api.ListTemplatesResponse{TemplatesMetadata: []api.TemplateMetadata{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range templates.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			if len(out.TemplatesMetadata) == most {
				out.NextToken = new(aws.Token(*out.TemplatesMetadata[most-1].Name))
				return nil
			}
			out.TemplatesMetadata = append(out.TemplatesMetadata, api.TemplateMetadata{Name: &e.Record.Name, CreatedTimestamp: &e.Record.Created})
		}
		return nil
	})
}

func (s *Service) testRenderTemplate(ctx context.Context, in *api.TestRenderTemplateRequest) (*api.TestRenderTemplateResponse, error) {
	t, err := s.template(ctx, *in.TemplateName)
	if err != nil {
		return nil, err
	}
	c, err := t.render(*in.TemplateData)
	if err != nil {
		return nil, err
	}
	raw := c.mime(s.Clock.Now(), aws.RandomID(s.Random, aws.LowerAlnm, 24), nil)
	return &api.TestRenderTemplateResponse{RenderedTemplate: new(string(raw))}, nil
}

// render fills a template with data, which are JSON.
func (t *emailTemplate) render(data string) (content, error) {
	var values map[string]any
	if json.Unmarshal([]byte(data), &values) != nil {
		return content{}, api.InvalidRenderingParameterException("Template rendering data is invalid").With(&api.InvalidRenderingParameterExceptionDetail{TemplateName: &t.Name})
	}
	var c content
	for _, part := range []struct {
		text string
		to   *string
		html bool
	}{{t.Subject, &c.subject, false}, {t.Text, &c.text, false}, {t.HTML, &c.html, true}} {
		nodes, err := parseTemplate(part.text)
		if err != nil {
			return c, api.InvalidTemplateException("%s", err.Error())
		}
		var b strings.Builder
		if missing := renderNodes(&b, nodes, []any{values}, part.html); missing != "" {
			return c, api.MissingRenderingAttributeException("Attribute '%s' is not present in the rendering data.", missing).
				With(&api.MissingRenderingAttributeExceptionDetail{TemplateName: &t.Name})
		}
		*part.to = b.String()
	}
	return c, nil
}

// A templateNode is text, a value, or a block: {{#if}} or {{#each}}.
type templateNode struct {
	text  string
	path  string
	raw   bool // {{{…}}}: nothing is escaped
	block string
	body  []templateNode
	other []templateNode // {{else}}
}

const maxBlocks = 20

// parseTemplate reads what SES has of Handlebars.
// https://docs.aws.amazon.com/ses/latest/dg/send-personalized-email-advanced.html
func parseTemplate(text string) ([]templateNode, error) {
	p := templateParser{rest: text}
	nodes, end, err := p.nodes(0)
	if err == nil && end != "" {
		err = fmt.Errorf("unexpected {{%s}}", end)
	}
	return nodes, err
}

type templateParser struct{ rest string }

// nodes reads up to what ends a block: "else", "/if", "/each", or "" for the end.
func (p *templateParser) nodes(depth int) (out []templateNode, end string, err error) {
	if depth > maxBlocks {
		return nil, "", errors.New("blocks are nested too deep")
	}
	for {
		i := strings.Index(p.rest, "{{")
		if i < 0 {
			return append(out, templateNode{text: p.rest}), "", nil
		}
		out = append(out, templateNode{text: p.rest[:i]})
		p.rest = p.rest[i+2:]
		closing := "}}"
		raw := strings.HasPrefix(p.rest, "{")
		if raw {
			p.rest, closing = p.rest[1:], "}}}"
		}
		j := strings.Index(p.rest, closing)
		if j < 0 {
			return nil, "", errors.New("a tag is not closed")
		}
		tag := strings.TrimSpace(p.rest[:j])
		p.rest = p.rest[j+len(closing):]
		switch {
		case strings.HasPrefix(tag, "!"):
		case tag == "else" || strings.HasPrefix(tag, "/"):
			return out, tag, nil
		case strings.HasPrefix(tag, "#"):
			n, err := p.block(tag[1:], depth)
			if err != nil {
				return nil, "", err
			}
			out = append(out, n)
		case tag == "":
			return nil, "", errors.New("a tag is empty")
		default:
			out = append(out, templateNode{path: tag, raw: raw})
		}
	}
}

func (p *templateParser) block(tag string, depth int) (templateNode, error) {
	kind, path, _ := strings.Cut(tag, " ")
	n := templateNode{block: kind, path: strings.TrimSpace(path)}
	if kind != "if" && kind != "each" && kind != "unless" && kind != "with" {
		return n, fmt.Errorf("there is no block #%s", kind)
	}
	var end string
	var err error
	if n.body, end, err = p.nodes(depth + 1); err != nil {
		return n, err
	}
	if end == "else" {
		if n.other, end, err = p.nodes(depth + 1); err != nil {
			return n, err
		}
	}
	if end != "/"+kind {
		return n, fmt.Errorf("the block #%s is not closed", kind)
	}
	return n, nil
}

// renderNodes writes nodes; scopes are the values around them, the innermost last. It
// gives the name of what is missing.
func renderNodes(b *strings.Builder, nodes []templateNode, scopes []any, escape bool) (missing string) {
	for _, n := range nodes {
		v, ok := lookup(scopes, n.path)
		switch n.block {
		case "if", "unless":
			body := n.body
			if truthy(v) == (n.block == "unless") {
				body = n.other
			}
			missing = renderNodes(b, body, scopes, escape)
		case "with":
			missing = renderNodes(b, n.body, append(scopes, v), escape)
		case "each":
			list, _ := v.([]any)
			for _, x := range list {
				if missing = renderNodes(b, n.body, append(scopes, x), escape); missing != "" {
					return missing
				}
			}
			if len(list) == 0 {
				missing = renderNodes(b, n.other, scopes, escape)
			}
		default:
			b.WriteString(n.text)
			if n.path == "" {
				continue
			}
			if !ok {
				return n.path
			}
			text := shownText(v)
			if escape && !n.raw {
				text = html.EscapeString(text)
			}
			b.WriteString(text)
		}
		if missing != "" {
			return missing
		}
	}
	return ""
}

func lookup(scopes []any, path string) (any, bool) {
	if path == "" {
		return nil, false
	}
	if path == "this" || path == "." {
		return scopes[len(scopes)-1], true
	}
	path = strings.TrimPrefix(path, "this.")
	for i := len(scopes) - 1; i >= 0; i-- {
		v, ok := scopes[i], true
		for name := range strings.SplitSeq(path, ".") {
			m, isMap := v.(map[string]any)
			if v, ok = m[name]; !isMap || !ok {
				ok = false
				break
			}
		}
		if ok {
			return v, true
		}
	}
	return nil, false
}

func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case float64:
		return v != 0
	case []any:
		return len(v) > 0
	}
	return true
}

func shownText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any, []any, bool, float64:
		b, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(b)
	}
	return fmt.Sprint(v)
}
