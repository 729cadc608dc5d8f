package cloudwatch

import (
	"context"
	"math"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What PutMetricData takes at most.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
const (
	maxPut       = 1000    // metrics in a request
	maxPutBytes  = 1 << 20 // of a request
	maxPutValues = 150     // in Values
	oldest       = 14 * 24 * time.Hour
	ahead        = 2 * time.Hour
)

// greatest is the greatest value that there may be, below zero as above.
var greatest = math.Pow(2, 360)

func invalidValue(format string, args ...any) *aws.Error {
	return api.InvalidParameterValueException(format, args...)
}

func (s *Service) putMetricData(ctx context.Context, in *api.PutMetricDataInput) (*aws.Empty, error) {
	if strings.HasPrefix(*in.Namespace, "AWS/") && aws.RequestOf(ctx).Caller.Kind != aws.ServiceSelf {
		return nil, invalidValue("The value %s for parameter Namespace is invalid.", *in.Namespace)
	}
	if err := checkText("Namespace", *in.Namespace); err != nil {
		return nil, err
	}
	all := in.MetricData
	for _, e := range in.EntityMetricData {
		all = append(all[:len(all):len(all)], e.MetricData...)
	}
	if len(all) == 0 {
		return nil, api.MissingRequiredParameterException("The parameter MetricData is required.")
	}
	if len(all) > maxPut {
		return nil, invalidValue("The collection MetricData must not have a size greater than %d.", maxPut)
	}
	now, size := s.Clock.Now(), 0
	data := make([]datum, 0, len(all))
	for i := range all {
		d, err := datumOf(*in.Namespace, &all[i], place1(i), now)
		if err != nil {
			return nil, err
		}
		if size += weight(&all[i]); size > maxPutBytes {
			return nil, aws.Errorf(413, "RequestEntityTooLarge", "The request is larger than %d bytes.", maxPutBytes)
		}
		data = append(data, d)
	}
	scope := scopeOf(ctx)
	err := s.Store.Update(ctx, func(tx store.Tx) error { return s.write(ctx, tx, scope, data) })
	if err == nil {
		s.touched.note(scope, data)
	}
	return nil, err
}

// place1 says which of a list of metrics is meant, as query clients write it.
func place1(i int) string { return "MetricData.member." + itoa(i+1) }

// weight is about how long a datum is in a request.
func weight(d *api.MetricDatum) int {
	n := 64 + len(*d.MetricName) + 9*(len(d.Values)+len(d.Counts))
	for _, x := range d.Dimensions {
		n += 12 + len(*x.Name) + len(*x.Value)
	}
	return n
}

// datumOf reads one datum of a request; at says which.
func datumOf(namespace string, in *api.MetricDatum, at string, now time.Time) (datum, error) {
	d := datum{metric: metricOf(namespace, *in.MetricName, in.Dimensions), unit: aws.Value(in.Unit), at: now.Unix(), step: 60}
	if d.unit == "" {
		d.unit = "None"
	}
	if err := checkText(at+".MetricName", *in.MetricName); err != nil {
		return d, err
	}
	for i, x := range d.metric.Dimensions {
		if i > 0 && d.metric.Dimensions[i-1].Name == x.Name {
			return d, invalidValue("The parameter %s.Dimensions has the dimension %s more than once.", at, x.Name)
		}
		for _, text := range []string{x.Name, x.Value} {
			if err := checkText(at+".Dimensions", text); err != nil {
				return d, err
			}
		}
	}
	if in.Timestamp != nil {
		d.at = in.Timestamp.Unix()
		if in.Timestamp.Before(now.Add(-oldest)) {
			return d, invalidValue("The parameter %s.Timestamp must specify a time no more than two weeks in the past.", at)
		}
		if in.Timestamp.After(now.Add(ahead)) {
			return d, invalidValue("The parameter %s.Timestamp must specify a time no more than two hours in the future.", at)
		}
	}
	switch r := aws.Value(in.StorageResolution); r {
	case 0, 60:
	case 1:
		d.step = 1
	default:
		return d, invalidValue("The value %d for parameter %s.StorageResolution is invalid.", r, at)
	}
	var err error
	d.sample, err = sampleOf(in, at)
	return d, err
}

// sampleOf reads the values of a datum.
func sampleOf(in *api.MetricDatum, at string) (sample, error) {
	given := []string{}
	for name, has := range map[string]bool{"Value": in.Value != nil, "Values": len(in.Values) > 0, "StatisticValues": in.StatisticValues != nil} {
		if has {
			given = append(given, name)
		}
	}
	switch {
	case len(given) == 0:
		return sample{}, api.MissingRequiredParameterException("At least one of the parameters must be specified: %s.Value, %s.Values, %s.StatisticValues.", at, at, at)
	case len(given) > 1:
		return sample{}, api.InvalidParameterCombinationException("The parameters %s.Value, %s.Values and %s.StatisticValues are mutually exclusive and you have specified more than one.", at, at, at)
	case in.Value != nil:
		return one(*in.Value, 1), checkNumber(at+".Value", *in.Value)
	case in.StatisticValues != nil:
		return statisticSet(in.StatisticValues, at+".StatisticValues")
	}
	if len(in.Values) > maxPutValues {
		return sample{}, invalidValue("The collection %s.Values must not have a size greater than %d.", at, maxPutValues)
	}
	if in.Counts != nil && len(in.Counts) != len(in.Values) {
		return sample{}, invalidValue("The parameters %s.Values and %s.Counts must be of the same size.", at, at)
	}
	var s sample
	for i, v := range in.Values {
		times := 1.0
		if in.Counts != nil {
			times = in.Counts[i]
		}
		if err := checkNumber(at+".Values", v); err != nil {
			return s, err
		}
		if err := checkNumber(at+".Counts", times); err != nil || times < 0 {
			return s, invalidValue("The value %v for parameter %s.Counts is invalid.", times, at)
		}
		if times > 0 {
			s.add(one(v, times))
		}
	}
	if s.Count == 0 {
		return s, invalidValue("The parameter %s.Counts must have a count greater than 0.", at)
	}
	return s, nil
}

func statisticSet(in *api.StatisticSet, at string) (sample, error) {
	for name, v := range map[string]float64{".SampleCount": *in.SampleCount, ".Sum": *in.Sum, ".Minimum": *in.Minimum, ".Maximum": *in.Maximum} {
		if err := checkNumber(at+name, v); err != nil {
			return sample{}, err
		}
	}
	if *in.SampleCount <= 0 {
		return sample{}, invalidValue("The value %v for parameter %s.SampleCount is invalid.", *in.SampleCount, at)
	}
	if *in.Maximum < *in.Minimum {
		return sample{}, invalidValue("The parameter %s.Maximum must be greater than or equal to %s.Minimum.", at, at)
	}
	return summed(*in.SampleCount, *in.Sum, *in.Minimum, *in.Maximum), nil
}

// checkNumber refuses what CloudWatch keeps no sums of.
func checkNumber(at string, v float64) error {
	if math.IsNaN(v) || math.Abs(v) > greatest {
		return invalidValue("The value %v for parameter %s is invalid.", v, at)
	}
	return nil
}

// checkText refuses names that are no printed ASCII, or nothing but spaces.
func checkText(at, text string) error {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return invalidValue("The value %q for parameter %s contains non-ASCII or control characters.", text, at)
		}
	}
	if strings.TrimSpace(text) == "" {
		return invalidValue("The parameter %s must contain at least one non-whitespace character.", at)
	}
	return nil
}
