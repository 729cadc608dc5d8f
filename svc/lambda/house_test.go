package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	logsapi "github.com/tule-cloud/tule/api/logs"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/sandbox"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

var self sandbox.Self

func TestMain(m *testing.M) {
	self = sandbox.MaybeInit()
	if len(os.Args) > 1 && os.Args[1] == imageEntry {
		serveImage()
	}
	code := m.Run()
	if bootstraps != "" {
		os.RemoveAll(bootstraps)
	}
	os.Exit(code)
}

// bootstraps is where those of the interpreters lie, for all tests.
var bootstraps string

// neighbours are the services that functions' lives need, as small as can be.
type neighbours struct {
	clock  aws.Clock
	mu     sync.Mutex
	calls  []string
	groups map[string]bool
	events map[string][]string // by group and stream
	deny   bool                // the role may not write logs
	broken bool                // Logs fails
	closed bool                // no role can be assumed
	held   chan struct{}       // until it is closed, Logs does not answer; nil if it does
	roles  int                 // times a role was assumed
}

func newNeighbours(clock aws.Clock) *neighbours {
	return &neighbours{clock: clock, groups: map[string]bool{}, events: map[string][]string{}}
}

func (n *neighbours) routes() []aws.Route {
	return []aws.Route{
		stsapi.AssumeRole.To(n.assumeRole, aws.Nothing),
		logsapi.CreateLogGroup.To(n.createLogGroup, aws.Nothing),
		logsapi.CreateLogStream.To(n.createLogStream, aws.Nothing),
		logsapi.PutLogEvents.To(n.putLogEvents, aws.Nothing),
	}
}

// assumeRole lets Lambda assume every role but those called "closed".
func (n *neighbours) assumeRole(ctx context.Context, in *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
	c := aws.RequestOf(ctx).Caller
	n.mu.Lock()
	closed := n.closed
	n.mu.Unlock()
	if closed || c.Kind != aws.ServiceSelf || c.ARN != "lambda.amazonaws.com" || strings.HasSuffix(*in.RoleArn, "/closed") {
		return nil, aws.Errorf(403, "AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.ARN, *in.RoleArn)
	}
	n.mu.Lock()
	n.roles++
	key := fmt.Sprintf("ASIA%016d", n.roles)
	n.mu.Unlock()
	return &stsapi.AssumeRoleResponse{
		AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: ptr("AROATEST:" + *in.RoleSessionName)},
		Credentials: &stsapi.Credentials{AccessKeyId: &key, SecretAccessKey: ptr("secret"), SessionToken: ptr("token"),
			Expiration: ptr(n.clock.Now().Add(time.Hour))},
	}, nil
}

func (n *neighbours) note(ctx context.Context, what string) error {
	c := aws.RequestOf(ctx).Caller
	if c.Kind != aws.AssumedRole || n.deny {
		return aws.AccessDenied("%s may not do that", c.ARN)
	}
	if n.broken {
		return aws.Unavailable("not now")
	}
	n.calls = append(n.calls, what)
	return nil
}

func (n *neighbours) createLogGroup(ctx context.Context, in *logsapi.CreateLogGroupRequest) (*aws.Empty, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.groups[*in.LogGroupName] = true
	return nil, n.note(ctx, "CreateLogGroup")
}

func (n *neighbours) createLogStream(ctx context.Context, in *logsapi.CreateLogStreamRequest) (*aws.Empty, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.note(ctx, "CreateLogStream"); err != nil {
		return nil, err
	}
	if !n.groups[*in.LogGroupName] {
		return nil, logsapi.ResourceNotFoundException("The specified log group does not exist.")
	}
	n.events[*in.LogGroupName+" "+*in.LogStreamName] = []string{}
	return nil, nil
}

func (n *neighbours) putLogEvents(ctx context.Context, in *logsapi.PutLogEventsRequest) (*logsapi.PutLogEventsResponse, error) {
	n.mu.Lock()
	held := n.held
	n.mu.Unlock()
	if held != nil {
		<-held
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.note(ctx, "PutLogEvents"); err != nil {
		return nil, err
	}
	key := *in.LogGroupName + " " + *in.LogStreamName
	if _, ok := n.events[key]; !ok {
		return nil, logsapi.ResourceNotFoundException("The specified log stream does not exist.")
	}
	for _, e := range in.LogEvents {
		n.events[key] = append(n.events[key], *e.Message)
	}
	return &logsapi.PutLogEventsResponse{}, nil
}

// written is all that was logged, stream by stream.
func (n *neighbours) written() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var b strings.Builder
	for _, events := range n.events {
		b.WriteString(strings.Join(events, ""))
	}
	return b.String()
}

// machineClock is the machine's own, for tests with processes, and can be moved on.
type machineClock struct {
	mu    sync.Mutex
	ahead time.Duration
	moved chan struct{}
}

func newMachineClock() *machineClock { return &machineClock{moved: make(chan struct{})} }

func (c *machineClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().UTC().Add(c.ahead)
}

