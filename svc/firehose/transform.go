package firehose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

const (
	// maxInvocation is how many records one invocation takes.
	maxInvocation = 500
	// invocationPause is how long a function is left alone that is throttled.
	invocationPause = time.Second
)

// What functions are given, and give back.
// https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html
type (
	transformEvent struct {
		InvocationID string            `json:"invocationId"`
		Source       string            `json:"sourceKinesisStreamArn,omitempty"`
		Stream       string            `json:"deliveryStreamArn"`
		Region       string            `json:"region"`
		Records      []transformRecord `json:"records"`
	}
	transformRecord struct {
		ID      string           `json:"recordId"`
		Came    int64            `json:"approximateArrivalTimestamp"`
		Data    []byte           `json:"data"`
		Kinesis *kinesisMetadata `json:"kinesisRecordMetadata,omitempty"`
	}
	kinesisMetadata struct {
		Sequence    string `json:"sequenceNumber"`
		Subsequence int    `json:"subsequenceNumber"`
		Key         string `json:"partitionKey"`
		Shard       string `json:"shardId"`
		Came        int64  `json:"approximateArrivalTimestamp"`
	}
	transformResult struct {
		ID       string `json:"recordId"`
		Result   string `json:"result"`
		Data     []byte `json:"data"`
		Metadata struct {
			Keys map[string]any `json:"partitionKeys"`
		} `json:"metadata"`
	}
)

// transform lets a function work on records, some at a time.
func (d *delivery) transform(ctx context.Context, s *step, list []record, no *refusal) (out, failed []record, err error) {
	no.trouble.destination, no.trouble.function = "arn:aws:s3:::"+d.plan.bucket.bucket, s.function
	for len(list) > 0 {
		n, size := 0, 0
		for n < len(list) && n < maxInvocation && (n == 0 || size+len(list[n].data) <= s.size) {
			size += len(list[n].data)
			n++
		}
		part := list[:n]
		list = list[n:]
		began := d.s.Clock.Now()
		got, code, err := d.invokeAgain(ctx, s, part)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		d.s.measure(d.at, "ExecuteProcessing.Duration", unitMilliseconds, float64(d.s.Clock.Now().Sub(began).Milliseconds()))
		if err != nil {
			d.s.measure(d.at, "ExecuteProcessing.Success", unitCount, 0)
			no.trouble.code, no.trouble.message = code, err.Error()
			for i := range part {
				no.codes[part[i].id] = code + ": " + err.Error()
			}
			failed = append(failed, part...)
			continue
		}
		d.s.measure(d.at, "ExecuteProcessing.Success", unitCount, 1)
		good := len(out)
		for i := range part {
			r, code := part[i].transformed(got)
			switch {
			case code != "":
				failed = append(failed, part[i])
				no.codes[part[i].id] = code
				no.trouble.code, no.trouble.message = "Lambda.ProcessingFailedStatus", code
			case r != nil:
				out = append(out, *r)
			}
		}
		d.s.measure(d.at, "SucceedProcessing.Records", unitCount, float64(len(out)-good))
		d.s.measure(d.at, "SucceedProcessing.Bytes", unitBytes, float64(sizeOf(out[good:])))
	}
	return out, failed, nil
}

// transformed is what a function made of a record: nil if it dropped it, a code and text if
// it failed.
func (r *record) transformed(got map[string]*transformResult) (*record, string) {
	t, ok := got[r.id]
	switch {
	case !ok:
		return nil, "Lambda.MissingRecordId: One or more record Ids were not returned. Ensure that the Lambda function returns all received record Ids."
	case t == nil:
		return nil, "Lambda.DuplicatedRecordId: Multiple records were returned with the same record ID. Ensure that the Lambda function returns unique record IDs for each record."
	}
	switch t.Result {
	case "Dropped":
		return nil, ""
	case "ProcessingFailed":
		return nil, "Lambda.ProcessingFailedStatus: ProcessingFailed status set for record"
	case "Ok":
	default:
		return nil, "Lambda.InvalidResult: The result of a record must be Ok, Dropped or ProcessingFailed."
	}
	out := *r
	out.data = t.Data
	more := keys{}
	for name, v := range t.Metadata.Keys {
		if text, ok := keyText(v); ok {
			more[fromLambda+":"+name] = text
		}
	}
	if len(more) > 0 {
		out.keys = more.with(r.keys)
	}
	return &out, ""
}

