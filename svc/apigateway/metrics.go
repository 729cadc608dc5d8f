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
	m := measuring{of: st, status: status, latency: s.Clock.Now().Sub(began), x: x}
	for _, dims := range st.dims {
		s.put(&m, dims)
	}
	if x != nil && x.setting != nil && aws.Value(x.setting.MetricsEnabled) {
		s.put(&m, []string{"ApiName", st.program.apiName, "Method", x.method.verb, "Resource", x.method.resourcePath, "Stage", stage})
	}
}

// measuring is a request that is measured.
type measuring struct {
	of      *staged
	status  int
	latency time.Duration
	x       *exchange
}

// dimensionsOf are the lists of dimensions of each request to a stage.
func dimensionsOf(apiName, stage string) [][]string {
	return [][]string{{"ApiName", apiName}, {"ApiName", apiName, "Stage", stage}}
}

// put measures a request under a list of dimensions.
func (s *Service) put(m *measuring, dims []string) {
	one := aws.Measurement{Account: m.of.owner.Account, Region: m.of.owner.Region, Namespace: "AWS/ApiGateway", Dimensions: dims}
	put := func(name, unit string, v float64) {
		one.Name, one.Unit, one.Value = name, unit, v
		s.Meter.Measure(one)
	}
	put("Count", "Count", 1)
	put("4XXError", "Count", truth(m.status/100 == 4))
	put("5XXError", "Count", truth(m.status/100 == 5))
	put("Latency", "Milliseconds", float64(m.latency.Milliseconds()))
	if m.x == nil {
		return
	}
	if m.x.looked {
		put("CacheHitCount", "Count", truth(m.x.hit))
		put("CacheMissCount", "Count", truth(!m.x.hit))
	}
	if m.x.waited > 0 {
		put("IntegrationLatency", "Milliseconds", float64(m.x.waited.Milliseconds()))
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
