package firehose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/itchyny/gojq"

	api "github.com/tule-cloud/tule/api/firehose"
)

const (
	// maxPartitions is how many partitions one batch is spread over.
	maxPartitions = 500
	// queryTime is how long a query may take over one record.
	queryTime = 5 * time.Second
)

// keys are those of a partition, by namespace and name.
type keys map[string]string

func (k keys) with(others map[string]string) map[string]string {
	all := maps.Clone(map[string]string(k))
	maps.Copy(all, others)
	return all
}

// compileQuery reads a query for keys of partitions.
func compileQuery(text string) (*gojq.Code, error) {
	q, err := gojq.Parse(text)
	if err == nil {
		var code *gojq.Code
		if code, err = gojq.Compile(q); err == nil {
			return code, nil
		}
	}
	return nil, api.InvalidArgumentException("MetadataExtractionQuery is not a valid JQ expression: %v", err)
}

// extract asks a record for the keys of its partition.
func (d *delivery) extract(ctx context.Context, query *gojq.Code, data []byte) (keys, error) {
	var in any
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, errNoRecord
	}
	ctx, cancel := d.s.limited(ctx, queryTime)
	defer cancel()
	v, ok := query.RunWithContext(ctx, in).Next()
	if !ok {
		return nil, errors.New("the query has no result")
	}
	if err, failed := v.(error); failed {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the query's result is not an object")
	}
	out := keys{}
	for name, v := range object {
		text, ok := keyText(v)
		if !ok {
			return nil, fmt.Errorf("the key %s of the partition is null or not a scalar", name)
		}
		out[fromQuery+":"+name] = text
	}
	return out, nil
}

// keyText is a key of a partition as prefixes have it.
func keyText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, v != ""
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case int:
		return strconv.Itoa(v), true
	case bool:
		return strconv.FormatBool(v), true
	case fmt.Stringer: // a large number
		return v.String(), true
	}
	return "", false
}

// limited is a context that ends after some time on the service's clock.
func (s *Service) limited(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	due, stop := s.Clock.After(d)
	go func() {
		select {
		case <-due:
			cancel(errLate)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { stop(); cancel(nil) }
}

var errLate = errors.New("it took too long")

// A group is the records of one partition.
type group struct {
	key  string
	keys map[string]string
	list []record
}

// groups are the partitions of records, in the order in which they first appear. Records
// that lack a key of the prefix, or are of one partition too many, fail.
func (d *delivery) groups(list []record, no *refusal) (out []*group, failed []record) {
	if !d.plan.partitioned {
		return []*group{{list: list}}, nil
	}
	var names []string
	for _, e := range d.plan.bucket.prefix {
		if e.space == fromQuery || e.space == fromLambda {
			names = append(names, e.space+":"+e.value)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	of := map[string]*group{}
	for i := range list {
		var key strings.Builder
		code := ""
		for _, name := range names {
			v, ok := list[i].keys[name]
			if !ok {
				code = "DynamicPartitioning.PartitionKeyMissing: The record has no key " + name[strings.Index(name, ":")+1:] + "."
			}
			key.WriteString(strconv.Quote(v))
		}
		g := of[key.String()]
		if code == "" && g == nil {
			if len(out) == maxPartitions {
				code = "DynamicPartitioning.ActivePartitionsExceeded: There are more than " + strconv.Itoa(maxPartitions) + " active partitions."
			} else {
				g = &group{key: key.String(), keys: list[i].keys}
				of[g.key] = g
				out = append(out, g)
			}
		}
		if code != "" {
			failed = append(failed, list[i])
			no.codes[list[i].id] = code
			no.trouble.code, no.trouble.message, _ = strings.Cut(code, ": ")
			continue
		}
		g.list = append(g.list, list[i])
	}
	return out, failed
}

// pack makes objects of records for S3, and for Redshift a manifest of them.
func (d *delivery) pack(ctx context.Context, sh *shipment, list []record) error {
	no := &refusal{codes: map[string]string{}, trouble: trouble{destination: "arn:aws:s3:::" + d.plan.bucket.bucket}}
	groups, failed := d.groups(list, no)
	if len(failed) > 0 {
		d.report(ctx, d.plan.log, d.logRole(), no.trouble)
		o, err := d.failed(processingFailed, "partition", failed, no)
		if err != nil {
			return err
		}
		sh.objects = append(sh.objects, o)
	}
	if d.plan.partitioned {
		d.s.measure(d.at, "PartitionCount", unitCount, float64(len(groups)))
	}
	var unconverted []record
	why := &refusal{codes: map[string]string{}, trouble: no.trouble}
	for _, g := range groups {
		body := []byte(nil)
		if d.plan.convert != nil {
			var bad []record
			var err error
			if body, g.list, bad, err = d.plan.convert.parquet(g.list, why); err != nil {
				return err
			}
			unconverted = append(unconverted, bad...)
			d.s.measure(d.at, "SucceedConversion.Records", unitCount, float64(len(g.list)))
		} else {
			body = joined(g.list)
		}
		if len(g.list) == 0 {
			continue
		}
		o, err := d.data(d.plan.bucket, g.list, g.keys, body, "data"+g.key, "DeliveryToS3")
		if err != nil {
			return err
		}
		sh.objects = append(sh.objects, o)
	}
	if len(unconverted) > 0 {
		d.s.measure(d.at, "FailedConversion.Records", unitCount, float64(len(unconverted)))
		d.report(ctx, d.plan.log, d.logRole(), why.trouble)
		o, err := d.failed(conversionFailed, "", unconverted, why)
		if err != nil {
			return err
		}
		sh.objects = append(sh.objects, o)
	}
	if d.plan.kind == kindRedshift {
		return d.manifest(sh, arrival(list))
	}
	return nil
}