func (c *machineClock) After(d time.Duration) (<-chan time.Time, func()) {
	due, done := make(chan time.Time, 1), make(chan struct{})
	at := c.Now().Add(d)
	go func() {
		for {
			c.mu.Lock()
			moved := c.moved
			c.mu.Unlock()
			t := time.NewTimer(at.Sub(c.Now()))
			select {
			case <-t.C:
				due <- c.Now()
				return
			case <-moved:
				t.Stop()
			case <-done:
				t.Stop()
				return
			}
		}
	}()
	return due, sync.OnceFunc(func() { close(done) })
}

func (c *machineClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
	close(c.moved)
	c.moved = make(chan struct{})
}

// interpreters are the machine's, found once.
var interpreters = sync.OnceValues(func() (*runtimes.Set, error) {
	var err error
	if bootstraps, err = os.MkdirTemp("", "tule-lambda-"); err != nil {
		return nil, err
	}
	return runtimes.Find(context.Background(), runtimes.FindOptions{Dir: bootstraps})
})

// A stand is a service with real sandboxes.
type stand struct {
	*Service
	t     testing.TB
	house *script.House
	near  *neighbours
	clock *machineClock
	stop  func()
}

// newStand builds one, or skips the test with the reason why this machine has no
// sandboxes.
func newStand(t testing.TB, change ...func(*Options)) *stand {
	t.Helper()
	h, err := sandbox.Open(sandbox.Options{Dir: t.TempDir(), Self: self, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if errors.Is(err, sandbox.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return newStandOn(t, h, change...)
}

func newStandOn(t testing.TB, h Sandboxes, change ...func(*Options)) *stand {
	t.Helper()
	house := script.New()
	t.Cleanup(func() { house.Store.Close() })
	clock := newMachineClock()
	near := newNeighbours(clock)
	house.Add(near.routes())
	o := Options{
		Store: house.Store, Blobs: blobs(t, house.Random), Clock: clock, Random: house.Random, Peers: house, Host: h, Dir: t.TempDir(),
		Runtimes: func(context.Context) (*runtimes.Set, error) { return interpreters() },
		Logger:   slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, c := range change {
		c(&o)
	}
	st := &stand{Service: New(o), t: t, house: house, near: near, clock: clock}
	st.run()
	t.Cleanup(func() { st.stop() })
	return st
}

// run starts the background work; stop ends it and the service.
func (st *stand) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := st.Run(ctx); !errors.Is(err, context.Canceled) {
			st.t.Errorf("Run: %v", err)
		}
	}()
	st.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		if err := st.Close(context.Background()); err != nil {
			st.t.Error(err)
		}
	})
}

func blobs(t testing.TB, random io.Reader) *blob.Dir {
	t.Helper()
	d, err := blob.Open(t.TempDir(), random)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ctx is the context of a call from outside.
func (st *stand) ctx() context.Context {
	st.near.mu.Lock() // the house counts calls, one at a time
	defer st.near.mu.Unlock()
	return st.house.Context(context.Background())
}

// zipped is a zip file of names and texts.
func zipped(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// create makes a function of one file, for Node or Python by the runtime's name.
func (st *stand) create(name, runtime, text string, change ...func(*api.CreateFunctionRequest)) {
	st.t.Helper()
	file := "index.js"
	if strings.HasPrefix(runtime, "python") {
		file = "index.py"
	}
	in := &api.CreateFunctionRequest{FunctionName: &name, Runtime: &runtime, Handler: ptr("index.handler"), Timeout: ptr(int32(10)),
		Role: ptr("arn:aws:iam::000000000000:role/open"), Code: &api.FunctionCode{ZipFile: zipped(st.t, map[string]string{file: text})}}
	for _, c := range change {
		c(in)
	}
	if _, err := st.createFunction(st.ctx(), in); err != nil {
		var e *aws.Error
		if errors.As(err, &e) && errors.Is(e.Cause, runtimes.ErrUnsupportedRuntime) {
			st.t.Skip(err)
		}
		st.t.Fatal(err)
	}
}

// call invokes a function and waits, with the tail of its log.
func (st *stand) call(name, payload string) (answer, log string) {
	st.t.Helper()
	out, err := st.try(name, payload)
	if err != nil {
		st.t.Errorf("%s: %v (%v)", name, err, errors.Unwrap(err))
		return "", ""
	}
	answer = string(out.Payload)
	if out.FunctionError != nil {
		answer = *out.FunctionError + " " + answer
	}
	return answer, decoded(st.t, out.LogResult)
}

func (st *stand) try(name, payload string) (*api.InvocationResponse, error) {
	return st.Service.invoke(st.ctx(), &api.InvocationRequest{FunctionName: &name, Payload: []byte(payload), LogType: ptr("Tail")})
}

var runtimesPlain = runtimes.CommandOptions{Unmounted: true}

// scope is where a stand's functions are.
func (st *stand) scope() store.Scope {
	return store.Scope{Account: "000000000000", Region: "us-east-1"}
}

// textLogger writes warnings as text.
func textLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
