package lambda

import (
	"context"
	"errors"
	"maps"
	"slices"

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
	arn := at.arn(q)
	text := ""
	need := aws.Access{Resource: arn, Keys: map[string][]string{"lambda:FunctionArn": {arn}},
		Policy: func(context.Context) (string, error) { return text, nil }}
	err = s.Store.View(ctx, func(r store.Reader) error {
		var err error
		if text, err = s.resourcePolicy(ctx, r, at, q); err != nil {
			return err
		}
		f, err := s.records.functions.get(ctx, r, functionRecords, at.scope, at.name)
		if errors.Is(err, store.ErrNotFound) {
			return nil // which the operation will say to those who may know
		}
		if err != nil {
			return err
		}
		for k, v := range f.Tags {
			need.Keys["aws:ResourceTag/"+k] = []string{v}
		}
		return nil
	})
	return need, err
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

// requestTags are the condition keys of tags in a request.
func requestTags(tags map[string]string) map[string][]string {
	if len(tags) == 0 {
		return nil
	}
	keys := map[string][]string{"aws:TagKeys": slices.Sorted(maps.Keys(tags))}
	for k, v := range tags {
		keys["aws:RequestTag/"+k] = []string{v}
	}
	return keys
}

// passRole is the permission to let Lambda have a role.
func passRole(role string) aws.Access {
	return aws.Access{Action: "iam:PassRole", Resource: role, Keys: map[string][]string{"iam:PassedToService": {"lambda.amazonaws.com"}}}
}

func (s *Service) guardCreate(ctx context.Context, in *api.CreateFunctionRequest) ([]aws.Access, error) {
	needs, err := s.needs(ctx, in.FunctionName, nil, requestTags(in.Tags))
	if err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		tag := needs[0]
		tag.Action = "lambda:TagResource"
		needs = append(needs, tag)
	}
	return append(needs, passRole(*in.Role)), nil
}

func (s *Service) guardConfiguration(ctx context.Context, in *api.UpdateFunctionConfigurationRequest) ([]aws.Access, error) {
	needs, err := s.needs(ctx, in.FunctionName, nil, nil)
	if err == nil && in.Role != nil {
		needs = append(needs, passRole(*in.Role))
	}
	return needs, err
}

func (s *Service) guardAddPermission(ctx context.Context, in *api.AddPermissionRequest) ([]aws.Access, error) {
	keys := map[string][]string{"lambda:Principal": {*in.Principal}}
	if in.FunctionUrlAuthType != nil {
		keys["lambda:FunctionUrlAuthType"] = []string{*in.FunctionUrlAuthType}
	}
	return s.needs(ctx, in.FunctionName, in.Qualifier, keys)
}

func (s *Service) guardRemovePermission(ctx context.Context, in *api.RemovePermissionRequest) ([]aws.Access, error) {
	return s.needs(ctx, in.FunctionName, in.Qualifier, nil)
}

func (s *Service) guardTag(ctx context.Context, in *api.TagResourceRequest) ([]aws.Access, error) {
	return s.needs(ctx, in.Resource, nil, requestTags(in.Tags))
}

func (s *Service) guardUntag(ctx context.Context, in *api.UntagResourceRequest) ([]aws.Access, error) {
	return s.needs(ctx, in.Resource, nil, map[string][]string{"aws:TagKeys": in.TagKeys})
}

func (s *Service) guardInvoke(ctx context.Context, in *api.InvocationRequest) ([]aws.Access, error) {
	return s.needs(ctx, in.FunctionName, in.Qualifier, nil)
}

func (s *Service) guardInvokeAsync(ctx context.Context, in *api.InvokeAsyncRequest) ([]aws.Access, error) {
	return s.needs(ctx, in.FunctionName, nil, nil)
}
