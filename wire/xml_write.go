package wire

import (
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/tule-cloud/tule/aws"
)

// An xmlEncoder appends XML. Errors of its own it has none: what is in a Go value
// has a form in XML, or is left out.
type xmlEncoder struct {
	b     []byte
	query bool // names are query's
}

// open begins an element with an optional namespace.
func (x *xmlEncoder) open(name, ns, prefix string) {
	x.b = append(append(x.b, '<'), name...)
	if ns != "" {
		x.b = append(x.b, " xmlns"...)
		if prefix != "" {
			x.b = append(append(x.b, ':'), prefix...)
		}
		x.b = append(x.b, `="`...)
		x.b = appendXMLText(x.b, ns)
		x.b = append(x.b, '"')
	}
	x.b = append(x.b, '>')
}

func (x *xmlEncoder) close(name string) {
	x.b = append(append(append(x.b, "</"...), name...), '>')
}

// leaf is an element with text.
func (x *xmlEncoder) leaf(name, text string) {
	x.open(name, "", "")
	x.b = appendXMLText(x.b, text)
	x.close(name)
}

// structure appends an element for the structure v, with its attributes; bound as
// written has it.
func (x *xmlEncoder) structure(name, ns, prefix string, p *plan, v reflect.Value, bound bool) {
	x.open(name, ns, prefix)
	x.attributes(p, v)
	x.members(p, v, bound)
	x.close(name)
}

// unwrapped appends the only member of v as the root element, empty if it is absent.
func (x *xmlEncoder) unwrapped(op *aws.Operation, p *plan, v reflect.Value) {
	for i := range p.fields {
		f := &p.fields[i]
		if !f.written(true) {
			continue
		}
		if m, ok := f.value(v.Field(f.index)); ok {
			x.value(&f.node, op.Root, op.Service.XMLNamespace, "", m)
			return
		}
	}
	x.open(op.Root, op.Service.XMLNamespace, "")
	x.close(op.Root)
}

// attributes puts the attributes of v into the tag that was just opened.
func (x *xmlEncoder) attributes(p *plan, v reflect.Value) {
	for i := range p.fields {
		f := &p.fields[i]
		m, ok := f.value(v.Field(f.index))
		if !f.attr || !ok {
			continue
		}
		x.b = append(x.b[:len(x.b)-1], ' ')
		x.b = append(append(x.b, f.name...), `="`...)
		x.b = appendXMLText(x.b, string(f.appendText(nil, m, isoTime)))
		x.b = append(x.b, '"', '>')
	}
}

// members appends the members of v; bound as written has it.
func (x *xmlEncoder) members(p *plan, v reflect.Value, bound bool) {
	for i := range p.fields {
		f := &p.fields[i]
		if f.attr || !f.written(bound) {
			continue
		}
		if m, ok := f.value(v.Field(f.index)); ok {
			x.member(f, m)
		}
	}
}

func (x *xmlEncoder) member(f *field, v reflect.Value) {
	name := f.name
	if x.query && f.queryName != "" {
		name = f.queryName
	}
	switch {
	case f.kind == kList && f.flat:
		for i := range v.Len() {
			x.element(f.elem, name, f.ns, f.nsPrefix, v.Index(i))
		}
	case f.kind == kMap && f.flat:
		x.entries(&f.node, name, f.ns, f.nsPrefix, v)
	default:
		x.value(&f.node, name, f.ns, f.nsPrefix, v)
	}
}

// element appends an element of a list; the nil of a sparse one is empty.
func (x *xmlEncoder) element(n *node, name, ns, prefix string, v reflect.Value) {
	if n.ptr {
		if v.IsNil() {
			x.leaf(name, "")
			return
		}
		v = v.Elem()
	}
	x.value(n, name, ns, prefix, v)
}

func (x *xmlEncoder) value(n *node, name, ns, prefix string, v reflect.Value) {
	switch n.kind {
	case kStruct:
		if ns == "" {
			ns, prefix = n.plan.ns, n.plan.nsPrefix
		}
		x.structure(name, ns, prefix, n.plan, v, false)
		return
	case kList:
		x.open(name, ns, prefix)
		for i := range v.Len() {
			x.element(n.elem, n.elemName, "", "", v.Index(i))
		}
	case kMap:
		x.open(name, ns, prefix)
		x.entries(n, "entry", "", "", v)
	default:
		x.open(name, ns, prefix)
		x.b = appendXMLText(x.b, string(n.appendText(nil, v, isoTime)))
	}
	x.close(name)
}

func (x *xmlEncoder) entries(n *node, name, ns, prefix string, v reflect.Value) {
	for _, k := range sortedKeys(v) {
		x.open(name, ns, prefix)
		x.leaf(n.keyName, k.String())
		x.element(n.elem, n.valName, "", "", v.MapIndex(k))
		x.close(name)
	}
}

// appendXMLText escapes s for text and for attributes in double quotes. Control
// characters go by their numbers, as S3 writes them in keys, though XML 1.0 has no place
// for them; what is no character becomes U+FFFD. White space but blanks is escaped, so that parsers do
// not fold it.
func appendXMLText(b []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		esc := ""
		switch {
		case r == '&':
			esc = "&amp;"
		case r == '<':
			esc = "&lt;"
		case r == '>':
			esc = "&gt;"
		case r == '"':
			esc = "&quot;"
		case r == '\r':
			esc = "&#xD;"
		case r == '\n':
			esc = "&#xA;"
		case r == '\t':
			esc = "&#x9;"
		case r == 0x85:
			esc = "&#x85;"
		case r == 0x2028:
			esc = "&#x2028;"
		case r < ' ':
			esc = "&#x" + strconv.FormatInt(int64(r), 16) + ";"
		case r == utf8.RuneError || r == 0xFFFE || r == 0xFFFF:
			esc = "\uFFFD"
		}
		if esc != "" {
			b = append(append(b, s[start:i]...), esc...)
			start = i + n
		}
		i += n
	}
	return append(b, s[start:]...)
}
