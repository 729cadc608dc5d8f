package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"time"
	"unicode/utf8"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/store"
)

// The largest events, in bytes.
const (
	maxEvent      = 6291456 // of a synchronous invoke
	maxAsyncEvent = 1048576
)

// call is one invoke.
type call struct {
	id            string
	payload       []byte
	clientContext []byte
	tail          *tail  // nil when nobody wants the log
	flow          *flow  // nil when the response is gathered
	trace         string // the trace header that it came with
}

func (s *Service) invoke(ctx context.Context, in *api.InvocationRequest) (*api.InvocationResponse, error) {
	t, err := s.findBy(ctx, in.FunctionName, in.Qualifier, s.route)
	if err != nil {
		return nil, err
	}
	if in.DurableExecutionName != nil || in.TenantId != nil {
		return nil, unbuilt("Durable functions and tenants are")
	}
	kind := aws.Value(in.InvocationType)
	limit := maxEvent
	if kind == api.InvocationTypeEvent {
		limit = maxAsyncEvent
	}
	c := call{id: aws.RequestOf(ctx).ID, payload: in.Payload, trace: aws.RequestOf(ctx).Trace}
	if c.clientContext, err = readClientContext(in.ClientContext); err != nil {
		return nil, err
	}
	if c.payload, err = checkPayload(in.Payload, limit); err != nil {
		return nil, err
	}
	switch kind {
	case api.InvocationTypeDryRun:
		return &api.InvocationResponse{StatusCode: ptr(int32(204))}, nil
	case api.InvocationTypeEvent:
		return &api.InvocationResponse{StatusCode: ptr(int32(202))}, s.queue.add(ctx, t, c)
	}
	if aws.Value(in.LogType) == api.LogTypeTail {
		c.tail = &tail{}
	}
	res, err := s.execute(ctx, t, c)
	if err != nil {
		return nil, err
	}
	out := &api.InvocationResponse{StatusCode: ptr(int32(200)), Payload: res.Payload, ExecutedVersion: ptr(t.version.label())}
	if res.FunctionError != "" {
		out.FunctionError = &res.FunctionError
	}
	if c.tail != nil {
		out.LogResult = ptr(base64.StdEncoding.EncodeToString(c.tail.bytes()))
	}
	return out, nil
}

func (s *Service) invokeAsync(ctx context.Context, in *api.InvokeAsyncRequest) (*api.InvokeAsyncResponse, error) {
	t, err := s.find(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(in.InvokeArgs, maxAsyncEvent+1))
	if err != nil {
		return nil, err
	}
	if b, err = checkPayload(b, maxAsyncEvent); err != nil {
		return nil, err
	}
	err = s.queue.add(ctx, t, call{id: aws.RequestOf(ctx).ID, payload: b, trace: aws.RequestOf(ctx).Trace})
	return &api.InvokeAsyncResponse{Status: ptr(int32(202))}, err
}

// checkPayload refuses what is not JSON. Nothing at all is the empty object.
func checkPayload(b []byte, limit int) ([]byte, error) {
	if len(b) > limit {
		return nil, api.RequestTooLargeException("Request must be smaller than %d bytes for the InvokeFunction operation", limit).
			With(&api.RequestTooLargeExceptionDetail{Type: ptr("User")})
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return []byte("{}"), nil
	}
	if json.Valid(b) && utf8.Valid(b) {
		return b, nil
	}
	reason := "Invalid UTF-8"
	var syntax *json.SyntaxError
	if err := json.Unmarshal(b, new(any)); errors.As(err, &syntax) {
		reason = syntax.Error()
	}
	return nil, badContent("Could not parse request body into json: Could not parse payload into json: %s", reason)
}

func badContent(format string, args ...any) error {
	return api.InvalidRequestContentException(format, args...).With(&api.InvalidRequestContentExceptionDetail{Type: ptr("User")})
}

// readClientContext is the JSON that a client's library tells of itself.
func readClientContext(header *string) ([]byte, error) {
	if aws.Value(header) == "" {
		return nil, nil
	}
	b, err := base64.StdEncoding.DecodeString(*header)
	if err != nil || !json.Valid(b) || !utf8.Valid(b) {
		return nil, badContent("Client context must be a valid Base64-encoded JSON object.")
	}
	return b, nil
}

