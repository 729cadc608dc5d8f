package apigateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// describeCall is another service: it answers with the call that it got, or, by its
// path, with bytes, an error, too much, a panic, or never.
func describeCall(ctx context.Context, w http.ResponseWriter, r *http.Request, action string) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/blob"):
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write([]byte{0, 1, 2, 0xff})
	case strings.HasSuffix(r.URL.Path, "/wrong"):
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(400)
		_, _ = io.WriteString(w, `{"__type": "com.amazonaws#ResourceNotFoundException", "message": "Requested resource not found"}`)
	case strings.HasSuffix(r.URL.Path, "/large"):
		_, _ = w.Write(make([]byte, maxPayload))
		_, _ = w.Write([]byte("x"))
	case strings.HasSuffix(r.URL.Path, "/broken"):
		panic(http.ErrAbortHandler)
	case strings.HasSuffix(r.URL.Path, "/panic"):
		panic("on purpose")
	case strings.HasSuffix(r.URL.Path, "/hang"):
		select {}
	default:
		about := aws.RequestOf(ctx)
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s https://%s%s action=%s in %s by %s type=%s\n%q\n", r.Method, r.Host, r.RequestURI, action, about.Region, about.Caller.ARN, r.Header.Get("Content-Type"), body)
	}
}
