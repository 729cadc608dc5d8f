package dynamodb

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/aws/awsjson"
)

// A ValueType is the type of an AttributeValue. NoType is that of a value that has
// none of the members, which is no legal value but may come in.
type ValueType byte

// The types, by the names of AttributeValue's members.
const (
	NoType ValueType = iota
	TypeS
	TypeN
	TypeB
	TypeBOOL
	TypeNULL
	TypeSS
	TypeNS
	TypeBS
	TypeL
	TypeM
)

var typeNames = [...]string{"", "S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"}

// String is the type's member name: "S".
func (t ValueType) String() string { return typeNames[t] }

// TypeOf is the type of a member's name, NoType if there is no such member.
func TypeOf[S ~string | ~[]byte](name S) ValueType {
	switch string(name) {
	case "S":
		return TypeS
	case "N":
		return TypeN
	case "B":
		return TypeB
	case "BOOL":
		return TypeBOOL
	case "NULL":
		return TypeNULL
	case "SS":
		return TypeSS
	case "NS":
		return TypeNS
	case "BS":
		return TypeBS
	case "L":
		return TypeL
	case "M":
		return TypeM
	}
	return NoType
}

// An AttributeValue is one value of an item: a tagged union, written by hand so
// that requests are read and answers written without reflection. The zero value
// has no type.
//
// A number is held as the text that came in; what a number is, and every other
// constraint on values, is the service's to check.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
type AttributeValue struct {
	typ     ValueType
	truth   bool // BOOL, NULL
	several bool // more than one member was given
	text    string
	more    *compound
}

// compound holds what few values have, so that most are small.
type compound struct {
	set    []string
	list   []AttributeValue
	fields Item
}

// String is a value of type S.
func String(s string) AttributeValue { return AttributeValue{typ: TypeS, text: s} }

// Number is a value of type N, by its text.
func Number(text string) AttributeValue { return AttributeValue{typ: TypeN, text: text} }

// Binary is a value of type B; the string holds its bytes.
func Binary(data string) AttributeValue { return AttributeValue{typ: TypeB, text: data} }

// Bool is a value of type BOOL.
func Bool(truth bool) AttributeValue { return AttributeValue{typ: TypeBOOL, truth: truth} }

// Null is the value of type NULL.
func Null() AttributeValue { return AttributeValue{typ: TypeNULL, truth: true} }

// Set is a value of one of the set types, by its elements' texts or bytes.
func Set(t ValueType, elements []string) AttributeValue {
	return AttributeValue{typ: t, more: &compound{set: elements}}
}

// List is a value of type L.
func List(elements []AttributeValue) AttributeValue {
	return AttributeValue{typ: TypeL, more: &compound{list: elements}}
}

// Map is a value of type M.
func Map(fields Item) AttributeValue {
	return AttributeValue{typ: TypeM, more: &compound{fields: fields}}
}

// Type is the value's type.
func (v AttributeValue) Type() ValueType { return v.typ }

// Several reports whether the value came in with more than one member set, which
// no legal value has.
func (v AttributeValue) Several() bool { return v.several }

// Text is the text of an S, the number's text of an N, the bytes of a B.
func (v AttributeValue) Text() string { return v.text }

// Truth is the value of a BOOL or NULL.
func (v AttributeValue) Truth() bool { return v.truth }

// Elements are the texts or bytes of the elements of a set. They belong to v.
func (v AttributeValue) Elements() []string {
	if v.more == nil {
		return nil
	}
	return v.more.set
}

// List are the elements of an L. They belong to v.
func (v AttributeValue) List() []AttributeValue {
	if v.more == nil {
		return nil
	}
	return v.more.list
}

// Fields are the fields of an M. They belong to v.
func (v AttributeValue) Fields() Item {
	if v.more == nil {
		return nil
	}
	return v.more.fields
}

// Clone is a copy of v that shares nothing that could change.
func (v AttributeValue) Clone() AttributeValue {
	if v.more == nil {
		return v
	}
	c := &compound{set: slices.Clone(v.more.set), list: slices.Clone(v.more.list), fields: v.more.fields.Clone()}
	for i := range c.list {
		c.list[i] = c.list[i].Clone()
	}
	v.more = c
	return v
}

