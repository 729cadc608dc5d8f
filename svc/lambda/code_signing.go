package lambda

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A signing is a code signing configuration, under its id. There is no Signer here yet,
// and so no code that is signed: what enforces signatures refuses all code.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-codesigning.html
type signing struct {
	Description string
	Profiles    []string
	Policy      string
	Modified    time.Time
	Tags        map[string]string `json:",omitempty"`
}

var signingRecords = store.NewTable[signing]("lambda", "signing")

// signingKind begins what ARNs of code signing configurations end in.
const signingKind = "code-signing-config:"

// parseSigning is the place and the id that an ARN of a configuration names.
func parseSigning(arn *string) (store.Scope, string) {
	a, _ := aws.ParseARN(aws.Value(arn))
	return store.Scope{Account: a.Account, Region: a.Region}, strings.TrimPrefix(a.Resource, signingKind)
}

// signing reads a configuration.
func (s *Service) signing(ctx context.Context, r store.Reader, arn *string) (signing, error) {
	scope, id := parseSigning(arn)
	c, err := signingRecords.Get(ctx, r, scope, id)
	if errors.Is(err, store.ErrNotFound) {
		err = notFound("The Lambda code signing configuration %s can not be found.", *arn)
	}
	return c, err
}

// shown is a configuration as answers show it.
func (c *signing) shown(scope store.Scope, id string) *api.CodeSigningConfig {
	return &api.CodeSigningConfig{CodeSigningConfigId: &id, CodeSigningConfigArn: ptr(aws.NewARN("lambda", scope.Region, scope.Account, signingKind+id).String()),
		Description: &c.Description, LastModified: ptr(stamp(c.Modified)), AllowedPublishers: &api.AllowedPublishers{SigningProfileVersionArns: c.Profiles},
		CodeSigningPolicies: &api.CodeSigningPolicies{UntrustedArtifactOnDeployment: &c.Policy}}
}

// change is what Create and Update share; nil is absent.
func (c *signing) change(now time.Time, description *string, publishers *api.AllowedPublishers, policies *api.CodeSigningPolicies) {
	if description != nil {
		c.Description = *description
	}
	if publishers != nil {
		c.Profiles = publishers.SigningProfileVersionArns
	}
	if policies != nil && policies.UntrustedArtifactOnDeployment != nil {
		c.Policy = *policies.UntrustedArtifactOnDeployment
	}
	c.Modified = now
}

func (s *Service) createCodeSigningConfig(ctx context.Context, in *api.CreateCodeSigningConfigRequest) (*api.CreateCodeSigningConfigResponse, error) {
	if len(in.Tags) > maxTags {
		return nil, invalid("Number of tags exceeds resource tag limit.")
	}
	req := aws.RequestOf(ctx)
	scope, id := store.Scope{Account: req.Account(), Region: req.Region}, "csc-"+aws.RandomID(s.Random, aws.Hex, 17)
	c := signing{Policy: api.CodeSigningPolicyWarn, Tags: in.Tags}
	c.change(s.now(), in.Description, in.AllowedPublishers, in.CodeSigningPolicies)
	err := s.Store.Update(ctx, func(tx store.Tx) error { return signingRecords.Put(tx, scope, c, id) })
	return &api.CreateCodeSigningConfigResponse{CodeSigningConfig: c.shown(scope, id)}, err
}

func (s *Service) getCodeSigningConfig(ctx context.Context, in *api.GetCodeSigningConfigRequest) (*api.GetCodeSigningConfigResponse, error) {
	var c signing
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		c, err = s.signing(ctx, r, in.CodeSigningConfigArn)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.GetCodeSigningConfigResponse{CodeSigningConfig: c.shown(parseSigning(in.CodeSigningConfigArn))}, nil
}

func (s *Service) updateCodeSigningConfig(ctx context.Context, in *api.UpdateCodeSigningConfigRequest) (*api.UpdateCodeSigningConfigResponse, error) {
	scope, id := parseSigning(in.CodeSigningConfigArn)
	var c signing
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if c, err = s.signing(ctx, tx, in.CodeSigningConfigArn); err != nil {
			return err
		}
		c.change(s.now(), in.Description, in.AllowedPublishers, in.CodeSigningPolicies)
		return signingRecords.Put(tx, scope, c, id)
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateCodeSigningConfigResponse{CodeSigningConfig: c.shown(scope, id)}, nil
}

