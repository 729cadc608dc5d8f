package cloudwatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/store"
)

// A detector is an anomaly detector. Detectors are kept and shown; no model is trained.
type detector struct{ api.AnomalyDetector }

// detectorKey is what a detector is about: one metric's statistic, or an expression.
func detectorKey(single *api.SingleMetricAnomalyDetector, maths *api.MetricMathAnomalyDetector) (string, error) {
	switch {
	case (single == nil) == (maths == nil):
		return "", api.InvalidParameterCombinationException("Exactly one of SingleMetricAnomalyDetector and MetricMathAnomalyDetector must be given.")
	case maths != nil:
		b, err := json.Marshal(maths)
		sum := sha256.Sum256(b)
		return "maths/" + hex.EncodeToString(sum[:]), err
	case single.Namespace == nil || single.MetricName == nil || single.Stat == nil:
		return "", api.MissingRequiredParameterException("The parameters Namespace, MetricName and Stat are required.")
	}
	m := metricOf(*single.Namespace, *single.MetricName, single.Dimensions)
	which := m.id()
	return "metric/" + hex.EncodeToString(which[:]) + "/" + *single.Stat, nil
}

// singleOf is the metric that older clients give outside of SingleMetricAnomalyDetector.
func singleOf(single *api.SingleMetricAnomalyDetector, namespace, name, stat *string, dims []api.Dimension) *api.SingleMetricAnomalyDetector {
	if single == nil && (namespace != nil || name != nil || stat != nil) {
		return &api.SingleMetricAnomalyDetector{Namespace: namespace, MetricName: name, Stat: stat, Dimensions: dims}
	}
	return single
}

func (s *Service) putAnomalyDetector(ctx context.Context, in *api.PutAnomalyDetectorInput) (*api.PutAnomalyDetectorOutput, error) {
	d := api.AnomalyDetector{Configuration: in.Configuration, MetricCharacteristics: in.MetricCharacteristics, MetricMathAnomalyDetector: in.MetricMathAnomalyDetector,
		SingleMetricAnomalyDetector: singleOf(in.SingleMetricAnomalyDetector, in.Namespace, in.MetricName, in.Stat, in.Dimensions),
		StateValue:                  new(api.AnomalyDetectorStateValuePendingTraining)}
	key, err := detectorKey(d.SingleMetricAnomalyDetector, d.MetricMathAnomalyDetector)
	if err != nil {
		return nil, err
	}
	if one := d.SingleMetricAnomalyDetector; one != nil {
		d.Namespace, d.MetricName, d.Stat, d.Dimensions = one.Namespace, one.MetricName, one.Stat, one.Dimensions
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error { return detectors.Put(tx, scopeOf(ctx), detector{d}, key) })
}

func (s *Service) deleteAnomalyDetector(ctx context.Context, in *api.DeleteAnomalyDetectorInput) (*api.DeleteAnomalyDetectorOutput, error) {
	key, err := detectorKey(singleOf(in.SingleMetricAnomalyDetector, in.Namespace, in.MetricName, in.Stat, in.Dimensions), in.MetricMathAnomalyDetector)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		had, err := detectors.Has(ctx, tx, scopeOf(ctx), key)
		if err == nil && !had {
			err = api.ResourceNotFoundException("The anomaly detector does not exist.")
		}
		return errors.Join(err, detectors.Delete(tx, scopeOf(ctx), key))
	})
}

func (s *Service) describeAnomalyDetectors(ctx context.Context, in *api.DescribeAnomalyDetectorsInput) (*api.DescribeAnomalyDetectorsOutput, error) {
	types := in.AnomalyDetectorTypes
	if len(types) == 0 {
		types = []string{api.AnomalyDetectorTypeSingleMetric}
	}
	out := &api.DescribeAnomalyDetectorsOutput{AnomalyDetectors: []api.AnomalyDetector{}}
	next, err := listPage(ctx, s, detectors, in.NextToken, pageOf(in.MaxResults, 100), func(_ string, d detector) bool {
		one := d.SingleMetricAnomalyDetector
		kind := api.AnomalyDetectorTypeMetricMath
		if one != nil {
			kind = api.AnomalyDetectorTypeSingleMetric
		}
		if !slices.Contains(types, kind) ||
			in.Namespace != nil && (one == nil || *one.Namespace != *in.Namespace) ||
			in.MetricName != nil && (one == nil || *one.MetricName != *in.MetricName) ||
			len(in.Dimensions) > 0 && (one == nil || metricOf("", "", one.Dimensions).id() != metricOf("", "", in.Dimensions).id()) {
			return false
		}
		out.AnomalyDetectors = append(out.AnomalyDetectors, d.AnomalyDetector)
		return true
	})
	out.NextToken = next
	return out, err
}
