package apigatewayv2

import (
	"context"

	"github.com/tule-cloud/tule/aws"
)

// measure notes one request to an HTTP API: by API, by stage, and by route where the
// stage's settings say so.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
func (x *exchange) measure(out *reply) {
	id, stage := *x.program.api.ApiId, *x.stage.StageName
	lists := [][]string{{"ApiId", id}, {"ApiId", id, "Stage", stage}}
	if x.route != nil && aws.Value(settings(x.stage, x.route.key).DetailedMetricsEnabled) {
		verb, resource := x.route.verb, x.route.path
		if verb == "" {
			verb, resource = defaultKey, defaultKey
		}
		lists = append(lists, []string{"ApiId", id, "Method", verb, "Resource", resource, "Stage", stage})
	}
	for _, dims := range lists {
		put := func(name, unit string, v float64) {
			x.s.Meter.Measure(aws.Measurement{Account: x.owner.Account, Region: x.owner.Region, Namespace: "AWS/ApiGateway", Name: name, Unit: unit, Dimensions: dims, Value: v})
		}
		put("Count", "Count", 1)
		put("4xx", "Count", truth(out.status/100 == 4))
		put("5xx", "Count", truth(out.status/100 == 5))
		put("Latency", "Milliseconds", float64(x.s.Clock.Now().Sub(x.req.at).Milliseconds()))
		put("DataProcessed", "Bytes", float64(len(x.req.body)+len(out.body)))
		if x.waited > 0 {
			put("IntegrationLatency", "Milliseconds", float64(x.waited.Milliseconds()))
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// finish notes what came of a request.
func (x *exchange) finish(ctx context.Context, out *reply) {
	x.reply = out
	x.measure(out)
	x.logAccess(ctx)
}