// invokeAgain invokes a function until it answers, or its retries are used up.
func (d *delivery) invokeAgain(ctx context.Context, s *step, list []record) (got map[string]*transformResult, code string, err error) {
	for try := 0; ; try++ {
		var pause, final bool
		if got, code, pause, final, err = d.invoke(ctx, s, list); err == nil || final || try == s.retries {
			return got, code, err
		}
		if pause {
			due, stop := d.s.Clock.After(invocationPause)
			select {
			case <-ctx.Done():
				stop()
				return nil, "", ctx.Err()
			case <-due:
			}
		}
	}
}

// invoke invokes a function once. A pause does good where it was throttled, and nothing
// does where a failure is final.
func (d *delivery) invoke(ctx context.Context, s *step, list []record) (got map[string]*transformResult, code string, pause, final bool, err error) {
	e := transformEvent{InvocationID: aws.RandomUUID(d.s.Random), Stream: d.at.arn(), Region: d.at.scope.Region, Records: make([]transformRecord, len(list))}
	if d.st.Source != nil {
		e.Source = d.st.Source.ARN
	}
	for i := range list {
		r := &list[i]
		e.Records[i] = transformRecord{ID: r.id, Came: r.came.UnixMilli(), Data: r.data}
		if r.sequence != "" {
			e.Records[i].Kinesis = &kinesisMetadata{r.sequence, r.sub, r.key, r.shard, r.came.UnixMilli()}
		}
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return nil, "Lambda.JsonProcessingException", false, true, err
	}
	acting, err := d.s.roles.acting(ctx, d.at, s.role)
	if err != nil {
		return nil, "Lambda.AssumeRoleAccessDenied", false, true, fmt.Errorf("the role %s cannot be assumed: %s", s.role, textOf(err))
	}
	out, err := lambdaapi.Invoke.Do(acting, d.s.Peers, &lambdaapi.InvocationRequest{FunctionName: &s.function, Payload: payload})
	if err != nil {
		return refusedInvocation(err)
	}
	if out.FunctionError != nil {
		return nil, "Lambda.FunctionError", false, false, words("The Lambda function was successfully invoked but it returned an error result.")
	}
	var answer struct {
		Records []*transformResult `json:"records"`
	}
	if err := json.Unmarshal(out.Payload, &answer); err != nil || answer.Records == nil {
		return nil, "Lambda.InvalidPayload", false, true, words("The Lambda function's response is not a list of records.")
	}
	got = make(map[string]*transformResult, len(answer.Records))
	for _, r := range answer.Records {
		if r == nil {
			continue
		}
		if _, twice := got[r.ID]; twice {
			got[r.ID] = nil
			continue
		}
		got[r.ID] = r
	}
	return got, "", false, false, nil
}

// refusedInvocation is what came of an invocation that Lambda refused.
func refusedInvocation(err error) (got map[string]*transformResult, code string, pause, final bool, _ error) {
	text := errors.New(textOf(err))
	var e *aws.Error
	switch code := aws.CodeOf(err); {
	case code == "AccessDenied", code == "AccessDeniedException":
		return nil, "Lambda.InvokeAccessDenied", false, true, text
	case code == "ResourceNotFoundException":
		return nil, "Lambda.FunctionNotFound", false, true, text
	case code == "TooManyRequestsException":
		return nil, "Lambda.InvokeLimitExceeded", true, false, text
	case errors.As(err, &e) && !e.Server():
		return nil, "Lambda." + code, false, true, text
	}
	return nil, "Lambda.InvokeFailed", true, false, text
}
