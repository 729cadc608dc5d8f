package wire

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tule-cloud/tule/aws"
)

// maxViolations is how many violations an answer names, and how many AWS looks for.
const maxViolations = 10

// maxShownValue is how many bytes of a value that is not right an answer repeats.
const maxShownValue = 4096

// Validate holds an input against the model's constraints: required members,
// lengths, ranges, patterns and enumerations. The error, if there is one, is an
// *aws.Error with AWS's own text.
func Validate(op *aws.Operation, in any) error {
	v := reflect.ValueOf(in).Elem()
	if v.Type() == emptyType {
		return nil
	}
	c := &checker{}
	c.structure(planOf(v.Type()), v, "")
	if len(c.found) == 0 {
		return nil
	}
	if s := op.Service; c.missing != "" && s.Missing != "" {
		e := aws.Errorf(http.StatusBadRequest, s.Missing, "The request must contain the parameter %s.", c.missing)
		e.QueryCode = s.MissingQuery
		return e
	}
	if c.inside && slices.Contains(op.Service.Protocols, aws.RestXML) {
		return aws.Errorf(http.StatusBadRequest, op.Service.Malformed, notWellFormed)
	}
	plural := ""
	if len(c.found) > 1 {
		plural = "s"
	}
	return aws.Errorf(http.StatusBadRequest, cmp.Or(op.Service.Invalid, "ValidationException"),
		"%d validation error%s detected: %s", len(c.found), plural, strings.Join(c.found, "; "))
}

// A checker collects violations. Paths are AWS's: "keySchema.1.member.attributeName".
type checker struct {
	found   []string
	missing string // the first required member that is not there
	inside  bool   // one is not there within a document, which in XML breaks its schema
}

func (c *checker) add(value, path, constraint string) {
	if len(c.found) < maxViolations {
		c.found = append(c.found, "Value "+value+"at '"+path+"' failed to satisfy constraint: "+constraint)
	}
}

func (c *checker) structure(p *plan, v reflect.Value, path string) {
	for i := range p.fields {
		f := &p.fields[i]
		if !f.required && f.check == nil && !f.nested() {
			continue
		}
		if len(c.found) >= maxViolations {
			return
		}
		at := lowerFirst(f.member)
		if path != "" {
			at = path + "." + at
		}
		m, ok := f.value(v.Field(f.index))
		switch {
		case ok:
			c.value(&f.node, f.check, m, at, f.sensitive)
		case f.required:
			c.missing = cmp.Or(c.missing, f.member)
			c.inside = c.inside || path != ""
			c.add("null ", at, "Member must not be null")
		}
	}
}

// nested reports whether values of n may hold structures.
func (n *node) nested() bool {
	return n.kind == kStruct || n.elem != nil && n.kind != kEvents && n.elem.nested()
}

// value checks v, and what is in it; k may be nil.
func (c *checker) value(n *node, k *check, v reflect.Value, path string, sensitive bool) {
	if k != nil {
		if size, text, isText, ok := n.measure(v); ok {
			for _, which := range k.failed(size, text, isText) {
				c.add(shown(n, v, sensitive), path, k.text(which))
			}
		}
	}
	switch n.kind {
	case kStruct:
		c.structure(n.plan, v, path)
	case kList:
		c.elements(n, k, v, path, sensitive)
	case kMap:
		c.entries(n, k, v, path, sensitive)
	}
}

// measure is what bounds, enumerations and patterns look at.
func (n *node) measure(v reflect.Value) (size float64, text string, isText, ok bool) {
	switch n.kind {
	case kString:
		s := v.String()
		return float64(utf8.RuneCountInString(s)), s, true, true
	case kInt32, kInt64:
		return float64(v.Int()), "", false, true
	case kFloat32, kFloat64:
		return v.Float(), "", false, true
	case kBlob, kList, kMap:
		return float64(v.Len()), "", false, true
	case kHand:
		if k := v.Kind(); k == reflect.Map || k == reflect.Slice {
			return float64(v.Len()), "", false, true
		}
	}
	return 0, "", false, false
}

