package sns

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
)

// Types of messages.
const (
	notification     = "Notification"
	confirmation     = "SubscriptionConfirmation"
	unsubscribedType = "UnsubscribeConfirmation"
)

// maxMessage is the most bytes of a message: its body and its attributes.
const maxMessage = 256 << 10

// An attribute is one of a message's. What is binary is in Value as it is.
type attribute struct{ Name, Type, Value string }

func (a *attribute) binary() bool { return a.Type == "Binary" || strings.HasPrefix(a.Type, "Binary.") }

// A message is what was published, once for all who get it.
type message struct {
	ID         string
	Type       string
	Subject    string
	Body       string
	PerKind    map[string]string // bodies by protocol, of a message of structure json
	Attributes []attribute       // by name
	Group      string
	Dedup      string
	Sequence   string
	Time       time.Time
	Trace      string
	// Of confirmations: the token, and where SubscribeURL leads.
	Token, Base string
}

// body is what a protocol gets.
func (m *message) body(protocol string) string {
	if b, ok := m.PerKind[protocol]; ok {
		return b
	}
	return m.Body
}

func (m *message) attribute(name string) (attribute, bool) {
	i, ok := slices.BinarySearchFunc(m.Attributes, name, func(a attribute, name string) int { return strings.Compare(a.Name, name) })
	if !ok {
		return attribute{}, false
	}
	return m.Attributes[i], true
}

var errRecord = errors.New("sns: a record is cut short")

// recordFormat is the first byte of records.
const recordFormat = 1

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// A reader takes a record apart; err says that it could not.
type reader struct {
	b   []byte
	err error
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.b, r.err = nil, errRecord
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) string() string {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.b, r.err = nil, errRecord
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// count is a number of things of at least one byte each.
func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.b, r.err = nil, errRecord
		return 0
	}
	return int(n)
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (m message) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, 192+len(m.Body))
	b = append(b, recordFormat)
	b = binary.AppendVarint(b, m.Time.UnixMilli())
	for _, s := range []string{m.ID, m.Type, m.Subject, m.Body, m.Group, m.Dedup, m.Sequence, m.Trace, m.Token, m.Base} {
		b = appendString(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(m.PerKind)))
	for _, k := range slices.Sorted(maps.Keys(m.PerKind)) {
		b = appendString(appendString(b, k), m.PerKind[k])
	}
	b = binary.AppendUvarint(b, uint64(len(m.Attributes)))
	for _, a := range m.Attributes {
		b = appendString(appendString(appendString(b, a.Name), a.Type), a.Value)
	}
	return b, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (m *message) UnmarshalBinary(b []byte) error {
	if len(b) == 0 || b[0] != recordFormat {
		return errRecord
	}
	ms, size := binary.Varint(b[1:])
	if size <= 0 {
		return errRecord
	}
	m.Time = time.UnixMilli(ms).UTC()
	r := reader{b: b[1+size:]}
	for _, s := range []*string{&m.ID, &m.Type, &m.Subject, &m.Body, &m.Group, &m.Dedup, &m.Sequence, &m.Trace, &m.Token, &m.Base} {
		*s = r.string()
	}
	if n := r.count(); n > 0 {
		m.PerKind = make(map[string]string, n)
		for range n {
			k := r.string()
			m.PerKind[k] = r.string()
		}
	}
	for range r.count() {
		m.Attributes = append(m.Attributes, attribute{r.string(), r.string(), r.string()})
	}
	return r.err
}

// A target is a delivery that is yet to happen: to which subscription, how often it was
// tried, and when it is tried next.
type target struct {
	Sub   string
	Tries int
	Due   time.Time // zero: at once
}

// fan is to whom a message still has to go.
type fan struct{ Targets []target }

// MarshalBinary implements encoding.BinaryMarshaler.
func (f fan) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, 2+48*len(f.Targets))
	b = append(b, recordFormat)
	b = binary.AppendUvarint(b, uint64(len(f.Targets)))
	for _, t := range f.Targets {
		b = appendString(b, t.Sub)
		b = binary.AppendUvarint(b, uint64(t.Tries))
		due := int64(0)
		if !t.Due.IsZero() {
			due = t.Due.UnixMilli()
		}
		b = binary.AppendUvarint(b, uint64(due))
	}
	return b, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (f *fan) UnmarshalBinary(b []byte) error {
	if len(b) == 0 || b[0] != recordFormat {
		return errRecord
	}
	r := reader{b: b[1:]}
	for range r.count() {
		t := target{Sub: r.string(), Tries: int(r.number())}
		if due := r.number(); due != 0 {
			t.Due = time.UnixMilli(int64(due)).UTC()
		}
		f.Targets = append(f.Targets, t)
	}
	return r.err
}

// newAttributes holds a message's attributes against AWS's rules.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
func newAttributes(in map[string]api.MessageAttributeValue) ([]attribute, error) {
	if len(in) == 0 {
		return nil, nil
	}
	out := make([]attribute, 0, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		v := in[name]
		if err := checkAttributeName(name); err != nil {
			return nil, err
		}
		a := attribute{Name: name, Type: aws.Value(v.DataType), Value: aws.Value(v.StringValue)}
		base, _, _ := strings.Cut(a.Type, ".")
		if base != "String" && base != "Number" && base != "Binary" {
			return nil, api.InvalidParameterValueException("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
		}
		empty := func() error {
			return api.InvalidParameterValueException("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, a.Type)
		}
		field := "String"
		given := v.StringValue != nil
		if a.binary() {
			field, given, a.Value = "Binary", v.BinaryValue != nil, string(v.BinaryValue)
		}
		switch {
		case v.StringValue == nil && v.BinaryValue == nil:
			return nil, empty()
		case !given:
			return nil, api.InvalidParameterValueException("The message attribute '%s' with type '%s' must use field '%s'.", name, a.Type, field)
		case a.Value == "":
			return nil, empty()
		}
		out = append(out, a)
	}
	return out, nil
}

func checkAttributeName(name string) error {
	bad := api.InvalidParameterValueException
	switch {
	case name == "" || len(name) > 256:
		return bad("Length of message attribute name must be less than 256 bytes.")
	case name[0] == '.':
		return bad("Invalid message attribute name starting with character '.' was found.")
	case name[len(name)-1] == '.':
		return bad("Invalid message attribute name ending with character '.' was found.")
	}
	for i, r := range name {
		switch {
		case r == '.' && name[i-1] == '.':
			return bad("Message attribute name can not have successive '.' character.")
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
		default:
			return bad("Invalid non-alphanumeric character '#x%X' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.", r)
		}
	}
	return nil
}

// size is how much of AWS's limit a message takes.
func (m *message) size(original string) int {
	n := len(original)
	for _, a := range m.Attributes {
		n += len(a.Name) + len(a.Type) + len(a.Value)
	}
	return n
}
