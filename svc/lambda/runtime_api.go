package lambda

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"

	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/sandbox"
	"golang.org/x/net/netutil"
)

// runtimeAPI is where a function's own bootstrap, and extensions, find their APIs.
const runtimeAPI = "127.0.0.1:9001"

// runtimeConns is how many connections to them are served at a time, each with a descriptor and
// memory of Tule's. A runtime has one, an extension two; the others wait.
const runtimeConns = 64

// launchHTTP is launch for environments with somebody in them who speaks HTTP: a runtime that
// speaks the HTTP Runtime API, or extensions beside one of ours. Everything stands before the
// first process starts, since it is the user's from its first instruction.
func (e *environment) launchHTTP(ctx context.Context, spec sandbox.Spec, cmd runtimes.Command, cfg runtimes.Config, env runtimes.Environ) (<-chan error, error) {
	var handler http.Handler
	if cmd.HTTP {
		var talk *runtimes.Environment
		talk, handler = runtimes.NewHTTP(cfg)
		e.talk.Store(talk)
	} else {
		host, child, err := runtimes.Socketpair()
		if err != nil {
			return nil, err
		}
		defer child.Close()
		e.talk.Store(runtimes.New(host, cfg))
		spec.Inherit, handler = []*os.File{child}, e.extensions.Handler()
	}
	server := &http.Server{Handler: handler}
	serve := func(l net.Listener) {
		e.onClose(func() { server.Close() })
		go server.Serve(netutil.LimitListener(l, runtimeConns))
	}
	env.RuntimeAPI = runtimeAPI
	if e.s.plain() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		env.RuntimeAPI = l.Addr().String()
		serve(l)
	} else {
		spec.Prepare = func(sb *sandbox.Sandbox) error { return e.prepare(sb, serve) }
	}
	spec.Env = env.List()
	closeOutput, err := e.companions(ctx, &spec, env)
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	err = e.run(ctx, spec)
	closeOutput()
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	go func() {
		<-e.sandbox.ProgramDone()
		e.talk.Load().ProcessEnded()
	}()
	done := make(chan error, 1)
	done <- nil
	return done, nil
}

// prepare puts the API, and AWS's names, into a sandbox's network.
func (e *environment) prepare(sb *sandbox.Sandbox, serve func(net.Listener)) error {
	l, err := sb.Listen("tcp", runtimeAPI)
	if err != nil {
		return err
	}
	serve(l)
	e.inside.Store(sb)
	if e.s.Attach == nil {
		return nil
	}
	detach, err := e.s.Attach(context.Background(), e.id, e.egress, sb)
	if err == nil {
		e.onClose(detach)
	}
	return err
}
