package apigateway

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/accesslog"
	"github.com/tule-cloud/tule/gateway/courier"
)

// A backEndAnswer is what access logs tell of a back end.
type backEndAnswer struct {
	status int
	id     string // of the request to another of AWS's services
}

// deliveryStream is what the name of a Firehose stream for access logs begins with.
const deliveryStream = "amazon-apigateway-"

// checkAccessLog refuses a destination that cannot take access logs, and a format that
// is none.
func checkAccessLog(log *api.AccessLogSettings) error {
	if log == nil {
		return nil
	}
	if d := aws.Value(log.DestinationArn); d != "" {
		if _, _, ok := accessTarget(d); !ok {
			return api.BadRequestException("Invalid ARN specified in the request. Access Log destination must be a CloudWatch Logs log group or a Kinesis Data Firehose delivery stream whose name begins with %s: %s", deliveryStream, d)
		}
	}
	if f := aws.Value(log.Format); f != "" {
		if _, err := accesslog.Parse(f); err != nil {
			return api.BadRequestException("%s", err.Error())
		}
	}
	return nil
}

// accessTarget is the log group or the delivery stream that an ARN names.
func accessTarget(destination string) (group, stream string, ok bool) {
	arn, ok := aws.ParseARN(destination)
	switch {
	case !ok:
	case arn.Service == "logs":
		group, ok = strings.CutPrefix(arn.Resource, "log-group:")
		group = strings.TrimSuffix(group, ":*")
		return group, "", ok && group != ""
	case arn.Service == "firehose":
		stream, ok = strings.CutPrefix(arn.Resource, "deliverystream/")
		return "", stream, ok && strings.HasPrefix(stream, deliveryStream)
	}
	return "", "", false
}

// logAccess writes the access log's line of an answered request. A canary's goes to its
// own group as well.
func (x *exchange) logAccess(ctx context.Context, st *staged, began time.Time, out *reply) {
	if st.access == nil {
		return
	}
	at := x.s.Clock.Now()
	line := st.access.Line(x.logged(out, at.Sub(began)))
	group, stream, ok := accessTarget(aws.Value(st.stage.AccessLogSettings.DestinationArn))
	if !ok {
		return
	}
	name := streamOf(st.owner, x.program.apiID, x.stageName)
	to := courier.Target{Account: st.owner.Account, Region: st.owner.Region, Group: group, Stream: name, Firehose: stream}
	x.s.logs.Line(ctx, to, line, at)
	if x.canary && group != "" {
		to.Group, to.Create = group+"/Canary", true
		x.s.logs.Line(ctx, to, line, at)
	}
}

// logged are the variables that access logs know, beside those of templates.
func (x *exchange) logged(out *reply, took time.Duration) func(string) string {
	vars := x.contextVariables()
	return func(name string) string {
		switch name {
		case "status":
			return strconv.Itoa(out.status)
		case "responseLength":
			return strconv.Itoa(len(out.body))
		case "responseLatency":
			return strconv.FormatInt(took.Milliseconds(), 10)
		case "integrationLatency", "integration.latency":
			if x.waited > 0 {
				return strconv.FormatInt(x.waited.Milliseconds(), 10)
			}
		case "integrationStatus", "integration.integrationStatus", "integration.status":
			if x.answerer.status > 0 {
				return strconv.Itoa(x.answerer.status)
			}
		case "integration.requestId", "awsEndpointRequestId":
			return x.answerer.id
		case "xrayTraceId":
			return x.req.trace
		case "isCanaryRequest":
			if x.stage != nil && x.stage.CanarySettings != nil {
				return strconv.FormatBool(x.canary)
			}
		default:
			if strings.HasPrefix(name, "error.") || name == "integrationErrorMessage" || name == "integration.error" {
				return x.logError(name)
			}
			text, _ := contextText(vars, name)
			return text
		}
		return ""
	}
}

// logError is what access logs know of a request that the gateway itself answered.
func (x *exchange) logError(name string) string {
	f := x.failed
	if f == nil {
		return ""
	}
	switch name {
	case "error.message":
		return f.message
	case "error.messageString":
		b, _ := json.Marshal(f.message)
		return string(b)
	case "error.responseType":
		return f.response
	case "error.validationErrorString":
		return f.detail
	}
	if f.status < 500 {
		return ""
	}
	return f.line
}
