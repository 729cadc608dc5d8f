package runtimes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// A State is where an Environment stands in its life.
type State int32

// The states, in the order in which they are reached; Ready and Busy alternate.
const (
	Created State = iota // made, not yet told to initialise
	Initializing
	Ready // at rest between invokes
	Busy
	Dead // will answer no more; its owner ends the process
)

// Config is what an Environment knows of its function. Runtime, Handler, Clock and
// Sink must be set.
type Config struct {
	Runtime      string // "nodejs20.x"
	Handler      string // "index.handler"
	FunctionName string
	Version      string // "$LATEST" or a number
	MemoryMB     int
	LogGroup     string
	LogStream    string
	// InitID is the request id that log lines of the legacy runtimes carry while
	// the module is loaded; newer ones write "undefined". A process that ends in
	// init is reported under Cause, the request that the environment is made for.
	InitID, Cause string
	// Environ is the variables of a process that was started waiting (see
	// CommandOptions.Waiting), as Environ.List has them: all that it is to have. Nil is
	// for one that has them from its start.
	Environ []string
	// Debug opens a debugger's port, DebugPort, before the function is loaded.
	Debug bool
	// TaskRoot is where the process sees the function's code; "" is /var/task.
	TaskRoot string
	Clock    aws.Clock
	// Random makes the identifiers of extensions; without it none can register.
	Random io.Reader
	// Extensions are those of the environment: told of its phases, and waited for. A
	// runtime that speaks the HTTP API has some in any case; else nil is none.
	Extensions *Extensions
	// Sink takes each log event as it happens: within an Invoke, before it returns.
	// It is not called concurrently, and must not keep the caller waiting.
	Sink func(Line)
	// Exited waits until the process has ended and says how. It is called when the
	// conversation ends early. Without it the process ended with exit status 1.
	Exited func(context.Context) Exit
}

// A Line is one event for the function's log stream: text without a final line
// feed, with whatever prefix the language's runtime gives it.
type Line struct {
	RequestID string // of the invoke under way, "" during init
	Text      string
}

// An Exit is how a process ended.
type Exit struct {
	Code        int    // exit status, if Signal is empty
	Signal      string // "killed"
	OutOfMemory bool   // killed for using more memory than the function has
}

// An Invocation is one event for the handler.
type Invocation struct {
	RequestID string
	Payload   []byte // JSON
	// Deadline is when the function must have answered, and Timeout the function's
	// configured time-out, for the message.
	Deadline      time.Time
	Timeout       time.Duration
	FunctionARN   string // as invoked, with its qualifier
	TraceID       string // X-Ray header, may be empty
	ClientContext []byte // JSON, may be empty
	Identity      []byte // JSON, may be empty
	// Stream, if not nil, gets the pieces of a streamed response as they come.
	// Otherwise they are gathered in Result.Payload.
	Stream io.Writer
	// Opened, if not nil, is called once before the first piece of a streamed response,
	// with its content type: "" if the runtime has not said.
	Opened func(contentType string)
}

// A Result is what an Invoke ends with.
type Result struct {
	Payload []byte // JSON, or the bytes of a streamed response
	// FunctionError is X-Amz-Function-Error: "", "Handled" or "Unhandled".
	FunctionError string
	// ErrorType is the errorType of the payload where Tule itself composed it:
	// "Sandbox.Timedout", "Runtime.ExitError", "Function.ResponseSizeTooLarge".
	ErrorType   string
	ContentType string // of a streamed response
	Duration    time.Duration
}

// An InitResult is how initialisation ended. A Failure is what the invoke that
// caused the initialisation answers with; the Environment is then Dead.
type InitResult struct {
	Duration time.Duration
	Failure  *Result
}

// ErrState refuses a call that the state does not allow.
var ErrState = errors.New("runtimes: the environment is not in a state for that")

// A link carries the conversation: frames over a socket, or the HTTP Runtime API.
type link interface {
	sendInit(body []byte) error
	sendInvoke(in *Invocation) error
	// receive returns the next frame from the runtime; io.EOF when it is gone.
	receive() (frame, error)
	// rest waits until the runtime has done with the last event, and rests reports
	// whether it has.
	rest(ctx context.Context) error
	rests() bool
	// interrupt makes a waiting call return an error, now and for ever.
	interrupt()
	Close() error
}

// An Environment is Tule's end of the conversation with one execution
// environment. Init comes first, then any number of Invokes, one at a time.
type Environment struct {
	cfg  Config
	gen  generation
	link link
	// owes is that an outcome was read, and not yet that the runtime waits again. framed
	// is that it says so.
	owes, framed bool

	mu       sync.Mutex
	state    State
	request  string // id of the invoke under way, or of the last one
	deadline deadline

	outMu sync.Mutex // guards Sink
}

func newEnvironment(l link, cfg Config) *Environment {
	e := &Environment{cfg: cfg, gen: generationOf(cfg.Runtime), link: l}
	if x := cfg.Extensions; x != nil {
		x.watch(l.interrupt)
	}
	return e
}

// State is the current state.
func (e *Environment) State() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// Close ends the conversation. A call under way returns. The process is its
// owner's to end.
func (e *Environment) Close() error {
	e.mu.Lock()
	e.state = Dead
	e.stopDeadline()
	e.mu.Unlock()
	e.link.interrupt()
	return e.link.Close()
}

func (e *Environment) enter(from, to State) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state != from {
		return fmt.Errorf("%w: it is %v", ErrState, e.state)
	}
	e.state = to
	return nil
}

