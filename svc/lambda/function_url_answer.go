package lambda

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// An answer is what a function says to a caller of its address.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-response-payload
type answer struct {
	status  int
	header  map[string]string // by canonical names
	cookies []string
	body    []byte
}

// integrationType is the content type of a streamed response that begins with status
// and headers.
const integrationType = "application/vnd.awslambda.http-integration-response"

// readAnswer makes an answer of what a function has returned: an object with a
// statusCode is one, a string is its body, and anything else is its body as JSON. It
// is false for what cannot be sent.
func readAnswer(payload []byte, contentType string) (*answer, bool) {
	if contentType != "" { // it has streamed, and nobody asked it to
		p := prelude{contentType: contentType}
		rest, a, err := p.take(payload)
		if err == nil && !p.done {
			a, err = p.end()
		}
		if err != nil {
			return nil, false
		}
		a.body = append(a.body, rest...)
		return a, true
	}
	a := &answer{status: http.StatusOK, header: map[string]string{"Content-Type": "application/json"}, body: payload}
	var text string
	if json.Unmarshal(payload, &text) == nil && !isNull(payload) {
		a.body = []byte(text)
		return a, true
	}
	var said map[string]json.RawMessage
	if json.Unmarshal(payload, &said) != nil || isNull(said["statusCode"]) {
		return a, true
	}
	if !a.readHead(said) {
		return nil, false
	}
	a.body = nil
	body := said["body"]
	switch {
	case isNull(body):
	case json.Unmarshal(body, &text) == nil:
		a.body = []byte(text)
	default:
		a.body = body
	}
	if string(said["isBase64Encoded"]) == "true" {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, false
		}
		a.body = b
	}
	return a, true
}

// isNull is for JSON that is null, or not there.
func isNull(b []byte) bool {
	b = bytes.TrimSpace(b)
	return len(b) == 0 || string(b) == "null"
}

// remapped are headers that are the connection's; a function's own go by another name.
var remapped = map[string]bool{"Connection": true, "Content-Length": true, "Date": true, "Keep-Alive": true, "Server": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true, "X-Amzn-Requestid": true, "X-Amzn-Trace-Id": true}

// readHead reads status, headers and cookies; false for what cannot be sent.
func (a *answer) readHead(said map[string]json.RawMessage) bool {
	n, err := strconv.Atoi(strings.Trim(string(said["statusCode"]), `"`))
	if err != nil || n < 100 || n > 599 {
		return false
	}
	a.status = n
	if n < 200 {
		a.status = http.StatusBadGateway // 1xx would not end the exchange
	}
	var fields map[string]any
	if b := said["headers"]; len(b) > 0 && json.Unmarshal(b, &fields) != nil {
		return false
	}
	for name, value := range fields {
		var text string
		switch v := value.(type) {
		case string:
			text = v
		case nil:
			continue
		default:
			b, err := json.Marshal(v)
			if err != nil {
				return false
			}
			text = string(b)
		}
		if !validHeader(name, text) {
			return false
		}
		if name = http.CanonicalHeaderKey(name); remapped[name] {
			name = "X-Amzn-Remapped-" + name
		}
		a.header[name] = text
	}
	if b := said["cookies"]; len(b) > 0 && json.Unmarshal(b, &a.cookies) != nil {
		return false
	}
	for _, c := range a.cookies {
		if !validHeader("Set-Cookie", c) {
			return false
		}
	}
	return true
}

// validHeader holds a header to what can be sent as one.
func validHeader(name, value string) bool {
	if name == "" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// maxPrelude is how much a streamed response may say before its body.
const maxPrelude = 1 << 20

var errPrelude = errors.New("lambda: a streamed response with a broken prelude")

// A prelude takes status and headers from the beginning of a streamed response:
// JSON, and eight zero bytes behind it.
type prelude struct {
	contentType string
	gathered    []byte
	done        bool
}

// take takes a piece. It returns what of it is body, and, with the piece that ends
// the prelude, what that said.
func (p *prelude) take(piece []byte) (rest []byte, a *answer, err error) {
	if p.done {
		return piece, nil, nil
	}
	if p.contentType != integrationType {
		a, err = p.end()
		return piece, a, err
	}
	from := max(0, len(p.gathered)-7)
	p.gathered = append(p.gathered, piece...)
	at := bytes.Index(p.gathered[from:], make([]byte, 8))
	if at < 0 {
		if len(p.gathered) > maxPrelude {
			return nil, nil, errPrelude
		}
		return nil, nil, nil
	}
	rest = p.gathered[from+at+8:]
	a, err = p.read(p.gathered[:from+at])
	p.gathered = nil
	return rest, a, err
}

func (p *prelude) read(text []byte) (*answer, error) {
	p.done = true
	a := &answer{status: http.StatusOK, header: map[string]string{"Content-Type": "application/octet-stream"}}
	var said map[string]json.RawMessage
	if json.Unmarshal(text, &said) != nil {
		return nil, errPrelude
	}
	if isNull(said["statusCode"]) {
		if said == nil {
			return nil, errPrelude
		}
		said["statusCode"] = json.RawMessage("200")
	}
	if !a.readHead(said) {
		return nil, errPrelude
	}
	return a, nil
}

// end is the head of a response that has none of its own, or has ended before it began.
func (p *prelude) end() (*answer, error) {
	if p.contentType == integrationType {
		return nil, errPrelude
	}
	p.done = true
	kind := p.contentType
	if kind == "" {
		kind = "application/json" // it did not stream
	}
	return &answer{status: http.StatusOK, header: map[string]string{"Content-Type": kind}}, nil
}
