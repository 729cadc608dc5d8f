package gateway

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/tule-cloud/tule/vtl/value"
)

// util is $util.
type util struct{}

// Call implements value.Object.
func (util) Call(m *value.Meter, name string, args []any) (any, error) {
	if len(args) != 1 {
		return nil, value.ErrNoMethod
	}
	f := function(name)
	if f == nil {
		return nil, value.ErrNoMethod
	}
	if args[0] == nil {
		return nil, nil
	}
	s, err := value.String(m, args[0])
	if err != nil {
		return nil, err
	}
	if err := m.Grow(2 * len(s)); err != nil {
		return nil, err
	}
	if err := m.Step(1 + len(s)/64); err != nil {
		return nil, err
	}
	v, err := f(m, s)
	if out, ok := v.(string); ok && err == nil && len(out) > 2*len(s) {
		err = m.Grow(len(out) - 2*len(s))
	}
	return v, err
}

func function(name string) func(*value.Meter, string) (any, error) {
	switch name {
	case "escapeJavaScript":
		return escapeJavaScript
	case "parseJson":
		return parseJSON
	case "urlEncode":
		return urlEncode
	case "urlDecode":
		return urlDecode
	case "base64Encode":
		return base64Encode
	case "base64Decode":
		return base64Decode
	}
	return nil
}

const hex = "0123456789ABCDEF"

// escapeJavaScript escapes as Apache commons-lang 2 does: both quotes, the
// backslash and the slash, control characters, and all beyond ASCII as \uXXXX.
func escapeJavaScript(_ *value.Meter, s string) (any, error) {
	if !needsEscape(s) {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/4 + 8)
	for _, r := range s {
		switch {
		case r == '\'' || r == '"' || r == '\\' || r == '/':
			b.WriteByte('\\')
			b.WriteByte(byte(r))
		case r >= 32 && r <= 0x7f:
			b.WriteByte(byte(r))
		case r >= 8 && r <= 13 && r != 11:
			b.WriteByte('\\')
			b.WriteByte("btn.fr"[r-8])
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				b.WriteString(`\u`)
				for shift := 12; shift >= 0; shift -= 4 {
					b.WriteByte(hex[u>>shift&15])
				}
			}
		}
	}
	return b.String(), nil
}

func needsEscape(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 32 || c > 0x7f || c == '\'' || c == '"' || c == '\\' || c == '/' {
			return true
		}
	}
	return false
}

func parseJSON(m *value.Meter, s string) (any, error) {
	if err := m.Grow(2 * len(s)); err != nil {
		return nil, err
	}
	v, err := value.DecodeJSON(s)
	if err != nil {
		return nil, illegal("$util.parseJson: " + err.Error())
	}
	return v, nil
}

func urlEncode(_ *value.Meter, s string) (any, error) {
	// java.net.URLEncoder differs from Go in two characters.
	return strings.NewReplacer("~", "%7E", "%2A", "*").Replace(url.QueryEscape(s)), nil
}

func urlDecode(_ *value.Meter, s string) (any, error) {
	v, err := url.QueryUnescape(s)
	if err != nil {
		return nil, illegal("$util.urlDecode: " + err.Error())
	}
	return strings.ToValidUTF8(v, "\uFFFD"), nil
}

func base64Encode(_ *value.Meter, s string) (any, error) {
	return base64.StdEncoding.EncodeToString([]byte(s)), nil
}

// base64Decode takes both alphabets, with padding or without, and skips blanks.
func base64Decode(_ *value.Meter, s string) (any, error) {
	s = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "", " ", "").Replace(s)
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil, illegal("$util.base64Decode: " + err.Error())
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), nil
}

func illegal(msg string) error {
	return &value.Exception{Class: "java.lang.IllegalArgumentException", Msg: msg}
}
