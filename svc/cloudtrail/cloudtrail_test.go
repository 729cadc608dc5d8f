package cloudtrail

import (
	"context"
	"testing"
	"time"

	dynamodbapi "github.com/tule-cloud/tule/api/dynamodb"
	iamapi "github.com/tule-cloud/tule/api/iam"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	logsapi "github.com/tule-cloud/tule/api/logs"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

const (
	account = "000000000000"
	other   = "111111111111"
	table   = "arn:aws:dynamodb:us-east-1:000000000000:table/songs"
	ann     = "arn:aws:iam::000000000000:user/staff/ann"
	web     = "arn:aws:iam::000000000000:role/web"
)

func house(t testing.TB) (*Service, *script.House) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	return New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random}), h
}

// statement is the name of one.
type statement string

func (s statement) Name() string { return string(s) }

// request is one by a caller, from outside.
func request(h *script.House, id string, c aws.Caller) *aws.Request {
	return &aws.Request{ID: id, Caller: c, Region: "us-east-1", Time: h.Clock.Now(), SourceIP: "192.0.2.1", UserAgent: "aws-cli/2", Host: "localhost:4566"}
}

func userAnn() aws.Caller {
	return aws.Caller{Kind: aws.User, Account: account, ARN: ann, UserID: "AIDAANN", AccessKeyID: "AKIAANN"}
}

func webSession() aws.Caller {
	c := aws.RoleSession(web, "AROAWEB", "s1")
	c.AccessKeyID, c.IssuedAt, c.SourceIdentity = "ASIAWEB", time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC), "ann"
	return c
}

func allowed(action, resource string) aws.Decision {
	return aws.Decision{Action: action, Resource: resource, Allowed: true, By: "identity-based policy", Source: "p", Statement: statement("Sid1")}
}

func refused(action, resource string) aws.Decision {
	return aws.Decision{Action: action, Resource: resource, By: "identity-based policy",
		Message:     "User: x is not authorized to perform: " + action,
		Explanation: "denied because no identity-based policy allows the " + action + " action\nidentity-based policy p\n  Sid1 (Allow): no match: action\nresource-based policy q\n  theirs (Allow): no match: principal\n",
		Remedy:      `{"Effect":"Allow","Action":"` + action + `"}`}
}

// recorded is a house in which a little of everything has happened.
func recorded(t *testing.T, h *script.House) *Service {
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random})
	ctx := t.Context()
	tick := func() { h.Clock.Advance(time.Minute) }
	s.Record(ctx, &aws.Event{Request: request(h, "r-create", userAnn()), Op: &dynamodbapi.CreateTable.Operation,
		In: &dynamodbapi.CreateTableInput{TableName: new("songs")}, Out: &dynamodbapi.CreateTableOutput{TableDescription: &dynamodbapi.TableDescription{TableName: new("songs"), CreationDateTime: new(h.Clock.Now())}},
		Decisions: []aws.Decision{allowed("dynamodb:CreateTable", table)}})
	tick()
	s.Record(ctx, &aws.Event{Request: request(h, "r-get", userAnn()), Op: &dynamodbapi.GetItem.Operation, Decisions: []aws.Decision{refused("dynamodb:GetItem", table)},
		In: &dynamodbapi.GetItemInput{TableName: new("songs"), Key: dynamodbapi.Item{}}, Err: aws.AccessDenied("User: x is not authorized to perform: dynamodb:GetItem")})
	tick()
	s.Record(ctx, &aws.Event{Request: request(h, "r-allowed", userAnn()), Op: &dynamodbapi.GetItem.Operation, Decisions: []aws.Decision{allowed("dynamodb:GetItem", table)}})
	s.Record(ctx, &aws.Event{Request: request(h, "r-role", webSession()), Op: &iamapi.CreateAccessKey.Operation, In: &iamapi.CreateAccessKeyRequest{UserName: new("bob")},
		Out:       &iamapi.CreateAccessKeyResponse{AccessKey: &iamapi.AccessKey{AccessKeyId: new("AKIABOB"), SecretAccessKey: new("swordfish")}},
		Decisions: []aws.Decision{allowed("iam:CreateAccessKey", "arn:aws:iam::000000000000:user/bob")}})
	tick()
	lambda := request(h, "r-lambda", aws.ServiceCaller("lambda.amazonaws.com", account, "arn:aws:lambda:us-east-1:000000000000:function:f"))
	lambda.SourceIP, lambda.UserAgent, lambda.Via = "", "", []string{"lambda.amazonaws.com"}
	s.Record(ctx, &aws.Event{Request: lambda, Op: &stsapi.AssumeRole.Operation, Within: true, In: &stsapi.AssumeRoleRequest{RoleArn: new(web), RoleSessionName: new("f")},
		Out:       &stsapi.AssumeRoleResponse{Credentials: &stsapi.Credentials{AccessKeyId: new("ASIA"), SecretAccessKey: new("swordfish"), SessionToken: new("swordfish"), Expiration: new(h.Clock.Now())}},
		Decisions: []aws.Decision{{Action: "sts:AssumeRole", Resource: web, Allowed: true, By: "role trust policy", Source: web, Statement: statement("statement 1")}}})
	tick()
	foreign := refused("sts:AssumeRole", "arn:aws:iam::111111111111:role/theirs")
	s.Record(ctx, &aws.Event{Request: request(h, "r-foreign", userAnn()), Op: &stsapi.AssumeRole.Operation, Decisions: []aws.Decision{foreign},
		In: &stsapi.AssumeRoleRequest{RoleArn: &foreign.Resource, RoleSessionName: new("x")}, Err: aws.AccessDenied("%s", foreign.Message)})
	tick()
	passed := refused("logs:CreateLogGroup", "arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:")
	passed.Passed = true
	s.Record(ctx, &aws.Event{Request: request(h, "r-passed", userAnn()), Op: &logsapi.CreateLogGroup.Operation, In: &logsapi.CreateLogGroupRequest{LogGroupName: new("g")}, Decisions: []aws.Decision{passed}})
	tick()
	plane := refused("execute-api:Invoke", "arn:aws:execute-api:us-east-1:000000000000:a1/prod/GET/x")
	s.Record(ctx, &aws.Event{Request: request(h, "r-plane", userAnn()), Decisions: []aws.Decision{plane}, Err: aws.AccessDenied("%s", plane.Message)})
	tick()
	west := request(h, "r-west", userAnn())
	west.Region, west.Secure = "eu-west-1", true
	s.Record(ctx, &aws.Event{Request: west, Op: &lambdaapi.ListFunctions.Operation, In: &lambdaapi.ListFunctionsRequest{MaxItems: new(int32(3))}, Out: &lambdaapi.ListFunctionsResponse{},
		Decisions: []aws.Decision{allowed("lambda:ListFunctions", "*")}})
	return s
}

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(t *testing.T, h *script.House) []aws.Route { return recorded(t, h).Routes() })
	script.Run(t, "testdata-trails", func(t *testing.T, h *script.House) []aws.Route {
		s, _ := newNeighbours(h).trailing(h)
		return s.Routes()
	})
}

// TestRoutes: what is answered asks for a permission of its own name.
func TestRoutes(t *testing.T) {
	s, h := house(t)
	for _, r := range s.Routes() {
		needs, err := r.Guard(h.Context(context.Background()), r.New())
		if err != nil || len(needs) != 1 || needs[0].Action != "cloudtrail:"+r.Op.Name {
			t.Errorf("%s: %v, %v", r.Op.Name, needs, err)
		}
	}
}
