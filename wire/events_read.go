package wire

import (
	"io"
	"net/http"
	"reflect"

	"github.com/tule-cloud/tule/aws"
)

// requestEvents makes the input's event stream read from the request's body. In the
// protocols that have no headers of their own, the other members come as the first
// event, initial-request.
func (d *decoder) requestEvents(r *http.Request, f *field, v reflect.Value) error {
	e := &eventReader{d: d, body: r.Body, union: f.elem.plan}
	if d.protocol != aws.RestJSON && d.protocol != aws.RestXML && r.Body != nil {
		m, err := ReadEvent(r.Body)
		if err != nil && err != io.EOF {
			return d.malformed("The event stream could not be read").Because(err)
		}
		if err == nil && m.Get(":event-type") == "initial-request" {
			if err := d.document(m.Payload, v); err != nil {
				return err
			}
		} else if err == nil {
			e.first = m
		}
	}
	v.Field(f.index).Set(reflect.MakeFunc(f.typ, func(args []reflect.Value) []reflect.Value {
		e.run(args[0])
		return nil
	}))
	return nil
}

// An eventReader reads the events of a request.
type eventReader struct {
	d     *decoder
	body  io.Reader
	first *EventMessage
	union *plan
}

func (e *eventReader) next() (*EventMessage, error) {
	if m := e.first; m != nil {
		e.first = nil
		return m, nil
	}
	if e.body == nil {
		return nil, io.EOF
	}
	return ReadEvent(e.body)
}

// run calls yield for each event, and at last for an error, if there is one.
func (e *eventReader) run(yield reflect.Value) {
	noError := reflect.Zero(errorType)
	noEvent := reflect.Zero(reflect.PointerTo(e.union.typ))
	for {
		m, err := e.next()
		if err == io.EOF {
			return
		}
		event := reflect.New(e.union.typ)
		if err == nil {
			err = e.decode(m, event.Elem())
		} else {
			err = e.d.malformed("The event stream could not be read").Because(err)
		}
		if err != nil {
			yield.Call([]reflect.Value{noEvent, reflect.ValueOf(&err).Elem()})
			return
		}
		if !yield.Call([]reflect.Value{event, noError})[0].Bool() {
			return
		}
	}
}

// decode reads one message into the union v; an event that is not in the model
// leaves it empty.
func (e *eventReader) decode(m *EventMessage, v reflect.Value) error {
	name := m.Get(":event-type")
	for i := range e.union.fields {
		f := &e.union.fields[i]
		if f.name != name || f.kind != kStruct {
			continue
		}
		return e.member(f.plan, m, f.pointer(v.Field(f.index)))
	}
	return nil
}

// member reads the event structure v.
func (e *eventReader) member(p *plan, m *EventMessage, v reflect.Value) error {
	var payload *field
	for i := range p.fields {
		f := &p.fields[i]
		if f.eventPayload {
			payload = f
		}
		for _, h := range m.Headers {
			if value := reflect.ValueOf(h.Value); f.eventHeader && h.Name == f.name && value.Type() == f.typ {
				f.pointer(v.Field(f.index)).Set(value)
			}
		}
	}
	switch {
	case payload == nil:
		return e.d.document(m.Payload, v)
	case len(m.Payload) > 0:
		return e.d.payload(payload, m.Payload, v.Field(payload.index))
	}
	return nil
}
