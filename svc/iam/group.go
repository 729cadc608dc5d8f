package iam

import (
	"context"
	"errors"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const maxGroups = 10 // of a user

func (s *Service) groupRoutes() []aws.Route {
	return []aws.Route{
		api.CreateGroup.To(s.createGroup, s.guardCreateGroup),
		api.GetGroup.To(s.getGroup, on(s, group, func(in *api.GetGroupRequest) *string { return in.GroupName })),
		api.UpdateGroup.To(s.updateGroup, s.guardUpdateGroup),
		api.DeleteGroup.To(s.deleteGroup, on(s, group, func(in *api.DeleteGroupRequest) *string { return in.GroupName })),
		api.ListGroups.To(s.listGroups, below[api.ListGroupsRequest](group)),
		api.AddUserToGroup.To(s.addUserToGroup, on(s, group, func(in *api.AddUserToGroupRequest) *string { return in.GroupName })),
		api.RemoveUserFromGroup.To(s.removeUserFromGroup, on(s, group, func(in *api.RemoveUserFromGroupRequest) *string { return in.GroupName })),
		api.ListGroupsForUser.To(s.listGroupsForUser, on(s, user, func(in *api.ListGroupsForUserRequest) *string { return in.UserName })),
	}
}

func (p *principal) group(account string) *api.Group {
	arn := p.arn(account)
	return &api.Group{Arn: &arn, CreateDate: &p.Created, GroupId: &p.ID, GroupName: &p.Name, Path: &p.Path}
}

func (s *Service) createGroup(ctx context.Context, in *api.CreateGroupRequest) (*api.CreateGroupResponse, error) {
	p := &principal{Kind: group, Name: *in.GroupName, Path: aws.Value(in.Path)}
	if err := s.create(ctx, p); err != nil {
		return nil, err
	}
	return &api.CreateGroupResponse{Group: p.group(account(ctx))}, nil
}

func (s *Service) getGroup(ctx context.Context, in *api.GetGroupRequest) (*api.GetGroupResponse, error) {
	a := account(ctx)
	var users []api.User
	var g *principal
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		if g, err = load(ctx, r, a, group, *in.GroupName); err != nil {
			return err
		}
		for m, err := range members.List(ctx, r, scope(a), store.ListOptions{Prefix: []any{key(g.Name)}}) {
			if err != nil {
				return err
			}
			p, err := load(ctx, r, a, user, m.Record)
			if err != nil {
				return err
			}
			u := p.user(a)
			u.Tags, u.PermissionsBoundary = nil, nil
			users = append(users, *u)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(users, page{in.Marker, in.MaxItems}, func(u *api.User) string { return key(*u.UserName) })
	return &api.GetGroupResponse{Group: g.group(a), Users: part, IsTruncated: more(next), Marker: next}, err
}

func (s *Service) updateGroup(ctx context.Context, in *api.UpdateGroupRequest) (*aws.Empty, error) {
	return nil, s.rename(ctx, group, *in.GroupName, in.NewGroupName, in.NewPath)
}

func (s *Service) deleteGroup(ctx context.Context, in *api.DeleteGroupRequest) (*aws.Empty, error) {
	return nil, s.remove(ctx, group, *in.GroupName)
}

func (s *Service) listGroups(ctx context.Context, in *api.ListGroupsRequest) (*api.ListGroupsResponse, error) {
	part, next, err := s.list(ctx, group, in.PathPrefix, page{in.Marker, in.MaxItems})
	out := &api.ListGroupsResponse{Groups: []api.Group{}, IsTruncated: more(next), Marker: next}
	for i := range part {
		out.Groups = append(out.Groups, *part[i].group(account(ctx)))
	}
	return out, err
}

// membership reads a user and a group that it is about to join or leave.
func (s *Service) membership(ctx context.Context, groupName, userName string, fn func(tx store.Tx, g, u *principal) error) error {
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		g, err := load(ctx, tx, a, group, groupName)
		if err != nil {
			return err
		}
		u, err := load(ctx, tx, a, user, userName)
		if err != nil {
			return err
		}
		if err := fn(tx, g, u); err != nil {
			return err
		}
		return u.save(tx, a)
	})
}

func (s *Service) addUserToGroup(ctx context.Context, in *api.AddUserToGroupRequest) (*aws.Empty, error) {
	return nil, s.membership(ctx, *in.GroupName, *in.UserName, func(tx store.Tx, g, u *principal) error {
		if slices.Contains(u.Groups, g.Name) {
			return nil
		}
		if len(u.Groups) >= maxGroups {
			return api.LimitExceededException("Cannot exceed quota for GroupsPerUser: %d", maxGroups)
		}
		u.Groups = append(u.Groups, g.Name)
		return members.Put(tx, scope(account(ctx)), u.Name, key(g.Name), key(u.Name))
	})
}

func (s *Service) removeUserFromGroup(ctx context.Context, in *api.RemoveUserFromGroupRequest) (*aws.Empty, error) {
	return nil, s.membership(ctx, *in.GroupName, *in.UserName, func(tx store.Tx, g, u *principal) error {
		i := slices.Index(u.Groups, g.Name)
		if i < 0 {
			return api.NoSuchEntityException("User %s is not in group %s", u.Name, g.Name)
		}
		u.Groups = slices.Delete(u.Groups, i, i+1)
		return members.Delete(tx, scope(account(ctx)), key(g.Name), key(u.Name))
	})
}

func (s *Service) listGroupsForUser(ctx context.Context, in *api.ListGroupsForUserRequest) (*api.ListGroupsForUserResponse, error) {
	a := account(ctx)
	var groups []api.Group
	err := s.store.View(ctx, func(r store.Reader) error {
		u, err := load(ctx, r, a, user, *in.UserName)
		if err != nil {
			return err
		}
		for _, name := range u.Groups {
			g, err := load(ctx, r, a, group, name)
			if err != nil {
				return err
			}
			groups = append(groups, *g.group(a))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(groups, page{in.Marker, in.MaxItems}, func(g *api.Group) string { return key(*g.GroupName) })
	return &api.ListGroupsForUserResponse{Groups: part, IsTruncated: more(next), Marker: next}, err
}

// moveMembers carries the memberships of a user or group over to its new name.
func moveMembers(ctx context.Context, tx store.Tx, account string, p *principal, from string) error {
	at := scope(account)
	if p.Kind == user {
		for _, g := range p.Groups {
			if err := errors.Join(members.Delete(tx, at, key(g), key(from)), members.Put(tx, at, p.Name, key(g), key(p.Name))); err != nil {
				return err
			}
		}
		return nil
	}
	for m, err := range members.List(ctx, tx, at, store.ListOptions{Prefix: []any{key(from)}}) {
		if err != nil {
			return err
		}
		u, err := load(ctx, tx, account, user, m.Record)
		if err != nil {
			return err
		}
		for i, g := range u.Groups {
			if strings.EqualFold(g, from) {
				u.Groups[i] = p.Name
			}
		}
		if err := errors.Join(u.save(tx, account), members.Delete(tx, at, key(from), key(u.Name)), members.Put(tx, at, u.Name, key(p.Name), key(u.Name))); err != nil {
			return err
		}
	}
	return nil
}
