package lambda

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/sandbox"
)

// extensionFolder is where layers have the programs that run beside a function.
const extensionFolder = "extensions"

// hosts is /etc/hosts, with the names by which extensions call their own environment.
func hosts(id string) sandbox.File {
	return sandbox.File{Path: "/etc/hosts", Content: []byte("127.0.0.1 localhost sandbox.localdomain sandbox\n::1 localhost\n127.0.0.1 " + id + "\n")}
}

// externalExtensions are the names of the programs in the layers' extensions folders.
func externalExtensions(layers []string) []string {
	var names []string
	for _, layer := range layers {
		entries, err := os.ReadDir(filepath.Join(layer, extensionFolder))
		if err != nil {
			continue // most layers have none
		}
		for _, f := range entries {
			if !f.IsDir() {
				names = append(names, f.Name())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// accompany gives the environment extensions, if there can be any: programs of its layers, or
// threads of a runtime that knows the HTTP API. Where there is no isolation there are no layers.
func (e *environment) accompany(cfg *runtimes.Config, cmd runtimes.Command, plain bool) {
	if !plain && e.version.Image == nil {
		e.external = externalExtensions(e.layers)
	}
	if !cmd.HTTP && len(e.external) == 0 {
		return
	}
	about := runtimes.ExtensionsConfig{
		FunctionName: e.at.name, Version: e.version.label(), Handler: e.version.Handler, AccountID: e.at.scope.Account,
		MemoryMB: int(e.version.Memory), Clock: e.s.Clock, Random: e.s.Random, Log: e.log, Dial: e.dial,
	}
	if e.version.JSONLog {
		about.Event = e.extensionEvent
	}
	e.extensions = runtimes.NewExtensions(about)
	e.extensions.Expect(e.external...)
	cfg.Extensions = e.extensions
}

var errNoSandbox = errors.New("lambda: the environment has no sandbox yet")

// dial connects to a port of the environment's own loopback.
func (e *environment) dial(port int) (net.Conn, error) {
	if sb := e.inside.Load(); sb != nil {
		return sb.Dial(port)
	}
	if !e.s.plain() {
		return nil, errNoSandbox
	}
	return net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

// companions has the external extensions started before the runtime, which waits until all have
// registered. What they print is logged; done is to be called when they have been started.
func (e *environment) companions(ctx context.Context, spec *sandbox.Spec, env runtimes.Environ) (done func(), err error) {
	if len(e.external) == 0 {
		return func() {}, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go e.gather(r, func(text string) {
		e.log(text)
		e.extensions.ExtensionLog(text)
	})
	vars := env.ExtensionList()
	for _, name := range e.external {
		spec.Companions = append(spec.Companions, sandbox.Companion{
			Argv: []string{"/opt/" + extensionFolder + "/" + name}, Env: vars, Stdout: w, Stderr: w,
			Ended: func(end sandbox.Exit) { e.extensions.ExternalEnded(name, ended(end)) },
		})
	}
	spec.Accompanied = func(*sandbox.Sandbox) error { return e.extensions.Registered(ctx) }
	return func() { w.Close() }, nil
}

// ended is how a process ended, in the words of runtimes.
func ended(end sandbox.Exit) runtimes.Exit {
	out := runtimes.Exit{Code: end.Code, OutOfMemory: end.OOM || end.OOMKills > 0}
	if end.Signal != 0 {
		out.Signal = end.Signal.String()
	}
	return out
}

// unlaunched is what an invoke answers with whose environment could not be launched, if that is
// the function's fault or an extension's; else err is Tule's.
func (e *environment) unlaunched(cause string, err error) (*runtimes.Result, error) {
	var companion *sandbox.CompanionError
	if errors.As(err, &companion) && companion.Index < len(e.external) {
		e.extensions.LaunchFailed(e.external[companion.Index], companion.Err)
	}
	if e.extensions != nil {
		if failure := e.extensions.InitFailure(cause); failure != nil {
			return failure, nil
		}
	}
	if failure := e.imageFailure(cause, err); failure != nil {
		return failure, nil
	}
	var program *sandbox.ProgramError
	if errors.As(err, &program) && runtimes.IsProvided(e.version.Runtime) {
		failure, text := runtimes.EntryFailure(e.version.Runtime, cause, e.entry("", false), program.Err)
		e.log(text)
		return failure, nil
	}
	return nil, err
}

// entry is the program of a function that brings its own: for go1.x it is the handler; else
// bootstrap, of the code or of a layer. "" is for runtimes of ours.
func (e *environment) entry(code string, plain bool) string {
	name := "bootstrap"
	switch {
	case !runtimes.IsProvided(e.version.Runtime):
		return ""
	case e.version.Runtime == "go1.x":
		name = filepath.Clean("/" + e.version.Handler)[1:]
	}
	switch {
	case plain:
		return filepath.Join(code, name)
	case name == "bootstrap" && code != "" && !exists(filepath.Join(code, name)) &&
		slices.ContainsFunc(e.layers, func(layer string) bool { return exists(filepath.Join(layer, name)) }):
		return "/opt/" + name
	}
	return runtimes.TaskRoot + "/" + name
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// settleAtOnce is how long a caller waits for the runtime and its extensions to ask for the next
// event, so that its next invoke finds the environment free. Most need a tenth of a millisecond.
const settleAtOnce = 5 * time.Millisecond

// conclude ends an invoke that is answered: it is over when the runtime and all extensions have
// asked for the next event. Only then its REPORT is logged and the environment given back. The
// caller has its answer before, as on AWS, unless it wants the whole log.
func (s *Service) conclude(e *environment, in runtimes.Invocation, res runtimes.Result, whole bool) {
	talk := e.talk.Load()
	end := func() {
		wrong, took := talk.Settle(context.Background(), in)
		res.Duration += took
		if e.extensions != nil && took > 0 {
			e.target.put(s, "PostRuntimeExtensionsDuration", inMilliseconds, ms(took))
		}
		if wrong != nil {
			res.ErrorType = wrong.ErrorType
		}
		e.report(in.RequestID, &res)
		if e.ending = runtimes.Failed; res.ErrorType == runtimes.TimeoutErrorType {
			e.ending = runtimes.TimedOut
		}
		s.giveBack(e, talk.State() != runtimes.Ready)
	}
	if whole || talk.Settled() || talk.State() != runtimes.Ready {
		end()
		return
	}
	over := make(chan struct{})
	if !s.fleet.background(func() { defer close(over); end() }) {
		end()
		return
	}
	due, stop := s.Clock.After(settleAtOnce)
	defer stop()
	select {
	case <-over:
	case <-due:
	}
}

// giveBack returns an environment to the fleet. One that serves on has no reason to end.
func (s *Service) giveBack(e *environment, broken bool) {
	e.follow(nil)
	if !broken {
		e.ending = ""
	}
	s.fleet.release(e, broken)
}

// background does work that close waits for; false if the fleet is closed.
func (f *fleet) background(work func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.wg.Go(work)
	}
	return !f.closed
}

// shutDown lets extensions end by themselves, for as long as AWS would.
func (e *environment) shutDown() {
	if e.extensions == nil {
		return
	}
	if e.sandbox == nil {
		e.extensions.Shutdown(runtimes.Failed, func() {}, closedChannel())
		return
	}
	if e.extensions.Any() {
		if err := e.thaw(); err != nil {
			e.s.Logger.Debug("lambda: could not thaw an environment", "function", e.at.name, "error", err)
		}
	}
	reason := e.ending
	if reason == "" {
		reason = runtimes.Spindown
	}
	e.extensions.Shutdown(reason, func() { _ = e.sandbox.Signal(syscall.SIGTERM) }, e.sandbox.ProgramDone())
}

func closedChannel() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
