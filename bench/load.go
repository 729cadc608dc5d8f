package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// A loader sends requests that were made and signed beforehand over a connection of
// its own, and reads no more of the answers than it must: the load generator shares
// the cores with what it measures, and should not be what is measured.
type loader struct {
	requests [][]byte
	conn     net.Conn
	in       *bufio.Reader
}

// newLoader makes n requests to an address and a connection for them.
func newLoader(address string, n int, make func(i int) *http.Request) (*loader, error) {
	l := &loader{}
	for i := range n {
		var b bytes.Buffer
		if err := make(i).Write(&b); err != nil {
			return nil, err
		}
		l.requests = append(l.requests, b.Bytes())
	}
	var err error
	if l.conn, err = net.Dial("tcp", address); err != nil {
		return nil, err
	}
	l.in = bufio.NewReaderSize(l.conn, 16<<10)
	return l, nil
}

// send sends the i-th request, from the start again behind the last, and reads the
// answer to it.
func (l *loader) send(i int) error {
	if _, err := l.conn.Write(l.requests[i%len(l.requests)]); err != nil {
		return err
	}
	status, err := l.in.ReadString('\n')
	if err != nil {
		return err
	}
	length := 0
	for {
		line, err := l.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if k, v, _ := strings.Cut(string(line), ":"); strings.EqualFold(k, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(v)); err != nil {
				return err
			}
		}
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200") {
		body := make([]byte, length)
		_, _ = io.ReadFull(l.in, body)
		return fmt.Errorf("answered %s: %s", strings.TrimSpace(status), body)
	}
	_, err = l.in.Discard(length)
	return err
}

// loaders are n loaders, each with requests of its own.
func (r *rig) loaders(n int, make func(worker, i int) *http.Request) ([]*loader, error) {
	var out []*loader
	for w := range n {
		l, err := newLoader(r.address, 500, func(i int) *http.Request { return make(w, i) })
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}
