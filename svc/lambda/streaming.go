package lambda

import (
	"context"
	"encoding/base64"
	"iter"
	"sync"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/runtimes"
)

// A flow carries a response from a function that writes it piece by piece to a caller,
// who may be slower: the function waits for each piece to be taken. When the caller has
// left, or the function's time is over, what still comes is dropped; the function runs
// on to its end, as on AWS.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
type flow struct {
	once        sync.Once
	opened      chan error // the function's first sign: nil, or the error of one that could not run
	contentType string     // "" of a function that does not stream
	pieces      chan []byte
	left        chan struct{}   // closed when the caller takes no more
	late        <-chan struct{} // closed when the function's time is over

	// The outcome, once pieces is closed. The payload of what has streamed is empty.
	res runtimes.Result
	err error
}

// stream runs one invoke beside the caller, who waits for opened, reads pieces to their
// end and calls leave.
func (s *Service) stream(ctx context.Context, t *target, c call) *flow {
	f := &flow{opened: make(chan error, 1), pieces: make(chan []byte), left: make(chan struct{})}
	c.flow = f
	s.flows.Go(func() {
		f.res, f.err = s.execute(ctx, t, c)
		f.once.Do(func() { f.opened <- f.err })
		if f.err == nil && f.res.FunctionError == "" && len(f.res.Payload) > 0 {
			select {
			case f.pieces <- f.res.Payload: // of a function that does not stream
			case <-f.left:
			}
		}
		close(f.pieces)
	})
	return f
}

// open is called with the content type before the first piece.
func (f *flow) open(contentType string) {
	f.once.Do(func() {
		f.contentType = contentType
		if contentType == "" {
			f.contentType = "application/octet-stream"
		}
		f.opened <- nil
	})
}

// Write implements io.Writer for the function's end. It keeps p, and never fails.
func (f *flow) Write(p []byte) (int, error) {
	select {
	case f.pieces <- p:
	case <-f.left:
	case <-f.late:
	}
	return len(p), nil
}

// leave says that nobody takes any more pieces.
func (f *flow) leave() { close(f.left) }

// events are the pieces and the outcome as AWS's clients read them.
func (f *flow) events(log *tail) iter.Seq2[*api.InvokeWithResponseStreamResponseEvent, error] {
	return func(yield func(*api.InvokeWithResponseStreamResponseEvent, error) bool) {
		defer f.leave()
		for p := range f.pieces {
			if !yield(&api.InvokeWithResponseStreamResponseEvent{PayloadChunk: &api.InvokeResponseStreamUpdate{Payload: p}}, nil) {
				return
			}
		}
		if f.err != nil {
			yield(nil, f.err)
			return
		}
		end := &api.InvokeWithResponseStreamCompleteEvent{}
		if f.res.FunctionError != "" {
			end.ErrorCode, end.ErrorDetails = &f.res.FunctionError, ptr(string(f.res.Payload))
		}
		if log != nil {
			end.LogResult = ptr(base64.StdEncoding.EncodeToString(log.bytes()))
		}
		yield(&api.InvokeWithResponseStreamResponseEvent{InvokeComplete: end}, nil)
	}
}

func (s *Service) invokeWithResponseStream(ctx context.Context, in *api.InvokeWithResponseStreamRequest) (*api.InvokeWithResponseStreamResponse, error) {
	t, err := s.findBy(ctx, in.FunctionName, in.Qualifier, s.route)
	if err != nil {
		return nil, err
	}
	if in.TenantId != nil {
		return nil, unbuilt("Tenants are")
	}
	c := call{id: aws.RequestOf(ctx).ID, trace: aws.RequestOf(ctx).Trace}
	if c.clientContext, err = readClientContext(in.ClientContext); err != nil {
		return nil, err
	}
	if c.payload, err = checkPayload(in.Payload, maxEvent); err != nil {
		return nil, err
	}
	out := &api.InvokeWithResponseStreamResponse{ExecutedVersion: ptr(t.version.label())}
	if aws.Value(in.InvocationType) == api.ResponseStreamingInvocationTypeDryRun {
		out.StatusCode, out.ExecutedVersion = ptr(int32(204)), nil
		return out, nil
	}
	if aws.Value(in.LogType) == api.LogTypeTail {
		c.tail = &tail{}
	}
	f := s.stream(ctx, t, c)
	if err := <-f.opened; err != nil {
		return nil, err
	}
	out.StatusCode, out.EventStream = ptr(int32(200)), f.events(c.tail)
	return out, nil
}
