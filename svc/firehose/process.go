package firehose

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
)

// The kinds of failure that prefixes name.
const (
	processingFailed = "processing-failed"
	conversionFailed = "format-conversion-failed"
)

// maxUnpacked is how long a record may become that is decompressed.
const maxUnpacked = 32 << 20

// A step is one processor, ready to work.
type step struct {
	kind     string
	function string // ARN
	role     string
	retries  int
	size     int // bytes of records in one invocation
	delimit  []byte
	json     bool // sub-records are JSON
	messages bool // of CloudWatch Logs alone
	query    *gojq.Code
}

// order is that in which AWS applies processors, whatever their order in a configuration.
var order = []string{api.ProcessorTypeDecompression, api.ProcessorTypeCloudWatchLogProcessing, api.ProcessorTypeRecordDeAggregation,
	api.ProcessorTypeLambda, api.ProcessorTypeMetadataExtraction, api.ProcessorTypeAppendDelimiterToRecord}

// newSteps checks processors. Functions are invoked as the role given, if they have none.
func newSteps(list []api.Processor, role string) (steps []step, err error) {
	for i := range list {
		s, err := newStep(&list[i], role)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(steps, func(o step) bool { return o.kind == s.kind }) {
			return nil, api.InvalidArgumentException("Only one processor of type %s may be specified.", s.kind)
		}
		steps = append(steps, s)
	}
	slices.SortFunc(steps, func(a, b step) int { return slices.Index(order, a.kind) - slices.Index(order, b.kind) })
	return steps, nil
}

func newStep(p *api.Processor, role string) (s step, err error) {
	v := map[string]string{}
	for _, x := range p.Parameters {
		v[*x.ParameterName] = *x.ParameterValue
	}
	s.kind = *p.Type
	switch s.kind {
	case api.ProcessorTypeLambda:
		err = s.lambda(v, role)
	case api.ProcessorTypeRecordDeAggregation:
		switch kind := v[api.ProcessorParameterNameSubRecordType]; {
		case kind == "JSON":
			s.json = true
		case kind == "DELIMITED" && v[api.ProcessorParameterNameDelimiter] != "":
			s.delimit = delimiter(v[api.ProcessorParameterNameDelimiter])
		default:
			err = api.InvalidArgumentException("SubRecordType must be JSON, or DELIMITED with a Delimiter.")
		}
	case api.ProcessorTypeMetadataExtraction:
		if engine := v[api.ProcessorParameterNameJsonParsingEngine]; engine != "JQ-1.6" {
			return s, api.InvalidArgumentException("JsonParsingEngine must be JQ-1.6.")
		}
		s.query, err = compileQuery(v[api.ProcessorParameterNameMetadataExtractionQuery])
	case api.ProcessorTypeAppendDelimiterToRecord:
		s.delimit = []byte("\n")
		if text, ok := v[api.ProcessorParameterNameDelimiter]; ok {
			s.delimit = delimiter(text)
		}
	case api.ProcessorTypeDecompression:
		if f := v[api.ProcessorParameterNameCompressionFormat]; f != "" && f != "GZIP" {
			err = api.InvalidArgumentException("CompressionFormat of the processor Decompression must be GZIP.")
		}
	case api.ProcessorTypeCloudWatchLogProcessing:
		s.messages = strings.EqualFold(v[api.ProcessorParameterNameDataMessageExtraction], "true")
	}
	return s, err
}

