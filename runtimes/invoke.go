package runtimes

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxResponse is the largest response of a buffered invoke, in bytes.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MaxResponse = 6291556

// Values of Result.FunctionError.
const (
	Handled   = "Handled"
	Unhandled = "Unhandled"
)

// Invoke gives the handler one event and waits for the outcome. What the function
// does wrong is in the Result: an exception, a time-out, the end of its process.
// After a time-out or an exit the Environment is Dead. An error means that the
// conversation failed (or that ctx ended), and the Environment is Dead too,
// except for ErrState.
func (e *Environment) Invoke(ctx context.Context, in Invocation) (Result, error) {
	if err := e.enter(Ready, Busy); err != nil {
		return Result{}, err
	}
	begun := e.cfg.Clock.Now()
	e.arm(in.RequestID, in.Deadline)
	stop := func() bool { return true }
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, e.link.interrupt)
	}
	if x := e.cfg.Extensions; x != nil {
		x.invoke(&in)
	}
	res, alive, err := e.converse(ctx, &in)
	timedOut, interrupted := e.disarm(), !stop()
	now := e.cfg.Clock.Now()
	res.Duration = now.Sub(begun)
	if err != nil && timedOut {
		res, err = e.timeout(&in, now, res.Duration), nil
		alive = false
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if errors.Is(err, errProtocol) {
		res, err = e.unknown(in.RequestID, err), nil
		res.Duration, alive = now.Sub(begun), false
	}
	if x := e.cfg.Extensions; x != nil {
		res, err = x.answered(&in, res, err)
	}
	if alive && err == nil && !timedOut && !interrupted {
		e.leave(Ready)
	} else {
		e.leave(Dead)
	}
	return res, err
}

// unknown composes the result of a process that broke the protocol: what has descriptor 3 is as much
// the function as the bootstrap, and its fault, not Tule's.
func (e *Environment) unknown(request string, err error) Result {
	payload, text := UnknownFailure(request, err)
	e.log(request, text)
	return Result{Payload: payload, FunctionError: Unhandled, ErrorType: UnknownErrorType}
}

// timeout composes the result of a function that did not answer in time.
func (e *Environment) timeout(in *Invocation, now time.Time, took time.Duration) Result {
	limit := in.Timeout
	if limit <= 0 {
		limit = in.Deadline.Sub(now) + took
	}
	payload, text := TimeoutFailure(in.RequestID, now, limit)
	e.log(in.RequestID, text)
	return Result{Payload: payload, FunctionError: Unhandled, ErrorType: TimeoutErrorType, Duration: took}
}

// converse sends the event and reads frames up to the outcome. alive is false when
// the process is gone or about to go.
func (e *Environment) converse(ctx context.Context, in *Invocation) (res Result, alive bool, err error) {
	err = e.await(in)
	if err == nil {
		err = e.link.sendInvoke(in)
	}
	if err != nil {
		if gone(err) && ctx.Err() == nil {
			return e.exitResult(ctx, in.RequestID), false, nil
		}
		return Result{}, false, err
	}
	var streamed stream
	for {
		f, err := e.receive()
		var large *tooLargeError
		switch {
		case errors.As(err, &large) && large.kind == frameLog:
			continue
		case errors.As(err, &large):
			return e.tooLarge(int(large.size)), true, nil
		case err != nil && gone(err) && ctx.Err() == nil:
			return e.exitResult(ctx, in.RequestID), false, nil
		case err != nil:
			return Result{}, false, err
		}
		switch f.kind {
		case frameLog:
			e.log(in.RequestID, string(f.body))
		case frameMeta:
			streamed.begin(in, string(f.body))
		case frameChunk:
			if !streamed.open {
				streamed.begin(in, "")
			}
			switch err := streamed.take(in.Stream, f.body); {
			case errors.Is(err, errStreamTooLarge):
				return e.tooLarge(streamed.size), false, nil // it would write on
			case err != nil:
				return Result{}, false, err
			}
		case frameResult:
			return e.success(f.body, &streamed), true, nil
		case frameError:
			return failure(f.body)
		default:
			return Result{}, false, fmt.Errorf("%w: frame %q during an invoke", errProtocol, f.kind)
		}
	}
}

// receive is the link's, and notes outcomes.
func (e *Environment) receive() (frame, error) {
	f, err := e.link.receive()
	kind := f.kind
	var large *tooLargeError
	if errors.As(err, &large) {
		kind = large.kind
	}
	if kind == frameResult || kind == frameError {
		e.owes = e.framed
	}
	return f, err
}

// await reads what comes before the runtime waits for the next event. A function can write to
// its descriptor, too: an outcome behind that of the last event is none of the next one's.
func (e *Environment) await(in *Invocation) error {
	for e.owes {
		f, err := e.link.receive()
		var large *tooLargeError
		switch {
		case errors.As(err, &large):
		case err != nil:
			return err
		case f.kind == frameLog:
			e.log(in.RequestID, string(f.body))
		case f.kind == frameNext:
			e.owes = false
		}
	}
	return nil
}

func (e *Environment) success(body []byte, s *stream) Result {
	if s.open {
		return Result{Payload: s.data, ContentType: s.contentType}
	}
	if len(body) > MaxResponse {
		return e.tooLarge(len(body))
	}
	return Result{Payload: body}
}

func (e *Environment) tooLarge(size int) Result {
	return Result{Payload: TooLargeFailure(e.cfg.Runtime, size), FunctionError: Unhandled, ErrorType: TooLargeErrorType}
}

// failure reads the body of a frameError.
func failure(body []byte) (Result, bool, error) {
	if len(body) < 1 {
		return Result{}, false, fmt.Errorf("%w: an empty error", errProtocol)
	}
	res := Result{Payload: body[1:], FunctionError: Unhandled}
	switch body[0] {
	case errorHandled:
		res.FunctionError = Handled
		return res, true, nil
	case errorUnhandled:
		return res, true, nil
	case errorExiting:
		return res, false, nil
	}
	return Result{}, false, fmt.Errorf("%w: an error of kind %q", errProtocol, body[0])
}