func (c *checker) elements(n *node, k *check, v reflect.Value, path string, sensitive bool) {
	if n.elem.scalar() {
		if k == nil || k.elem == nil {
			return
		}
		for i := range v.Len() {
			if n.elem.breaks(k.elem, v.Index(i)) {
				c.add(shown(n, v, sensitive), path, "Member must satisfy constraint: "+k.elem.all())
				return
			}
		}
		return
	}
	if !n.elem.nested() && (k == nil || k.elem == nil) {
		return
	}
	for i := range v.Len() {
		c.element(n.elem, k, v.Index(i), path+"."+strconv.Itoa(i+1)+".member", sensitive)
	}
}

func (c *checker) element(n *node, k *check, v reflect.Value, path string, sensitive bool) {
	var inner *check
	if k != nil {
		inner = k.elem
	}
	if n.ptr {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	c.value(n, inner, v, path, sensitive)
}

func (n *node) scalar() bool {
	return n.kind != kStruct && n.kind != kList && n.kind != kMap
}

// breaks reports whether the element v breaks any demand of k.
func (n *node) breaks(k *check, v reflect.Value) bool {
	if n.ptr {
		if v.IsNil() {
			return false
		}
		v = v.Elem()
	}
	size, text, isText, ok := n.measure(v)
	return ok && len(k.failed(size, text, isText)) > 0
}

func (c *checker) entries(n *node, k *check, v reflect.Value, path string, sensitive bool) {
	if k == nil && !n.elem.nested() {
		return
	}
	badKey, badValue := false, false
	for _, key := range sortedKeys(v) {
		e := v.MapIndex(key)
		if k != nil && k.key != nil {
			badKey = badKey || (&node{kind: kString}).breaks(k.key, key)
		}
		if !n.elem.scalar() {
			c.element(n.elem, k, e, path+"."+key.String()+".member", sensitive)
		} else if k != nil && k.elem != nil {
			badValue = badValue || n.elem.breaks(k.elem, e)
		}
	}
	if badKey {
		c.add(shown(n, v, sensitive), path, "Map keys must satisfy constraint: "+k.key.all())
	}
	if badValue {
		c.add(shown(n, v, sensitive), path, "Map value must satisfy constraint: "+k.elem.all())
	}
}

// shown is a value in the text of a violation, quoted, with a blank; nothing if it
// is sensitive.
func shown(n *node, v reflect.Value, sensitive bool) string {
	if sensitive {
		return ""
	}
	s := string(appendJava(nil, n, v))
	if len(s) > maxShownValue {
		s = strings.ToValidUTF8(s[:maxShownValue], "") + "..."
	}
	return "'" + s + "' "
}

// appendJava appends v as Java prints it: [a, b], {k=v}, Name(member=value). It
// stops soon after maxShownValue.
func appendJava(b []byte, n *node, v reflect.Value) []byte {
	if n.ptr && v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return append(b, "null"...)
		}
		v = v.Elem()
	}
	switch n.kind {
	case kList:
		b = append(b, '[')
		for i := range v.Len() {
			if len(b) > maxShownValue {
				break
			}
			b = appendJava(separate(b, i), n.elem, v.Index(i))
		}
		return append(b, ']')
	case kMap:
		b = append(b, '{')
		for i, k := range sortedKeys(v) {
			if len(b) > maxShownValue {
				break
			}
			b = append(append(separate(b, i), k.String()...), '=')
			b = appendJava(b, n.elem, v.MapIndex(k))
		}
		return append(b, '}')
	case kStruct:
		b = append(append(b, n.plan.name...), '(')
		for i := range n.plan.fields {
			f := &n.plan.fields[i]
			b = append(append(separate(b, i), lowerFirst(f.member)...), '=')
			m, ok := f.value(v.Field(f.index))
			switch {
			case !ok:
				b = append(b, "null"...)
			case f.sensitive:
				b = append(b, "***Sensitive Data Redacted***"...)
			default:
				b = appendJava(b, &f.node, m)
			}
		}
		return append(b, ')')
	case kBlob:
		return fmt.Appendf(b, "java.nio.HeapByteBuffer[pos=0 lim=%d cap=%[1]d]", v.Len())
	case kHand, kDocument, kRaw, kReader, kEvents, kError:
		return append(b, n.typ.Name()...)
	}
	return n.appendText(b, v, isoTime)
}

func separate(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ", "...)
	}
	return b
}
