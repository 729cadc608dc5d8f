package apigateway

import (
	"context"
	"strings"

	sts "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// fakeRoles lends every role whose name does not begin with "closed".
func fakeRoles() []aws.Route {
	return []aws.Route{sts.AssumeRole.To(func(ctx context.Context, in *sts.AssumeRoleRequest) (*sts.AssumeRoleResponse, error) {
		if strings.Contains(*in.RoleArn, "role/closed") {
			return nil, aws.AccessDenied("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", aws.RequestOf(ctx).Caller.ARN, *in.RoleArn)
		}
		return &sts.AssumeRoleResponse{AssumedRoleUser: &sts.AssumedRoleUser{AssumedRoleId: ptr("AROAEXAMPLE:" + *in.RoleSessionName)}}, nil
	}, aws.Anywhere)}
}
