package runtimes

import (
	"errors"
	"io"
)

// MaxStreamed is the largest response of a streamed invoke, in bytes: AWS's
// default quota of 200 MB. What is gathered and not passed on has MaxResponse.
const MaxStreamed = 200 << 20

var errStreamTooLarge = errors.New("runtimes: the streamed response is over the limit")

// A stream is the streamed response of one invoke.
type stream struct {
	open        bool
	contentType string
	data        []byte // what no writer took
	size        int
}

// begin opens the stream, if it is not yet.
func (s *stream) begin(in *Invocation, contentType string) {
	if !s.open && in.Opened != nil {
		in.Opened(contentType)
	}
	s.open, s.contentType = true, contentType
}

// take passes one piece on to w, or keeps it if w is nil.
func (s *stream) take(w io.Writer, piece []byte) error {
	s.size += len(piece)
	if w != nil {
		if s.size > MaxStreamed {
			return errStreamTooLarge
		}
		_, err := w.Write(piece)
		return err
	}
	if s.size > MaxResponse {
		return errStreamTooLarge
	}
	s.data = append(s.data, piece...)
	return nil
}
