package accesslog

import (
	"errors"
	"strings"
	"testing"
)

// The four forms that API Gateway's console offers, and what may go wrong.
func TestLine(t *testing.T) {
	values := map[string]string{"requestId": "id", "identity.sourceIp": "203.0.113.7", "identity.caller": "AIDA", "status": "200", "httpMethod": "GET",
		"resourcePath": "/pets/{id}", "protocol": "HTTP/1.1", "responseLength": "12", "requestTime": "02/Jan/2026:03:04:05 +0000", "evil": "a\nb\r\n\x00c\u2028d"}
	for format, want := range map[string]string{
		`$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime]"$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength $context.requestId`: `203.0.113.7 AIDA - [02/Jan/2026:03:04:05 +0000]"GET /pets/{id} HTTP/1.1" 200 12 id`,
		`{ "requestId":"$context.requestId", "ip": "$context.identity.sourceIp", "status":"$context.status" }`:                                                                                                                      `{ "requestId":"id", "ip": "203.0.113.7", "status":"200" }`,
		"<request id=\"$context.requestId\">\n <ip>$context.identity.sourceIp</ip>\n</request>\n":                                                                                                                                   `<request id="id">  <ip>203.0.113.7</ip> </request>`,
		`$context.identity.sourceIp,$context.identity.caller,$context.requestId`:                                                                                                                                                    "203.0.113.7,AIDA,id",
		`$context.requestId. $context.requestId- $context. $contextual $stageVariables.a $context.none`:                                                                                                                             "id. id- $context. $contextual $stageVariables.a -",
		`$context.requestId $context.evil`: "id a b   c d",
	} {
		f, err := Parse(format)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if got := f.Line(func(name string) string { return values[name] }); got != want {
			t.Errorf("%s\ngives %q\nand not %q", format, got, want)
		}
	}
	for format, want := range map[string]error{"": ErrNoRequestID, "$context.status": ErrNoRequestID, "$context.requestIdx": ErrNoRequestID,
		"$context.requestId" + strings.Repeat("x", MaxFormat): ErrTooLong} {
		if _, err := Parse(format); !errors.Is(err, want) {
			t.Errorf("%.40q: %v", format, err)
		}
	}
	if _, err := Parse("$context.extendedRequestId"); err != nil {
		t.Error(err)
	}
}

// A line is one line, whatever the format and the values.
func FuzzLine(f *testing.F) {
	f.Add("$context.requestId $context.a.b\n", "x\ny")
	f.Fuzz(func(t *testing.T, format, value string) {
		p, err := Parse(format)
		if err != nil {
			return
		}
		if line := p.Line(func(string) string { return value }); strings.ContainsAny(line, "\r\n") {
			t.Errorf("%q", line)
		}
	})
}
