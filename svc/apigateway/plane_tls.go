package apigateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/memo"
	"github.com/tule-cloud/tule/store"
)

// A secured says how back ends are spoken to by TLS: each way has connections of its own.
type secured struct {
	at          store.Scope
	certificate string // the id of the stage's client certificate; "" for none
	private     bool   // the back end's authority need not be a public one
}

// maxSecured is how many ways to speak TLS stay known.
const maxSecured = 1000

func newTransports(st store.Store) *memo.Memo[secured, RoundTripper] {
	return memo.New[secured, RoundTripper](maxSecured, clientCertificates.WatchAll(context.Background(), st))
}

// errNoTransport is of a RoundTripper that has no TLS to be told anything of.
var errNoTransport = errors.New("apigateway: client certificates and private authorities need an *http.Transport")

// transport reaches the back end of an exchange: with the stage's client certificate, and
// as the integration says that the back end's own is to be verified.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/getting-started-client-side-ssl-authentication.html
func (x *exchange) transport(ctx context.Context) (RoundTripper, error) {
	way := secured{at: x.program.at}
	if x.stage != nil {
		way.certificate = aws.Value(x.stage.ClientCertificateId)
	}
	if c := x.method.integration.raw.TlsConfig; c != nil {
		way.private = aws.Value(c.InsecureSkipVerification)
	}
	if way.certificate == "" && !way.private {
		return x.s.HTTP, nil
	}
	return x.s.transports.Get(way, func() (RoundTripper, error) { return x.s.newTransport(ctx, way) })
}

func (s *Service) newTransport(ctx context.Context, way secured) (RoundTripper, error) {
	base, ok := s.HTTP.(*http.Transport)
	if !ok {
		return nil, errNoTransport
	}
	own := base.Clone()
	if own.TLSClientConfig == nil {
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if way.private {
		own.TLSClientConfig.InsecureSkipVerify = true // for verifyPrivate in its stead
		own.TLSClientConfig.VerifyConnection = verifyPrivate
	}
	if way.certificate == "" {
		return own, nil
	}
	cert, err := s.clientCertificateOf(ctx, way.at, way.certificate)
	if err != nil {
		return nil, err
	}
	own.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	return own, nil
}

// verifyPrivate holds a back end's certificate to the authority that comes with it, which
// nobody else need know: to its name, its time and its signatures.
// https://docs.aws.amazon.com/apigateway/latest/api/API_TlsConfig.html
func verifyPrivate(c tls.ConnectionState) error {
	if len(c.PeerCertificates) == 0 {
		return errors.New("the back end has no certificate")
	}
	o := x509.VerifyOptions{DNSName: c.ServerName, Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
	last := len(c.PeerCertificates) - 1
	o.Roots.AddCert(c.PeerCertificates[last])
	for _, cert := range c.PeerCertificates[1:max(last, 1)] {
		o.Intermediates.AddCert(cert)
	}
	_, err := c.PeerCertificates[0].Verify(o)
	return err
}
