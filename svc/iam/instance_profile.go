package iam

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A profile hands a role to a machine.
type profile struct {
	Name, Path, ID string
	Created        time.Time
	Role           string            `json:",omitempty"` // name
	Tags           map[string]string `json:",omitempty"`
}

var (
	profiles       = store.NewTable[profile]("iam", "profile")        // name in lower case
	profilesOfRole = store.NewTable[string]("iam", "profile-of-role") // role and profile in lower case: the profile's name
)

func (s *Service) profileRoutes() []aws.Route {
	return []aws.Route{
		api.CreateInstanceProfile.To(s.createInstanceProfile, s.guardCreateProfile),
		api.GetInstanceProfile.To(s.getInstanceProfile, onProfile(s, func(in *api.GetInstanceProfileRequest) *string { return in.InstanceProfileName })),
		api.DeleteInstanceProfile.To(s.deleteInstanceProfile, onProfile(s, func(in *api.DeleteInstanceProfileRequest) *string { return in.InstanceProfileName })),
		api.ListInstanceProfiles.To(s.listInstanceProfiles, below[api.ListInstanceProfilesRequest]("instance-profile")),
		api.ListInstanceProfilesForRole.To(s.listInstanceProfilesForRole, on(s, role, func(in *api.ListInstanceProfilesForRoleRequest) *string { return in.RoleName })),
		api.AddRoleToInstanceProfile.To(s.addRoleToInstanceProfile, s.guardAddRole),
		api.RemoveRoleFromInstanceProfile.To(s.removeRoleFromInstanceProfile, onProfile(s, func(in *api.RemoveRoleFromInstanceProfileRequest) *string { return in.InstanceProfileName })),
	}
}

func (p *profile) arn(account string) string {
	return aws.NewARN("iam", "", account, "instance-profile"+p.Path+p.Name).String()
}

// loadProfile reads a profile, for AWS's error where there is none.
func loadProfile(ctx context.Context, r store.Reader, account, name string) (*profile, error) {
	p, err := profiles.Get(ctx, r, scope(account), key(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.NoSuchEntityException("Instance Profile %s cannot be found.", name)
	}
	return &p, err
}

func onProfile[In any](s *Service, name func(*In) *string) aws.Guard[In] {
	return onProfileWith(s, name, func(*In) map[string][]string { return nil })
}

// onProfileWith is onProfile, with condition keys of the operation's own.
func onProfileWith[In any](s *Service, name func(*In) *string, keys func(*In) map[string][]string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		p := &profile{Name: *name(in), Path: "/"}
		err := s.store.View(ctx, func(r store.Reader) error {
			have, err := loadProfile(ctx, r, account(ctx), p.Name)
			if err == nil {
				p = have
			}
			return err
		})
		if err != nil && aws.CodeOf(err) != "NoSuchEntity" {
			return nil, err
		}
		return []aws.Access{{Resource: p.arn(account(ctx)), Keys: keys(in), Tags: standing(p.Tags)}}, nil
	}
}

func (s *Service) guardCreateProfile(ctx context.Context, in *api.CreateInstanceProfileRequest) ([]aws.Access, error) {
	return andTagging(making(ctx, "instance-profile", in.Path, in.InstanceProfileName, nil, in.Tags), "iam:TagInstanceProfile", in.Tags), nil
}

// Whoever gives a role to a profile hands it to machines.
func (s *Service) guardAddRole(ctx context.Context, in *api.AddRoleToInstanceProfileRequest) ([]aws.Access, error) {
	needs, err := onProfile(s, func(in *api.AddRoleToInstanceProfileRequest) *string { return in.InstanceProfileName })(ctx, in)
	if err != nil {
		return nil, err
	}
	pass, err := s.guard(ctx, role, in.RoleName, map[string][]string{"iam:PassedToService": {"ec2.amazonaws.com"}})
	if err != nil {
		return nil, err
	}
	pass[0].Action = "iam:PassRole"
	return append(needs, pass...), nil
}

// describe is the profile with its role.
func (p *profile) describe(ctx context.Context, r store.Reader, account string) (*api.InstanceProfile, error) {
	arn := p.arn(account)
	out := &api.InstanceProfile{Arn: &arn, CreateDate: &p.Created, InstanceProfileId: &p.ID, InstanceProfileName: &p.Name, Path: &p.Path,
		Roles: []api.Role{}, Tags: tagsOrNil(p.Tags)}
	if p.Role == "" {
		return out, nil
	}
	of, err := load(ctx, r, account, role, p.Role)
	if err != nil {
		return nil, err
	}
	if of, err = of.shown(ctx, r); err != nil {
		return nil, err
	}
	out.Roles = append(out.Roles, *of.role(account))
	return out, nil
}

func (s *Service) createInstanceProfile(ctx context.Context, in *api.CreateInstanceProfileRequest) (*api.CreateInstanceProfileResponse, error) {
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	a := account(ctx)
	p := profile{Name: *in.InstanceProfileName, Path: aws.Value(in.Path), ID: "AIPA" + aws.RandomID(s.random, aws.Base32, 17), Created: s.now(), Tags: tags}
	if p.Path == "" {
		p.Path = "/"
	}
	out := &api.CreateInstanceProfileResponse{}
	return out, s.change(ctx, a, func(tx store.Tx) error {
		taken, err := profiles.Has(ctx, tx, scope(a), key(p.Name))
		if err != nil {
			return err
		}
		if taken {
			return api.EntityAlreadyExistsException("Instance Profile %s already exists.", p.Name)
		}
		if err := meter(ctx, tx, a, "InstanceProfiles", 1); err != nil {
			return err
		}
		if out.InstanceProfile, err = p.describe(ctx, tx, a); err != nil {
			return err
		}
		return profiles.Put(tx, scope(a), p, key(p.Name))
	})
}

