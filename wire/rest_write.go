package wire

import (
	"cmp"
	"encoding/base64"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// rest puts the output v into headers, status and body.
func (r *Response) rest(p aws.Protocol, op *aws.Operation, plan *plan, v reflect.Value) error {
	r.headers(plan, v)
	if r.Status == http.StatusOK && r.Header.Get("Content-Range") != "" {
		r.Status = http.StatusPartialContent
	}
	if plan.events != nil {
		return r.events(p, op.Service, plan, v)
	}
	if plan.payload != nil {
		return r.payload(p, op, plan.payload, v.Field(plan.payload.index))
	}
	if plan.mute && (p == aws.RestXML || !bodyAllowed(r.Status)) {
		return nil
	}
	r.contentType(contentType(p, op.Service))
	if p == aws.RestXML {
		x := &xmlEncoder{b: append(r.Body, xmlPreamble...)}
		if op.Unwrapped {
			x.unwrapped(op, plan, v)
			r.Body = x.b
			return nil
		}
		x.structure(cmp.Or(op.Root, plan.name), cmp.Or(plan.ns, op.Service.XMLNamespace), plan.nsPrefix, plan, v, true)
		r.Body = x.b
		return nil
	}
	var err error
	r.Body, err = appendJSONObject(r.Body, plan, v, true)
	return err
}

// headers sets the headers and the status that are members of v.
func (r *Response) headers(plan *plan, v reflect.Value) {
	for i := range plan.fields {
		f := &plan.fields[i]
		if f.loc != inHeader && f.loc != inHeaders && f.loc != inStatus {
			continue
		}
		m, ok := f.value(v.Field(f.index))
		if !ok {
			continue
		}
		switch f.loc {
		case inHeader:
			if text, ok := headerText(&f.node, m); ok {
				r.Header.Set(f.name, text)
			}
		case inHeaders:
			for _, k := range m.MapKeys() {
				// As S3 writes them: clients give the names as they came.
				r.Header[strings.ToLower(f.name+k.String())] = []string{m.MapIndex(k).String()}
			}
		case inStatus:
			if s := int(m.Int()); s >= 200 && s <= 599 {
				r.Status = s
			}
		}
	}
}

// headerText is the value of a header; an empty list has none.
func headerText(n *node, v reflect.Value) (string, bool) {
	if n.kind != kList {
		text := string(n.appendText(nil, v, httpTime))
		if n.json {
			text = base64.StdEncoding.EncodeToString([]byte(text))
		}
		return text, true
	}
	var parts []string
	for i := range v.Len() {
		e := v.Index(i)
		if n.elem.ptr {
			if e.IsNil() {
				continue
			}
			e = e.Elem()
		}
		text := string(n.elem.appendText(nil, e, httpTime))
		if n.elem.kind == kString && strings.ContainsAny(text, `,"`) {
			text = `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(text) + `"`
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", "), len(parts) > 0
}

// contentType sets the content type, if no member did.
func (r *Response) contentType(s string) {
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", s)
	}
}

// payload makes the body of one member.
func (r *Response) payload(p aws.Protocol, op *aws.Operation, f *field, slot reflect.Value) (err error) {
	v, ok := f.value(slot)
	if !ok {
		return nil
	}
	switch f.kind {
	case kReader:
		r.contentType("application/octet-stream")
		r.reader(v.Interface().(io.Reader))
	case kBlob:
		r.contentType("application/octet-stream")
		r.Body = append(r.Body, v.Bytes()...)
	case kString:
		r.contentType("text/plain")
		r.Body = append(r.Body, v.String()...)
	default:
		r.contentType(contentType(p, op.Service))
		if p != aws.RestXML {
			r.Body, err = appendJSON(r.Body, &f.node, v)
			return err
		}
		x := &xmlEncoder{b: append(r.Body, xmlPreamble...)}
		name, ns, prefix := f.name, f.ns, f.nsPrefix
		if f.kind == kStruct {
			if upperFirst(name) == f.member {
				name = cmp.Or(op.Root, f.plan.name)
			}
			if ns == "" {
				ns, prefix = cmp.Or(f.plan.ns, op.Service.XMLNamespace), f.plan.nsPrefix
			}
		}
		x.value(&f.node, name, ns, prefix, v)
		r.Body = x.b
	}
	return nil
}

// reader makes the response stream from src, and close it.
func (r *Response) reader(src io.Reader) {
	end := func() error {
		if c, ok := src.(io.Closer); ok {
			return c.Close()
		}
		return nil
	}
	r.unused = end
	r.Stream = func(w io.Writer) error {
		r.unused = nil
		from := src
		if _, flushes := w.(*flusher); flushes {
			w, from = struct{ io.Writer }{w}, struct{ io.Reader }{src}
		}
		_, err := io.Copy(w, from) // a file goes from disk to network without us
		if cerr := end(); err == nil {
			err = cerr
		}
		return err
	}
}
