package apigateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	firehose "github.com/tule-cloud/tule/api/firehose"
	lambda "github.com/tule-cloud/tule/api/lambda"
	logs "github.com/tule-cloud/tule/api/logs"
	s3 "github.com/tule-cloud/tule/api/s3"
	sts "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// fakeRoles lends every role whose name does not begin with "closed".
func fakeRoles() []aws.Route {
	return []aws.Route{sts.AssumeRole.To(func(ctx context.Context, in *sts.AssumeRoleRequest) (*sts.AssumeRoleResponse, error) {
		if strings.Contains(*in.RoleArn, "role/closed") {
			return nil, aws.AccessDenied("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", aws.RequestOf(ctx).Caller.ARN, *in.RoleArn)
		}
		return &sts.AssumeRoleResponse{AssumedRoleUser: &sts.AssumedRoleUser{AssumedRoleId: ptr("AROAEXAMPLE:" + *in.RoleSessionName)}}, nil
	}, aws.Anywhere)}
}

// fakeObjects has one trust store, and objects that are none.
func fakeObjects() []aws.Route {
	return []aws.Route{s3.GetObject.To(func(_ context.Context, in *s3.GetObjectRequest) (*s3.GetObjectOutput, error) {
		text := "nonsense"
		switch *in.Key {
		case "trust.pem":
			text = trustStore()
		case "closed":
			return nil, aws.AccessDenied("Access Denied")
		}
		return &s3.GetObjectOutput{Body: io.NopCloser(strings.NewReader(text))}, nil
	}, aws.Anywhere)}
}

// fakeLambda has the functions that a scenario gives it. A function answers its
// text; "echo" answers what it got, "describe" a proxy answer with its event.
type fakeLambda struct {
	mu        sync.Mutex
	functions map[string]string
	calls     []string
	hang      chan struct{} // functions called "hang" wait for it
}

func newFakeLambda() *fakeLambda {
	return &fakeLambda{functions: map[string]string{"echo": "", "describe": "", "hang": ""}, hang: make(chan struct{})}
}

func (f *fakeLambda) routes() []aws.Route {
	return []aws.Route{lambda.Invoke.To(f.invoke, aws.Anywhere)}
}

func (f *fakeLambda) invoke(ctx context.Context, in *lambda.InvocationRequest) (*lambda.InvocationResponse, error) {
	arn, _ := aws.ParseARN(*in.FunctionName)
	name := strings.TrimPrefix(arn.Resource, "function:")
	f.mu.Lock()
	answer, ok := f.functions[name]
	c := aws.RequestOf(ctx).Caller
	f.calls = append(f.calls, fmt.Sprintf("%s by %s for %q %s\n%s\n", *in.FunctionName, c.ARN, c.SourceARN, aws.Value(in.InvocationType), in.Payload))
	f.mu.Unlock()
	out := &lambda.InvocationResponse{StatusCode: ptr(int32(200)), ExecutedVersion: ptr("$LATEST"), Payload: []byte(answer)}
	switch {
	case !ok:
		return nil, aws.AccessDenied("User: apigateway.amazonaws.com is not authorized to perform: lambda:InvokeFunction")
	case name == "echo":
		out.Payload = in.Payload
	case name == "describe":
		body, _ := json.Marshal(string(in.Payload))
		out.Payload = []byte(`{"statusCode": 200, "body": ` + string(body) + `}`)
	case name == "hang":
		<-f.hang
	case strings.HasPrefix(answer, "refuse "):
		return nil, aws.Errorf(429, "TooManyRequestsException", "%s", strings.TrimPrefix(answer, "refuse "))
	case strings.HasPrefix(answer, "fail "):
		out.FunctionError, out.Payload = ptr("Unhandled"), []byte(strings.TrimPrefix(answer, "fail "))
	}
	return out, nil
}

// fakeLogs keeps groups of streams of events.
type fakeLogs struct {
	mu     sync.Mutex
	groups map[string]map[string][]string
	trace  []string // of calls
	// refused says that a record was refused once.
	refused bool
}

// fakeFirehose keeps records beside events, in a group of the stream's name. A record
// that says so is refused the first time.
func fakeFirehose(f *fakeLogs) []aws.Route {
	return []aws.Route{firehose.PutRecordBatch.To(func(_ context.Context, in *firehose.PutRecordBatchInput) (*firehose.PutRecordBatchOutput, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		name := "firehose/" + *in.DeliveryStreamName
		if f.groups[name] == nil {
			f.groups[name] = map[string][]string{}
		}
		stream, out := strings.Repeat("0", 32), &firehose.PutRecordBatchOutput{}
		for _, r := range in.Records {
			if strings.Contains(string(r.Data), "refuse") && !f.refused {
				f.refused = true
				out.RequestResponses = append(out.RequestResponses, firehose.PutRecordBatchResponseEntry{ErrorCode: ptr("ServiceUnavailableException")})
				continue
			}
			out.RequestResponses = append(out.RequestResponses, firehose.PutRecordBatchResponseEntry{RecordId: ptr("1")})
			f.groups[name][stream] = append(f.groups[name][stream], fmt.Sprintf("%q", r.Data))
		}
		return out, nil
	}, aws.Anywhere)}
}

func newFakeLogs() *fakeLogs { return &fakeLogs{groups: map[string]map[string][]string{}} }

func (f *fakeLogs) routes() []aws.Route {
	return []aws.Route{
		logs.CreateLogGroup.To(func(_ context.Context, in *logs.CreateLogGroupRequest) (*aws.Empty, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.groups[*in.LogGroupName] != nil {
				return nil, logs.ResourceAlreadyExistsException("The specified log group already exists")
			}
			f.groups[*in.LogGroupName] = map[string][]string{}
			return nil, nil
		}, aws.Anywhere),
		logs.CreateLogStream.To(func(_ context.Context, in *logs.CreateLogStreamRequest) (*aws.Empty, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.groups[*in.LogGroupName][*in.LogStreamName] = []string{}
			return nil, nil
		}, aws.Anywhere),
		logs.PutLogEvents.To(func(ctx context.Context, in *logs.PutLogEventsRequest) (*logs.PutLogEventsResponse, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.groups[*in.LogGroupName][*in.LogStreamName] == nil {
				return nil, logs.ResourceNotFoundException("The specified log group does not exist.")
			}
			f.trace = append(f.trace, "by "+aws.RequestOf(ctx).Caller.ARN)
			for _, e := range in.LogEvents {
				f.groups[*in.LogGroupName][*in.LogStreamName] = append(f.groups[*in.LogGroupName][*in.LogStreamName], *e.Message)
			}
			return &logs.PutLogEventsResponse{}, nil
		}, aws.Anywhere),
	}
}
