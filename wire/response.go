package wire

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"sync"

	"github.com/tule-cloud/tule/aws"
)

// A Response is an answer that is ready to be sent. Its body is there in full before
// the first byte goes out, so that headers can speak of it, unless it streams.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	// Stream, if not nil, writes the body instead; each Write should reach the client
	// at once, unless the header says how long the body is. It ends what it streams from,
	// however it ends.
	Stream func(w io.Writer) error

	unused func() error // ends what Stream was not called for
	pooled *[]byte
}

// Send writes the response. The error is the connection's or the stream's; it comes
// too late to be told to the client.
func (r *Response) Send(w http.ResponseWriter) error {
	h := w.Header()
	for k, v := range r.Header {
		h[k] = v
	}
	if r.Stream == nil {
		// The length of a HEAD's answer is that of what a GET would get.
		if bodyAllowed(r.Status) && (len(r.Body) > 0 || h.Get("Content-Length") == "") {
			h.Set("Content-Length", strconv.Itoa(len(r.Body)))
		}
		w.WriteHeader(r.Status)
		if len(r.Body) == 0 || !bodyAllowed(r.Status) {
			return nil
		}
		_, err := w.Write(r.Body)
		return err
	}
	w.WriteHeader(r.Status)
	if h.Get("Content-Length") != "" {
		return r.Stream(w)
	}
	rc := http.NewResponseController(w)
	if err := rc.Flush(); err != nil {
		return r.Stream(w)
	}
	return r.Stream(&flusher{w, rc})
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

type flusher struct {
	w  io.Writer
	rc *http.ResponseController
}

func (f *flusher) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	if err == nil {
		err = f.rc.Flush()
	}
	return n, err
}

// Release gives the response's memory back for further use, and ends a stream that
// was never sent. Nothing of the response may be touched after it.
func (r *Response) Release() {
	if r.unused != nil {
		_ = r.unused()
		r.unused = nil
	}
	if r.pooled != nil && cap(r.Body) <= maxPooled {
		*r.pooled = r.Body[:0]
		buffers.Put(r.pooled)
	}
	r.Body, r.pooled = nil, nil
}

// maxPooled bounds what one large answer may leave behind in the pool.
const maxPooled = 1 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// newResponse is an empty response in the protocol p.
func newResponse(p aws.Protocol, status int, requestID string) *Response {
	b := buffers.Get().(*[]byte)
	r := &Response{Status: status, Header: make(http.Header, 4), Body: (*b)[:0], pooled: b}
	if requestID != "" {
		r.Header["X-Amzn-Requestid"] = []string{requestID}
	}
	if p == aws.CBOR {
		r.Header["Smithy-Protocol"] = []string{"rpc-v2-cbor"}
	}
	return r
}

// contentType is that of bodies of a service in the protocol p.
func contentType(p aws.Protocol, s *aws.Service) string {
	switch p {
	case aws.JSON:
		if s != nil && s.JSONVersion == "1.1" {
			return "application/x-amz-json-1.1"
		}
		return "application/x-amz-json-1.0"
	case aws.RestXML:
		return "application/xml"
	case aws.Query:
		return "text/xml"
	case aws.EC2:
		return "text/xml;charset=UTF-8"
	case aws.CBOR:
		return "application/cbor"
	case aws.AmzCBOR:
		return "application/x-amz-cbor-1.1"
	}
	return "application/json"
}

const xmlPreamble = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// Marshal makes the response to a call of op, made in the protocol p, of what out
// points to: a value of the operation's output type. The error says that the output
// cannot be encoded, which is the service's mistake.
func Marshal(p aws.Protocol, op *aws.Operation, out any, requestID string) (*Response, error) {
	v := reflect.ValueOf(out).Elem()
	status := op.Status
	if status == 0 {
		status = http.StatusOK
	}
	r := newResponse(p, status, requestID)
	var err error
	switch {
	case v.Type() == emptyType && p != aws.Query && p != aws.EC2:
		if p == aws.JSON { // no body at all, and yet a type
			r.Header["Content-Type"] = []string{contentType(p, op.Service)}
		}
	case p == aws.RestJSON || p == aws.RestXML:
		err = r.rest(p, op, planOf(v.Type()), v)
	case planOf(v.Type()).events != nil:
		err = r.events(p, op.Service, planOf(v.Type()), v)
	default:
		r.Header["Content-Type"] = []string{contentType(p, op.Service)}
		err = r.rpc(p, op, planOf(v.Type()), v, requestID)
	}
	if err != nil {
		r.Release()
		return nil, fmt.Errorf("encode the output of %s: %w", op.Name, err)
	}
	return r, nil
}

func (r *Response) rpc(p aws.Protocol, op *aws.Operation, plan *plan, v reflect.Value, requestID string) (err error) {
	switch p {
	case aws.CBOR, aws.AmzCBOR:
		r.Body, err = appendCBORObject(r.Body, plan, v, p)
	case aws.Query:
		x := &xmlEncoder{r.Body, true}
		x.open(op.Name+"Response", op.Service.XMLNamespace, "")
		if op.ResultWrapper != "" {
			x.structure(op.ResultWrapper, "", "", plan, v, false)
		} else {
			x.members(plan, v, false)
		}
		x.open("ResponseMetadata", "", "")
		x.leaf("RequestId", requestID)
		x.close("ResponseMetadata")
		x.close(op.Name + "Response")
		r.Body = x.b
	case aws.EC2:
		x := &xmlEncoder{b: append(r.Body, xmlPreamble...)}
		x.open(op.Name+"Response", op.Service.XMLNamespace, "")
		x.leaf("requestId", requestID)
		x.members(plan, v, false)
		x.close(op.Name + "Response")
		r.Body = x.b
	default:
		r.Body, err = appendJSONObject(r.Body, plan, v, false)
	}
	return err
}
