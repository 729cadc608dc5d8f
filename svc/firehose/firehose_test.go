package firehose

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/firehose"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	logsapi "github.com/tule-cloud/tule/api/logs"
	s3api "github.com/tule-cloud/tule/api/s3"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

const role = "arn:aws:iam::000000000000:role/deliver"

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(_ *testing.T, h *script.House) []aws.Route {
		s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h})
		return append(s.Routes(), (&world{house: h}).routes()...)
	})
}

// A world is doubles of the services that Firehose calls, which keep what they are given.
type world struct {
	house *script.House
	*Service
	written chan put // each write of an object that succeeds
	mu      sync.Mutex
	objects map[string][]byte
	refuse  func(key string) error               // of S3
	invoke  func(payload []byte) ([]byte, error) // of Lambda
	logged  []string
	meter   meter
	stop    func() // ends the service as a kill would, but for what it has begun to write
}

type put struct {
	key  string
	body []byte
	in   *s3api.PutObjectRequest
}

// A meter keeps what is measured.
type meter struct {
	mu sync.Mutex
	of map[string]float64
}

// Measure implements aws.Meter.
func (m *meter) Measure(x aws.Measurement) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[string]float64{}
	}
	m.of[x.Name] += x.Value
}

func (m *meter) sum(name string) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.of[name]
}

// newWorld is a Firehose that runs until the test ends.
func newWorld(t *testing.T, change func(o *Options)) *world {
	w := &world{house: script.New(), written: make(chan put, 1000), objects: map[string][]byte{}}
	w.house.Random = &safeReader{r: w.house.Random}
	w.start(t, change)
	return w
}

// safeReader is a source of chance for several.
type safeReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (s *safeReader) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Read(b)
}

// start runs a Firehose on what another has left.
func (w *world) start(t *testing.T, change func(o *Options)) {
	o := Options{Store: w.house.Store, Clock: w.house.Clock, Random: w.house.Random, Peers: w.house, Meter: &w.meter}
	if change != nil {
		change(&o)
	}
	w.Service = New(o)
	w.house.Add(w.Routes())
	w.house.Add(w.routes())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	s := w.Service
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(w.stop)
}

func (w *world) routes() []aws.Route {
	return []aws.Route{
		stsapi.AssumeRole.To(func(ctx context.Context, in *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
			if strings.Contains(*in.RoleArn, "foreign") {
				return nil, aws.AccessDenied("User is not authorized to perform: sts:AssumeRole on resource: %s", *in.RoleArn)
			}
			if c := aws.RequestOf(ctx).Caller; c.ARN != principal || *in.ExternalId != "000000000000" {
				return nil, aws.AccessDenied("assumed by %s", c.ARN)
			}
			until := w.house.Clock.Now().Add(time.Hour)
			return &stsapi.AssumeRoleResponse{AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: new("AROA:x")}, Credentials: &stsapi.Credentials{Expiration: &until}}, nil
		}, aws.Nothing),
		s3api.PutObject.To(func(ctx context.Context, in *s3api.PutObjectRequest) (*s3api.PutObjectOutput, error) {
			if c := aws.RequestOf(ctx).Caller; c.Role != role {
				return nil, aws.AccessDenied("written by %s", c.ARN)
			}
			body, err := io.ReadAll(in.Body)
			if err != nil {
				return nil, err
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.refuse != nil {
				if err := w.refuse(*in.Key); err != nil {
					return nil, err
				}
			}
			w.objects[*in.Key] = body
			w.written <- put{*in.Key, body, in}
			return &s3api.PutObjectOutput{}, nil
		}, aws.Nothing),
		lambdaapi.Invoke.To(func(_ context.Context, in *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
			out, err := w.invoke(in.Payload)
			if err != nil {
				return nil, err
			}
			if bytes.HasPrefix(out, []byte("Unhandled")) {
				return &lambdaapi.InvocationResponse{FunctionError: new("Unhandled")}, nil
			}
			return &lambdaapi.InvocationResponse{Payload: out}, nil
		}, aws.Nothing),
		logsapi.PutLogEvents.To(func(_ context.Context, in *logsapi.PutLogEventsRequest) (*logsapi.PutLogEventsResponse, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.logged = append(w.logged, *in.LogGroupName+" "+*in.LogStreamName+" "+*in.LogEvents[0].Message)
			return &logsapi.PutLogEventsResponse{}, nil
		}, aws.Nothing),
	}
}

// call calls an operation as the root of the account.
func call[In, Out any](t *testing.T, w *world, op aws.Op[In, Out], in *In) *Out {
	t.Helper()
	out, err := op.Do(w.house.Context(t.Context()), w.house, in)
	if err != nil {
		t.Fatalf("%s: %v", op.Name, err)
	}
	return out
}

// s3 makes a stream to S3.
func (w *world) s3(t *testing.T, name string, change func(c *api.ExtendedS3DestinationConfiguration)) {
	t.Helper()
	c := &api.ExtendedS3DestinationConfiguration{BucketARN: new("arn:aws:s3:::b"), RoleARN: new(role)}
	if change != nil {
		change(c)
	}
	call(t, w, api.CreateDeliveryStream, &api.CreateDeliveryStreamInput{DeliveryStreamName: &name, ExtendedS3DestinationConfiguration: c})
}

// send puts records into a stream, in one call.
func (w *world) send(t *testing.T, name string, texts ...string) *api.PutRecordBatchOutput {
	t.Helper()
	in := &api.PutRecordBatchInput{DeliveryStreamName: &name}
	for _, text := range texts {
		in.Records = append(in.Records, api.Record{Data: []byte(text)})
	}
	return call(t, w, api.PutRecordBatch, in)
}

// pass moves the clock, when the service has come to rest.
func (w *world) pass(t *testing.T, d time.Duration) {
	t.Helper()
	w.rest(t)
	w.house.Clock.Advance(d)
}

// rest waits until somebody waits for the clock.
func (w *world) rest(t *testing.T) {
	t.Helper()
	until(t, func() bool { return w.house.Clock.Timers() > 0 })
}

// until waits, for real, until something has come about.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come about")
		}
	}
}

// next is the next object that is written.
func (w *world) next(t *testing.T) put {
	t.Helper()
	select {
	case p := <-w.written:
		return p
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was written")
		return put{}
	}
}

// none fails if an object is written before the service rests.
func (w *world) none(t *testing.T) {
	t.Helper()
	w.rest(t)
	select {
	case p := <-w.written:
		t.Fatalf("%s was written", p.key)
	case <-time.After(20 * time.Millisecond):
	}
}

// empty waits until nothing is left of a stream's records.
func (w *world) empty(t *testing.T) {
	t.Helper()
	until(t, func() bool {
		n := 0
		err := w.house.Store.View(t.Context(), func(r storeReader) error {
			for _, err := range bundleRecords.All(t.Context(), r) {
				if n++; err != nil {
					return err
				}
			}
			for _, err := range batchRecords.All(t.Context(), r) {
				if n++; err != nil {
					return err
				}
			}
			return nil
		})
		return err == nil && n == 0
	})
}

// roundTrip is an HTTP client in a function.
type roundTrip func(r *http.Request, body []byte) (status int, kind, answer string)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	status, kind, answer := f(r, body)
	if status == 0 {
		return nil, &net.OpError{Op: "dial", Err: io.ErrUnexpectedEOF}
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(answer))}, nil
}
