package runtimes

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func makeFrame(kind byte, body string) []byte {
	return endFrame(append(appendFrameHeader(nil, kind), body...))
}

// finished is a frame that ends an invoke, and the one that says that the runtime waits again.
func finished(kind byte, body string) []byte {
	return append(makeFrame(kind, body), makeFrame(frameNext, "")...)
}

func TestFramesRoundTrip(t *testing.T) {
	var wire []byte
	bodies := []string{"", "x", strings.Repeat("long ", 100_000), strings.Repeat("y", 256<<10), "end"}
	for i, b := range bodies {
		wire = append(wire, makeFrame(byte('a'+i), b)...)
	}
	for name, r := range map[string]io.Reader{
		"whole":     bytes.NewReader(wire),
		"by halves": iotest.HalfReader(bytes.NewReader(wire)),
	} {
		in := bufio.NewReader(r)
		for i, want := range bodies {
			f, err := readFrame(in)
			if err != nil || f.kind != byte('a'+i) || string(f.body) != want {
				t.Fatalf("%s: frame %d: %q of %d bytes, %v", name, i, f.kind, len(f.body), err)
			}
		}
		if _, err := readFrame(in); err != io.EOF {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

func TestFrameCutShort(t *testing.T) {
	whole := makeFrame(frameLog, "text")
	for n := 1; n < len(whole); n++ {
		if _, err := readFrame(bufio.NewReader(bytes.NewReader(whole[:n]))); err != io.ErrUnexpectedEOF {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestFrameOverLimitIsSkipped(t *testing.T) {
	large := binary.BigEndian.AppendUint32(nil, maxFrame+1)
	r := io.MultiReader(bytes.NewReader(append(large, frameResult)), io.LimitReader(zeroes{}, maxFrame+1),
		bytes.NewReader(makeFrame(frameLog, "next")))
	in := bufio.NewReader(r)
	var e *tooLargeError
	if _, err := readFrame(in); !errors.As(err, &e) || e.kind != frameResult || e.size != maxFrame+1 {
		t.Fatalf("got %v", err)
	}
	if f, err := readFrame(in); err != nil || string(f.body) != "next" {
		t.Errorf("after it: %q, %v", f.body, err)
	}
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestInvokeFrame(t *testing.T) {
	in := Invocation{RequestID: "id", Payload: []byte(`{"a":1}`), Deadline: time.UnixMilli(1234567890123),
		FunctionARN: "arn", TraceID: "trace", ClientContext: []byte("{}"), Identity: nil}
	b := appendInvoke(nil, &in)
	f, err := readFrame(bufio.NewReader(bytes.NewReader(b)))
	if err != nil || f.kind != frameInvoke {
		t.Fatalf("%q %v", f.kind, err)
	}
	if ms := binary.BigEndian.Uint64(f.body); ms != 1234567890123 {
		t.Errorf("deadline %d", ms)
	}
	want := "\x00\x00\x00\x02id\x00\x00\x00\x03arn\x00\x00\x00\x05trace\x00\x00\x00\x02{}\x00\x00\x00\x00" + `{"a":1}`
	if got := string(f.body[8:]); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(makeFrame(frameReady, "\x01"))
	f.Add(append(makeFrame(frameLog, "text"), makeFrame(frameResult, "null")...))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 's', 1, 2, 3})
	f.Fuzz(func(t *testing.T, wire []byte) {
		in := bufio.NewReader(bytes.NewReader(wire))
		var again []byte
		for {
			fr, err := readFrame(in)
			if err != nil {
				break
			}
			again = append(again, makeFrame(fr.kind, string(fr.body))...)
		}
		if !bytes.HasPrefix(wire, again) {
			t.Errorf("read %q from %q", again, wire)
		}
	})
}
