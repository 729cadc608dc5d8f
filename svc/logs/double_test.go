package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	s3api "github.com/tule-cloud/tule/api/s3"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A world stands in for those that this service calls. What has "missing" in its name is
// not there; refuse, if not nil, has the first word on every other call.
type world struct {
	mu      sync.Mutex
	got     []delivered
	objects map[string][]byte
	refuse  func(caller aws.Caller, to string, records int) error
	came    chan struct{} // after each delivery
}

// A delivered is one message that arrived.
type delivered struct {
	to, by, key string
	dataMessage
}

func newWorld() *world {
	return &world{objects: map[string][]byte{}, came: make(chan struct{}, 10_000)}
}

func (w *world) routes() []aws.Route {
	return []aws.Route{
		lambdaapi.Invoke.To(w.invoke, aws.Nothing), kinesisapi.PutRecords.To(w.putRecords, aws.Nothing),
		firehoseapi.PutRecordBatch.To(w.putRecordBatch, aws.Nothing), stsapi.AssumeRole.To(w.assumeRole, aws.Nothing),
		s3api.GetBucketAcl.To(w.getBucketACL, aws.Nothing), s3api.PutObject.To(w.putObject, aws.Nothing),
	}
}

func (w *world) take(ctx context.Context, to string, data [][]byte, keys []string) error {
	caller := aws.RequestOf(ctx).Caller
	if strings.Contains(to, "missing") {
		return aws.Errorf(404, "ResourceNotFoundException", "There is no %s.", to)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		if err := w.refuse(caller, to, len(data)); err != nil {
			return err
		}
	}
	for i, b := range data {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return err
		}
		d := delivered{to: to, by: caller.ARN}
		if keys != nil {
			d.key = keys[i]
		}
		if err := json.NewDecoder(z).Decode(&d.dataMessage); err != nil {
			return err
		}
		w.got = append(w.got, d)
	}
	w.came <- struct{}{}
	return nil
}

func (w *world) invoke(ctx context.Context, in *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
	var e struct {
		Logs struct{ Data []byte } `json:"awslogs"`
	}
	var data [][]byte
	if *in.InvocationType == lambdaapi.InvocationTypeEvent {
		if err := json.Unmarshal(in.Payload, &e); err != nil {
			return nil, err
		}
		data = [][]byte{e.Logs.Data}
	}
	return &lambdaapi.InvocationResponse{}, w.take(ctx, *in.FunctionName, data, nil)
}

func (w *world) putRecords(ctx context.Context, in *kinesisapi.PutRecordsInput) (*kinesisapi.PutRecordsOutput, error) {
	out := &kinesisapi.PutRecordsOutput{Records: make([]kinesisapi.PutRecordsResultEntry, len(in.Records))}
	var data [][]byte
	var keys []string
	for i := range in.Records {
		// A full shard: every other record is not taken.
		if strings.Contains(*in.StreamARN, "narrow") && i%2 == 1 {
			out.Records[i].ErrorCode = ptr("ProvisionedThroughputExceededException")
			continue
		}
		data, keys = append(data, in.Records[i].Data), append(keys, *in.Records[i].PartitionKey)
	}
	return out, w.take(ctx, *in.StreamARN, data, keys)
}

func (w *world) putRecordBatch(ctx context.Context, in *firehoseapi.PutRecordBatchInput) (*firehoseapi.PutRecordBatchOutput, error) {
	var data [][]byte
	for i := range in.Records {
		data = append(data, in.Records[i].Data)
	}
	return &firehoseapi.PutRecordBatchOutput{FailedPutCount: ptr(int32(0)), RequestResponses: make([]firehoseapi.PutRecordBatchResponseEntry, len(data))},
		w.take(ctx, *in.DeliveryStreamName, data, nil)
}

func (w *world) assumeRole(ctx context.Context, in *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
	caller := aws.RequestOf(ctx).Caller
	// A role of the old days knows the service by its region.
	if strings.Contains(*in.RoleArn, "old") && !strings.HasPrefix(caller.ARN, "logs.us-") || strings.Contains(*in.RoleArn, "missing") {
		return nil, aws.AccessDenied("no")
	}
	return &stsapi.AssumeRoleResponse{AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: ptr("AROA:x")}}, nil
}

func (w *world) getBucketACL(_ context.Context, in *s3api.GetBucketAclRequest) (*s3api.GetBucketAclOutput, error) {
	switch *in.Bucket {
	case "missing":
		return nil, aws.Errorf(404, "NoSuchBucket", "The specified bucket does not exist")
	case "closed":
		return nil, aws.AccessDenied("no")
	}
	return &s3api.GetBucketAclOutput{}, nil
}

func (w *world) putObject(ctx context.Context, in *s3api.PutObjectRequest) (*s3api.PutObjectOutput, error) {
	if *in.Bucket == "readonly" {
		return nil, aws.AccessDenied("no")
	}
	// The bucket's policy speaks of the region's name.
	if who := aws.RequestOf(ctx).Caller.ARN; *in.Bucket == "old" && who != "logs.us-east-1.amazonaws.com" {
		return nil, aws.AccessDenied("no")
	}
	b, err := io.ReadAll(in.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects[*in.Key] = b
	return &s3api.PutObjectOutput{}, err
}

// sent are the messages that arrived of data, as lines.
func (w *world) sent() (lines []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.got {
		if d.MessageType != "DATA_MESSAGE" {
			continue
		}
		for _, e := range d.LogEvents {
			lines = append(lines, fmt.Sprintf("%s %s %s/%s %s", d.to[strings.LastIndexAny(d.to, ":/")+1:], strings.Join(d.SubscriptionFilters, ","), d.LogGroup, d.LogStream, e.Message))
		}
	}
	return lines
}

// finish does the jobs that there are.
func (s *Service) finish(ctx context.Context) error {
	var list []job
	err := s.store.View(ctx, func(r store.Reader) error {
		for e, err := range jobs.All(ctx, r) {
			if err != nil {
				return err
			}
			list = append(list, job{e.Scope, e.Key.String(0), e.Key.String(1)})
		}
		return nil
	})
	for _, j := range list {
		s.do(ctx, j)
	}
	return err
}
