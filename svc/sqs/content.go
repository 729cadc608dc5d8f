package sqs

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
)

// maxBatch is the most bytes that the messages of a batch have together.
const maxBatch = 1 << 20

// checkBody refuses a body that no message may have.
func checkBody(body *string) error {
	if aws.Value(body) == "" {
		return missingParameter("The request must contain the parameter MessageBody.")
	}
	if !valid(*body) {
		return badContents()
	}
	return nil
}

func badContents() error {
	return api.InvalidMessageContents("Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
}

// valid reports whether a text has only the characters that XML may have.
// https://www.w3.org/TR/REC-xml/#charsets
func valid(s string) bool {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf || c == '\t' || c == '\n' || c == '\r' {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r < ' ' || r == utf8.RuneError && n == 1 || r == 0xfffe || r == 0xffff {
			return false
		}
		i += n
	}
	return true
}

// attributesOf checks a message's attributes and puts them in order.
func attributesOf(in map[string]api.MessageAttributeValue) ([]attribute, error) {
	if len(in) == 0 {
		return nil, nil
	}
	if len(in) > 10 {
		return nil, invalidParameter("Number of message attributes [%d] exceeds the allowed maximum [10].", len(in))
	}
	out := make([]attribute, 0, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if err := checkAttributeName(name); err != nil {
			return nil, err
		}
		v := in[name]
		a, err := attributeOf("user", name, v.DataType, v.StringValue, v.BinaryValue, len(v.StringListValues)+len(v.BinaryListValues) > 0)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func checkAttributeName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return invalidParameter("The request must contain non-empty message attribute names.")
	case len(name) > 256:
		return invalidParameter("Message (user) attribute names must be shorter than 256 Bytes")
	case strings.HasPrefix(lower, "aws."), strings.HasPrefix(lower, "amazon."), name[0] == '.', name[len(name)-1] == '.', strings.Contains(name, ".."):
		return invalidParameter("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use. Additionally, they cannot start or end with '.'.")
	case !alphanumeric(strings.ReplaceAll(name, ".", "")):
		return invalidParameter("Message (user) attributes name can only contain upper and lower score characters, digits, periods, hyphens and underscores. ")
	}
	return nil
}

// attributeOf checks an attribute of a sort, "user" or "system".
func attributeOf(sort, name string, kind, text *string, raw []byte, lists bool) (a attribute, err error) {
	base, _, _ := strings.Cut(aws.Value(kind), ".")
	switch {
	case aws.Value(kind) == "":
		return a, invalidParameter("The message attribute '%s' must contain non-empty message attribute type.", name)
	case len(*kind) > 256:
		return a, invalidParameter("Message (%s) attribute types must be shorter than 256 Bytes", sort)
	case base != "String" && base != "Number" && base != "Binary":
		return a, invalidParameter("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	case lists:
		return a, api.UnsupportedOperation("Message attribute list values in SendMessage operation are not supported.")
	}
	a = attribute{name: name, kind: *kind, binary: base == "Binary"}
	if a.binary {
		a.value = string(raw)
	} else {
		a.value = aws.Value(text)
	}
	switch {
	case a.binary && text != nil, !a.binary && raw != nil:
		return a, invalidParameter("The message attribute '%s' with type '%s' must use field '%s'.", name, base, field(a.binary))
	case a.value == "":
		return a, invalidParameter("Message (%s) attribute '%s' must contain a non-empty value of type '%s'.", sort, name, base)
	case !a.binary && !valid(a.value):
		return a, badContents()
	case base == "Number" && !isNumber(a.value):
		return a, invalidParameter("Can't cast the value of message (%s) attribute '%s' to a number.", sort, name)
	}
	return a, nil
}

func field(binary bool) string {
	if binary {
		return "Binary"
	}
	return "String"
}

// isNumber reports whether a text is a number of the sort that AWS takes: digits with
// sign, point and exponent, of whatever precision.
func isNumber(s string) bool {
	s = strings.TrimLeft(s, "+-")
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(s), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return false
	}
	exponent = strings.TrimLeft(exponent, "+-")
	return !scientific || exponent != "" && len(exponent) <= 4 && strings.Trim(exponent, "0123456789") == ""
}

// traceOf reads the only system attribute that senders give, which is AWSTraceHeader.
func traceOf(in map[string]api.MessageSystemAttributeValue) ([]attribute, error) {
	v, ok := in["AWSTraceHeader"]
	if !ok {
		return nil, nil
	}
	if aws.Value(v.DataType) != "String" {
		return nil, invalidParameter("The message system attribute 'AWSTraceHeader' must be of type 'String'.")
	}
	a, err := attributeOf("system", "AWSTraceHeader", v.DataType, v.StringValue, v.BinaryValue, len(v.StringListValues)+len(v.BinaryListValues) > 0)
	return []attribute{a}, err
}

// punctuation is what ids of groups and for deduplication may have beside letters and
// digits.
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// checkID holds the id of a group, or for deduplication, against AWS's rule.
func checkID(id *string, parameter string) error {
	if id == nil {
		return nil
	}
	ok := len(*id) >= 1 && len(*id) <= 128
	for _, c := range *id {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(punctuation, c))
	}
	if !ok {
		return invalidValue(*id, parameter, parameter+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	return nil
}

// size is how many bytes a message counts: its body and its attributes.
func (m *message) size() int {
	n := len(m.body)
	for i := range m.attrs {
		a := &m.attrs[i]
		n += len(a.name) + len(a.kind) + len(a.value)
	}
	return n
}
