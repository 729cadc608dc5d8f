package main

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/tule-cloud/tule/steer"
	"github.com/tule-cloud/tule/svc/sns"
)

// topics is what SNS needs.
func (h *house) topics() (sns.Options, error) {
	o := sns.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Meter: h.metrics, Signing: h.signingKey, Sender: h.smtp.sender}
	var err error
	o.HTTP, err = h.outward()
	return o, err
}

// signingFile has the key that SNS's messages are signed with, and its certificate.
const signingFile = "sns.pem"

// signingKey is SNS's key, made when it is first needed. Subscribers know the certificate,
// so it is never replaced silently.
func (h *house) signingKey() (*rsa.PrivateKey, []byte, error) {
	text, err := os.ReadFile(h.in(signingFile))
	if errors.Is(err, fs.ErrNotExist) {
		return h.makeSigningKey()
	}
	if err != nil {
		return nil, nil, err
	}
	first, rest := pem.Decode(text)
	if first == nil {
		return nil, nil, fmt.Errorf("%s holds no key", h.in(signingFile))
	}
	key, err := x509.ParsePKCS1PrivateKey(first.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", h.in(signingFile), err)
	}
	return key, rest, nil
}

func (h *house) makeSigningKey() (*rsa.PrivateKey, []byte, error) {
	key, certificate, err := sns.NewSigningKey(time.Now())
	if err != nil {
		return nil, nil, err
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), certificate...)
	f, err := os.CreateTemp(h.data, signingFile+"-*") // mode 0600
	if err != nil {
		return nil, nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), h.in(signingFile))
	}
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.Open(h.data)
	if err != nil {
		return nil, nil, err
	}
	return key, certificate, errors.Join(dir.Sync(), dir.Close())
}

var errNoEgress = errors.New("this Tule reaches only this machine; start it with --egress=nat")

// outward reaches HTTP endpoints: AWS's names lead back here, this machine is always
// reached, and others where the operator lets them be.
func (h *house) outward() (http.RoundTripper, error) {
	names, err := steer.NewResolver(steer.ResolverOptions{})
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(h.authority.PEM())
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if h.egress != "nat" {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			host, _, err := net.SplitHostPort(address)
			if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
				return errNoEgress
			}
			return nil
		}
	}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, port, err := net.SplitHostPort(address); err == nil && names.Steers(host) && slices.Contains([]string{"80", "443", "4566"}, port) {
				address = reachable(h.listen[0])
			}
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{RootCAs: roots},
		MaxIdleConns:    256, MaxIdleConnsPerHost: 16, IdleConnTimeout: 60 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
	}, nil
}