func (s *Service) getInstanceProfile(ctx context.Context, in *api.GetInstanceProfileRequest) (*api.GetInstanceProfileResponse, error) {
	out := &api.GetInstanceProfileResponse{}
	return out, s.store.View(ctx, func(r store.Reader) error {
		p, err := loadProfile(ctx, r, account(ctx), *in.InstanceProfileName)
		if err == nil {
			out.InstanceProfile, err = p.describe(ctx, r, account(ctx))
		}
		return err
	})
}

// editProfile changes, or with drop deletes, a profile.
func (s *Service) editProfile(ctx context.Context, name string, fn func(tx store.Tx, p *profile) (drop bool, err error)) error {
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		p, err := loadProfile(ctx, tx, a, name)
		if err != nil {
			return err
		}
		drop, err := fn(tx, p)
		if err != nil {
			return err
		}
		if drop {
			return errors.Join(meter(ctx, tx, a, "InstanceProfiles", -1), profiles.Delete(tx, scope(a), key(p.Name)))
		}
		return profiles.Put(tx, scope(a), *p, key(p.Name))
	})
}

func (s *Service) deleteInstanceProfile(ctx context.Context, in *api.DeleteInstanceProfileRequest) (*aws.Empty, error) {
	return nil, s.editProfile(ctx, *in.InstanceProfileName, func(_ store.Tx, p *profile) (bool, error) {
		if p.Role != "" {
			return false, api.DeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
		}
		return true, nil
	})
}

func (s *Service) addRoleToInstanceProfile(ctx context.Context, in *api.AddRoleToInstanceProfileRequest) (*aws.Empty, error) {
	a := account(ctx)
	return nil, s.editProfile(ctx, *in.InstanceProfileName, func(tx store.Tx, p *profile) (bool, error) {
		of, err := load(ctx, tx, a, role, *in.RoleName)
		if err != nil {
			return false, err
		}
		if p.Role != "" {
			return false, api.LimitExceededException("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		}
		p.Role = of.Name
		return false, profilesOfRole.Put(tx, scope(a), p.Name, key(of.Name), key(p.Name))
	})
}

func (s *Service) removeRoleFromInstanceProfile(ctx context.Context, in *api.RemoveRoleFromInstanceProfileRequest) (*aws.Empty, error) {
	return nil, s.editProfile(ctx, *in.InstanceProfileName, func(tx store.Tx, p *profile) (bool, error) {
		if !strings.EqualFold(p.Role, *in.RoleName) {
			return false, notFound(role, *in.RoleName)
		}
		p.Role = ""
		return false, profilesOfRole.Delete(tx, scope(account(ctx)), key(*in.RoleName), key(p.Name))
	})
}

func (s *Service) listInstanceProfiles(ctx context.Context, in *api.ListInstanceProfilesRequest) (*api.ListInstanceProfilesResponse, error) {
	a := account(ctx)
	var all []api.InstanceProfile
	err := s.store.View(ctx, func(r store.Reader) error {
		for e, err := range profiles.List(ctx, r, scope(a), store.ListOptions{}) {
			if err != nil {
				return err
			}
			if !strings.HasPrefix(e.Record.Path, aws.Value(in.PathPrefix)) {
				continue
			}
			p, err := e.Record.describe(ctx, r, a)
			if err != nil {
				return err
			}
			all = append(all, *p)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(all, page{in.Marker, in.MaxItems}, func(p *api.InstanceProfile) string { return key(*p.InstanceProfileName) })
	return &api.ListInstanceProfilesResponse{InstanceProfiles: part, IsTruncated: more(next), Marker: next}, err
}

func (s *Service) listInstanceProfilesForRole(ctx context.Context, in *api.ListInstanceProfilesForRoleRequest) (*api.ListInstanceProfilesForRoleResponse, error) {
	a := account(ctx)
	var all []api.InstanceProfile
	err := s.store.View(ctx, func(r store.Reader) error {
		if _, err := load(ctx, r, a, role, *in.RoleName); err != nil {
			return err
		}
		var err error
		all, err = describeProfiles(ctx, r, a, *in.RoleName)
		return err
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(all, page{in.Marker, in.MaxItems}, func(p *api.InstanceProfile) string { return key(*p.InstanceProfileName) })
	return &api.ListInstanceProfilesForRoleResponse{InstanceProfiles: part, IsTruncated: more(next), Marker: next}, err
}

func describeProfiles(ctx context.Context, r store.Reader, account, roleName string) ([]api.InstanceProfile, error) {
	names, err := profilesOf(ctx, r, account, roleName)
	if err != nil {
		return nil, err
	}
	out := []api.InstanceProfile{}
	for _, n := range names {
		p, err := loadProfile(ctx, r, account, n)
		if err != nil {
			return nil, err
		}
		d, err := p.describe(ctx, r, account)
		if err != nil {
			return nil, err
		}
		out = append(out, *d)
	}
	return out, nil
}

// profilesOf are the names of the profiles that a role is in.
func profilesOf(ctx context.Context, r store.Reader, account, roleName string) ([]string, error) {
	var out []string
	for e, err := range profilesOfRole.List(ctx, r, scope(account), store.ListOptions{Prefix: []any{key(roleName)}}) {
		if err != nil {
			return nil, err
		}
		out = append(out, e.Record)
	}
	return out, nil
}