func (s *step) lambda(v map[string]string, role string) error {
	s.function, s.role, s.retries, s.size = v[api.ProcessorParameterNameLambdaArn], role, 3, 1<<20
	if a, ok := aws.ParseARN(s.function); !ok || a.Service != "lambda" || !strings.HasPrefix(a.Resource, "function:") {
		return api.InvalidArgumentException("LambdaArn must be the ARN of a function.")
	}
	if text, ok := v[api.ProcessorParameterNameNumberOfRetries]; ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 300 {
			return api.InvalidArgumentException("NumberOfRetries must be between 0 and 300.")
		}
		s.retries = n
	}
	if text, ok := v[api.ProcessorParameterNameBufferSizeInMBs]; ok {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n >= 0.2 && n <= 3) {
			return api.InvalidArgumentException("BufferSizeInMBs of the processor Lambda must be between 0.2 and 3.")
		}
		s.size = int(n * (1 << 20))
	}
	if text, ok := v[api.ProcessorParameterNameBufferIntervalInSeconds]; ok {
		if n, err := strconv.Atoi(text); err != nil || n < 0 || n > 900 {
			return api.InvalidArgumentException("BufferIntervalInSeconds of the processor Lambda must be between 0 and 900.")
		}
	}
	if text, ok := v[api.ProcessorParameterNameRoleArn]; ok {
		s.role = text
	}
	if s.role == "" {
		return missing("RoleArn of the processor Lambda")
	}
	return nil
}

// delimiter reads a delimiter: with escapes, as configurations in JSON have them, or in
// base 64, as the console has it.
func delimiter(text string) []byte {
	if strings.HasSuffix(text, "=") {
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			return b
		}
	}
	return []byte(strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t", `\\`, `\`).Replace(text))
}

// checkSteps refuses processors that do not go with the rest of a configuration.
func (p *plan) checkSteps() error {
	has := func(kind string) bool {
		return slices.ContainsFunc(p.steps, func(s step) bool { return s.kind == kind })
	}
	switch {
	case has(api.ProcessorTypeMetadataExtraction) && !p.partitioned:
		return api.InvalidArgumentException("MetadataExtraction processor is only supported when Dynamic Partitioning is enabled.")
	case has(api.ProcessorTypeRecordDeAggregation) && !p.partitioned:
		return api.InvalidArgumentException("RecordDeAggregation processor is only supported when Dynamic Partitioning is enabled.")
	case has(api.ProcessorTypeCloudWatchLogProcessing) && !has(api.ProcessorTypeDecompression):
		return api.InvalidArgumentException("CloudWatchLogProcessing processor is only supported together with the processor Decompression.")
	case !p.partitioned:
		return nil
	case p.bucket.prefix.has(fromQuery) && !has(api.ProcessorTypeMetadataExtraction):
		return api.InvalidArgumentException("MetadataExtraction processor is required when Prefix contains !{partitionKeyFromQuery:...}.")
	case p.bucket.prefix.has(fromLambda) && !has(api.ProcessorTypeLambda):
		return api.InvalidArgumentException("Lambda processor is required when Prefix contains !{partitionKeyFromLambda:...}.")
	}
	return nil
}

// process makes a shipment of the records of a batch.
func (d *delivery) process(ctx context.Context, list []record) (*shipment, error) {
	sh := &shipment{}
	if len(list) == 0 {
		return sh, nil
	}
	if d.st.Source != nil {
		list = deaggregated(list)
	}
	if b := d.plan.backup; b != nil {
		o, err := d.data(b, list, nil, joined(list), "backup", "BackupToS3")
		if err != nil {
			return nil, err
		}
		sh.objects = append(sh.objects, o)
	}
	for i := range d.plan.steps {
		var err error
		if list, err = d.step(ctx, sh, &d.plan.steps[i], list); err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		return sh, nil
	}
	if d.plan.kind != kindS3 && d.plan.kind != kindRedshift {
		sh.push = list
		return sh, nil
	}
	return sh, d.pack(ctx, sh, list)
}

