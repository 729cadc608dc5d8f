package domain

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/store"
)

// Sealed is a certificate that was uploaded, its chain behind it, with its key, both in
// PEM: checked to belong together, and the key sealed for the name.
func Sealed(box *seal.Box, name, certificate, chain, key string) (*Certificate, error) {
	if chain != "" {
		certificate += "\n" + chain
	}
	if _, err := tls.X509KeyPair([]byte(certificate), []byte(key)); err != nil {
		return nil, err
	}
	sealed, err := box.Seal([]byte(key), Fold(name))
	return &Certificate{PEM: certificate, Key: sealed}, err
}

// TLS answers handshakes for custom domain names.
type TLS struct {
	Store store.Store
	Box   *seal.Box   // of the keys of uploaded certificates
	Base  *tls.Config // for all other names, and for those without a certificate of their own
	// Issue, if not nil, has certificates for names without one: by ACME.
	Issue func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// Config is Base, with what custom domain names need.
func (t TLS) Config() *tls.Config {
	c := t.Base.Clone()
	c.GetConfigForClient = t.forClient
	return c
}

// forClient is how to speak with a client that asks for a name; nil for a name that is no
// custom domain.
func (t TLS) forClient(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if !Foreign(hello.ServerName) {
		return nil, nil
	}
	var n Name
	var at store.Scope
	var ok bool
	err := t.Store.View(hello.Context(), func(r store.Reader) (err error) {
		at, n, ok, err = Host(hello.Context(), r, hello.ServerName, "")
		return err
	})
	if err != nil || !ok {
		return nil, err
	}
	c := t.Base.Clone()
	c.MinVersion = least(n.Security)
	if n.Mutual != nil {
		// Whether the certificate is a good one is for the data plane to say, which
		// answers 403 and logs why; without any there is no connection.
		c.ClientAuth = tls.RequireAnyClientCert
		c.SessionTicketsDisabled = true
	}
	switch own := n.Endpoint.Certificate; {
	case own != nil:
		key, err := t.Box.Open(own.Key, n.Name)
		if err != nil {
			return nil, fmt.Errorf("the key of %s in %s: %w", n.Name, at.Account, err)
		}
		pair, err := tls.X509KeyPair([]byte(own.PEM), key)
		if err != nil {
			return nil, err
		}
		c.GetCertificate, c.Certificates = nil, []tls.Certificate{pair}
	case t.Issue != nil:
		c.GetCertificate = t.Issue
		c.NextProtos = append(c.NextProtos[:len(c.NextProtos):len(c.NextProtos)], "acme-tls/1")
	}
	return c, nil
}

// least is the oldest TLS that a security policy takes.
func least(security string) uint16 {
	switch security {
	case "TLS_1_0":
		return tls.VersionTLS10
	case "SecurityPolicy_TLS13_1_3_2025_09", "SecurityPolicy_TLS13_1_3_FIPS_2025_09", "SecurityPolicy_TLS13_2025_EDGE":
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// Errors of Verify, in the words of API Gateway's execution log.
// https://repost.aws/knowledge-center/api-gateway-mutual-tls-403-errors
var (
	ErrNoIssuer   = errors.New("Could not find issuer for certificate")
	ErrInsecure   = errors.New("Client cert using an insecure Signature Algorithm")
	ErrSelfSigned = errors.New("self signed certificate")
)

// Roots are the certificates of a trust store, in PEM; the error says that it has none.
func Roots(pem string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		return nil, errors.New("there is no certificate in the trust store")
	}
	return pool, nil
}

// Verify holds what a client presented to a trust store.
func (m *Mutual) Verify(state *tls.ConnectionState, now time.Time) error {
	if state == nil || len(state.PeerCertificates) == 0 {
		return ErrNoIssuer
	}
	roots, err := Roots(m.PEM)
	if err != nil {
		return err
	}
	leaf, rest := state.PeerCertificates[0], x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		rest.AddCert(c)
	}
	switch leaf.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return ErrInsecure
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: rest, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
		if leaf.CheckSignatureFrom(leaf) == nil || string(leaf.RawIssuer) == string(leaf.RawSubject) {
			return ErrSelfSigned
		}
		return ErrNoIssuer
	}
	return err
}
