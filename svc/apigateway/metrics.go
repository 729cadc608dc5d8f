package apigateway

import (
	"errors"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// What API Gateway measures of itself, for CloudWatch: by API, by stage, and by method
// where the stage's settings say so.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html

// measure notes one request to a stage. The exchange is nil for one that found no method,
// and the reply for one that was refused with err.
func (s *Service) measure(st *staged, stage string, began time.Time, x *exchange, out *reply, err error) {
	status := 500
	var f *fault
	if out != nil {
		status = out.status
	} else if errors.As(err, &f) {
		status = f.status
	}
	lists := [][]string{{"ApiName", st.program.apiName}, {"ApiName", st.program.apiName, "Stage", stage}}
	if x != nil {
		if m := settingsOf(st.stage, x.method.resourcePath, x.method.verb); m != nil && aws.Value(m.MetricsEnabled) {
			lists = append(lists, []string{"ApiName", st.program.apiName, "Method", x.method.verb, "Resource", x.method.resourcePath, "Stage", stage})
		}
	}
	latency := s.Clock.Now().Sub(began)
	for _, dims := range lists {
		put := func(name, unit string, v float64) {
			s.Meter.Measure(aws.Measurement{Account: st.owner.Account, Region: st.owner.Region, Namespace: "AWS/ApiGateway", Name: name, Unit: unit, Dimensions: dims, Value: v})
		}
		put("Count", "Count", 1)
		put("4XXError", "Count", truth(status/100 == 4))
		put("5XXError", "Count", truth(status/100 == 5))
		put("Latency", "Milliseconds", float64(latency.Milliseconds()))
		if x != nil && x.looked {
			put("CacheHitCount", "Count", truth(x.hit))
			put("CacheMissCount", "Count", truth(!x.hit))
		}
		if x != nil && x.waited > 0 {
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

// waiting begins to measure how long a back end takes; what it returns ends it.
func (x *exchange) waiting() func() {
	began := x.s.Clock.Now()
	return func() { x.waited += max(x.s.Clock.Now().Sub(began), 1) }
}
