package lambda

import (
	"bufio"
	"context"
	"errors"
	"maps"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/sandbox"
)

// initLimit is how long a function may take to load.
const initLimit = 10 * time.Second

// exitGrace is how long a process may live on that has hung up.
const exitGrace = time.Second

// peakEvery is how often the memory used is read, at most.
const peakEvery = 100 * time.Millisecond

// An environment is one sandbox in which one version of a function runs. The fleet
// owns it: whoever has it from acquire alone uses it, until release.
type environment struct {
	s       *Service
	at      ref
	version *version
	egress  Egress // the function's when it was made
	hot     string // the state of the folder that it started from, if its code is hot
	id      string // 32 hex digits
	stream  *stream
	cause   string // AWS_LAMBDA_INITIALIZATION_TYPE, if not on-demand

	// Of the process, set by start.
	sandbox *sandbox.Sandbox
	inside  atomic.Pointer[sandbox.Sandbox]      // the same, while it still starts
	talk    atomic.Pointer[runtimes.Environment] // fleet.close hangs up on it
	closers []func()                             // in the order in which things were opened
	until   time.Time
	init    time.Duration // of the start that no REPORT has told yet
	layers  []string      // folders of the host, for /opt
	kind    kind          // whose spares it can have come from; zero for none

	extensions *runtimes.Extensions // nil where nothing could register
	external   []string             // the extensions that are programs, by the names of their files
	entryPoint string               // of an image
	ending     string               // why it ends, as extensions are told

	turn     func()            // gives up its place among those that start; nil if it has none
	handover chan *environment // while it waits for that: another, which serves its invoke

	// The fleet's, under its mutex.
	target  *target // of the invoke that it serves, or served last
	serving bool    // an invoke
	counted bool    // in the account's unreserved concurrency
	// Provisioned environments are there whether they are needed or not.
	provisioned bool
	doomed      bool
	idleSince   time.Time
	rests       bool // frozen since, or about to be

	took time.Duration // of the invoke just ended; whoever serves it writes it

	busy     atomic.Bool
	freezeMu sync.Mutex
	frozen   bool

	logMu sync.Mutex
	tail  *tail

	peak   int // MB
	peakAt time.Time
}

func (s *Service) newEnvironment(t *target) *environment {
	id := aws.RandomID(s.Random, aws.Hex, 32)
	e := &environment{s: s, at: t.at, version: t.version, egress: s.egressOf(t.function), hot: t.hot, id: id}
	e.stream = s.logs.stream(t.at, t.version.Role, t.version.group(t.at), runtimes.LogStream(s.Clock.Now(), t.version.label(), id))
	return e
}

// log writes an event to the function's log stream.
func (e *environment) log(text string) {
	now := e.s.Clock.Now()
	e.logMu.Lock()
	defer e.logMu.Unlock()
	text += "\n" // as AWS's have it
	e.stream.append(now, text)
	e.tail.add(text)
}

// follow sets who gets the log beside the stream; nil is nobody.
func (e *environment) follow(t *tail) {
	e.logMu.Lock()
	e.tail = t
	e.logMu.Unlock()
}

// start starts the process and loads the function, for the invoke cause. A failure
// is what the function did wrong; an error is Tule's.
func (e *environment) start(ctx context.Context, cause string, limit time.Duration) (failure *runtimes.Result, err error) {
	done := e.turn
	if e.turn = nil; done == nil {
		done = e.s.takeTurn()
	}
	defer done()
	ctx, cancel := e.s.within(context.WithoutCancel(ctx), limit)
	defer cancel()
	begun := e.s.Clock.Now()
	attached, err := e.launch(ctx, cause)
	if err != nil && ctx.Err() != nil {
		e.init = e.s.Clock.Now().Sub(begun)
		return nil, errInitTimeout
	}
	if err != nil {
		return e.unlaunched(cause, err)
	}
	if err := <-attached; err != nil {
		return nil, err
	}
	in, err := e.talk.Load().Init(ctx)
	e.init = e.s.Clock.Now().Sub(begun)
	if e.kind != (kind{}) {
		e.s.spares.want(e.kind)
	}
	if ctx.Err() != nil && in.Failure == nil {
		return nil, errInitTimeout // nobody waits for what it may have been about to say
	}
	e.logInit(err == nil && in.Failure == nil)
	return in.Failure, err
}

// startsAtOnce is how many environments start at the same time. Each needs a processor
// for some 30 ms; a hundred at once would all be late together.
const startsAtOnce = 8

