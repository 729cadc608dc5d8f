package steer

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"software.sslmate.com/src/go-pkcs12"
)

// TrustStorePassword opens the Java trust store. It is Java's own default; a trust
// store holds public certificates only.
const TrustStorePassword = pkcs12.DefaultPassword

// hostBundles are where systems keep the certificates they trust, as OpenSSL and
// Go's crypto/x509 look for them. A system has one of them, under several names.
func hostBundles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Alpine
		"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, Amazon Linux
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL and its kin
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/ssl/cert.pem",                                 // Alpine, macOS
	}
}

// maxBundle bounds a host's bundle; Debian's is 220 KB.
const maxBundle = 16 << 20

// Trust is one root certificate as the files that clients read. It knows no
// private key. The files are made when they are first asked for, and made anew
// when the root or the host's bundle has changed. Safe for concurrent use.
type Trust struct {
	root []byte // PEM
	dir  string
	host string // the host's bundle; "" where there is none

	mu sync.Mutex
}

// NewTrust is the trust in the certificate rootPEM, with its files in dir, which
// is there. hostBundle is the PEM file of the host's own roots, "" to look for it
// in the usual places; a host may have none.
func NewTrust(dir string, rootPEM []byte, hostBundle string) (*Trust, error) {
	block, _ := pem.Decode(rootPEM)
	if block == nil || block.Type != typeCert {
		return nil, errors.New("steer: the authority's certificate is not a PEM certificate")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return nil, fmt.Errorf("steer: the authority's certificate: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("steer: trust folder: %w", err)
	}
	t := &Trust{root: encodeCertificate(block.Bytes), dir: dir, host: hostBundle}
	for _, p := range hostBundles() {
		if t.host != "" {
			break
		}
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			t.host = p
		}
	}
	return t, nil
}

// RootPEM is the root alone.
func (t *Trust) RootPEM() []byte { return bytes.Clone(t.root) }

// RootFile is a PEM file with the root alone (ca.pem): for clients that add to
// what they trust, such as Node's NODE_EXTRA_CA_CERTS.
func (t *Trust) RootFile() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.keep("ca.pem", t.root)
}

// BundleFile is a PEM file with the host's roots and ours (bundle.pem): for
// clients that trust one file, such as OpenSSL, curl and botocore.
func (t *Trust) BundleFile() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bundle()
}

// TrustStoreFile is the bundle as a PKCS#12 trust store (truststore.p12), opened
// by TrustStorePassword. Encrypted the old way, which Java 8 reads as well as 25.
func (t *Trust) TrustStoreFile() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from, err := t.bundle()
	if err != nil {
		return "", err
	}
	path := filepath.Join(t.dir, "truststore.p12")
	src, err := os.Stat(from)
	if err != nil {
		return "", fmt.Errorf("steer: trust store: %w", err)
	}
	if dst, err := os.Stat(path); err == nil && dst.Size() > 0 && dst.ModTime().After(src.ModTime()) {
		return path, nil
	}
	body, err := os.ReadFile(from)
	if err != nil {
		return "", fmt.Errorf("steer: trust store: %w", err)
	}
	store, err := pkcs12.LegacyDES.EncodeTrustStore(parseBundle(body), TrustStorePassword)
	if err != nil {
		return "", fmt.Errorf("steer: trust store: %w", err)
	}
	if err := replaceFile(path, store, 0o644); err != nil {
		return "", fmt.Errorf("steer: trust store: %w", err)
	}
	return path, nil
}

func (t *Trust) bundle() (string, error) {
	var host []byte
	if t.host != "" {
		info, err := os.Stat(t.host)
		if err == nil && info.Size() > maxBundle {
			err = fmt.Errorf("%s: larger than %d bytes", t.host, maxBundle)
		}
		if err == nil {
			host, err = os.ReadFile(t.host)
		}
		if err != nil {
			return "", fmt.Errorf("steer: the host's certificates: %w", err)
		}
	}
	// Ours first: libraries that stop at a certificate they cannot read have it by then.
	body := append(bytes.Clone(t.root), host...)
	return t.keep("bundle.pem", body)
}

// keep makes sure that the file holds body, and returns its path.
func (t *Trust) keep(name string, body []byte) (string, error) {
	path := filepath.Join(t.dir, name)
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, body) {
		return path, nil
	}
	if err := replaceFile(path, body, 0o644); err != nil {
		return "", fmt.Errorf("steer: %s: %w", name, err)
	}
	return path, nil
}

// parseBundle is every certificate of a PEM bundle that can be read, each once.
func parseBundle(body []byte) []*x509.Certificate {
	var certs []*x509.Certificate
	seen := map[string]bool{}
	for block, rest := pem.Decode(body); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != typeCert || seen[string(block.Bytes)] {
			continue
		}
		seen[string(block.Bytes)] = true
		certs = append(certs, cert)
	}
	return certs
}
