package logs

import api "github.com/tule-cloud/tule/api/logs"

// A metricFilter is the record of a metric filter, under its group's and its own name.
type metricFilter struct {
	Created int64
	Pattern string
	Into    []api.MetricTransformation
}
