package wire

import (
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// parseText reads the text of a scalar, as it stands in headers, paths, query
// strings, forms and XML, into v. A false means that the text is no such value.
func (n *node) parseText(s string, v reflect.Value) bool {
	switch n.kind {
	case kString:
		v.SetString(s)
		return true
	case kBool:
		b := s == "true" || s == "True" || s == "TRUE"
		v.SetBool(b)
		return b || s == "false" || s == "False" || s == "FALSE"
	case kInt32, kInt64:
		i, err := strconv.ParseInt(s, 10, n.bits())
		v.SetInt(i)
		return err == nil
	case kFloat32, kFloat64:
		f, ok := parseFloat(s, n.bits())
		v.SetFloat(f)
		return ok
	case kTime:
		t, ok := parseTime(s)
		v.Set(reflect.ValueOf(t))
		return ok
	case kBlob:
		b, err := base64.StdEncoding.DecodeString(s)
		v.SetBytes(b)
		return err == nil
	case kHand:
		if p, ok := v.Addr().Interface().(interface{ UnmarshalText([]byte) error }); ok {
			return p.UnmarshalText([]byte(s)) == nil
		}
	}
	return false
}

// appendText is parseText's reverse; times without a format of their own are
// written in that of the place.
func (n *node) appendText(b []byte, v reflect.Value, place timeFormat) []byte {
	switch n.kind {
	case kString:
		return append(b, v.String()...)
	case kBool:
		return strconv.AppendBool(b, v.Bool())
	case kInt32, kInt64:
		return strconv.AppendInt(b, v.Int(), 10)
	case kFloat32, kFloat64:
		return appendFloat(b, v.Float(), n.bits())
	case kTime:
		if n.time != defaultTime {
			place = n.time
		}
		return appendTime(b, v.Interface().(time.Time), place)
	case kBlob:
		return base64.StdEncoding.AppendEncode(b, v.Bytes())
	case kHand:
		if p, ok := v.Addr().Interface().(interface{ MarshalText() ([]byte, error) }); ok {
			t, _ := p.MarshalText()
			return append(b, t...)
		}
	}
	return b
}

func (n *node) bits() int {
	if n.kind == kInt32 || n.kind == kFloat32 {
		return 32
	}
	return 64
}

// parseFloat is strconv's, without hexadecimal and underscores, and with the names
// that AWS gives to the numbers that have no digits.
func parseFloat(s string, bits int) (float64, bool) {
	switch s {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	if s == "" || strings.Trim(s, "+-0123456789.eE") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, bits)
	return f, err == nil
}

// appendFloat writes f with as many digits as it needs, integers up to 2^53 without
// an exponent.
func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	case f == 0 || math.Abs(f) >= 1e-5 && math.Abs(f) < 1<<53:
		return strconv.AppendFloat(b, f, 'f', -1, bits)
	}
	return strconv.AppendFloat(b, f, 'E', -1, bits)
}

// javaName is what AWS calls a type when it says that a value is not of it.
func (n *node) javaName() string {
	switch n.kind {
	case kString:
		return "String"
	case kBool:
		return "Boolean"
	case kInt32:
		return "Integer"
	case kInt64:
		return "Long"
	case kFloat32:
		return "Float"
	case kFloat64:
		return "Double"
	case kTime:
		return "Timestamp"
	}
	return "Blob"
}

// badText is the error for a text that parseText refused.
func (d *decoder) badText(n *node, s, name string) *aws.Error {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return d.malformed("Value '%s' at '%s' can not be converted to %s", strings.ToValidUTF8(s, "\uFFFD"), lowerFirst(name), n.javaName())
}

// lowerFirst is the member name as AWS writes it in texts: "tableName".
func lowerFirst(s string) string {
	if s == "" || s[0] < 'A' || s[0] > 'Z' {
		return s
	}
	return string(s[0]+'a'-'A') + s[1:]
}

func upperFirst(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
