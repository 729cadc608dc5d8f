package s3

import (
	"encoding/base64"
	"errors"
	"html"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// fail answers with S3's page for an error, and for that of the error document.
func (p *page) fail(err, document error) {
	var e *aws.Error
	if !errors.As(err, &e) {
		p.s.Logger.Error("a website's page could not be served", "host", p.r.Host, "path", p.r.URL.Path, "error", err)
		e = aws.InternalFailure(err)
		e.Code = "InternalError"
	}
	if e.Status < 400 {
		p.w.WriteHeader(e.Status) // not modified
		return
	}
	if e.Code == "AccessDeniedException" {
		e.Code = "AccessDenied"
	}
	if e.Code == "AccessDenied" {
		e.Message = "Access Denied" // who visits need not hear of policies
	}
	title := strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)
	var b strings.Builder
	b.WriteString("<html>\n<head><title>" + title + "</title></head>\n<body>\n<h1>" + title + "</h1>\n<ul>\n")
	item(&b, "Code", e.Code)
	item(&b, "Message", e.Message)
	details(&b, e)
	item(&b, "RequestId", aws.RequestOf(p.ctx).ID)
	item(&b, "HostId", hostID(aws.RequestOf(p.ctx).ID))
	b.WriteString("</ul>\n")
	var d *aws.Error
	if errors.As(document, &d) {
		b.WriteString("<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n")
		code, message := d.Code, d.Message
		if strings.HasPrefix(code, "AccessDenied") {
			code, message = "AccessDenied", "Access Denied"
		}
		item(&b, "Code", code)
		item(&b, "Message", message)
		details(&b, d)
		b.WriteString("</ul>\n")
	}
	b.WriteString("<hr/>\n</body>\n</html>\n")
	h := p.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Amz-Error-Code", e.Code)
	h.Set("X-Amz-Error-Message", e.Message)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	p.w.WriteHeader(e.Status)
	if p.r.Method != http.MethodHead {
		_, _ = p.w.Write([]byte(b.String()))
	}
}

func item(b *strings.Builder, name, value string) {
	b.WriteString("<li>" + name + ": " + html.EscapeString(value) + "</li>\n")
}

// details are the members that an error has beside its message: Key, BucketName.
func details(b *strings.Builder, e *aws.Error) {
	v := reflect.Indirect(reflect.ValueOf(e.Detail))
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		if s, ok := v.Field(i).Interface().(string); ok {
			item(b, v.Type().Field(i).Name, s)
		}
	}
}

// hostID is the second id that S3 gives each request: here it says no more than the
// first.
func hostID(requestID string) string { return base64.StdEncoding.EncodeToString([]byte(requestID)) }
