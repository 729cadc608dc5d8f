package wire

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// rest reads a request of rest-json or rest-xml.
func (d *decoder) rest(r *http.Request, params Params, v reflect.Value) error {
	if v.Type() == emptyType {
		return nil
	}
	p := planOf(v.Type())
	d.bound = p
	var query url.Values
	for i := range p.fields {
		f := &p.fields[i]
		slot := v.Field(f.index)
		var err error
		switch f.loc {
		case inURI:
			err = d.uriParam(f, params, slot)
		case inQuery:
			if query == nil {
				if query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
					return d.malformed("The query string could not be parsed").Because(err)
				}
			}
			err = d.queryParam(f, query, slot)
		case inHeader:
			err = d.header(f, r, slot)
		case inHeaders:
			prefixHeaders(f, r.Header, slot)
		}
		if err != nil {
			return err
		}
	}
	return d.restBody(p, r, v)
}

func (d *decoder) restBody(p *plan, r *http.Request, v reflect.Value) error {
	f := p.payload
	switch {
	case f != nil && f.kind == kReader:
		if r.Body != nil {
			v.Field(f.index).Set(reflect.ValueOf(r.Body))
		}
		return nil
	case p.events != nil:
		return d.requestEvents(r, p.events, v)
	case f == nil && p.bodyless && len(d.op.Also) == 0:
		return nil
	}
	if f == nil {
		body, err := d.inflated(r)
		if err != nil {
			return err
		}
		return d.document(body, v)
	}
	body, err := d.body(r)
	if err != nil || len(body) == 0 {
		return err
	}
	return d.payload(f, body, v.Field(f.index))
}

// payload reads a body that is one member.
func (d *decoder) payload(f *field, body []byte, slot reflect.Value) error {
	switch f.kind {
	case kBlob:
		slot.SetBytes(body)
		return nil
	case kString:
		f.pointer(slot).SetString(string(body))
		return nil
	case kStruct:
		return d.document(body, f.pointer(slot))
	}
	return d.json(body, func(j *jsonDecoder) error {
		if j.Null() {
			return nil
		}
		return j.value(&f.node, f.pointer(slot), false)
	})
}

func (d *decoder) uriParam(f *field, params Params, slot reflect.Value) error {
	raw, ok := params.Get(f.name)
	if !ok {
		return nil
	}
	text, err := url.PathUnescape(raw)
	if err != nil {
		return d.malformed("The path could not be parsed").Because(err)
	}
	if !f.parseText(text, f.pointer(slot)) {
		return d.badText(&f.node, text, f.member)
	}
	return nil
}

func (d *decoder) queryParam(f *field, query url.Values, slot reflect.Value) error {
	if f.kind == kMap {
		return d.queryMap(f, query, slot)
	}
	values := query[f.name]
	if len(values) == 0 {
		return nil
	}
	if f.kind == kList {
		return d.texts(f, values, slot)
	}
	if !f.parseText(values[0], f.pointer(slot)) {
		return d.badText(&f.node, values[0], f.member)
	}
	return nil
}

// queryMap reads the whole query string into a map of strings or of lists of
// strings.
func (d *decoder) queryMap(f *field, query url.Values, slot reflect.Value) error {
	if len(query) == 0 {
		return nil
	}
	m := reflect.MakeMap(f.typ)
	for k, values := range query {
		e := reflect.New(f.typ.Elem()).Elem()
		switch f.elem.kind {
		case kString:
			f.elem.pointer(e).SetString(values[0])
		case kList:
			e.Set(reflect.ValueOf(slices.Clone(values)))
		}
		m.SetMapIndex(reflect.ValueOf(k), e)
	}
	slot.Set(m)
	return nil
}

// texts reads a list of which each element has a text.
func (d *decoder) texts(f *field, values []string, slot reflect.Value) error {
	list := reflect.MakeSlice(f.typ, len(values), len(values))
	for i, s := range values {
		if !f.elem.parseText(s, f.elem.pointer(list.Index(i))) {
			return d.badText(f.elem, s, f.member)
		}
	}
	slot.Set(list)
	return nil
}

func (d *decoder) header(f *field, r *http.Request, slot reflect.Value) error {
	values := r.Header.Values(f.name)
	if len(values) == 0 {
		switch {
		case strings.EqualFold(f.name, "Host") && r.Host != "":
			values = []string{r.Host}
		case strings.EqualFold(f.name, "Content-Length") && r.ContentLength > 0:
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		default:
			return nil
		}
	}
	if f.kind == kList {
		var elements []string
		for _, s := range values {
			elements = splitHeader(elements, s, f.elem.kind == kTime)
		}
		return d.texts(f, elements, slot)
	}
	text := values[0]
	if f.json {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return d.badText(&f.node, text, f.member)
		}
		text = string(b)
	}
	if !f.parseText(text, f.pointer(slot)) {
		return d.badText(&f.node, text, f.member)
	}
	return nil
}

// prefixHeaders reads all headers that begin with the field's name. Names come in
// lower case after the prefix, since HTTP does not tell cases apart.
func prefixHeaders(f *field, h http.Header, slot reflect.Value) {
	m := reflect.MakeMap(f.typ)
	for name, values := range h {
		if len(name) >= len(f.name) && strings.EqualFold(name[:len(f.name)], f.name) {
			key := strings.ToLower(name[len(f.name):])
			m.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(strings.Join(values, ",")))
		}
	}
	if m.Len() > 0 {
		slot.Set(m)
	}
}

// splitHeader appends the elements of a list in a header: separated by commas, in
// quotes if they have commas themselves. HTTP dates each have one.
func splitHeader(out []string, s string, dates bool) []string {
	for s != "" {
		s = strings.TrimLeft(s, " \t")
		if strings.HasPrefix(s, `"`) {
			var element string
			element, s = unquote(s[1:])
			out = append(out, element)
			_, s, _ = strings.Cut(s, ",")
			continue
		}
		end := strings.IndexByte(s, ',')
		if dates && end == 3 {
			if next := strings.IndexByte(s[4:], ','); next >= 0 {
				end = 4 + next
			} else {
				end = -1
			}
		}
		if end < 0 {
			return append(out, strings.TrimRight(s, " \t"))
		}
		out = append(out, strings.TrimRight(s[:end], " \t"))
		s = s[end+1:]
	}
	return out
}

// unquote reads up to the closing quote, and returns what is after it.
func unquote(s string) (element, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i+1 < len(s) {
				i++
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}
