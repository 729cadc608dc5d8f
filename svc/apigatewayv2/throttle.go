package apigatewayv2

import (
	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
)

// bucketKey names what a limit is on.
type bucketKey struct{ api, stage, route string }

// settings are those of a route, or the stage's own.
func settings(st *api.Stage, key string) *api.RouteSettings {
	if one, ok := st.RouteSettings[key]; ok {
		return &one
	}
	return orEmpty(st.DefaultRouteSettings)
}

// admit holds a request to its route's limits.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
func (x *exchange) admit() bool {
	one := settings(x.stage, x.route.key)
	if one.ThrottlingRateLimit == nil && one.ThrottlingBurstLimit == nil {
		return true
	}
	rate := aws.Value(one.ThrottlingRateLimit)
	if one.ThrottlingRateLimit == nil {
		rate = 10_000 // an account's
	}
	return x.s.buckets.Take(bucketKey{*x.program.api.ApiId, *x.stage.StageName, x.route.key}, rate, one.ThrottlingBurstLimit)
}
