package terraform

import (
	"strings"
	"testing"
)

func TestCertificates(t *testing.T) {
	c := company(t)
	certificates(t, strings.TrimSpace(c.certificate), strings.TrimSpace(c.key))
}

// Files in PEM end in a newline, which AWS does not give back.
func TestCertificatesOfFiles(t *testing.T) {
	c := company(t)
	certificates(t, c.certificate, c.key)
}

func certificates(t *testing.T, certificate, key string) {
	s := start(t, "certificates", "certificate="+certificate, "key="+key)
	s.applies(false)
	read := map[string]any{"site": s.arn("server-certificate/cloudfront/site"), "body": true}
	s.reads(read)
	s.applies(true)
	s.reads(read)
	s.destroys()
}