// ParseJSON implements awsjson.Parser. Members that AWS does not know are passed
// over; of several members the last counts, and Several says so.
func (v *AttributeValue) ParseJSON(r *awsjson.Reader) error {
	*v = AttributeValue{}
	return r.Object(func(key []byte) error {
		t := TypeOf(key)
		if t == NoType || r.Null() {
			return nil
		}
		if v.typ != NoType {
			*v = AttributeValue{several: true}
		}
		v.typ = t
		return v.parseMember(r)
	})
}

func (v *AttributeValue) parseMember(r *awsjson.Reader) (err error) {
	switch v.typ {
	case TypeS, TypeN:
		v.text, err = r.String()
	case TypeB:
		v.text, err = parseBinary(r)
	case TypeBOOL, TypeNULL:
		v.truth, err = r.Bool()
	case TypeSS, TypeNS, TypeBS:
		v.more = &compound{set: []string{}}
		err = r.Array(func() error {
			read := r.String
			if v.typ == TypeBS {
				read = func() (string, error) { return parseBinary(r) }
			}
			s, err := read()
			v.more.set = append(v.more.set, s)
			return err
		})
	case TypeL:
		v.more = &compound{list: []AttributeValue{}}
		err = r.Array(func() error {
			v.more.list = append(v.more.list, AttributeValue{})
			return v.more.list[len(v.more.list)-1].ParseJSON(r)
		})
	case TypeM:
		v.more = new(compound)
		err = v.more.fields.ParseJSON(r)
	}
	return err
}

// parseBinary reads base64, and complains of it in AWS's words.
func parseBinary(r *awsjson.Reader) (string, error) {
	b, err := r.StringBytes()
	if err != nil {
		return "", err
	}
	if len(b)%4 != 0 {
		return "", serialization("Base64 encoded length is expected a multiple of 4 bytes but found: %d", len(b))
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Strict().Decode(out, b)
	if err != nil {
		return "", serialization("Invalid last non-pad Base64 character dectected")
	}
	return string(out[:n]), nil
}

func serialization(format string, args ...any) error {
	return aws.Errorf(400, Service.Malformed, format, args...)
}

// AppendJSON implements awsjson.Appender.
func (v AttributeValue) AppendJSON(b []byte) ([]byte, error) {
	if v.typ == NoType {
		return append(b, "{}"...), nil
	}
	b = append(append(append(b, `{"`...), v.typ.String()...), `":`...)
	switch v.typ {
	case TypeS, TypeN:
		b = awsjson.AppendString(b, v.text)
	case TypeB:
		b = appendBinary(b, v.text)
	case TypeBOOL, TypeNULL:
		b = awsjson.AppendBool(b, v.truth)
	case TypeSS, TypeNS, TypeBS:
		b = append(b, '[')
		for _, s := range v.more.set {
			b = awsjson.AppendNext(b)
			if v.typ == TypeBS {
				b = appendBinary(b, s)
			} else {
				b = awsjson.AppendString(b, s)
			}
		}
		b = append(b, ']')
	case TypeL:
		b = append(b, '[')
		for i, e := range v.more.list {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = e.AppendJSON(b); err != nil {
				return nil, err
			}
		}
		b = append(b, ']')
	case TypeM:
		var err error
		if b, err = v.more.fields.AppendJSON(b); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendBinary(b []byte, data string) []byte {
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, []byte(data))
	return append(b, '"')
}

// MarshalJSON implements json.Marshaler.
func (v AttributeValue) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil) }

// UnmarshalJSON implements json.Unmarshaler.
func (v *AttributeValue) UnmarshalJSON(text []byte) error { return unmarshal(text, v) }

func unmarshal(text []byte, p awsjson.Parser) error {
	r := awsjson.New(text)
	if err := p.ParseJSON(r); err != nil {
		return err
	}
	return r.End()
}

// String is the value as AWS prints it in messages: {S:abc}.
func (v AttributeValue) String() string {
	var text string
	switch v.typ {
	case TypeS, TypeN:
		text = v.text
	case TypeB:
		text = base64.StdEncoding.EncodeToString([]byte(v.text))
	case TypeBOOL, TypeNULL:
		text = "false"
		if v.truth {
			text = "true"
		}
	case TypeSS, TypeNS:
		text = "[" + strings.Join(v.more.set, ", ") + "]"
	default:
		b, _ := v.AppendJSON(nil)
		return string(b)
	}
	return "{" + v.typ.String() + ":" + text + "}"
}