func (s *Service) deleteCodeSigningConfig(ctx context.Context, in *api.DeleteCodeSigningConfigRequest) (*api.DeleteCodeSigningConfigResponse, error) {
	scope, id := parseSigning(in.CodeSigningConfigArn)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := s.signing(ctx, tx, in.CodeSigningConfigArn); err != nil {
			return err
		}
		users, _, err := s.signed(ctx, tx, in.CodeSigningConfigArn, store.ListOptions{}, 1)
		if err == nil && len(users) > 0 {
			err = conflict("The code signing configuration %s is in use by functions, such as %s.", *in.CodeSigningConfigArn, users[0])
		}
		if err != nil {
			return err
		}
		return signingRecords.Delete(tx, scope, id)
	})
	return &api.DeleteCodeSigningConfigResponse{}, err
}

func (s *Service) listCodeSigningConfigs(ctx context.Context, in *api.ListCodeSigningConfigsRequest) (*api.ListCodeSigningConfigsResponse, error) {
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	o, limit, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	var out *api.ListCodeSigningConfigsResponse
	err = s.Store.View(ctx, func(r store.Reader) error {
		out = &api.ListCodeSigningConfigsResponse{CodeSigningConfigs: []api.CodeSigningConfig{}}
		for e, err := range signingRecords.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if n := len(out.CodeSigningConfigs); n == limit {
				out.NextMarker = ptr(aws.Token(*out.CodeSigningConfigs[n-1].CodeSigningConfigId))
				break
			}
			out.CodeSigningConfigs = append(out.CodeSigningConfigs, *e.Record.shown(scope, e.Key.String(0)))
		}
		return nil
	})
	return out, err
}

// signed are the ARNs of functions that have a configuration; next is the last one's
// name if there are more than the limit.
func (s *Service) signed(ctx context.Context, r store.Reader, arn *string, o store.ListOptions, limit int) (arns []string, next string, err error) {
	scope, _ := parseSigning(arn)
	o.Limit = 0 // most functions have others, or none
	last := ""
	for e, err := range functionRecords.List(ctx, r, scope, o) {
		if err != nil {
			return nil, "", err
		}
		f, err := s.records.functions.decode(e.Record)
		if err != nil {
			return nil, "", err
		}
		if f.Signing != *arn {
			continue
		}
		if len(arns) == limit {
			return arns, last, nil
		}
		arns, last = append(arns, ref{scope, f.Name}.arn("")), f.Name
	}
	return arns, "", nil
}

func (s *Service) listFunctionsByCodeSigningConfig(ctx context.Context, in *api.ListFunctionsByCodeSigningConfigRequest) (*api.ListFunctionsByCodeSigningConfigResponse, error) {
	o, limit, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListFunctionsByCodeSigningConfigResponse{}
	err = s.Store.View(ctx, func(r store.Reader) error {
		if _, err := s.signing(ctx, r, in.CodeSigningConfigArn); err != nil {
			return err
		}
		arns, next, err := s.signed(ctx, r, in.CodeSigningConfigArn, o, limit)
		out.FunctionArns, out.NextMarker = append([]string{}, arns...), nil
		if next != "" {
			out.NextMarker = ptr(aws.Token(next))
		}
		return err
	})
	return out, err
}

// setSigning gives a function a configuration; "" is none. Code that it has already is
// not looked at.
func (s *Service) setSigning(ctx context.Context, name *string, arn string) (ref, error) {
	at, err := whole(ctx, name)
	if err != nil {
		return at, err
	}
	return at, s.Store.Update(ctx, func(tx store.Tx) error {
		if arn != "" {
			if err := s.checkSigning(ctx, tx, at, arn); err != nil {
				return err
			}
		}
		f, err := s.change(ctx, tx, at)
		if err != nil {
			return err
		}
		f.Signing = arn
		return put(tx, functionRecords, at.scope, f, at.name)
	})
}

