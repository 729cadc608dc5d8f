package cloudformation

import (
	"context"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudformation"
	s3api "github.com/tule-cloud/tule/api/s3"
	ssmapi "github.com/tule-cloud/tule/api/ssm"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// The macros that are CloudFormation's own.
const (
	serverless = "AWS::Serverless-2016-10-31"
	include    = "AWS::Include"
	extensions = "AWS::LanguageExtensions"
)

// transform applies the macros of a version's template. The parameters are bound already.
func (s *Service) transform(ctx context.Context, v *version) error {
	o, err := template.Parse([]byte(v.Body))
	if err != nil {
		return invalid("%s", err)
	}
	macros, err := template.Transforms(o)
	if err != nil {
		return invalid("%s", err)
	}
	values := parameterValues(o, v.Parameters)
	changed := false
	if o, changed, err = s.includes(ctx, o); err != nil {
		return err
	}
	// The language comes first, so that the others see what its loops stand for.
	slices.SortStableFunc(macros, func(a, b string) int { return rank(a) - rank(b) })
	for _, macro := range macros {
		switch macro {
		case extensions:
			o, err = template.Expand(o, func(name string) (any, bool) { v, ok := values[name]; return v, ok })
		case serverless:
			if s.SAM == nil {
				return aws.Errorf(501, "NotImplemented", "The transform %s is not available in this version of Tule.", macro)
			}
			if o, err = s.SAM(o, scopeOf(ctx).Region, values); err == nil {
				o.Delete("Transform")
			}
		case include:
		default:
			return invalid("No transform named %s found.", scopeOf(ctx).Account+"::"+macro)
		}
		if err != nil {
			return invalid("%s", err)
		}
		changed = true
	}
	if changed {
		v.Processed = string(ordered.Compact(o))
	}
	return nil
}

func rank(macro string) int {
	if macro == extensions {
		return 0
	}
	return 1
}

// parameterValues are what Refs to parameters yield: texts, and lists of them.
func parameterValues(o *ordered.Object, bound map[string]string) map[string]any {
	out := map[string]any{}
	section, _ := o.Get("Parameters").(*ordered.Object)
	for name, text := range bound {
		out[name] = text
		if section == nil {
			continue
		}
		if p, ok := section.Get(name).(*ordered.Object); ok {
			out[name] = (&template.Parameter{Type: template.Text(p.Get("Type"))}).Value(text)
		}
	}
	return out
}

// includes puts in what AWS::Include names: a part of a template that lies in S3.
func (s *Service) includes(ctx context.Context, o *ordered.Object) (*ordered.Object, bool, error) {
	changed := false
	var walk func(v any, depth int) (any, error)
	walk = func(v any, depth int) (any, error) {
		switch v := v.(type) {
		case []any:
			out := make([]any, len(v))
			for i := range v {
				var err error
				if out[i], err = walk(v[i], depth); err != nil {
					return nil, err
				}
			}
			return out, nil
		case *ordered.Object:
			out := ordered.New()
			for _, name := range v.Names() {
				in, _ := v.Get(name).(*ordered.Object)
				if (name != "Fn::Transform" && name != "Transform") || in == nil || template.Text(in.Get("Name")) != include || depth > 4 {
					member, err := walk(v.Get(name), depth)
					if err != nil {
						return nil, err
					}
					out.Set(name, member)
					continue
				}
				part, err := s.included(ctx, in)
				if err != nil {
					return nil, err
				}
				changed = true
				more, err := walk(part, depth+1)
				if err != nil {
					return nil, err
				}
				out.Merge(more.(*ordered.Object))
			}
			return out, nil
		}
		return v, nil
	}
	v, err := walk(o, 0)
	if err != nil {
		return nil, false, err
	}
	return v.(*ordered.Object), changed, nil
}

func (s *Service) included(ctx context.Context, in *ordered.Object) (*ordered.Object, error) {
	parameters, _ := in.Get("Parameters").(*ordered.Object)
	if parameters == nil {
		return nil, invalid("Transform AWS::Include failed with: Location is missing")
	}
	location := template.Text(parameters.Get("Location"))
	body, err := s.object(ctx, location)
	if err != nil {
		return nil, invalid("Transform AWS::Include failed with: The specified S3 object's content should be valid Yaml/JSON: %s", message(err))
	}
	part, err := template.Parse([]byte(body))
	if err != nil {
		return nil, invalid("Transform AWS::Include failed with: %s", err)
	}
	return part, nil
}

// object reads a template that lies in S3, as the caller.
func (s *Service) object(ctx context.Context, location string) (string, error) {
	bucket, key, v, err := parseURL(location)
	if err != nil {
		return "", err
	}
	in := &s3api.GetObjectRequest{Bucket: &bucket, Key: &key, VersionId: text(v)}
	out, err := s3api.GetObject.Do(ctx, s.Peers, in)
	if err != nil {
		return "", invalid("S3 error: %s\nFor more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html", message(err))
	}
	defer out.Body.Close()
	body, err := io.ReadAll(io.LimitReader(out.Body, template.MaxBody+1))
	if err != nil {
		return "", err
	}
	if len(body) > template.MaxBody {
		return "", invalid("Template may not exceed %d bytes in size.", template.MaxBody)
	}
	return string(body), nil
}

// parseURL reads the address of an object: virtual or path style, signed or not, or
// s3://bucket/key. Where the host is no name of S3's, it is Tule's own, and the bucket in
// the path.
func parseURL(location string) (bucket, key, version string, err error) {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return "", "", "", invalid("TemplateURL must be a supported URL.")
	}
	path := strings.TrimPrefix(u.Path, "/")
	if u.Scheme == "s3" {
		return u.Host, path, "", nil
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", "", "", invalid("TemplateURL must be a supported URL.")
	}
	version = u.Query().Get("versionId")
	host := u.Hostname()
	for _, mark := range []string{".s3.", ".s3-"} {
		if i := strings.Index(host, mark); i > 0 {
			bucket, key = host[:i], path
			break
		}
	}
	if bucket == "" {
		bucket, key, _ = strings.Cut(path, "/")
	}
	if bucket == "" || key == "" {
		return "", "", "", invalid("TemplateURL must reference a valid S3 object to which you have access.")
	}
	return bucket, key, version, nil
}

