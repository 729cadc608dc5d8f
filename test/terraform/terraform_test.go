// Package terraform lets Terraform and HashiCorp's provider for AWS make, read, change
// and destroy what Tule serves. `make terraform` builds the provider and runs it;
// without a provider there is nothing to run, and the tests are skipped.
//
// A scenario is a folder of HCL. It is applied, planned, applied as it is changed
// later, planned, and destroyed. Both plans must be empty: each attribute reads back
// as it was set. In the end the account must be as empty as in the beginning.
package terraform

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestIdentities(t *testing.T) {
	s := start(t, "identities")
	s.applies(false)
	read := map[string]any{
		"me": s.arn("root"), "issuer": s.arn("root"),
		"worker": s.arn("role/work/worker"), "description": `Works: "quoted", <marked>, +plus, 100 %.`, "session": 3600.0,
		"work": []any{"worker"}, "named": []any{"inline", "worker"},
		"ann": s.arn("user/people/ann"), "people": []any{"ann"}, "singers": []any{"ann", "bob@example.com"},
		"songs": s.arn("policy/music/songs"), "songs_tags": map[string]any{"suite": "terraform", "tier": "silver", "owner": "ann"},
		"administrator": "arn:aws:iam::aws:policy/AdministratorAccess", "basic": "/service-role/",
		"profile": true, "bob": []any{"Active"}, "allowed": true, "alias": "tule-first",
	}
	s.reads(read)

	// What somebody else changes is seen, and put right by the next apply.
	_, err := s.iam().UpdateRole(t.Context(), &iam.UpdateRoleInput{RoleName: aws.String("worker"), Description: aws.String("By hand.")})
	try(t, err)
	if _, status := s.run(false, "plan", "-detailed-exitcode", "-no-color", "-compact-warnings"); status != 2 {
		t.Errorf("a change by hand: plan ends with status %d, want 2", status)
	}

	s.applies(true)
	for name, value := range map[string]any{
		"description": "Works by day & night.", "session": 7200.0,
		"ann": s.arn("user/people/staff/anna"), "people": []any{"anna"}, "singers": []any{"bob@example.com"},
		"songs_tags": map[string]any{"suite": "terraform", "tier": "gold"},
		"profile":    false, "bob": []any{"Inactive"}, "allowed": false, "alias": "tule-later",
	} {
		read[name] = value
	}
	s.reads(read)

	s.imports(map[string]string{
		"aws_iam_policy.songs":                      s.arn("policy/music/songs"),
		"aws_iam_role.inline":                       "inline",
		"aws_iam_role_policy.worker":                "worker:own",
		"aws_iam_instance_profile.worker":           "worker",
		"aws_iam_user.ann":                          "anna",
		"aws_iam_user_policy.bob":                   "bob@example.com:own",
		"aws_iam_user_policy_attachment.bob":        "bob@example.com/arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
		"aws_iam_user_group_membership.bob":         "bob@example.com/listeners",
		"aws_iam_group.singers":                     "choir",
		"aws_iam_group_policy_attachment.listeners": "listeners/" + s.arn("policy/music/songs"),
		"aws_iam_account_alias.alias":               "tule-later",
	})
	s.destroys()
}