// execute runs one invoke to its end, even if its caller goes away. What the function
// did wrong is in the result; an error is a refusal, or a failure of Tule's own.
func (s *Service) execute(ctx context.Context, t *target, c call) (runtimes.Result, error) {
	if err := s.checkRecursion(t, c.trace); err != nil {
		return runtimes.Result{}, err
	}
	if err := s.heat(t); err != nil {
		return runtimes.Result{}, err
	}
	e, fresh, err := s.fleet.acquire(ctx, t)
	if err != nil {
		if aws.CodeOf(err) == "TooManyRequestsException" {
			t.count(s, "Throttles", 1)
		}
		return runtimes.Result{}, err
	}
	t.count(s, "Invocations", 1)
	answered := false
	defer func() {
		if !answered {
			e.ending = runtimes.Failed
			s.giveBack(e, true)
		}
	}()
	if fresh {
		e, fresh = s.fleet.await(e)
	}
	e.follow(c.tail)
	if fresh {
		failure, err := s.begin(ctx, &e, t, c)
		if err != nil {
			return runtimes.Result{}, startError(err)
		}
		if failure != nil {
			return *failure, nil
		}
	}
	e.logStart(c.id)
	now := s.Clock.Now()
	limit := s.patience(e.version, time.Duration(e.version.Timeout)*time.Second)
	if s.debugs(e.version) {
		s.debuggers.debug(e)
	}
	talk := e.talk.Load()
	in := runtimes.Invocation{
		RequestID: c.id, Payload: c.payload, Deadline: now.Add(limit), Timeout: limit,
		FunctionARN: t.shown(), ClientContext: c.clientContext, TraceID: s.through(c.trace, t.at),
	}
	if c.flow != nil {
		late, done := s.within(context.WithoutCancel(ctx), limit)
		defer done()
		c.flow.late, in.Stream, in.Opened = late.Done(), c.flow, c.flow.open
	}
	res, err := talk.Invoke(context.WithoutCancel(ctx), in)
	if err != nil {
		t.count(s, "Errors", 1)
		return res, api.ServiceException("The function's environment failed.").Because(err)
	}
	answered = true
	s.conclude(e, in, res, c.tail != nil)
	return res, nil
}

// startError tells a caller why no environment could be started.
func startError(err error) error {
	var e *aws.Error
	if !errors.As(err, &e) {
		return api.ServiceException("Lambda could not start the function's environment.").Because(err)
	}
	return err
}

// begin starts a fresh environment. A function that does not load in ten seconds is
// given its own time-out for a second try, as on AWS, in an environment that takes
// the first one's place.
func (s *Service) begin(ctx context.Context, e **environment, t *target, c call) (*runtimes.Result, error) {
	(*e).logInitStart()
	failure, err := (*e).start(ctx, c.id, s.patience(t.version, initLimit))
	for errors.Is(err, errOutdated) {
		if err = s.refresh(ctx, t); err == nil {
			err = s.heat(t)
		}
		if err != nil {
			break
		}
		*e = s.fleet.replace(*e, t)
		(*e).follow(c.tail)
		(*e).logInitStart()
		failure, err = (*e).start(ctx, c.id, s.patience(t.version, initLimit))
	}
	limit := time.Duration(t.version.Timeout) * time.Second
	if errors.Is(err, errInitTimeout) {
		(*e).logInitTimeout()
		if limit > initLimit {
			*e = s.fleet.replace(*e, t)
			(*e).follow(c.tail)
			failure, err = (*e).start(ctx, c.id, limit)
		}
	}
	switch {
	case errors.Is(err, errInitTimeout):
		payload, text := runtimes.TimeoutFailure(c.id, s.Clock.Now(), limit)
		(*e).logStart(c.id)
		(*e).log(text)
		failure = &runtimes.Result{Payload: payload, FunctionError: runtimes.Unhandled, ErrorType: runtimes.TimeoutErrorType, Duration: limit}
		(*e).init = 0
	case err != nil || failure == nil:
		return nil, err
	default:
		(*e).logStart(c.id)
	}
	(*e).report(c.id, failure)
	return failure, nil
}

// errOutdated reports that a version's code has gone since its record was read: the function
// was updated, or deleted.
var errOutdated = errors.New("lambda: the code has been replaced")

// refresh reads an invoke's target anew, whose code has gone.
func (s *Service) refresh(ctx context.Context, t *target) error {
	return s.Store.View(ctx, func(r store.Reader) error {
		now, err := s.resolveBy(ctx, r, t.at, t.qualifier, s.route)
		if err != nil {
			return err
		}
		if now.version.Revision == t.version.Revision {
			return errOutdated // and will remain so
		}
		*t = *now
		return nil
	})
}

// report closes an invoke's log.
func (e *environment) report(id string, res *runtimes.Result) {
	r := runtimes.Report{
		Runtime: e.version.Runtime, RequestID: id, Duration: res.Duration, Init: e.init, MemoryMB: int(e.version.Memory),
		UsedMB: e.used(e.s.Clock.Now()), TimedOut: res.ErrorType == runtimes.TimeoutErrorType, ErrorType: res.ErrorType,
	}
	e.init = 0
	if res.FunctionError == "" {
		e.took = res.Duration
	}
	e.target.put(e.s, "Duration", inMilliseconds, ms(res.Duration))
	failed := 0.0
	if res.FunctionError != "" {
		failed = 1
	}
	e.target.count(e.s, "Errors", failed)
	e.logReport(r, res)
	e.extensions.Report(r)
}

// bills100 reports whether a runtime is of the first years, which had no INIT_START.
func bills100(runtime string) bool {
	switch runtime {
	case "nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "python2.7", "python3.6",
		"dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1":
		return true
	}
	return false
}
