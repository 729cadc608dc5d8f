package runtimes

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Protocol is the version of the private protocol. A bootstrap names it when it is
// ready, and Tule hangs up on another.
const Protocol = 1

// A frame is the unit of the private protocol: four bytes of length, big-endian,
// not counting themselves and the type; one byte of type; the body.
type frame struct {
	kind byte
	body []byte
}

// The frame types. Upper case goes to the runtime, lower case comes from it.
const (
	frameInit   = 'I' // JSON: what the bootstrap loads and how it behaves
	frameInvoke = 'V' // see appendInvoke
	frameReady  = 'r' // one byte: Protocol
	frameFault  = 'x' // init failed: error JSON; the process ends
	frameLog    = 'l' // text of one log event, without the final line feed
	frameMeta   = 'm' // content type of a streamed response
	frameChunk  = 'c' // a piece of a streamed response
	frameResult = 's' // the result, JSON, or nothing after a streamed response
	frameError  = 'e' // one of errorHandled…, then error JSON
	frameNext   = 'n' // the runtime waits for the next event: right behind its outcome
)

// How a frameError ended the invocation.
const (
	errorHandled   = 'H' // the handler reported it (legacy Node)
	errorUnhandled = 'U' // thrown, or reported in a newer runtime
	errorExiting   = 'X' // as errorUnhandled, and the process ends now
)

// maxFrame bounds what is kept of one frame: the largest response, and room for
// JSON that the limit on responses then refuses by its size.
const maxFrame = 8 << 20

const frameHeader = 5

var errProtocol = errors.New("runtimes: the runtime broke the protocol")

// A tooLargeError is a frame over maxFrame; its body was read and dropped, so the
// conversation can go on.
type tooLargeError struct {
	kind byte
	size uint32
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("runtimes: frame %q of %d bytes is over the limit", e.kind, e.size)
}

// appendFrameHeader starts a frame in b; endFrame sets its length.
func appendFrameHeader(b []byte, kind byte) []byte { return append(b, 0, 0, 0, 0, kind) }

func endFrame(b []byte) []byte {
	binary.BigEndian.PutUint32(b, uint32(len(b)-frameHeader))
	return b
}

// readFrame reads one frame. The body is the caller's to keep. io.EOF means that
// the other end closed between frames.
func readFrame(r *bufio.Reader) (frame, error) {
	head, err := r.Peek(frameHeader)
	if err != nil {
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	size, kind := binary.BigEndian.Uint32(head), head[4]
	if _, err := r.Discard(frameHeader); err != nil {
		return frame{}, err
	}
	if size > maxFrame {
		if _, err := io.CopyN(io.Discard, r, int64(size)); err != nil {
			return frame{}, noEOF(err)
		}
		return frame{}, &tooLargeError{kind, size}
	}
	body, err := readBody(r, int(size))
	return frame{kind, body}, err
}

// readBody reads n bytes and takes memory only for what arrives.
func readBody(r io.Reader, n int) ([]byte, error) {
	const step = 256 << 10
	body := make([]byte, 0, min(n, step))
	for len(body) < n {
		k := min(n-len(body), step)
		if cap(body)-len(body) < k {
			grown := make([]byte, len(body), min(n, 2*cap(body)+k))
			copy(grown, body)
			body = grown
		}
		if _, err := io.ReadFull(r, body[len(body):len(body)+k]); err != nil {
			return nil, noEOF(err)
		}
		body = body[:len(body)+k]
	}
	return body, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendInvoke appends the invoke frame: the deadline in Unix milliseconds as 8
// bytes, then request id, function ARN, trace id, client context and identity,
// each with its length in 4 bytes before it, then the event.
func appendInvoke(b []byte, in *Invocation) []byte {
	b = appendFrameHeader(b, frameInvoke)
	b = binary.BigEndian.AppendUint64(b, uint64(in.Deadline.UnixMilli()))
	for _, s := range [...]string{in.RequestID, in.FunctionARN, in.TraceID} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	for _, s := range [...][]byte{in.ClientContext, in.Identity} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return endFrame(append(b, in.Payload...))
}
