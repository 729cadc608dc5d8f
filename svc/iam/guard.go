package iam

import (
	"context"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Guards name the resource that an operation is about by its whole ARN, path
// included, which takes a look into the store where a call gives the name alone.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html

// on guards operations on a principal that their input names; users who leave the
// name out mean themselves.
func on[In any](s *Service, k kind, name func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		return s.guard(ctx, k, name(in), nil)
	}
}

// onWith is on, with condition keys of the operation's own.
func onWith[In any](s *Service, k kind, name func(*In) *string, keys func(*In) map[string][]string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		return s.guard(ctx, k, name(in), keys(in))
	}
}

// onBound is on, for the operations whose permission may hang on the boundary that the
// principal has: those on what it is allowed.
func onBound[In any](s *Service, k kind, name func(*In) *string) aws.Guard[In] {
	return onBoundWith(s, k, name, func(*In) map[string][]string { return nil })
}

// onBoundWith is onBound, with condition keys of the operation's own.
func onBoundWith[In any](s *Service, k kind, name func(*In) *string, keys func(*In) map[string][]string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		needs, p, err := s.guardNamed(ctx, k, name(in), keys(in))
		if err == nil && p != nil && p.Boundary != "" && needs[0].Keys["iam:PermissionsBoundary"] == nil {
			needs[0].Keys["iam:PermissionsBoundary"] = []string{p.Boundary}
		}
		return needs, err
	}
}

// below guards the lists of a kind of principal.
func below[In any](k kind) aws.Guard[In] {
	return func(ctx context.Context, _ *In) ([]aws.Access, error) {
		return []aws.Access{{Resource: aws.NewARN("iam", "", account(ctx), string(k)+"/").String()}}, nil
	}
}

func (s *Service) guard(ctx context.Context, k kind, name *string, keys map[string][]string) ([]aws.Access, error) {
	needs, _, err := s.guardNamed(ctx, k, name, keys)
	return needs, err
}

// guardNamed is guard, with the principal; nil where it is nobody.
func (s *Service) guardNamed(ctx context.Context, k kind, name *string, keys map[string][]string) ([]aws.Access, *principal, error) {
	n := aws.Value(name)
	if name == nil {
		var err error
		if n, err = self(ctx); err != nil || n == "" {
			return []aws.Access{{Resource: "*", Keys: keys}}, nil, nil
		}
	}
	p, err := s.view(ctx, k, n)
	if aws.CodeOf(err) == "NoSuchEntity" {
		p, err = &principal{Kind: k, Name: n, Path: "/"}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if keys == nil {
		keys = map[string][]string{}
	}
	return []aws.Access{{Resource: p.arn(account(ctx)), Keys: keys, Tags: standing(p.Tags)}}, p, nil
}

// standing gives a policy the tags of a resource that was read for its ARN.
func standing(tags map[string]string) func(context.Context) (map[string]string, error) {
	return func(context.Context) (map[string]string, error) { return tags, nil }
}

// requestTags adds the condition keys for the tags that a request gives.
func requestTags(keys map[string][]string, tags []api.Tag) map[string][]string {
	if keys == nil {
		keys = map[string][]string{}
	}
	for _, t := range tags {
		keys["aws:RequestTag/"+aws.Value(t.Key)] = []string{aws.Value(t.Value)}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], aws.Value(t.Key))
	}
	return keys
}

// making is the access that making a principal or policy needs.
func making(ctx context.Context, kind string, path, name *string, boundary *string, tags []api.Tag) []aws.Access {
	at := "/"
	if path != nil {
		at = *path
	}
	keys := requestTags(nil, tags)
	if boundary != nil {
		keys["iam:PermissionsBoundary"] = []string{*boundary}
	}
	arn := aws.NewARN("iam", "", account(ctx), kind+at+aws.Value(name)).String()
	return []aws.Access{{Resource: arn, Keys: keys}}
}

// andTagging adds the permission to tag what is being made.
func andTagging(needs []aws.Access, action string, tags []api.Tag) []aws.Access {
	if len(tags) == 0 {
		return needs
	}
	tag := needs[0]
	tag.Action = action
	return append(needs, tag)
}

func (s *Service) guardCreateUser(ctx context.Context, in *api.CreateUserRequest) ([]aws.Access, error) {
	return andTagging(making(ctx, "user", in.Path, in.UserName, in.PermissionsBoundary, in.Tags), "iam:TagUser", in.Tags), nil
}

func (s *Service) guardCreateRole(ctx context.Context, in *api.CreateRoleRequest) ([]aws.Access, error) {
	return andTagging(making(ctx, "role", in.Path, in.RoleName, in.PermissionsBoundary, in.Tags), "iam:TagRole", in.Tags), nil
}

func (s *Service) guardCreateGroup(ctx context.Context, in *api.CreateGroupRequest) ([]aws.Access, error) {
	return making(ctx, "group", in.Path, in.GroupName, nil, nil), nil
}

func (s *Service) guardCreatePolicy(ctx context.Context, in *api.CreatePolicyRequest) ([]aws.Access, error) {
	return andTagging(making(ctx, "policy", in.Path, in.PolicyName, nil, in.Tags), "iam:TagPolicy", in.Tags), nil
}

// A rename needs permission for both names.
func (s *Service) guardRename(ctx context.Context, k kind, name, newName, newPath *string) ([]aws.Access, error) {
	needs, err := s.guard(ctx, k, name, nil)
	if err != nil || newName == nil && newPath == nil {
		return needs, err
	}
	p, err := s.view(ctx, k, *name)
	if err != nil {
		p = &principal{Kind: k, Name: *name, Path: "/"}
	}
	if newName != nil {
		p.Name = *newName
	}
	if newPath != nil {
		p.Path = *newPath
	}
	return append(needs, aws.Access{Resource: p.arn(account(ctx)), Keys: needs[0].Keys, Tags: needs[0].Tags}), nil
}

func (s *Service) guardUpdateUser(ctx context.Context, in *api.UpdateUserRequest) ([]aws.Access, error) {
	return s.guardRename(ctx, user, in.UserName, in.NewUserName, in.NewPath)
}

func (s *Service) guardUpdateGroup(ctx context.Context, in *api.UpdateGroupRequest) ([]aws.Access, error) {
	return s.guardRename(ctx, group, in.GroupName, in.NewGroupName, in.NewPath)
}

// onPolicy guards operations on a managed policy that their input names by ARN.
func onPolicy[In any](s *Service, arn func(*In) *string, own func(*In) map[string][]string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		var p *managed
		err := s.store.View(ctx, func(r store.Reader) (err error) {
			p, err = s.managed(ctx, r, account(ctx), *arn(in))
			return err
		})
		if err != nil {
			p = &managed{}
			if aws.CodeOf(err) == "" {
				return nil, err
			}
		}
		need := aws.Access{Resource: *arn(in), Tags: standing(p.Tags)}
		if own != nil {
			need.Keys = own(in)
		}
		return []aws.Access{need}, nil
	}
}