// turnTime is how long a start keeps others waiting: a function that loads slowly mostly
// waits for something else.
const turnTime = time.Second

// takeTurn waits for a place among those that start; done gives it up.
func (s *Service) takeTurn() (done func()) {
	s.starts <- struct{}{}
	return s.turn()
}

// turn is a place that was taken: it ends by itself after a while.
func (s *Service) turn() (done func()) {
	leave := sync.OnceFunc(func() { <-s.starts })
	due, stop := s.Clock.After(turnTime)
	over := make(chan struct{})
	go func() {
		select {
		case <-due:
			leave()
		case <-over:
			stop()
		}
	}()
	return func() {
		close(over)
		leave()
	}
}

var errInitTimeout = errors.New("lambda: the function took too long to load")

// within is a context that ends after d of the service's clock.
func (s *Service) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	due, stop := s.Clock.After(d)
	go func() {
		select {
		case <-due:
			cancel()
		case <-ctx.Done():
			stop()
		}
	}()
	return ctx, cancel
}

// onClose notes what is to be undone when the environment ends.
func (e *environment) onClose(f func()) { e.closers = append(e.closers, f) }

// launch starts the process. Steering is set up while the interpreter starts: attached
// tells when it stands.
func (e *environment) launch(ctx context.Context, cause string) (attached <-chan error, err error) {
	s := e.s
	if s.Host == nil {
		return nil, errors.New("lambda: without Options.Host nothing can be invoked")
	}
	plain := s.plain()
	if err := e.version.checkLocked(); err != nil {
		return nil, err
	}
	code, cmd, err := e.program(ctx, plain)
	if err != nil {
		return nil, err
	}
	role, err := s.roles.session(ctx, e.at, e.version.Role)
	if err != nil {
		return nil, unassumable(err)
	}
	e.until = role.until
	cfg := e.config(cause, code, plain)
	env := e.environ(cmd, role, code, plain)
	e.accompany(&cfg, cmd, plain)
	if k, ok := s.kindOf(e.version, code, e.egress); ok && len(e.external) == 0 {
		e.kind = k
		if e.adopt(k, code, cfg, env) {
			stands := make(chan error, 1)
			stands <- nil
			return stands, nil
		}
	}
	spec := e.spec(cmd, code, plain)
	if cmd.HTTP || len(e.external) > 0 {
		return e.launchHTTP(ctx, spec, cmd, cfg, env)
	}
	host, child, err := runtimes.Socketpair()
	if err != nil {
		return nil, err
	}
	defer child.Close()
	e.talk.Store(runtimes.New(host, cfg))
	spec.Env, spec.Inherit = env.List(), []*os.File{child}
	if err := e.run(ctx, spec); err != nil {
		return nil, err
	}
	return e.attach(), nil
}

// program readies the files that the environment needs, and says how its process is started.
func (e *environment) program(ctx context.Context, plain bool) (code string, cmd runtimes.Command, err error) {
	s := e.s
	code, release, err := s.folder(ctx, e.at.scope, e.version.Code)
	if err != nil {
		return "", cmd, err
	}
	e.onClose(release)
	if e.version.Image != nil {
		cmd, err = e.imageCommand(code)
		return code, cmd, err
	}
	set, err := s.interpreters(ctx)
	if err != nil {
		return "", cmd, err
	}
	if e.layers, release, err = s.layerFolders(ctx, e.version); err != nil {
		return "", cmd, err
	}
	e.onClose(release)
	opt := runtimes.CommandOptions{Unmounted: plain, MemoryMB: int(e.version.Memory), JavaProperties: s.javaProperties()}
	opt.Provided, opt.Wrapper = e.entry(code, plain), e.version.Environment["AWS_LAMBDA_EXEC_WRAPPER"]
	cmd, err = set.Command(e.version.Runtime, opt)
	return code, cmd, err
}

// run starts the sandbox and gathers what its processes print.
func (e *environment) run(ctx context.Context, spec sandbox.Spec) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	spec.Stdout, spec.Stderr = w, w
	if e.sandbox, err = e.s.Host.Start(ctx, spec); err != nil {
		r.Close()
		return err
	}
	go e.gather(r, e.print)
	return nil
}

// print logs what the function wrote. Extensions get it whatever its level.
func (e *environment) print(text string) {
	if e.version.keeps(text) {
		e.log(text)
	}
	e.extensions.FunctionLog(text)
}

