package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// maxInflated bounds what a compressed request body may grow to.
const maxInflated = 32 << 20

// NewBody is a request body that Decode uses as it is, without a copy.
func NewBody(b []byte) io.ReadCloser { return &wholeBody{Reader: bytes.NewReader(b), all: b} }

type wholeBody struct {
	*bytes.Reader
	all []byte
}

func (*wholeBody) Close() error { return nil }

// body is the request's whole body.
func (d *decoder) body(r *http.Request) ([]byte, error) {
	if b, ok := r.Body.(*wholeBody); ok && b.Len() == len(b.all) {
		return b.all, nil
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	buf, err := readBody(r.Body, r.ContentLength)
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, d.tooLarge(tooLarge.Limit).Because(err)
		}
		return nil, d.malformed("The request body could not be read to its end").Because(err)
	}
	return buf.Bytes(), nil
}

// What is announced gets its room at once up to firstRoom; beyond, and up to maxRoom, once so
// much has come.
const firstRoom, maxRoom = 64 << 10, 4 << 20

// readBody reads to the end of a body of an announced length, if that is above 0.
func readBody(body io.Reader, announced int64) (*bytes.Buffer, error) {
	var buf bytes.Buffer
	if announced > 0 {
		buf.Grow(int(min(announced, firstRoom)) + bytes.MinRead)
	}
	if announced > firstRoom {
		if _, err := buf.ReadFrom(io.LimitReader(body, firstRoom)); err != nil {
			return nil, err
		}
		if buf.Len() == firstRoom {
			buf.Grow(int(min(announced, maxRoom)) - firstRoom + bytes.MinRead)
		}
	}
	_, err := buf.ReadFrom(body)
	return &buf, err
}

// inflated is the body, uncompressed if the client compressed it, which SDKs do for
// operations whose model says that they may.
func (d *decoder) inflated(r *http.Request) ([]byte, error) {
	body, err := d.body(r)
	encoding := r.Header.Get("Content-Encoding")
	if err != nil || len(body) == 0 || !strings.HasSuffix(strings.ToLower(encoding), "gzip") {
		return body, err
	}
	plain, err := Gunzip(body)
	switch {
	case errors.Is(err, errInflated):
		return nil, d.tooLarge(maxInflated)
	case err != nil:
		return nil, d.malformed("The request body is not gzip").Because(err)
	}
	return plain, nil
}

var errInflated = errors.New("the body is too long without its compression")

// Gunzip undoes gzip, of what is not longer without it than Tule reads.
func Gunzip(body []byte) ([]byte, error) {
	zip, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(io.LimitReader(zip, maxInflated+1)); err != nil {
		return nil, err
	}
	if buf.Len() > maxInflated {
		return nil, errInflated
	}
	return buf.Bytes(), nil
}

func (d *decoder) tooLarge(limit int64) *aws.Error {
	return aws.Errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException",
		"Request must be smaller than %d bytes for the %s operation", limit, d.op.Name)
}
