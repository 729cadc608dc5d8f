package runtimes

import (
	"context"
	"errors"
	"time"
)

// Settled reports whether the last invoke is over for the runtime and all
// extensions: each has asked for the next event.
func (e *Environment) Settled() bool {
	return e.State() != Ready || e.link.rests() && e.cfg.Extensions.Idle()
}

// Settle waits until the invoke in, which Invoke has answered, is over for the
// runtime and all extensions, as AWS's invoke phase is. What goes wrong meanwhile,
// or takes longer than the invoke's deadline, is the result that the invoke's
// REPORT tells, though its caller has an answer; nil is nothing. The Environment is
// Dead then. took is how long it was.
func (e *Environment) Settle(ctx context.Context, in Invocation) (wrong *Result, took time.Duration) {
	if e.Settled() || e.enter(Ready, Busy) != nil {
		return nil, 0
	}
	begun := e.cfg.Clock.Now()
	err := e.settle(ctx, in.Deadline)
	now := e.cfg.Clock.Now()
	took = now.Sub(begun)
	if err == nil {
		e.leave(Ready)
		return nil, took
	}
	defer e.leave(Dead)
	if failed := e.failure(in.RequestID); failed != nil {
		return failed, took
	}
	switch {
	case errors.Is(err, errLate):
		r := e.timeout(&in, now, took)
		return &r, took
	case gone(err) && ctx.Err() == nil:
		r := e.exitResult(ctx, in.RequestID)
		return &r, took
	}
	return &Result{ErrorType: ExitErrorType}, took // somebody hangs up
}

var errLate = errors.New("runtimes: the invoke takes too long")

func (e *Environment) settle(ctx context.Context, deadline time.Time) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !deadline.IsZero() {
		due, stop := e.cfg.Clock.After(deadline.Sub(e.cfg.Clock.Now()))
		defer stop()
		go func() {
			select {
			case <-due:
				cancel(errLate)
			case <-ctx.Done():
			}
		}()
	}
	err := e.link.rest(ctx)
	if x := e.cfg.Extensions; err == nil && x != nil {
		err = x.settled(ctx)
	}
	if err != nil && context.Cause(ctx) == errLate {
		return errLate
	}
	return err
}

// failure is what an extension did to the invoke request, logged.
func (e *Environment) failure(request string) *Result {
	if e.cfg.Extensions == nil {
		return nil
	}
	r := e.cfg.Extensions.Failure(request)
	if r != nil {
		e.log(request, e.cfg.Extensions.failureLog(request))
	}
	return r
}

// initExtensions ends the init for extensions: those that the runtime has waited for,
// and those that its process has registered, must be ready now.
func (e *Environment) initExtensions(ctx context.Context, begun time.Time, failure *Result, err error) (*Result, error) {
	x := e.cfg.Extensions
	if x == nil {
		return failure, err
	}
	x.runtimeInit(failure == nil && err == nil)
	if failure != nil || err != nil && ctx.Err() == nil && !e.failed() {
		x.close()
		return failure, err
	}
	if err == nil {
		err = x.initialised(ctx, begun)
	}
	if r := e.failure(or(e.cfg.Cause, e.cfg.InitID)); r != nil {
		return r, nil
	}
	return nil, err
}

func (e *Environment) failed() bool {
	return e.cfg.Extensions != nil && e.cfg.Extensions.Failure("") != nil
}

// answered tells extensions that the runtime has answered; if one of them has failed,
// that is the answer.
func (x *Extensions) answered(in *Invocation, res Result, err error) (Result, error) {
	if failed := x.Failure(in.RequestID); failed != nil && err != nil {
		failed.Duration = res.Duration
		res, err = *failed, nil
		x.cfg.Log(x.failureLog(in.RequestID))
	}
	x.done(in, &res, len(res.Payload))
	return res, err
}
