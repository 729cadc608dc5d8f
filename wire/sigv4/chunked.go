package sigv4

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	// maxChunk bounds a signed chunk, which must be held until it is verified.
	maxChunk   = 16 << 20
	maxLine    = 4 << 10
	maxTrailer = 16
)

// chunked undoes the aws-chunked encoding.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
func (s *Signature) chunked(r *http.Request, keys *Keys, secret string) (io.ReadCloser, error) {
	c := &chunkedBody{sig: s, body: r.Body, in: bufio.NewReaderSize(r.Body, maxLine), want: -1, trailed: http.Header{}}
	if v := r.Header.Get("X-Amz-Decoded-Content-Length"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return nil, refuse(Incomplete, "x-amz-decoded-content-length must be a number of bytes")
		}
		c.want = n
	}
	r.ContentLength = c.want       // what it is for those who read on
	r.Header.Del("Content-Length") // that of the chunks
	decoded(r.Header)
	c.signed = s.Payload != streamingTrailer
	if c.signed && keys != nil {
		c.key = keys.Key(secret, s.Date, s.Region, s.Service)
		c.previous = s.Signature
	}
	for name := range strings.SplitSeq(r.Header.Get("X-Amz-Trailer"), ",") {
		if sum := newChecksum(strings.ToLower(strings.TrimSpace(name))); sum != nil {
			c.sums = append(c.sums, sum)
		}
	}
	return c, nil
}

type chunkedBody struct {
	sig      *Signature
	body     io.Closer
	in       *bufio.Reader
	trailed  http.Header // checksums that came behind
	signed   bool
	key      []byte // nil: signatures are not checked
	previous string // signature of the chunk before
	sums     []*checksum

	chunk []byte // verified, not yet read
	left  int64  // of an unsigned chunk, not yet read
	got   int64
	want  int64 // decoded length, -1 if not said
	err   error
}

func (c *chunkedBody) Close() error { return c.body.Close() }

func (c *chunkedBody) Read(p []byte) (int, error) {
	for c.err == nil && len(c.chunk) == 0 && c.left == 0 {
		c.err = c.next()
	}
	var n int
	switch {
	case len(c.chunk) > 0:
		n = copy(p, c.chunk)
		c.chunk = c.chunk[n:]
	case c.left > 0:
		n, c.err = c.in.Read(p[:min(int64(len(p)), c.left)])
		if c.left -= int64(n); c.left == 0 && c.err == nil {
			c.err = c.newline()
		} else if c.err == io.EOF {
			c.err = truncated
		}
	default:
		return 0, c.err
	}
	c.got += int64(n)
	for _, s := range c.sums {
		if s.Hash != nil {
			s.Write(p[:n])
		}
	}
	if c.want >= 0 && c.got > c.want {
		c.err = refuse(BadChunk, "The body is longer than x-amz-decoded-content-length says.")
		return 0, c.err
	}
	if n > 0 {
		return n, nil
	}
	return 0, c.err
}

var truncated = refuse(BadChunk, "The request body terminated unexpectedly")

var malformed = refuse(BadChunk, "The request contained trailing data that was not well-formed or did not conform to our published schema.")

// next reads a chunk's head, and a signed chunk whole. io.EOF follows the last.
func (c *chunkedBody) next() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	head, ext, _ := strings.Cut(line, ";")
	size, err := strconv.ParseUint(strings.TrimSpace(head), 16, 40)
	if err != nil {
		return refuse(BadChunk, "A chunk's size is not a number")
	}
	if !c.signed {
		if size == 0 {
			return c.finish()
		}
		c.left = int64(size)
		return nil
	}
	signature, ok := strings.CutPrefix(strings.TrimSpace(ext), "chunk-signature=")
	if !ok {
		return refuse(BadChunk, "A chunk carries no signature")
	}
	if size > maxChunk {
		return refuse(BadChunk, "A signed chunk is larger than %d bytes", maxChunk)
	}
	data, err := readChunk(c.in, int(size))
	if err != nil {
		return err
	}
	if err := c.verify("AWS4-HMAC-SHA256-PAYLOAD", emptyHash+"\n", data, signature); err != nil {
		return err
	}
	if size == 0 {
		return c.finish()
	}
	c.chunk = data
	return c.newline()
}

