// Package wire turns requests into the generated input types and outputs into
// responses, in every protocol that AWS speaks: json 1.0 and 1.1, query, ec2 query,
// rest-json, rest-xml, rpc-v2-cbor, the older CBOR of Kinesis, and event streams
// within them. Each protocol is written once, over a plan that is made once per Go
// type from the type's tags (see tag.go). Package wire knows no service.
//
// On purpose it differs from AWS here: a number that does not fit the member's type
// is refused, where AWS cuts it; and bodies that are empty where an object belongs
// are read as an empty object in every protocol.
package wire

import (
	"net/http"
	"reflect"

	"github.com/tule-cloud/tule/aws"
)

// Decode reads a request for op, made in protocol p, into in, which points to a new
// value of the operation's input type. Params are what the Router found in the
// path. The caller bounds the body. A body that is not of the model's form gives an
// *aws.Error; so does one that cannot be read to its end.
//
// If the input has a streaming member, the member takes r.Body over; otherwise the
// body has been read, and in may refer to it.
func Decode(p aws.Protocol, op *aws.Operation, r *http.Request, params Params, in any) error {
	v := reflect.ValueOf(in).Elem()
	d := &decoder{op: op, protocol: p}
	switch p {
	case aws.RestJSON, aws.RestXML:
		return d.rest(r, params, v)
	case aws.Query, aws.EC2:
		return d.query(r, v)
	}
	if s := planOf(v.Type()).events; s != nil {
		return d.requestEvents(r, s, v)
	}
	body, err := d.inflated(r)
	if err != nil {
		return err
	}
	return d.document(body, v)
}

// A decoder is the state of one Decode.
type decoder struct {
	op       *aws.Operation
	protocol aws.Protocol
	// bound is the plan of the input, if the protocol binds it to HTTP: of its
	// members, only those bound to the body are looked for in the document, and those of
	// the query where the operation has an address without one.
	bound *plan
}

// reads reports whether f, a member of p, may be in a document.
func (d *decoder) reads(p *plan, f *field) bool {
	return p != d.bound || f.loc == inBody || f.loc == inQuery && len(d.op.Also) > 0
}

// document reads a whole body, in the body format of the protocol, into the
// structure v. An empty body is an empty structure.
func (d *decoder) document(body []byte, v reflect.Value) error {
	if len(body) == 0 || v.Type() == emptyType {
		return nil
	}
	switch d.protocol {
	case aws.CBOR, aws.AmzCBOR:
		return d.cborDocument(body, v)
	case aws.RestXML:
		return d.xmlDocument(body, v)
	}
	return d.jsonDocument(body, v)
}

var emptyType = reflect.TypeFor[aws.Empty]()

// malformed is the service's error for a request that is not of the model's form.
func (d *decoder) malformed(format string, args ...any) *aws.Error {
	code := d.op.Service.Malformed
	if code == "" {
		code = "SerializationException"
	}
	return aws.Errorf(http.StatusBadRequest, code, format, args...)
}

// pointer returns what a value of n is decoded into: the slot v itself, or, if
// values of n lie behind a pointer, what a new pointer in v points to.
func (n *node) pointer(v reflect.Value) reflect.Value {
	if !n.ptr {
		return v
	}
	p := reflect.New(n.typ)
	v.Set(p)
	return p.Elem()
}

// value is the reverse of pointer; false means that the member is absent.
func (n *node) value(v reflect.Value) (reflect.Value, bool) {
	if n.ptr {
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Interface, reflect.Pointer, reflect.Func:
		return v, !v.IsNil()
	}
	return v, !v.IsZero()
}
