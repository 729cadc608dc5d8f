package front

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/wire"
	"github.com/tule-cloud/tule/wire/sigv4"
)

// call is what the door learns of a request on its way through, for the steps that
// follow and for the record.
type call struct {
	w     *writer
	r     *http.Request
	query url.Values
	start time.Time
	req   aws.Request

	service  *Service
	protocol aws.Protocol
	op       *aws.Operation
	params   wire.Params
	route    aws.Route
	sig      *sigv4.Signature
	secret   string
	trusted  bool // the key is unknown and its signature was not checked
	body     []byte
	read     bool // body holds the whole body
	plane    string
	tool     bool
	err      *aws.Error

	event     aws.Event // once it came to a route
	decisions [1]aws.Decision
}

func (f *Front) open(w http.ResponseWriter, r *http.Request) *call {
	now := f.Clock.Now()
	c := &call{w: &writer{ResponseWriter: w}, r: r, start: now}
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	c.req = aws.Request{
		ID:        aws.RandomUUID(f.Random),
		Caller:    aws.Caller{Kind: aws.Anonymous},
		Region:    f.Region,
		Time:      now,
		Scheme:    "http",
		Host:      r.Host,
		SourceIP:  ip,
		UserAgent: r.UserAgent(),
		Referer:   r.Referer(),
		Origin:    r.Header.Get("Origin"),
		Trace:     r.Header.Get("X-Amzn-Trace-Id"),
	}
	if r.TLS != nil {
		c.req.Scheme, c.req.Secure = "https", true
	}
	return c
}

func (c *call) context() context.Context { return aws.WithRequest(c.r.Context(), &c.req) }

// values is the query, parsed once. What does not parse is left out.
func (c *call) values() url.Values {
	if c.query == nil {
		c.query, _ = url.ParseQuery(c.r.URL.RawQuery)
	}
	return c.query
}

// writer counts what is written.
type writer struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *writer) WriteHeader(status int) {
	if w.status == 0 || w.status < 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// ReadFrom lets a file go to the network without being copied.
func (w *writer) ReadFrom(src io.Reader) (int64, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := io.Copy(w.ResponseWriter, src)
	w.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController find the connection.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