// leave ends a call; a state that is Dead stays so.
func (e *Environment) leave(to State) {
	e.mu.Lock()
	if e.state != Dead {
		e.state = to
	}
	if e.state == Dead {
		e.stopDeadline()
	}
	e.mu.Unlock()
}

func (e *Environment) log(request, text string) {
	e.outMu.Lock()
	defer e.outMu.Unlock()
	e.cfg.Sink(Line{request, text})
}

// initBody is the body of the init frame.
type initBody struct {
	Protocol     int    `json:"protocol"`
	Handler      string `json:"handler"`
	Legacy       bool   `json:"legacy"`
	Tuples       bool   `json:"tuples"` // Python: stack traces as 4-tuples
	ASCII        bool   `json:"ascii"`  // Python: escape other characters in results
	NoCallbacks  bool   `json:"noCallbacks"`
	Major        int    `json:"major"` // C#: which age's logs and errors
	FunctionName string `json:"functionName"`
	Version      string `json:"functionVersion"`
	Memory       string `json:"memory"`
	LogGroup     string `json:"logGroup"`
	LogStream    string `json:"logStream"`
	InitID       string `json:"initId"`
	TaskRoot     string `json:"taskRoot"`
	Debug        int    `json:"debug,omitempty"` // a port
	// Environ is null unless the process has to take them over.
	Environ []string `json:"environ"`
}

// Init tells the bootstrap to load the handler and waits until it has. The time
// limit is ctx's: AWS gives 10 seconds, and InitTimeoutFailure is what the caller
// answers when it ends. An error means that the conversation failed, not the
// function.
func (e *Environment) Init(ctx context.Context) (InitResult, error) {
	if err := e.enter(Created, Initializing); err != nil {
		return InitResult{}, err
	}
	begun := e.cfg.Clock.Now()
	stop := context.AfterFunc(ctx, e.link.interrupt)
	failure, err := e.initialise(ctx)
	failure, err = e.initExtensions(ctx, begun, failure, err)
	// One that was ready just as ctx ended has had its conversation cut off.
	if interrupted := !stop(); err != nil && ctx.Err() != nil || interrupted && failure == nil {
		err = ctx.Err()
	}
	if errors.Is(err, errProtocol) {
		res := e.unknown(or(e.cfg.Cause, e.cfg.InitID), err)
		failure, err = &res, nil
	}
	if err != nil || failure != nil {
		e.leave(Dead)
	} else {
		e.leave(Ready)
	}
	return InitResult{Duration: e.cfg.Clock.Now().Sub(begun), Failure: failure}, err
}

func (e *Environment) initialise(ctx context.Context) (*Result, error) {
	root := e.cfg.TaskRoot
	if root == "" {
		root = TaskRoot
	}
	port := 0
	if e.cfg.Debug {
		port = DebugPort
	}
	body, err := json.Marshal(initBody{
		Protocol: Protocol, Handler: e.cfg.Handler,
		Legacy: e.gen.legacyNode, Tuples: e.gen.tuples, ASCII: e.gen.ascii, NoCallbacks: e.gen.noCallbacks, Major: e.gen.major,
		FunctionName: e.cfg.FunctionName, Version: e.cfg.Version, Memory: fmt.Sprint(e.cfg.MemoryMB),
		LogGroup: e.cfg.LogGroup, LogStream: e.cfg.LogStream, InitID: e.cfg.InitID, TaskRoot: root, Environ: e.cfg.Environ, Debug: port,
	})
	if err != nil {
		return nil, err
	}
	if err := e.link.sendInit(body); err != nil && !gone(err) {
		return nil, err
	}
	for {
		f, err := e.link.receive()
		var large *tooLargeError
		switch {
		case errors.As(err, &large) && large.kind == frameLog:
			continue
		case errors.As(err, &large):
			r := e.tooLarge(int(large.size))
			return &r, nil
		case err != nil && ctx.Err() == nil && gone(err):
			r := e.exitResult(ctx, or(e.cfg.Cause, e.cfg.InitID))
			return &r, nil
		case err != nil:
			return nil, err
		}
		switch f.kind {
		case frameLog:
			e.log("", string(f.body))
		case frameFault:
			return &Result{Payload: f.body, FunctionError: e.gen.initError}, nil
		case frameReady:
			if len(f.body) != 1 || f.body[0] != Protocol {
				return nil, fmt.Errorf("%w: it speaks version %q of it", errProtocol, f.body)
			}
			return nil, nil
		default:
			return nil, fmt.Errorf("%w: frame %q during init", errProtocol, f.kind)
		}
	}
}

// exitResult describes the end of the process in the middle of something.
func (e *Environment) exitResult(ctx context.Context, request string) Result {
	exit := Exit{Code: 1}
	if e.cfg.Exited != nil {
		exit = e.cfg.Exited(ctx)
	}
	payload, logText := ExitFailure(e.cfg.Runtime, request, exit)
	if logText != "" {
		e.log(request, logText)
	}
	kind := ExitErrorType
	if exit.OutOfMemory {
		kind = OutOfMemoryErrorType
	}
	return Result{Payload: payload, FunctionError: Unhandled, ErrorType: kind}
}

// gone reports whether err says that the runtime's end of the link is closed.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || closedByPeer(err)
}

// String is the state's name.
func (s State) String() string {
	return [...]string{"Created", "Initializing", "Ready", "Busy", "Dead"}[s]
}
