package tule

import (
	"io"
	"net/http"
	"time"
)

// HTTPClient is for aws-sdk-go-v2 where a test does not retry. The SDK closes a
// request's body as soon as an answer's head is there, and a second Close of its body
// is an error; where Tule is quicker with its answer than the client's writer with
// its own Close, net/http takes that error for a failed request and closes the
// connection under an answer that is being read.
var HTTPClient = quiet{&http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}}

type quiet struct{ transport http.RoundTripper }

// Do sends a request, as the SDK's own client does.
func (q quiet) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.WithContext(r.Context()) // a copy: the SDK closes its own
		r.Body = closed{r.Body}
	}
	return q.transport.RoundTrip(r)
}

// closed is a body that is closed without an error, however often.
type closed struct{ io.ReadCloser }

// Close implements io.Closer.
func (c closed) Close() error {
	_ = c.ReadCloser.Close()
	return nil
}
