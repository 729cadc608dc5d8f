package steer

import (
	"context"
	"errors"
	"io"
)

// ExecOptions say what to run, and which Tule it meets.
type ExecOptions struct {
	// Command is the program and its arguments. The program is looked up in Env's PATH.
	Command []string
	// Dir is where it runs; "" is here.
	Dir string
	// Env is its environment before Environ's variables; nil is none of its own.
	Env []string
	// Stdin, Stdout and Stderr are the command's. An *os.File is handed over as it
	// is, so that a terminal stays one.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Tule is the running Tule's address, "host:port", which speaks HTTP and HTTPS.
	Tule string
	// Trust is its authority. Required.
	Trust *Trust
	// Zones and Region are as in ResolverOptions and EnvironOptions.
	Zones  []string
	Region string
	// Private runs the command in a network of its own, with no way out but Tule,
	// even where the host's network could be kept.
	Private bool
	// Notice is told what the person should know, such as that the command has no
	// outside network. nil tells nobody.
	Notice func(text string)
}

// ErrUnsupported is wrapped by Exec's errors where the system has no way to steer
// a single command. What Environ can do stands there as well.
var ErrUnsupported = errors.New("this system cannot steer the names of one command alone; use the variables that `tule env` prints")

// Exit codes of a command that did not start, as shells give them.
const (
	exitNotFound    = 127
	exitNotRunnable = 126
	exitFailed      = 125 // it was Exec that failed
	exitSignal      = 128 // and the number of the signal that ended it
)

// Exec runs a command for which the names of AWS lead to Tule and whose tools
// trust Tule's certificates, and returns its exit status, or 128 and the signal's
// number if one ended it. With an error it did not run, and the code is 127 if there
// is no such program, 126 if it cannot be run, 125 if it could not be set up.
//
// Only the command sees anything of it. It runs in a mount namespace where
// /etc/resolv.conf, /etc/nsswitch.conf and the system's certificate bundle are
// replaced. The ports that it meets are opened on a loopback address that no other
// Exec has (127.45.66.1 and up), by this process, and close with it: should this
// process be killed, the command's lookups fail rather than reach the real AWS.
//
// Where those ports cannot be had (no privilege, or another program holds
// port 53, 80 or 443 on all addresses), or where o.Private asks for it, the command
// gets a network of its own, in which there is nothing but Tule. Without root
// privileges this takes user namespaces.
//
// Signals sent to this process are passed on; those that the terminal sends reach
// the command by themselves. When ctx ends the command gets SIGTERM and, after
// five seconds, SIGKILL.
//
// The program that calls Exec calls MaybeChild first in its main function.
func Exec(ctx context.Context, o ExecOptions) (exitCode int, err error) {
	if len(o.Command) == 0 {
		return exitFailed, errors.New("steer: no command to run")
	}
	if o.Trust == nil {
		return exitFailed, errors.New("steer: no authority to trust")
	}
	if _, err := portOf(o.Tule); err != nil {
		return exitFailed, errors.New("steer: Tule's address: " + err.Error())
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	return run(ctx, o)
}
