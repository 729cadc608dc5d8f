package lambda

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/sandbox"
)

// runtimeAPI is where a function's own bootstrap finds the Runtime API.
const runtimeAPI = "127.0.0.1:9001"

// launchHTTP is launch for a runtime that speaks the HTTP Runtime API. Everything
// stands before the process starts, since it is the user's from its first
// instruction.
func (e *environment) launchHTTP(ctx context.Context, spec sandbox.Spec, cfg runtimes.Config, env runtimes.Environ, plain bool) (<-chan error, error) {
	talk, handler := runtimes.NewHTTP(cfg)
	e.talk.Store(talk)
	server := &http.Server{Handler: handler}
	serve := func(l net.Listener) {
		e.onClose(func() { server.Close() })
		go server.Serve(l)
	}
	env.RuntimeAPI = runtimeAPI
	if plain {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		env.RuntimeAPI = l.Addr().String()
		serve(l)
	} else {
		spec.Prepare = func(sb *sandbox.Sandbox) error {
			l, err := sb.Listen("tcp", runtimeAPI)
			if err != nil {
				return err
			}
			serve(l)
			if e.s.Attach == nil {
				return nil
			}
			detach, err := e.s.Attach(context.Background(), e.id, sb)
			if err == nil {
				e.onClose(detach)
			}
			return err
		}
	}
	spec.Env = env.List()
	if err := e.run(ctx, spec); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	go func() {
		<-e.sandbox.Done()
		talk.ProcessEnded()
	}()
	done := make(chan error, 1)
	done <- nil
	return done, nil
}