// checkSigning refuses a configuration that a function cannot have.
func (s *Service) checkSigning(ctx context.Context, r store.Reader, at ref, arn string) error {
	scope, id := parseSigning(&arn)
	has, err := signingRecords.Has(ctx, r, scope, id)
	if err == nil && (!has || scope != at.scope) {
		err = api.CodeSigningConfigNotFoundException("The code signing configuration cannot be found. Check that the provided configuration is not deleted: %s.", arn).
			With(&api.CodeSigningConfigNotFoundExceptionDetail{Type: ptr("User")})
	}
	return err
}

// checkSigned refuses code for a function whose configuration enforces signatures.
func (s *Service) checkSigned(ctx context.Context, r store.Reader, at ref, f *function) error {
	if f.Signing == "" {
		return nil
	}
	if err := s.checkSigning(ctx, r, at, f.Signing); err != nil {
		return err
	}
	c, err := s.signing(ctx, r, &f.Signing)
	if err == nil && c.Policy == api.CodeSigningPolicyEnforce {
		err = api.CodeVerificationFailedException("Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept. Check the provided signature for %s.", at.arn("")).
			With(&api.CodeVerificationFailedExceptionDetail{Type: ptr("User")})
	}
	return err
}

// untrusted counts code that was deployed without a signature, though the function's configuration wants one: it has
// but warned of that.
func (s *Service) untrusted(at ref, signing string) {
	if signing != "" {
		s.measure(at, "SignatureValidationErrors", 1)
	}
}

func (s *Service) putFunctionCodeSigningConfig(ctx context.Context, in *api.PutFunctionCodeSigningConfigRequest) (*api.PutFunctionCodeSigningConfigResponse, error) {
	at, err := s.setSigning(ctx, in.FunctionName, *in.CodeSigningConfigArn)
	return &api.PutFunctionCodeSigningConfigResponse{FunctionName: &at.name, CodeSigningConfigArn: in.CodeSigningConfigArn}, err
}

func (s *Service) deleteFunctionCodeSigningConfig(ctx context.Context, in *api.DeleteFunctionCodeSigningConfigRequest) (*aws.Empty, error) {
	_, err := s.setSigning(ctx, in.FunctionName, "")
	return nil, err
}

func (s *Service) getFunctionCodeSigningConfig(ctx context.Context, in *api.GetFunctionCodeSigningConfigRequest) (*api.GetFunctionCodeSigningConfigResponse, error) {
	at, err := whole(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	var f *function
	err = s.Store.View(ctx, func(r store.Reader) error {
		f, err = s.function(ctx, r, at)
		return err
	})
	if err != nil || f.Signing == "" {
		return &api.GetFunctionCodeSigningConfigResponse{}, err
	}
	return &api.GetFunctionCodeSigningConfigResponse{FunctionName: &at.name, CodeSigningConfigArn: &f.Signing}, nil
}

// signingAccess is what an action on a configuration needs.
func (s *Service) signingAccess(arn *string) aws.Access {
	return aws.Access{Resource: *arn, Tags: func(ctx context.Context) (tags map[string]string, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			scope, id := parseSigning(arn)
			c, err := signingRecords.Get(ctx, r, scope, id)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			tags = c.Tags
			return err
		})
		return tags, err
	}}
}

// onSigning is the guard of an operation on one configuration.
func onSigning[In any](s *Service, arn func(in *In) *string) aws.Guard[In] {
	return func(_ context.Context, in *In) ([]aws.Access, error) {
		return []aws.Access{s.signingAccess(arn(in))}, nil
	}
}

func guardCreateSigning(_ context.Context, in *api.CreateCodeSigningConfigRequest) ([]aws.Access, error) {
	return []aws.Access{{Resource: "*", Keys: aws.RequestTags(nil, in.Tags)}}, nil
}

// guardPutSigning asks for both: the function and its configuration.
func (s *Service) guardPutSigning(ctx context.Context, in *api.PutFunctionCodeSigningConfigRequest) ([]aws.Access, error) {
	keys := map[string][]string{"lambda:CodeSigningConfigArn": {*in.CodeSigningConfigArn}}
	needs, err := s.needs(ctx, in.FunctionName, nil, keys)
	if err != nil {
		return nil, err
	}
	config := s.signingAccess(in.CodeSigningConfigArn)
	config.Keys = keys
	return append(needs, config), nil
}
