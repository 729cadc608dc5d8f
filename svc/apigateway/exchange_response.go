package apigateway

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/vtl/gateway"
)

// pick is the integration response for what the back end answered: one whose
// pattern matches all of the failure's text, or the default.
func (x *exchange) pick(in *endpointResponse) (*response, error) {
	for _, r := range x.method.integration.responses {
		if r.pattern == nil || r.pattern.MatchString(in.failure) {
			return r, nil
		}
	}
	return nil, misconfigured("No match for output mapping and no default output mapping configured. Endpoint Response Status Code: " + strconv.Itoa(in.status))
}

// respond makes the method response of a back end's.
func (x *exchange) respond(ctx context.Context, in *endpointResponse) (*reply, error) {
	r, err := x.pick(in)
	if err != nil {
		return nil, err
	}
	out := &reply{header: []gateway.Param{{Name: "Content-Type", Value: "application/json"}}}
	out.status, _ = strconv.Atoi(r.status)
	body := payload{text: string(in.body)}
	for _, m := range r.headers {
		if !m.ok || m.place != "header" {
			continue
		}
		values, err := x.read(m.from, in.header, &body)
		if err != nil {
			return nil, misconfigured("Unable to parse the integration response as JSON")
		}
		if len(values) > 0 {
			setHeader(out, m.name, values[0])
		}
	}
	text, binary, err := x.responseBody(r, in)
	if err != nil {
		return nil, err
	}
	out.body = text
	x.override(out, x.responded)
	t, contentType := x.responseTemplate(r)
	if t == nil {
		return out, nil
	}
	if binary {
		return nil, misconfigured("Unable to transform response: the body is binary")
	}
	rendered, err := x.render(ctx, t, string(text))
	if err != nil {
		return nil, err
	}
	out.body = rendered.Body
	if !mapsContentType(r) {
		out.set("Content-Type", contentType)
	}
	x.override(out, rendered.Response)
	return out, nil
}

func mapsContentType(r *response) bool {
	for _, m := range r.headers {
		if strings.EqualFold(m.name, "Content-Type") {
			return true
		}
	}
	return false
}

// override applies $context.responseOverride. A status that is none is ignored.
func (x *exchange) override(out *reply, o gateway.Override) {
	if o.Status >= 100 && o.Status < 600 {
		out.status = o.Status
	}
	for _, p := range o.Header {
		setHeader(out, p.Name, p.Value)
	}
}

// responseTemplate is the template of an integration response for what the caller
// accepts, or else for JSON, or else the first; nil if there is none.
func (x *exchange) responseTemplate(r *response) (*template, string) {
	if len(r.templates) == 0 {
		return nil, ""
	}
	accept, _ := last(x.req.header, "Accept")
	for part := range strings.SplitSeq(accept, ",") {
		if t := r.templates[mediaType(part)]; t != nil {
			return t, mediaType(part)
		}
	}
	for _, contentType := range append([]string{"application/json"}, r.order...) {
		if t := r.templates[contentType]; t != nil {
			return t, contentType
		}
	}
	return nil, ""
}

// responseBody is a back end's answer as the method response gets it. The quotes around
// a function's JSON string are not part of its base64. A text that is no base64 stays
// what it is where nobody asked for its conversion.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html
func (x *exchange) responseBody(r *response, in *endpointResponse) (body []byte, binary bool, err error) {
	blob, accepts := false, x.acceptsBinary()
	if in.typed {
		sent, _ := last(in.header, "Content-Type")
		blob = x.program.isBinary(sent)
	}
	switch {
	case blob && (r.contentHandling == "CONVERT_TO_TEXT" || r.contentHandling == "" && !accepts):
		return []byte(base64.StdEncoding.EncodeToString(in.body)), false, nil
	case blob:
		return in.body, true, nil
	case r.contentHandling == "CONVERT_TO_BINARY":
		b, err := decode64(in.body)
		if err != nil {
			return nil, false, misconfigured("Unable to base64 decode the body.")
		}
		return b, true, nil
	case r.contentHandling == "" && accepts:
		if b, err := decode64(in.body); err == nil {
			return b, true, nil
		}
	}
	return in.body, false, nil
}

// acceptsBinary goes by the first media type that the caller accepts, as AWS does.
func (x *exchange) acceptsBinary() bool {
	accept, ok := last(x.req.header, "Accept")
	first, _, _ := strings.Cut(accept, ",")
	return ok && x.program.isBinary(first)
}

func decode64(text []byte) ([]byte, error) {
	s := strings.Trim(strings.TrimSpace(string(text)), `"`)
	return base64.StdEncoding.DecodeString(s)
}

// remapped are headers that API Gateway or HTTP itself owns: one of these from a
// back end goes out under x-amzn-Remapped-.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
var remapped = map[string]bool{"authorization": true, "connection": true, "content-length": true, "content-md5": true, "date": true,
	"expect": true, "host": true, "keep-alive": true, "max-forwards": true, "server": true, "trailer": true, "upgrade": true,
	"user-agent": true, "www-authenticate": true, "proxy-authenticate": true, "x-amzn-requestid": true, "x-amz-apigw-id": true}

// dropped never go on.
var dropped = map[string]bool{"transfer-encoding": true, "te": true, "proxy-connection": true}

// setHeader sets a header of a back end's.
func setHeader(out *reply, name, v string) {
	if n := headerName(name); n != "" {
		out.set(n, v)
	}
}

// headerName is the name under which a back end's header goes out; "" if not at all.
func headerName(name string) string {
	lower := strings.ToLower(name)
	switch {
	case dropped[lower] || !validHeader(name):
		return ""
	case remapped[lower]:
		return "x-amzn-Remapped-" + name
	}
	return name
}

// validHeader reports whether a header's name is a token, RFC 9110.
func validHeader(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return name != ""
}
