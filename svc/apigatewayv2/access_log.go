package apigatewayv2

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	logs "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/accesslog"
	"github.com/tule-cloud/tule/gateway/courier"
	"github.com/tule-cloud/tule/store"
)

// deliverer is who writes access logs; a log group's resource policy lets it.
const deliverer = "delivery.logs.amazonaws.com"

// deliveryPolicy is the name of that policy on AWS.
const deliveryPolicy = "AWSLogDeliveryWrite20150319"

// checkAccessLog refuses a destination that cannot take an access log, and a format that
// is none.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html
func checkAccessLog(log *api.AccessLogSettings) error {
	d, ok := aws.ParseARN(aws.Value(log.DestinationArn))
	switch {
	case ok && d.Service == "firehose":
		return aws.Errorf(501, "NotImplemented", "Access logs of HTTP and WebSocket APIs go to CloudWatch Logs alone in this version of Tule.")
	case !ok || groupOf(log) == "":
		return api.BadRequestException("Access log destination must contain a valid ARN of a log group")
	}
	if aws.Value(log.Format) == "" {
		return api.BadRequestException("Access log format must not be empty")
	}
	if _, err := accesslog.Parse(*log.Format); err != nil {
		return api.BadRequestException("%s", err.Error())
	}
	return nil
}

// groupOf is the log group that a destination names; "" if it names none.
func groupOf(log *api.AccessLogSettings) string {
	d, ok := aws.ParseARN(aws.Value(log.DestinationArn))
	group, named := strings.CutPrefix(d.Resource, "log-group:")
	if !ok || !named || d.Service != "logs" {
		return ""
	}
	return strings.TrimSuffix(group, ":*")
}

// A grant is the resource policy of the log groups that are delivered to.
type grant struct {
	Version   string       `json:"Version"`
	Statement []permission `json:"Statement"`
}

type permission struct {
	Sid       string            `json:"Sid"`
	Effect    string            `json:"Effect"`
	Principal map[string]string `json:"Principal"`
	Action    []string          `json:"Action"`
	Resource  []string          `json:"Resource"`
}

// permit lets access logs be delivered to a stage's log group, as its caller: who turns an
// access log on must be allowed to change the policies of logs.
func (s *Service) permit(ctx context.Context, log *api.AccessLogSettings) error {
	if log == nil {
		return nil
	}
	if err := checkAccessLog(log); err != nil {
		return err
	}
	at := scope(ctx)
	resource := aws.NewARN("logs", at.Region, at.Account, "log-group:"+groupOf(log)+":log-stream:*").String()
	out, err := logs.DescribeResourcePolicies.Do(ctx, s.Peers, &logs.DescribeResourcePoliciesRequest{})
	if err != nil {
		return err
	}
	have := grant{Version: "2012-10-17", Statement: []permission{{Sid: "AWSLogDeliveryWrite", Effect: "Allow", Principal: map[string]string{"Service": deliverer},
		Action: []string{"logs:CreateLogStream", "logs:PutLogEvents"}}}}
	for _, p := range out.ResourcePolicies {
		var old grant
		if aws.Value(p.PolicyName) == deliveryPolicy && json.Unmarshal([]byte(aws.Value(p.PolicyDocument)), &old) == nil && len(old.Statement) > 0 {
			have = old
		}
	}
	of := &have.Statement[0]
	if slices.Contains(of.Resource, resource) {
		return nil
	}
	of.Resource = append(of.Resource, resource)
	text, err := json.Marshal(have)
	if err != nil {
		return err
	}
	_, err = logs.PutResourcePolicy.Do(ctx, s.Peers, &logs.PutResourcePolicyRequest{PolicyName: ptr(deliveryPolicy), PolicyDocument: ptr(string(text))})
	return err
}

func newCourier(s *Service) *courier.Courier {
	return courier.New(courier.Options{Clock: s.Clock, Logger: s.Logger, Peers: s.Peers, As: func(ctx context.Context, to courier.Target) (context.Context, error) {
		return aws.WithRequest(ctx, &aws.Request{ID: aws.RandomUUID(s.Random), Region: to.Region, Time: s.Clock.Now(), Caller: aws.ServiceCaller(deliverer, to.Account, "")}), nil
	}})
}

// streamOf names a stage's stream: 32 hexadecimal digits.
func streamOf(owner store.Scope, apiID, stage string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{owner.Account, owner.Region, apiID, stage}, "/")))
	return hex.EncodeToString(sum[:16])
}

// logEvent writes the access log's line of an event of a connection.
func (x *exchange) logEvent(ctx context.Context, err error) {
	x.reply = &reply{status: 200}
	if err != nil && !errors.As(err, &x.fault) {
		x.fault = internal(err.Error())
	}
	if x.fault != nil {
		x.reply.status = x.fault.status
	}
	x.logAccess(ctx)
}

// logAccess writes the access log's line of what was answered.
func (x *exchange) logAccess(ctx context.Context) {
	if x.access == nil {
		return
	}
	line := x.access.Line(func(name string) string {
		text, _ := x.ofContext(name)
		return text
	})
	to := courier.Target{Account: x.owner.Account, Region: x.owner.Region, Group: groupOf(x.stage.AccessLogSettings), Stream: streamOf(x.owner, *x.program.api.ApiId, *x.stage.StageName)}
	x.s.logs.Line(ctx, to, line, x.s.Clock.Now())
}
