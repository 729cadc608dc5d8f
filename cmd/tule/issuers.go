package main

import (
	"context"
	"crypto/sha1" // thumbprints are IAM's, and are made by it
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tule-cloud/tule/gateway/jwt"
	"github.com/tule-cloud/tule/svc/sts"
)

// issuers is a folder of keys that the operator knows OpenID Connect providers to sign
// by. Those of https://id.example.com/tenant are a JWKS in the file
// id.example.com%2Ftenant.json: nobody needs to reach the provider for them.
type issuers string

// keys is what STS asks for.
func (dir issuers) keys(issuer string) (jwks []byte, ok bool, err error) {
	name := url.PathEscape(strings.TrimPrefix(issuer, "https://")) + ".json"
	if len(name) > 255 {
		return nil, false, nil // no file has such a name
	}
	jwks, err = os.ReadFile(filepath.Join(string(dir), name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return jwks, err == nil, err
}

const (
	fetchTime = 5 * time.Second
	fetchSize = 1 << 20 // bytes
)

// fetch is a jwt.Fetch over the network. Servers whom the machine's own authorities
// vouch for need no thumbprint; others need a certificate with one in their chain, and
// the rest of the chain has to lead there.
func fetch(ctx context.Context, address string, thumbprints []string) ([]byte, error) {
	if !strings.HasPrefix(address, "https://") {
		return nil, fmt.Errorf("%s is no https address", address)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{
		Transport: &http.Transport{
			Proxy:             http.ProxyFromEnvironment,
			DisableKeepAlives: true,
			ForceAttemptHTTP2: true,
			// VerifyConnection does what this leaves out.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(c tls.ConnectionState) error {
				return trusted(c, thumbprints)
			}},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", address, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, fetchSize+1))
	if err == nil && len(text) > fetchSize {
		err = fmt.Errorf("%s answers with more than %d bytes", address, fetchSize)
	}
	return text, err
}

// trusted holds a server's certificates to its name.
func trusted(c tls.ConnectionState, thumbprints []string) error {
	leaf, rest := c.PeerCertificates[0], x509.NewCertPool()
	for _, cert := range c.PeerCertificates[1:] {
		rest.AddCert(cert)
	}
	o := x509.VerifyOptions{DNSName: c.ServerName, Intermediates: rest}
	_, err := leaf.Verify(o)
	if err == nil || len(thumbprints) == 0 {
		return err
	}
	for _, cert := range c.PeerCertificates {
		sum := sha1.Sum(cert.Raw)
		if !slices.Contains(thumbprints, hex.EncodeToString(sum[:])) {
			continue
		}
		o.Roots = x509.NewCertPool()
		o.Roots.AddCert(cert)
		if _, err := leaf.Verify(o); err == nil {
			return nil
		}
	}
	return errors.Join(jwt.ErrThumbprint, err)
}

// federation is what STS needs to verify the tokens of web identities. It reaches
// their issuers, as functions do the outside, only where the operator lets it.
func (h *house) federation(o sts.Options) sts.Options {
	o.Providers, o.IssuerKeys = h.iam, issuers(h.in("issuers")).keys
	if h.egress == "nat" {
		o.Fetch = fetch
	}
	return o
}