// maxPrinted is the longest line that is one log event.
const maxPrinted = 64 << 10

// gather logs what processes print past the bootstrap: the function's children, and
// interpreters in despair.
func (e *environment) gather(r *os.File, log func(text string)) {
	defer r.Close()
	in := bufio.NewReaderSize(r, maxPrinted)
	for {
		line, err := in.ReadSlice('\n')
		if n := len(line); n > 0 {
			if line[n-1] == '\n' {
				line = line[:n-1]
			}
			log(string(line))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return // the last process is gone
		}
	}
}

// attach steers AWS's names to Tule in the sandbox.
func (e *environment) attach() <-chan error {
	if e.s.debugs(e.version) {
		e.s.debuggers.debug(e)
	}
	done := make(chan error, 1)
	if e.s.Attach == nil {
		done <- nil
		return done
	}
	go func() {
		detach, err := e.s.Attach(context.Background(), e.id, e.egress, e.sandbox)
		if err == nil {
			e.onClose(detach)
		}
		done <- err
	}()
	return done
}

func (e *environment) config(cause, code string, plain bool) runtimes.Config {
	v := e.version
	cfg := runtimes.Config{
		Runtime: v.Runtime, Handler: v.Handler, FunctionName: e.at.name, Version: v.label(), MemoryMB: int(v.Memory),
		LogGroup: v.group(e.at), LogStream: e.stream.name, InitID: cause, Cause: cause, Debug: e.s.debugs(v),
		Clock: e.s.Clock, Random: e.s.Random, Exited: e.exited,
		Sink: func(l runtimes.Line) { e.print(l.Text) },
	}
	if plain {
		cfg.TaskRoot = code
	}
	return cfg
}

// Where sandboxes have the certificates that they trust. Java's are there for those
// that bring a runtime of their own.
const (
	bundleInside = "/etc/tule/bundle.pem"
	javaInside   = "/etc/tule/truststore.p12"
)

func (e *environment) environ(cmd runtimes.Command, role *session, code string, plain bool) runtimes.Environ {
	v := e.version
	env := runtimes.Environ{
		Runtime: v.Runtime, Handler: v.Handler, FunctionName: e.at.name, Version: v.label(), Region: e.at.scope.Region,
		MemoryMB: int(v.Memory), LogGroup: v.group(e.at), LogStream: e.stream.name,
		Initialization: e.cause, AccessKeyID: role.key, SecretKey: role.secret, SessionToken: role.token,
		RuntimeRoot: cmd.RuntimeRoot, ModulePath: cmd.ModulePath, User: v.Environment, Further: map[string]string{},
	}
	e.imageVariables(&env)
	maps.Copy(env.Further, e.s.trust())
	maps.Copy(env.Further, e.proxied())
	maps.Copy(env.Further, v.logVariables())
	if plain {
		env.TaskRoot = code
	}
	if java := e.s.Trust.Java; java != "" && cmd.HTTP {
		if !plain {
			java = javaInside
		}
		env.Further["JAVA_TOOL_OPTIONS"] = e.s.Trust.JavaOptions(java)
	}
	if u, err := url.Parse(e.s.Endpoint); err == nil && u.Host != "" {
		env.Further["AWS_ENDPOINT_URL"] = e.s.Endpoint
		env.Further["LOCALSTACK_HOSTNAME"], env.Further["EDGE_PORT"] = u.Hostname(), u.Port()
	}
	return env
}

// trust is the variables by which what runs here trusts this Tule's certificates.
func (s *Service) trust() map[string]string {
	if s.Trust.Bundle == "" {
		return nil
	}
	bundle := bundleInside
	if s.plain() {
		bundle = s.Trust.Bundle
	}
	vars := map[string]string{}
	for _, name := range []string{"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"} {
		vars[name] = bundle
	}
	return vars
}

// javaProperties are how a bootstrap for Java trusts this Tule's certificates.
func (s *Service) javaProperties() []string {
	switch {
	case s.Trust.Java == "" || s.Trust.JavaProperties == nil:
		return nil
	case s.plain():
		return s.Trust.JavaProperties(s.Trust.Java)
	}
	return s.Trust.JavaProperties(javaInside)
}

// plain reports whether functions run as plain processes of the host.
func (s *Service) plain() bool {
	return s.Host != nil && s.Host.Features().Isolation == sandbox.Process.String()
}

