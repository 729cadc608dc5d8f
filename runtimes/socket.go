package runtimes

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// SocketFD is the descriptor as which a bootstrap inherits its end of the socket.
const SocketFD = 3

// Socketpair makes the two ends of a conversation: host for New, and child, which
// the process inherits as descriptor SocketFD and whose owner closes it after the
// start.
func Socketpair() (host net.Conn, child *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("runtimes: socketpair: %w", err)
	}
	ours := os.NewFile(uintptr(fds[0]), "runtime")
	defer ours.Close() // FileConn has its own copy
	child = os.NewFile(uintptr(fds[1]), "runtime (child)")
	host, err = net.FileConn(ours)
	if err != nil {
		child.Close()
		return nil, nil, fmt.Errorf("runtimes: socketpair: %w", err)
	}
	return host, child, nil
}

// New is the conversation over conn with a bootstrap that Command described.
func New(conn net.Conn, cfg Config) *Environment {
	e := newEnvironment(&socketLink{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, cfg)
	e.framed = true
	return e
}

// A socketLink is the private protocol on a socket.
type socketLink struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte // the last frame's memory, for the next
}

var _ link = (*socketLink)(nil)

func (l *socketLink) sendInit(body []byte) error {
	_, err := l.conn.Write(endFrame(append(appendFrameHeader(nil, frameInit), body...)))
	return err
}

func (l *socketLink) sendInvoke(in *Invocation) error {
	l.out = appendInvoke(l.out[:0], in)
	_, err := l.conn.Write(l.out)
	if cap(l.out) > 64<<10 {
		l.out = nil // an idle environment keeps no large event
	}
	return err
}

func (l *socketLink) receive() (frame, error) { return readFrame(l.in) }

func (l *socketLink) interrupt() { l.conn.SetDeadline(time.Unix(1, 0)) }

// rest returns at once: a runtime of ours has done all when it answers.
func (l *socketLink) rest(context.Context) error { return nil }

func (l *socketLink) rests() bool { return true }

func (l *socketLink) Close() error { return l.conn.Close() }

func closedByPeer(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}
