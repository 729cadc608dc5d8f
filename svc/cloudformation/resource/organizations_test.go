package resource

import (
	"testing"

	organizationsapi "github.com/tule-cloud/tule/api/organizations"
)

func TestOrganization(t *testing.T) {
	w := newWorld(t)
	ctx := w.Context(t.Context())
	if _, err := organizationsapi.CreateOrganization.Do(ctx, w.House, &organizationsapi.CreateOrganizationRequest{FeatureSet: new("ALL")}); err != nil {
		t.Fatal(err)
	}
	roots, err := organizationsapi.ListRoots.Do(ctx, w.House, &organizationsapi.ListRootsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	root := *roots.Roots[0].Id
	if _, err := organizationsapi.EnablePolicyType.Do(ctx, w.House, &organizationsapi.EnablePolicyTypeRequest{RootId: &root, PolicyType: new("SERVICE_CONTROL_POLICY")}); err != nil {
		t.Fatal(err)
	}
	u := w.create("AWS::Organizations::OrganizationalUnit", "Unit", `{"ParentId": "`+root+`", "Name": "a", "Tags": [{"Key": "a", "Value": "b"}]}`)
	w.update(u, `{"ParentId": "`+root+`", "Name": "b"}`)
	w.create("AWS::Organizations::OrganizationalUnit", "Other", `{"ParentId": "{Unit}", "Name": "a"}`)
	p := w.create("AWS::Organizations::Policy", "Policy", `{"Name": "p", "Type": "SERVICE_CONTROL_POLICY", "Content": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}, "TargetIds": ["{Unit}"]}`)
	w.update(p, `{"Name": "q", "Type": "SERVICE_CONTROL_POLICY", "Description": "d", "Content": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]}, "TargetIds": ["{Other}"], "Tags": [{"Key": "a", "Value": "b"}]}`)
	targets, err := organizationsapi.ListTargetsForPolicy.Do(ctx, w.House, &organizationsapi.ListTargetsForPolicyRequest{PolicyId: &p.ID})
	if err != nil || len(targets.Targets) != 1 || *targets.Targets[0].TargetId != w.filled("{Other}") {
		t.Errorf("the policy is for %v, %v", targets, err)
	}
	w.end()
}