// spec is the sandbox without what is said elsewhere: variables, descriptors, output.
func (e *environment) spec(cmd runtimes.Command, code string, plain bool) sandbox.Spec {
	spec := e.s.base(e.id, cmd, e.egress)
	spec.Memory, spec.TmpSize = int64(e.version.Memory)<<20, int64(e.version.Storage)<<20
	spec.CPU, spec.CPUWeight = power(e.version.Memory)
	if e.version.Image != nil {
		e.imageSpec(&spec, code)
	} else if plain {
		spec.Dir = code
	} else {
		spec.Code, spec.Layers = code, e.layers
	}
	return spec
}

// base is the sandbox for a command, whatever function it is to run.
func (s *Service) base(id string, cmd runtimes.Command, out Egress) sandbox.Spec {
	spec := sandbox.Spec{ID: id, Argv: cmd.Argv, Egress: out.sandboxed()}
	if s.plain() {
		return spec
	}
	for _, m := range cmd.Mounts {
		if !shown(m) {
			spec.Mounts = append(spec.Mounts, sandbox.Mount{Host: m.Host, Inside: m.Inside})
		}
	}
	if s.Trust.Bundle != "" {
		spec.Mounts = append(spec.Mounts, sandbox.Mount{Host: s.Trust.Bundle, Inside: bundleInside})
	}
	if s.Trust.Java != "" && (cmd.HTTP || cmd.Java) {
		spec.Mounts = append(spec.Mounts, sandbox.Mount{Host: s.Trust.Java, Inside: javaInside})
	}
	spec.Files = append(spec.Files, hosts(id))
	if s.Attach != nil {
		spec.Files = append(spec.Files, sandbox.File{Path: "/etc/resolv.conf", Content: []byte("nameserver 127.0.0.1\n")})
	}
	return spec
}

// shown reports whether every sandbox shows m already, as part of the host's runtime.
func shown(m runtimes.Mount) bool {
	switch m.Inside {
	case "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl/certs",
		"/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/mime.types":
		return true
	}
	return false
}

// exited says how the process ended that has hung up. One that lives on nevertheless
// is killed.
func (e *environment) exited(ctx context.Context) runtimes.Exit {
	wait, cancel := e.s.within(ctx, exitGrace)
	defer cancel()
	end, err := e.sandbox.WaitProgram(wait)
	if err != nil {
		e.sandbox.Kill()
		if end, err = e.sandbox.WaitProgram(ctx); err != nil {
			return runtimes.Exit{Code: 1}
		}
	}
	return ended(end)
}

// used is the most memory that the environment has used, in MB.
func (e *environment) used(now time.Time) int {
	if e.sandbox == nil {
		return 0 // it did not come to that
	}
	if e.peakAt.IsZero() || now.Sub(e.peakAt) >= peakEvery {
		if n, err := e.sandbox.MemoryPeak(); err == nil {
			e.peak = int((n + 1<<20 - 1) >> 20)
		}
		e.peakAt = now
	}
	return min(e.peak, int(e.version.Memory))
}

// freeze has the processes stop, unless somebody uses them. It does not wait for it: whoever needs them
// next would have to wait, too.
func (e *environment) freeze() {
	e.freezeMu.Lock()
	defer e.freezeMu.Unlock()
	if e.frozen || e.busy.Load() {
		return
	}
	if err := e.sandbox.BeginFreeze(); err != nil {
		e.s.Logger.Debug("lambda: could not freeze an environment", "function", e.at.name, "error", err)
		return
	}
	e.frozen = true
}

// thaw lets them go on.
func (e *environment) thaw() error {
	e.freezeMu.Lock()
	defer e.freezeMu.Unlock()
	if !e.frozen {
		return nil
	}
	e.frozen = false
	return e.sandbox.Thaw()
}

// hangUp ends the conversation, so that an invoke under way returns.
func (e *environment) hangUp() {
	if talk := e.talk.Load(); talk != nil {
		_ = talk.Close() // twice is once too often, but no harm
	}
}

// close ends the environment and frees all it had.
func (e *environment) close() {
	e.s.debuggers.forget(e)
	e.shutDown()
	e.hangUp()
	var err error
	if e.sandbox != nil {
		err = e.sandbox.Close()
	}
	for i := len(e.closers) - 1; i >= 0; i-- {
		e.closers[i]()
	}
	if err != nil {
		e.s.Logger.Warn("lambda: an environment did not end well", "function", e.at.name, "error", err)
	}
}