// look finds the values of parameters that Systems Manager keeps, as the caller.
func (s *Service) look(ctx context.Context, t *template.Template, v *version) error {
	var lost []string
	for i := range t.Parameters {
		p := &t.Parameters[i]
		if !p.FromStore() {
			continue
		}
		out, err := ssmapi.GetParameter.Do(ctx, s.Peers, &ssmapi.GetParameterRequest{Name: new(v.Parameters[p.Name])})
		if err != nil {
			if aws.CodeOf(err) == "ParameterNotFound" {
				lost = append(lost, v.Parameters[p.Name])
				continue
			}
			return err
		}
		if v.Looked == nil {
			v.Looked = map[string]string{}
		}
		v.Looked[p.Name] = aws.Value(out.Parameter.Value)
	}
	if lost != nil {
		return invalid("Unable to fetch parameters [%s] from parameter store for this account.", strings.Join(lost, ","))
	}
	return nil
}

// resolver looks up dynamic references: ssm:name:version.
func (s *Service) resolver(ctx context.Context) func(reference string) (string, error) {
	return func(reference string) (string, error) {
		kind, name, _ := strings.Cut(reference, ":")
		if kind != "ssm" && kind != "ssm-secure" {
			return "", invalid("Dynamic references to %s are not available in this version of Tule.", kind)
		}
		out, err := ssmapi.GetParameter.Do(ctx, s.Peers, &ssmapi.GetParameterRequest{Name: &name, WithDecryption: new(kind == "ssm-secure")})
		if err != nil {
			if errors.Is(err, aws.ErrFull) || aws.CodeOf(err) == "" {
				return "", err
			}
			return "", invalid("Could not resolve {{resolve:%s}}: %s", reference, message(err))
		}
		return aws.Value(out.Parameter.Value), nil
	}
}

// expands reports whether a template asks for its macros to be acknowledged.
func expands(o *ordered.Object) bool {
	found := false
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case *ordered.Object:
			for _, name := range v.Names() {
				found = found || name == "Transform" || name == "Fn::Transform"
				walk(v.Get(name))
			}
		}
	}
	walk(o)
	return found
}

// autoExpand refuses a template with macros whose caller has not acknowledged them, where
// no change set shows what they make of it.
func autoExpand(v *version) error {
	o, err := template.Parse([]byte(v.Body))
	if err == nil && expands(o) && !slices.Contains(v.Capabilities, api.CapabilityCapabilityAutoExpand) {
		return api.InsufficientCapabilitiesException("Requires capabilities : [CAPABILITY_AUTO_EXPAND]")
	}
	return nil
}
