package iam

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) userRoutes() []aws.Route {
	return []aws.Route{
		api.CreateUser.To(s.createUser, s.guardCreateUser),
		api.GetUser.To(s.getUser, on(s, user, func(in *api.GetUserRequest) *string { return in.UserName })),
		api.UpdateUser.To(s.updateUser, s.guardUpdateUser),
		api.DeleteUser.To(s.deleteUser, on(s, user, func(in *api.DeleteUserRequest) *string { return in.UserName })),
		api.ListUsers.To(s.listUsers, below[api.ListUsersRequest](user)),
	}
}

func (p *principal) user(account string) *api.User {
	arn := p.arn(account)
	return &api.User{Arn: &arn, CreateDate: &p.Created, Path: &p.Path, UserId: &p.ID, UserName: &p.Name,
		PermissionsBoundary: boundary(p.Boundary), Tags: tagsOrNil(p.Tags)}
}

// self is the name of the user who calls, for operations that may leave it out;
// "" for the root of the account.
func self(ctx context.Context) (string, error) {
	c := aws.RequestOf(ctx).Caller
	switch c.Kind {
	case aws.User:
		return c.ARN[strings.LastIndexByte(c.ARN, '/')+1:], nil
	case aws.Root:
		return "", nil
	}
	return "", aws.Errorf(400, "ValidationError", "Must specify userName when calling with non-User credentials")
}

// named is the user that an operation is about: the one it names, or its caller.
func named(ctx context.Context, name *string) (string, error) {
	if name != nil {
		return *name, nil
	}
	return self(ctx)
}

func (s *Service) createUser(ctx context.Context, in *api.CreateUserRequest) (*api.CreateUserResponse, error) {
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	p := &principal{Kind: user, Name: *in.UserName, Path: aws.Value(in.Path), Tags: tags, Boundary: aws.Value(in.PermissionsBoundary)}
	if err := s.create(ctx, p); err != nil {
		return nil, err
	}
	return &api.CreateUserResponse{User: p.user(account(ctx))}, nil
}

func (s *Service) getUser(ctx context.Context, in *api.GetUserRequest) (*api.GetUserResponse, error) {
	name, err := named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	a := account(ctx)
	if name == "" {
		arn, born := aws.NewARN("iam", "", a, "root").String(), s.now()
		return &api.GetUserResponse{User: &api.User{Arn: &arn, UserId: &a, CreateDate: &born}}, nil
	}
	out := &api.GetUserResponse{}
	return out, s.store.View(ctx, func(r store.Reader) error {
		p, err := load(ctx, r, a, user, name)
		if err != nil {
			return err
		}
		out.User = p.user(a)
		out.User.PasswordLastUsed, err = s.passwordLastUsed(ctx, r, a, p.ID)
		return err
	})
}

func (s *Service) updateUser(ctx context.Context, in *api.UpdateUserRequest) (*aws.Empty, error) {
	return nil, s.rename(ctx, user, *in.UserName, in.NewUserName, in.NewPath)
}

func (s *Service) deleteUser(ctx context.Context, in *api.DeleteUserRequest) (*aws.Empty, error) {
	return nil, s.remove(ctx, user, *in.UserName)
}

func (s *Service) listUsers(ctx context.Context, in *api.ListUsersRequest) (*api.ListUsersResponse, error) {
	part, next, err := s.list(ctx, user, in.PathPrefix, page{in.Marker, in.MaxItems})
	if err != nil {
		return nil, err
	}
	a, out := account(ctx), &api.ListUsersResponse{Users: []api.User{}, IsTruncated: more(next), Marker: next}
	return out, s.store.View(ctx, func(r store.Reader) error {
		for i := range part {
			u := part[i].user(a)
			u.Tags, u.PermissionsBoundary = nil, nil // as AWS: GetUser tells
			if u.PasswordLastUsed, err = s.passwordLastUsed(ctx, r, a, part[i].ID); err != nil {
				return err
			}
			out.Users = append(out.Users, *u)
		}
		return nil
	})
}