// step applies one processor. What it fails on becomes an object of the shipment.
func (d *delivery) step(ctx context.Context, sh *shipment, s *step, list []record) (out []record, err error) {
	var failed []record
	no := &refusal{codes: map[string]string{}}
	if s.kind == api.ProcessorTypeLambda {
		out, failed, err = d.transform(ctx, s, list, no)
		if err != nil {
			return nil, err
		}
	} else {
		no.trouble.destination = "arn:aws:s3:::" + d.plan.bucket.bucket
		no.trouble.code, no.trouble.message = s.kind+".Failed", "The record could not be processed."
		for i := range list {
			made, err := s.apply(ctx, d, &list[i])
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				failed = append(failed, list[i])
				no.codes[list[i].id] = troubleOf[s.kind] + ": " + err.Error()
				no.trouble.code, no.trouble.message = troubleOf[s.kind], err.Error()
				continue
			}
			out = append(out, made...)
		}
	}
	if len(failed) == 0 {
		return out, nil
	}
	d.report(ctx, d.plan.log, d.logRole(), no.trouble)
	o, err := d.failed(processingFailed, s.kind, failed, no)
	if err == nil {
		sh.objects = append(sh.objects, o)
	}
	return out, err
}

// troubleOf are the codes of what processors fail on.
var troubleOf = map[string]string{
	api.ProcessorTypeMetadataExtraction: "DynamicPartitioning.MetadataExtractionFailed", api.ProcessorTypeDecompression: "Decompression.Failed",
	api.ProcessorTypeCloudWatchLogProcessing: "CloudWatchLogProcessing.Failed", api.ProcessorTypeRecordDeAggregation: "RecordDeAggregation.Failed",
}

// words are an error in AWS's own words.
type words string

// Error implements error.
func (w words) Error() string { return string(w) }

const errNoRecord = words("The record is not valid JSON.")

// apply makes one record into those that it becomes.
func (s *step) apply(ctx context.Context, d *delivery, r *record) ([]record, error) {
	switch s.kind {
	case api.ProcessorTypeDecompression:
		z, err := gzip.NewReader(bytes.NewReader(r.data))
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(io.LimitReader(z, maxUnpacked+1))
		if err == nil && len(data) > maxUnpacked {
			err = errors.New("the record is too long when it is decompressed")
		}
		return r.become(data), err
	case api.ProcessorTypeCloudWatchLogProcessing:
		return s.logEvents(r)
	case api.ProcessorTypeRecordDeAggregation:
		return s.parts(r)
	case api.ProcessorTypeMetadataExtraction:
		keys, err := d.extract(ctx, s.query, r.data)
		if err != nil {
			return nil, err
		}
		out := *r
		out.keys = keys.with(r.keys)
		return []record{out}, nil
	default: // AppendDelimiterToRecord
		return r.become(append(r.data[:len(r.data):len(r.data)], s.delimit...)), nil
	}
}

// become is a record with other data.
func (r *record) become(data []byte) []record {
	out := *r
	out.data = data
	return []record{out}
}

// logEvents is what a subscription of CloudWatch Logs has sent: whole, or its messages, a
// line for each. What it sends to see whether it can is not data.
func (s *step) logEvents(r *record) ([]record, error) {
	if !s.messages {
		return r.become(r.data), nil
	}
	var sent struct {
		Kind   string `json:"messageType"`
		Events []struct {
			Message string `json:"message"`
		} `json:"logEvents"`
	}
	if err := json.Unmarshal(r.data, &sent); err != nil {
		return nil, errNoRecord
	}
	if sent.Kind == "CONTROL_MESSAGE" {
		return nil, nil
	}
	var b bytes.Buffer
	for _, e := range sent.Events {
		b.WriteString(e.Message)
		b.WriteByte('\n')
	}
	return r.become(b.Bytes()), nil
}

// parts are the sub-records of a record.
func (s *step) parts(r *record) (out []record, err error) {
	add := func(data []byte) {
		part := *r
		part.data, part.id = data, r.id+"-"+strconv.Itoa(len(out))
		out = append(out, part)
	}
	if !s.json {
		for _, data := range bytes.Split(r.data, s.delimit) {
			if len(data) > 0 {
				add(data)
			}
		}
		return out, nil
	}
	for in := json.NewDecoder(bytes.NewReader(r.data)); ; {
		var raw json.RawMessage
		switch err := in.Decode(&raw); {
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, errNoRecord
		}
		add(raw)
	}
}
