package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"iter"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
)

type chunk struct {
	_    struct{} `aws:"Chunk,event"`
	Data []byte   `aws:"Data,eventpayload"`
	Part *int32   `aws:"Part,eventheader"`
}

type finished struct {
	_     struct{} `aws:"Finished,event"`
	Code  *string  `aws:"Code"`
	Count *int32   `aws:"Count"`
}

type streamUnion struct {
	_               struct{}   `aws:"Stream,events"`
	Chunk           *chunk     `aws:"Chunk"`
	Finished        *finished  `aws:"Finished"`
	ThrottlingError *aws.Error `aws:"ThrottlingError"`
}

type streamed struct {
	ID     *string                        `aws:"X-Id,header"`
	Stream iter.Seq2[*streamUnion, error] `aws:"Stream,payload,events"`
}

// stream yields the events, and then the error, if it is not nil.
func stream(err error, events ...*streamUnion) iter.Seq2[*streamUnion, error] {
	return func(yield func(*streamUnion, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// lines shows messages, one a line.
func lines(t *testing.T, b []byte) string {
	var out strings.Builder
	for r := bytes.NewReader(b); ; {
		m, err := ReadEvent(r)
		if err == io.EOF {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range m.Headers {
			out.WriteString(h.Name + "=" + strings.TrimSpace(show(h.Value)) + " ")
		}
		out.WriteString("| " + string(m.Payload) + "\n")
	}
}

var streamOp = &aws.Operation{Name: "Stream", Status: 200, Service: &aws.Service{JSONVersion: "1.1", Malformed: "Bad"}}

func TestEventsOut(t *testing.T) {
	id, part, code := "i", int32(3), "done"
	events := []*streamUnion{{Chunk: &chunk{Data: []byte("abc"), Part: &part}}, nil, {Finished: &finished{Code: &code}}}
	kind := "slow"
	for name, c := range map[string]struct {
		p    aws.Protocol
		err  error
		want string
	}{
		"rest-json": {aws.RestJSON, nil, ""},
		"json":      {aws.JSON, nil, `:message-type="event" :event-type="initial-response" :content-type="application/x-amz-json-1.1" | {"X-Id":"i"}` + "\n"},
		"exception": {aws.RestJSON, aws.Errorf(429, "ThrottlingError", "Slow.").With(&goneDetail{Kind: &kind}),
			`:message-type="exception" :exception-type="ThrottlingError" :content-type="application/json" | {"message":"Slow.","Kind":"slow"}` + "\n"},
		"error":   {aws.RestJSON, aws.Errorf(400, "Other", "No."), `:message-type="error" :error-code="Other" :error-message="No." | ` + "\n"},
		"failure": {aws.RestJSON, errors.New("secret"), `:message-type="error" :error-code="InternalFailure" :error-message="The request processing has failed because of an unknown error, exception or failure." | ` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := Marshal(c.p, streamOp, &streamed{ID: &id, Stream: stream(c.err, events...)}, "id")
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			if err := res.Send(w); err != nil {
				t.Fatal(err)
			}
			contents := "application/json"
			if c.p == aws.JSON {
				contents = "application/x-amz-json-1.1"
			}
			want := `:message-type="event" :event-type="Chunk" Part=3 :content-type="application/octet-stream" | abc` + "\n" +
				`:message-type="event" :event-type="Finished" :content-type="` + contents + `" | {"Code":"done"}` + "\n"
			if c.p == aws.JSON {
				want = c.want + want
			} else {
				want += c.want
			}
			if got := lines(t, w.Body.Bytes()); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if w.Header().Get("Content-Type") != eventStreamType || c.p == aws.RestJSON && w.Header().Get("X-Id") != "i" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

// A client that goes away ends the sequence.
func TestEventsOutBroken(t *testing.T) {
	gone, after := errors.New("gone"), 0
	seq := func(yield func(*streamUnion, error) bool) {
		for yield(&streamUnion{Finished: &finished{}}, nil) {
			after++
		}
	}
	res, err := Marshal(aws.RestJSON, streamOp, &streamed{Stream: seq}, "id")
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() {
		_, _ = ReadEvent(r)
		r.CloseWithError(gone)
	}()
	if err := res.Stream(w); err != gone || after == 0 {
		t.Errorf("%v after %d events", err, after)
	}
}

func TestEventsIn(t *testing.T) {
	var body []byte
	send := func(m *EventMessage) {
		var err error
		if body, err = AppendEvent(body, m); err != nil {
			t.Fatal(err)
		}
	}
	send(&EventMessage{Headers: []EventHeader{{":event-type", "initial-request"}}, Payload: []byte(`{"X-Id":"i"}`)})
	send(&EventMessage{Headers: []EventHeader{{":event-type", "Chunk"}, {"Part", int32(4)}}, Payload: []byte("abc")})
	send(&EventMessage{Headers: []EventHeader{{":event-type", "Finished"}}, Payload: []byte(`{"Code":"done"}`)})
	whole := len(body)
	send(&EventMessage{Headers: []EventHeader{{":event-type", "Finished"}}, Payload: []byte(`{"Code":1}`)})
	read := func(body []byte) (in streamed, got string, failed error) {
		if err := Decode(aws.JSON, streamOp, formRequest(string(body)), nil, &in); err != nil {
			t.Fatal(err)
		}
		for e, err := range in.Stream {
			if err != nil {
				return in, got, err
			}
			got += show(plain(reflect.ValueOf(e)))
		}
		return in, got, nil
	}
	const two = `{"Chunk":{"Data":"abc","Part":4}}{"Finished":{"Code":"done"}}`
	if in, got, err := read(body[:whole]); err != nil || got != two || *in.ID != "i" {
		t.Errorf("%s, %v", got, err)
	}
	if _, got, err := read(body); aws.CodeOf(err) != "Bad" || got != two {
		t.Errorf("%s, %v", got, err)
	}
	if _, _, err := read(body[:whole-1]); aws.CodeOf(err) != "Bad" {
		t.Error(err)
	}
}

// The bytes of a message as AWS documents them, and of every type of header.
func TestEventMessage(t *testing.T) {
	b, err := AppendEvent(nil, &EventMessage{Headers: []EventHeader{{"content-type", "application/json"}}, Payload: []byte("{'foo':'bar'}")})
	const want = "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1"
	if got := hex.EncodeToString(b); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	m := &EventMessage{Headers: []EventHeader{{"t", true}, {"f", false}, {"b", int8(-1)}, {"s", int16(-2)}, {"i", int32(3)}, {"l", int64(-4)},
		{"x", []byte{1}}, {"n", ""}, {"d", time.UnixMilli(5).UTC()}, {"u", [16]byte{15: 6}}}, Payload: []byte{}}
	if b, err = AppendEvent(nil, m); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadEvent(bytes.NewReader(b)); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range b {
		damaged := bytes.Clone(b)
		damaged[i] ^= 0x40
		if _, err := ReadEvent(bytes.NewReader(damaged)); err == nil {
			t.Errorf("byte %d damaged and not noticed", i)
		}
	}
	for _, bad := range []EventHeader{{"", "x"}, {strings.Repeat("n", 256), "x"}, {"v", strings.Repeat("v", 1<<15)}, {"k", 1.5}} {
		if _, err := AppendEvent(nil, &EventMessage{Headers: []EventHeader{bad}}); err == nil {
			t.Errorf("header %.20v was written", bad)
		}
	}
}

// FuzzReadEvent corrects the checksums of what it is given, so that more than they is
// tried.
func FuzzReadEvent(f *testing.F) {
	b, _ := AppendEvent(nil, &EventMessage{Headers: []EventHeader{{"a", "b"}, {"c", int32(1)}}, Payload: []byte("x")})
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= minMessageLength {
			binary.BigEndian.PutUint32(b, uint32(len(b)))
			binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
			binary.BigEndian.PutUint32(b[len(b)-4:], crc32.ChecksumIEEE(b[:len(b)-4]))
		}
		m, err := ReadEvent(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := AppendEvent(nil, m)
		if err != nil {
			return // a string of 32 KiB or more comes in, but none goes out
		}
		if back, err := ReadEvent(bytes.NewReader(again)); err != nil || !reflect.DeepEqual(back, m) {
			t.Fatalf("%v: %+v, was %+v", err, back, m)
		}
	})
}
