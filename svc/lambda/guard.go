package lambda

import (
	"context"
	"errors"
	"maps"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html

// access is what an operation on a function needs: its action on the function's ARN,
// with the qualifier if one was given, to which the policy on it is attached.
func (s *Service) access(ctx context.Context, name, qualifier *string) (aws.Access, error) {
	at, q, err := parseName(ctx, name, qualifier)
	if err != nil {
		return aws.Access{}, err
	}
	return aws.Access{Resource: at.arn(q), Keys: map[string][]string{}, Tags: s.tagsOf(at),
		Policy: func(ctx context.Context) (text string, err error) {
			err = s.Store.View(ctx, func(r store.Reader) error {
				text, err = s.resourcePolicy(ctx, r, at, q)
				return err
			})
			return text, err
		}}, nil
}

// tagsOf reads a function's tags. One that is not there has none, which the operation
// will say to those who may know.
func (s *Service) tagsOf(at ref) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (tags map[string]string, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			f, err := s.records.functions.get(ctx, r, functionRecords, at.scope, at.name)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err == nil {
				tags = f.Tags
			}
			return err
		})
		return tags, err
	}
}

// on is the guard of an operation on one function.
func on[In any](s *Service, names func(in *In) (name, qualifier *string)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		name, qualifier := names(in)
		return s.needs(ctx, name, qualifier, nil)
	}
}

// needs is one access to a function, with further condition keys.
func (s *Service) needs(ctx context.Context, name, qualifier *string, keys map[string][]string) ([]aws.Access, error) {
	need, err := s.access(ctx, name, qualifier)
	if err != nil {
		return nil, err
	}
	maps.Copy(need.Keys, keys)
	return []aws.Access{need}, nil
}

// passRole is the permission to let Lambda have a role for a function.
func passRole(role, function string) aws.Access {
	return aws.Access{Action: "iam:PassRole", Resource: role, Keys: map[string][]string{
		"iam:PassedToService": {"lambda.amazonaws.com"}, "iam:AssociatedResourceArn": {function}}}
}

// configured are the condition keys of what a configuration attaches to a function.
func configured(ctx context.Context, vpc *api.VpcConfig, layers []string) map[string][]string {
	keys := map[string][]string{}
	if len(layers) > 0 {
		keys["lambda:Layer"] = layers
	}
	if vpc != nil && len(vpc.SubnetIds) > 0 {
		keys["lambda:SubnetIds"] = vpc.SubnetIds
		req := aws.RequestOf(ctx)
		keys["lambda:VpcIds"] = []string{vpcID(store.Scope{Account: req.Account(), Region: req.Region})}
	}
	if vpc != nil && len(vpc.SecurityGroupIds) > 0 {
		keys["lambda:SecurityGroupIds"] = vpc.SecurityGroupIds
	}
	return keys
}

func (s *Service) guardCreate(ctx context.Context, in *api.CreateFunctionRequest) ([]aws.Access, error) {
	keys := aws.RequestTags(configured(ctx, in.VpcConfig, in.Layers), in.Tags)
	if in.CodeSigningConfigArn != nil {
		keys["lambda:CodeSigningConfigArn"] = []string{*in.CodeSigningConfigArn}
	}
	needs, err := s.needs(ctx, in.FunctionName, nil, keys)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		tag := needs[0]
		tag.Action, tag.Keys = api.TagResource.IAMAction(), aws.RequestTags(nil, in.Tags)
		needs = append(needs, tag)
	}
	needs = append(needs, s.useLayers(in.Layers)...)
	needs = append(needs, s.passProvider(ctx, in.CapacityProviderConfig)...)
	return append(needs, passRole(*in.Role, needs[0].Resource)), nil
}

func (s *Service) guardConfiguration(ctx context.Context, in *api.UpdateFunctionConfigurationRequest) ([]aws.Access, error) {
	needs, err := s.needs(ctx, in.FunctionName, nil, configured(ctx, in.VpcConfig, in.Layers))
	if err != nil {
		return nil, err
	}
	needs = append(needs, s.useLayers(in.Layers)...)
	needs = append(needs, s.passProvider(ctx, in.CapacityProviderConfig)...)
	if in.Role != nil {
		needs = append(needs, passRole(*in.Role, needs[0].Resource))
	}
	return needs, nil
}

func (s *Service) guardAddPermission(ctx context.Context, in *api.AddPermissionRequest) ([]aws.Access, error) {
	keys := map[string][]string{"lambda:Principal": {*in.Principal}}
	if in.FunctionUrlAuthType != nil {
		keys[urlAuthType] = []string{*in.FunctionUrlAuthType}
	}
	return s.needs(ctx, in.FunctionName, in.Qualifier, keys)
}

// guardRemovePermission asks with what the statement says that is to go.
func (s *Service) guardRemovePermission(ctx context.Context, in *api.RemovePermissionRequest) ([]aws.Access, error) {
	at, qualifier, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{}
	err = s.Store.View(ctx, func(r store.Reader) error {
		p, err := s.policy(ctx, r, at, qualifier)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, st := range p.Statements {
			if st.Sid != *in.StatementId {
				continue
			}
			keys["lambda:Principal"] = []string{st.given()}
			if st.Condition != nil && st.Condition.StringEquals[urlAuthType] != "" {
				keys[urlAuthType] = []string{st.Condition.StringEquals[urlAuthType]}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.needs(ctx, in.FunctionName, in.Qualifier, keys)
}

// urlAuthType is the condition key of how callers of a function's URL show who they are.
const urlAuthType = "lambda:FunctionUrlAuthType"

// given is a statement's principal as AddPermission was given it: a service, "*", an
// ARN, or of an account's root the account.
func (st statement) given() string {
	text, _ := st.Principal.(string)
	if of, ok := st.Principal.(map[string]any); ok {
		for _, v := range of {
			text, _ = v.(string)
		}
	}
	if a, ok := aws.ParseARN(text); ok && a.Resource == "root" {
		return a.Account
	}
	return text
}

func (s *Service) guardInvoke(ctx context.Context, in *api.InvocationRequest) ([]aws.Access, error) {
	return s.needs(ctx, in.FunctionName, in.Qualifier, nil)
}

func (s *Service) guardInvokeAsync(ctx context.Context, in *api.InvokeAsyncRequest) ([]aws.Access, error) {
	return s.needs(ctx, in.FunctionName, nil, nil)
}
