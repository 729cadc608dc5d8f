package logs

import (
	"context"
	"testing"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// What the account's policies and a group's own say is said together, to services that act
// by themselves, and of no other group.
func TestPolicyOn(t *testing.T) {
	h := script.New()
	s := house(h)
	as := func(c aws.Caller) context.Context {
		return aws.WithRequest(context.Background(), &aws.Request{Region: "us-east-1", Caller: c})
	}
	root := as(aws.Caller{Kind: aws.Root, Account: "000000000000"})
	if _, err := s.createLogGroup(root, &api.CreateLogGroupRequest{LogGroupName: ptr("g")}); err != nil {
		t.Fatal(err)
	}
	for _, in := range []api.PutResourcePolicyRequest{
		{PolicyName: ptr("a"), PolicyDocument: ptr(`{"Version":"2012-10-17","Statement":[{"Sid":"1"},{"Sid":"2"}]}`)},
		{PolicyName: ptr("b"), PolicyDocument: ptr(`{"Statement":{"Sid":"3"}}`)},
		{PolicyName: ptr("c"), PolicyDocument: ptr(`{}`)},
		{ResourceArn: ptr("arn:aws:logs:us-east-1:000000000000:log-group:g"), PolicyDocument: ptr(`{"Statement":[{"Sid":"own"}]}`)},
	} {
		if _, err := s.putResourcePolicy(root, &in); err != nil {
			t.Fatal(err)
		}
	}
	if s.policyOn(root, "g") != nil {
		t.Error("a policy for a caller who has policies of his own")
	}
	service := as(aws.ServiceCaller("events.amazonaws.com", "000000000000", "arn:aws:events:us-east-1:000000000000:rule/r"))
	for group, want := range map[string]string{
		"g":     `{"Statement":[{"Sid":"1"},{"Sid":"2"},{"Sid":"3"},{"Sid":"own"}],"Version":"2012-10-17"}`,
		"other": `{"Statement":[{"Sid":"1"},{"Sid":"2"},{"Sid":"3"}],"Version":"2012-10-17"}`,
	} {
		if got, err := s.policyOn(service, group)(service); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", group, got, err, want)
		}
	}
}
