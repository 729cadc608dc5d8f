package wire

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
)

const eventStreamType = "application/vnd.amazon.eventstream"

// events makes the response stream the events of the output v. In the protocols that
// have no headers of their own, an initial-response event carries the other members.
func (r *Response) events(p aws.Protocol, s *aws.Service, plan *plan, v reflect.Value) error {
	r.Header.Set("Content-Type", eventStreamType)
	f := plan.events
	w := &eventWriter{protocol: p, service: s, union: f.elem.plan}
	if p != aws.RestJSON && p != aws.RestXML {
		payload, err := w.document(plan, v)
		if err != nil {
			return err
		}
		w.initial = &EventMessage{Payload: payload, Headers: w.headers("event", "initial-response", contentType(p, s))}
	}
	seq, ok := f.value(v.Field(f.index))
	r.Stream = func(out io.Writer) error {
		w.out = out
		if w.initial != nil {
			if err := w.send(w.initial); err != nil {
				return err
			}
		}
		if !ok {
			return nil
		}
		yield := reflect.MakeFunc(seq.Type().In(0), func(args []reflect.Value) []reflect.Value {
			w.err = w.event(args[0], args[1])
			return []reflect.Value{reflect.ValueOf(w.err == nil)}
		})
		seq.Call([]reflect.Value{yield})
		if w.err == errStreamEnded {
			return nil
		}
		return w.err
	}
	return nil
}

// An eventWriter writes the messages of one stream.
type eventWriter struct {
	protocol aws.Protocol
	service  *aws.Service
	union    *plan
	initial  *EventMessage
	out      io.Writer
	buf      []byte
	err      error
}

// errStreamEnded stops the sequence after an error that was told to the client.
var errStreamEnded = errors.New("the stream ended with an exception")

func (w *eventWriter) send(m *EventMessage) (err error) {
	if w.buf, err = AppendEvent(w.buf[:0], m); err != nil {
		return err
	}
	_, err = w.out.Write(w.buf)
	return err
}

// headers are those that every message has; contentType may be "".
func (w *eventWriter) headers(messageType, name, contentType string) []EventHeader {
	h := []EventHeader{{":message-type", messageType}, {":" + messageType + "-type", name}}
	if contentType != "" {
		h = append(h, EventHeader{":content-type", contentType})
	}
	return h
}

// event writes what the sequence yields: an event, or the error that ends it.
func (w *eventWriter) event(union, failed reflect.Value) error {
	if err, ok := failed.Interface().(error); ok {
		return w.failure(err)
	}
	if union.IsNil() {
		return nil
	}
	v := union.Elem()
	for i := range w.union.fields {
		f := &w.union.fields[i]
		m, ok := f.value(v.Field(f.index))
		if !ok {
			continue
		}
		if f.kind == kError {
			return w.failure(m.Interface().(*aws.Error))
		}
		return w.member(f, m)
	}
	return nil
}

// member writes the event that is the union's member f.
func (w *eventWriter) member(f *field, v reflect.Value) error {
	m := &EventMessage{Headers: w.headers("event", f.name, "")}
	contents := contentType(w.protocol, w.service)
	if f.kind != kStruct {
		return errors.New("wire: an event that is no structure")
	}
	payload := false
	for i := range f.plan.fields {
		g := &f.plan.fields[i]
		member, ok := g.value(v.Field(g.index))
		switch {
		case g.eventPayload:
			payload, contents = true, payloadType(g, contents)
			if ok {
				var err error
				if m.Payload, err = w.payload(g, member); err != nil {
					return err
				}
			}
		case g.eventHeader && ok:
			m.Headers = append(m.Headers, EventHeader{g.name, eventHeaderValue(member)})
		}
	}
	if !payload {
		var err error
		if m.Payload, err = w.document(f.plan, v); err != nil {
			return err
		}
	}
	m.Headers = append(m.Headers, EventHeader{":content-type", contents})
	return w.send(m)
}

func payloadType(f *field, document string) string {
	switch f.kind {
	case kBlob:
		return "application/octet-stream"
	case kString:
		return "text/plain"
	}
	return document
}

func (w *eventWriter) payload(f *field, v reflect.Value) ([]byte, error) {
	switch f.kind {
	case kBlob:
		return v.Bytes(), nil
	case kString:
		return []byte(v.String()), nil
	case kStruct:
		return w.document(f.plan, v)
	}
	return appendJSON(nil, &f.node, v)
}

// document is the structure v in the protocol's body format.
func (w *eventWriter) document(p *plan, v reflect.Value) ([]byte, error) {
	switch w.protocol {
	case aws.CBOR, aws.AmzCBOR:
		return appendCBORObject(nil, p, v, w.protocol)
	case aws.RestXML, aws.Query, aws.EC2:
		x := &xmlEncoder{}
		x.structure(p.name, p.ns, p.nsPrefix, p, v, false)
		return x.b, nil
	}
	return appendJSONObject(nil, p, v, false)
}

func eventHeaderValue(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case bool, int32, int64, string, []byte, time.Time:
		return x
	}
	return v.String()
}

// failure writes err as the stream's last message: an exception, if the model has
// it in the union, and an error otherwise.
func (w *eventWriter) failure(err error) error {
	var e *aws.Error
	if !errors.As(err, &e) {
		e = aws.InternalFailure(err)
	}
	name := ""
	for i := range w.union.fields {
		if f := &w.union.fields[i]; strings.EqualFold(f.name, e.Code) {
			name = f.name
		}
	}
	m := &EventMessage{Headers: []EventHeader{{":message-type", "error"}, {":error-code", e.Code}, {":error-message", shorten(e.Message)}}}
	if name != "" {
		f := &failure{Error: e, service: w.service, code: e.Code, fault: "Sender"}
		if v := reflect.Indirect(reflect.ValueOf(e.Detail)); v.IsValid() && v.Kind() == reflect.Struct {
			f.detail, f.plan = v, planOf(v.Type())
		}
		m.Headers = w.headers("exception", name, contentType(w.protocol, w.service))
		m.Payload = f.event(w.protocol)
	}
	if err := w.send(m); err != nil {
		return err
	}
	return errStreamEnded
}

// event is the error's members without its code, which a header has.
func (m *failure) event(p aws.Protocol) []byte {
	switch p {
	case aws.CBOR, aws.AmzCBOR:
		return m.cbor(nil, p)
	case aws.RestXML, aws.Query, aws.EC2:
		x := &xmlEncoder{}
		x.open(m.code, "", "")
		m.xml(x, p)
		x.close(m.code)
		return x.b
	}
	return m.json(nil, aws.RestJSON)
}

func shorten(s string) string {
	if len(s) > 4096 {
		s = strings.ToValidUTF8(s[:4096], "")
	}
	return s
}
