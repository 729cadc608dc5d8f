package iam

import (
	"context"
	"testing"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An account has as many of each thing as its quota says; room that was left is
// room again.
func TestQuotas(t *testing.T) {
	const document = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	s, _, ctx := house(t)
	for what, of := range map[string]struct{ make, drop func(name string) error }{
		"Users": {func(n string) error { _, err := s.createUser(ctx, &api.CreateUserRequest{UserName: &n}); return err },
			func(n string) error { _, err := s.deleteUser(ctx, &api.DeleteUserRequest{UserName: &n}); return err }},
		"Groups": {func(n string) error {
			_, err := s.createGroup(ctx, &api.CreateGroupRequest{GroupName: &n})
			return err
		}, func(n string) error {
			_, err := s.deleteGroup(ctx, &api.DeleteGroupRequest{GroupName: &n})
			return err
		}},
		"Roles": {func(n string) error {
			_, err := s.createRole(ctx, &api.CreateRoleRequest{RoleName: &n, AssumeRolePolicyDocument: ptr(trusting("*"))})
			return err
		}, func(n string) error { _, err := s.deleteRole(ctx, &api.DeleteRoleRequest{RoleName: &n}); return err }},
		"InstanceProfiles": {func(n string) error {
			_, err := s.createInstanceProfile(ctx, &api.CreateInstanceProfileRequest{InstanceProfileName: &n})
			return err
		}, func(n string) error {
			_, err := s.deleteInstanceProfile(ctx, &api.DeleteInstanceProfileRequest{InstanceProfileName: &n})
			return err
		}},
		"Policies": {func(n string) error {
			_, err := s.createPolicy(ctx, &api.CreatePolicyRequest{PolicyName: &n, PolicyDocument: ptr(document)})
			return err
		}, func(n string) error {
			_, err := s.deletePolicy(ctx, &api.DeletePolicyRequest{PolicyArn: ptr("arn:aws:iam::000000000000:policy/" + n)})
			return err
		}},
	} {
		if err := of.make("one"); err != nil {
			t.Fatal(err)
		}
		fill(t, s, ctx, what, quotas[what]-2)
		if err := of.make("two"); err != nil {
			t.Errorf("the last of the %s: %v", what, err)
		}
		if err := of.make("two"); aws.CodeOf(err) != "EntityAlreadyExists" {
			t.Errorf("%s: a name twice: %v", what, err)
		}
		if err := of.make("three"); aws.CodeOf(err) != "LimitExceeded" {
			t.Errorf("one of the %s too many: %v", what, err)
		}
		if err := of.drop("one"); err != nil {
			t.Error(err)
		}
		if err := of.make("three"); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// fill pretends that there are n more of something.
func fill(t *testing.T, s *Service, ctx context.Context, what string, n int64) {
	t.Helper()
	err := s.store.Update(ctx, func(tx store.Tx) error {
		_, err := counts.Add(ctx, tx, scope("000000000000"), n, what)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
