package sigv4

import (
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// canonical appends the canonical request to b: what the signature covers.
func (s *Signature) canonical(b []byte, r *http.Request, uri, payload string) []byte {
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = append(b, uri...)
	b = append(b, '\n')
	b = appendQuery(b, r.URL.RawQuery, s.Presigned)
	b = append(b, '\n')
	for _, name := range s.Headers {
		b = append(b, name...)
		b = append(b, ':')
		b = appendHeader(b, r, name)
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, name := range s.Headers {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	return append(b, payload...)
}

// paths are the forms of the request's path that its signer may have signed. S3
// signs a path as it is; the others encode it a second time, most of them after
// cleaning it.
func (s *Signature) paths(r *http.Request) []string {
	sent := rawPath(r)
	if s.signsAsIs() {
		return []string{escape(unescape(sent), true)}
	}
	if !strings.Contains(sent, "//") && !strings.Contains(sent, "/.") {
		return []string{escape(sent, true)}
	}
	return []string{escape(clean(sent), true), escape(sent, true)}
}

// signsAsIs reports whether the service's paths are bytes, to which a slash more or
// less is another path.
func (s *Signature) signsAsIs() bool { return s.Service == "s3" || s.Service == "s3-object-lambda" }

// clean takes dot segments and slashes too many out of a path, as AWS's clients do.
func clean(sent string) string {
	cleaned := path.Clean(sent)
	if strings.HasSuffix(sent, "/") && cleaned != "/" {
		cleaned += "/"
	}
	return cleaned
}

// rawPath is the path as it came over the wire.
func rawPath(r *http.Request) string {
	p := r.RequestURI
	if p == "" || p[0] != '/' {
		p = r.URL.EscapedPath()
	}
	p, _, _ = strings.Cut(p, "?")
	if p == "" {
		return "/"
	}
	return p
}

// appendQuery appends the query with names and values encoded and sorted. A
// presigned URL's own signature is not part of what it covers; a second one is.
func appendQuery(b []byte, raw string, presigned bool) []byte {
	if raw == "" {
		return b
	}
	var pairs [][2]string
	for p := range strings.SplitSeq(raw, "&") {
		if p == "" {
			continue
		}
		k, v, _ := strings.Cut(p, "=")
		k, v = escape(unescapeQuery(k), false), escape(unescapeQuery(v), false)
		if presigned && k == "X-Amz-Signature" {
			presigned = false
			continue
		}
		pairs = append(pairs, [2]string{k, v})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	for i, p := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p[0]...)
		b = append(b, '=')
		b = append(b, p[1]...)
	}
	return b
}

func appendHeader(b []byte, r *http.Request, name string) []byte {
	switch name {
	case "host", ":authority":
		return append(b, r.Host...)
	case "content-length":
		if v := r.Header.Get("Content-Length"); v != "" {
			return append(b, v...)
		}
		return strconv.AppendInt(b, r.ContentLength, 10)
	case "transfer-encoding":
		return append(b, strings.Join(r.TransferEncoding, ",")...)
	}
	for i, v := range r.Header.Values(name) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendFolded(b, v)
	}
	return b
}

// appendFolded appends a header's value, trimmed, with runs of blanks made one.
func appendFolded(b []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	if !strings.Contains(v, "  ") {
		return append(b, v...)
	}
	blank := false
	for i := range len(v) {
		if v[i] == ' ' && blank {
			continue
		}
		blank = v[i] == ' '
		b = append(b, v[i])
	}
	return b
}

const upperHex = "0123456789ABCDEF"

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// escape percent-encodes all but unreserved characters, and slashes if keepSlash
// does not say otherwise.
func escape(s string, keepSlash bool) string {
	n := 0
	for i := range len(s) {
		if !unreserved(s[i]) && !(keepSlash && s[i] == '/') {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		c := s[i]
		if unreserved(c) || keepSlash && c == '/' {
			b = append(b, c)
			continue
		}
		b = append(b, '%', upperHex[c>>4], upperHex[c&15])
	}
	return string(b)
}

func unescapeQuery(s string) string { return unescape(strings.ReplaceAll(s, "+", " ")) }

// unescape decodes what is validly percent-encoded and leaves the rest as it is.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := hexValue(s[i+1]), hexValue(s[i+2]); hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