// decoded takes aws-chunked off the encodings of the content.
func decoded(h http.Header) {
	var rest []string
	for encoding := range strings.SplitSeq(strings.Join(h.Values("Content-Encoding"), ","), ",") {
		if e := strings.TrimSpace(encoding); e != "" && !strings.EqualFold(e, "aws-chunked") {
			rest = append(rest, e)
		}
	}
	if h.Del("Content-Encoding"); len(rest) > 0 {
		h.Set("Content-Encoding", strings.Join(rest, ","))
	}
}

// Trailer implements aws.Trailed.
func (c *chunkedBody) Trailer(name string) string { return c.trailed.Get(name) }

// readChunk reads n bytes, growing as they come: a size alone takes no memory.
func readChunk(in io.Reader, n int) ([]byte, error) {
	var b strings.Builder
	if got, err := io.Copy(&b, io.LimitReader(in, int64(n))); err != nil {
		return nil, err
	} else if got < int64(n) {
		return nil, truncated
	}
	return []byte(b.String()), nil
}

func (c *chunkedBody) verify(name, middle string, data []byte, signature string) error {
	if c.key == nil {
		return nil
	}
	sum := sha256.Sum256(data)
	text := name + "\n" + c.sig.Time.Format(timeFormat) + "\n" + c.sig.scope() + "\n" + c.previous + "\n" + middle + hex.EncodeToString(sum[:])
	want := hexMAC(c.key, []byte(text))
	if !hmac.Equal([]byte(want), []byte(signature)) {
		return refuse(Mismatch, "The chunk signature we calculated does not match the signature you provided.")
	}
	c.previous = want
	return nil
}

// finish reads the trailer after the last chunk and checks what it promises.
func (c *chunkedBody) finish() error {
	if c.want >= 0 && c.got != c.want {
		return refuse(BadChunk, "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header")
	}
	trailer, err := c.trailer()
	if err != nil {
		return err
	}
	var canonical strings.Builder
	signature, sent := "", map[string]string{}
	for _, t := range trailer {
		if t[0] == "x-amz-trailer-signature" {
			signature = t[1]
			continue
		}
		canonical.WriteString(t[0] + ":" + t[1] + "\n")
		sent[t[0]] = t[1]
	}
	if len(sent) > len(c.sums) {
		return malformed
	}
	// Of what comes behind the signed headers only sums count that those announce.
	for _, s := range c.sums {
		v, ok := sent[s.name]
		if !ok {
			return malformed
		}
		if s.Hash != nil && s.value() != v {
			return refuse(BadSum, "Value for %s trailing header is invalid.", s.name)
		}
		c.trailed.Set(s.name, v)
	}
	if c.sig.Payload == streamingSignedTrailer {
		if err := c.verify("AWS4-HMAC-SHA256-TRAILER", "", []byte(canonical.String()), signature); err != nil {
			return err
		}
	}
	return io.EOF
}

func (c *chunkedBody) trailer() ([][2]string, error) {
	var out [][2]string
	for len(out) <= maxTrailer {
		line, err := c.line()
		if errors.Is(err, truncated) && len(out) == 0 {
			return nil, nil // old clients end with the last chunk
		}
		if err != nil {
			return nil, err
		}
		if line == "" {
			return out, nil
		}
		k, v, ok := strings.Cut(line, ":")
		if !ok {
			return nil, refuse(BadChunk, "A trailing header has no colon")
		}
		out = append(out, [2]string{strings.ToLower(strings.TrimSpace(k)), strings.TrimSpace(v)})
	}
	return nil, refuse(BadChunk, "There are more than %d trailing headers", maxTrailer)
}

func (c *chunkedBody) newline() error {
	line, err := c.line()
	if err == nil && line != "" {
		err = refuse(BadChunk, "A chunk is longer than its size")
	}
	return err
}

func (c *chunkedBody) line() (string, error) {
	b, err := c.in.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull:
		return "", refuse(BadChunk, "A chunk's head is longer than %d bytes", maxLine)
	case err == io.EOF:
		return "", truncated
	case err != nil:
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
