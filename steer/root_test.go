package steer

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzRoot: no bytes in the authority's file bring it down, and what is accepted
// can sign.
func FuzzRoot(f *testing.F) {
	path := filepath.Join(f.TempDir(), authorityFile)
	if _, err := makeRoot(path, testNow, rand.Reader); err != nil {
		f.Fatal(err)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add(body[:len(body)/2])
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseRoot(body)
		if err == nil && (r.cert == nil || r.key == nil || r.cert.CheckSignatureFrom(r.cert) != nil) {
			t.Error("accepted what cannot sign")
		}
	})
}

// FuzzHostName: what passes for a host name is one, and stays what it is.
func FuzzHostName(f *testing.F) {
	for _, s := range []string{"S3.amazonaws.com.", "a..b", "*.x", "ÄÖ.de", strings.Repeat("a.", 127)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, ok := hostName(s)
		if !ok {
			return
		}
		again, ok := hostName(name)
		if !ok || again != name || len(name) > 253 || strings.ContainsAny(name, " /\\*\x00") || strings.HasSuffix(name, ".") {
			t.Errorf("hostName(%q) = %q, and of that %q, %v", s, name, again, ok)
		}
	})
}

func TestSerialNumbers(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		n, err := serialNumber(rand.Reader)
		if err != nil || n.Sign() <= 0 || n.BitLen() != 127 || seen[n.String()] {
			t.Fatalf("%v, %v", n, err)
		}
		seen[n.String()] = true
	}
}
