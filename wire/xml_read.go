package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
)

// maxXMLDepth is how deep elements nest before a document is refused.
const maxXMLDepth = 128

// An element is an XML element, as far as AWS's protocols care: names without their
// prefixes, and text without markup.
type element struct {
	name  string
	attrs []xml.Attr
	text  string
	kids  []*element
}

// parseXML reads a document. Entities other than XML's own five are not known, so
// that nothing expands, and what is held is in proportion to the text.
func parseXML(body []byte) (*element, error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	root := &element{}
	stack := []*element{root}
	text := [][]byte{nil} // of each open element
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if len(stack) > maxXMLDepth {
				return nil, errors.New("too deep a nesting")
			}
			e := &element{name: tok.Name.Local, attrs: tok.Attr}
			top := stack[len(stack)-1]
			top.kids = append(top.kids, e)
			stack, text = append(stack, e), append(text, nil)
		case xml.EndElement:
			last := len(stack) - 1
			stack[last].text = string(text[last])
			stack, text = stack[:last], text[:last]
		case xml.CharData:
			text[len(text)-1] = append(text[len(text)-1], tok...)
		}
	}
	if len(root.kids) != 1 {
		return nil, errors.New("a document has one root element")
	}
	return root.kids[0], nil
}

const notWellFormed = "The XML you provided was not well-formed or did not validate against our published schema"

// xmlDocument reads the XML text of a whole body into the structure v. The name of
// the root is not looked at, as AWS does not.
func (d *decoder) xmlDocument(body []byte, v reflect.Value) error {
	root, err := parseXML(body)
	if err != nil {
		return d.malformed(notWellFormed).Because(err)
	}
	return d.xmlStruct(planOf(v.Type()), root, v)
}

func (d *decoder) xmlStruct(p *plan, e *element, v reflect.Value) error {
	for i := range p.fields {
		f := &p.fields[i]
		if !f.attr {
			continue
		}
		for _, a := range e.attrs {
			if a.Name.Local == local(f.name) && !f.parseText(a.Value, f.pointer(v.Field(f.index))) {
				return d.badText(&f.node, a.Value, f.member)
			}
		}
	}
	for i, kid := range e.kids {
		f := p.byLocal[kid.name]
		if f == nil || !d.reads(p, f) {
			continue
		}
		slot := v.Field(f.index)
		if f.flat && (f.kind == kList || f.kind == kMap) {
			if slot.IsNil() { // the first of them brings all
				if err := d.xmlFlat(f, e.kids[i:], slot); err != nil {
					return err
				}
			}
			continue
		}
		if err := d.xmlValue(&f.node, kid, f.pointer(slot)); err != nil {
			return err
		}
	}
	if p.union {
		return d.checkUnion(p, v)
	}
	return nil
}

// local is a name without its prefix.
func local(name string) string {
	return name[strings.IndexByte(name, ':')+1:]
}

// xmlFlat reads the flattened list or map f, whose entries are among kids.
func (d *decoder) xmlFlat(f *field, kids []*element, slot reflect.Value) error {
	var entries []*element
	for _, kid := range kids {
		if kid.name == kids[0].name {
			entries = append(entries, kid)
		}
	}
	if f.kind == kMap {
		return d.xmlMap(&f.node, entries, slot)
	}
	return d.xmlList(&f.node, entries, slot)
}

func (d *decoder) xmlValue(n *node, e *element, v reflect.Value) error {
	switch n.kind {
	case kStruct:
		return d.xmlStruct(n.plan, e, v)
	case kList:
		return d.xmlList(n, e.kids, v)
	case kMap:
		return d.xmlMap(n, e.kids, v)
	}
	text := e.text
	if n.kind != kString {
		text = strings.TrimSpace(text)
	}
	if !n.parseText(text, v) {
		return d.badText(n, text, e.name)
	}
	return nil
}

func (d *decoder) xmlList(n *node, entries []*element, v reflect.Value) error {
	list := reflect.MakeSlice(n.typ, len(entries), len(entries))
	for i, e := range entries {
		if err := d.xmlValue(n.elem, e, n.elem.pointer(list.Index(i))); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

func (d *decoder) xmlMap(n *node, entries []*element, v reflect.Value) error {
	m := reflect.MakeMap(n.typ)
	for _, entry := range entries {
		slot := reflect.New(n.typ.Elem()).Elem()
		key := ""
		for _, e := range entry.kids {
			switch e.name {
			case local(n.keyName):
				key = e.text
			case local(n.valName):
				if err := d.xmlValue(n.elem, e, n.elem.pointer(slot)); err != nil {
					return err
				}
			}
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(n.typ.Key()), slot)
	}
	v.Set(m)
	return nil
}
