package apigateway

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A clientCertificate is what the gateway shows to back ends.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/getting-started-client-side-ssl-authentication.html
type clientCertificate struct {
	ID          string            `json:"id"`
	Description *string           `json:"description,omitempty"`
	Made        time.Time         `json:"made"`
	Expires     time.Time         `json:"expires"`
	PEM         string            `json:"pem"`
	Key         []byte            `json:"key"` // PKCS #8, sealed; the context is the id
	Tags        map[string]string `json:"tags,omitempty"`
}

var clientCertificates = store.NewTable[clientCertificate](service, "client-certificate")

const (
	certificateLife = 365 * 24 * time.Hour
	certificateBits = 2048
	maxCertificates = 60 // of an account in a region
)

func noCertificate() error {
	return api.NotFoundException("Invalid client certificate identifier specified")
}

func (c clientCertificate) output() *api.ClientCertificate {
	return &api.ClientCertificate{ClientCertificateId: &c.ID, Description: c.Description, CreatedDate: &c.Made, ExpirationDate: &c.Expires, PemEncodedCertificate: &c.PEM, Tags: c.Tags}
}

func (s *Service) generateClientCertificate(ctx context.Context, in *api.GenerateClientCertificateRequest) (*api.ClientCertificate, error) {
	c, err := s.newCertificate()
	if err != nil {
		return nil, err
	}
	c.Description, c.Tags = in.Description, in.Tags
	return update(ctx, s, func(tx store.Tx) (*api.ClientCertificate, error) {
		have := 0
		for _, err := range clientCertificates.List(ctx, tx, scope(ctx), store.ListOptions{}) {
			if err != nil {
				return nil, err
			}
			if have++; have >= maxCertificates {
				return nil, api.LimitExceededException("Maximum number of client certificates for this account has been reached. Please contact AWS if you need additional client certificates.")
			}
		}
		return c.output(), clientCertificates.Put(tx, scope(ctx), *c, c.ID)
	})
}

// newCertificate makes a key, and a certificate that it signs itself.
func (s *Service) newCertificate() (*clientCertificate, error) {
	if s.Box == nil {
		return nil, aws.Errorf(501, "NotImplemented", "This Tule has no key file to seal certificates' keys with.")
	}
	key, err := rsa.GenerateKey(rand.Reader, certificateBits)
	if err != nil {
		return nil, err
	}
	var serial [8]byte
	if _, err := io.ReadFull(s.Random, serial[:]); err != nil {
		return nil, err
	}
	now := *s.now()
	c := &clientCertificate{ID: aws.RandomID(s.Random, aws.LowerAlnm, 6), Made: now, Expires: now.Add(certificateLife)}
	template := &x509.Certificate{SerialNumber: new(big.Int).SetBytes(serial[:]), NotBefore: now, NotAfter: c.Expires, BasicConstraintsValid: true, IsCA: true,
		Subject:  pkix.Name{CommonName: "ApiGateway", Organization: []string{"Amazon.com"}, Locality: []string{"Seattle"}, Province: []string{"Washington"}, Country: []string{"US"}},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	c.PEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	c.Key, err = s.Box.Seal(private, c.ID)
	return c, err
}

// clientCertificateOf is a certificate as a back end's connection presents it.
func (s *Service) clientCertificateOf(ctx context.Context, at store.Scope, id string) (*tls.Certificate, error) {
	var c clientCertificate
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		c, err = clientCertificates.Get(ctx, r, at, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	private, err := s.Box.Open(c.Key, c.ID)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(c.PEM))
	if block == nil {
		return nil, fmt.Errorf("the client certificate %s is damaged", id)
	}
	return &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}, nil
}

func readCertificate(ctx context.Context, r store.Reader, id *string) (clientCertificate, error) {
	c, err := clientCertificates.Get(ctx, r, scope(ctx), aws.Value(id))
	return c, orElse(err, noCertificate())
}

func (s *Service) getClientCertificate(ctx context.Context, in *api.GetClientCertificateRequest) (*api.ClientCertificate, error) {
	return view(ctx, s, func(r store.Reader) (*api.ClientCertificate, error) {
		c, err := readCertificate(ctx, r, in.ClientCertificateId)
		return c.output(), err
	})
}

func (s *Service) getClientCertificates(ctx context.Context, in *api.GetClientCertificatesRequest) (*api.ClientCertificates, error) {
	return view(ctx, s, func(r store.Reader) (*api.ClientCertificates, error) {
		items, next, err := page(ctx, r, clientCertificates, nil, in.Limit, in.Position)
		out := &api.ClientCertificates{Items: []api.ClientCertificate{}, Position: next}
		for _, c := range items {
			out.Items = append(out.Items, *c.output())
		}
		return out, err
	})
}

func (s *Service) updateClientCertificate(ctx context.Context, in *api.UpdateClientCertificateRequest) (*api.ClientCertificate, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.ClientCertificate, error) {
		c, err := readCertificate(ctx, tx, in.ClientCertificateId)
		if err != nil {
			return nil, err
		}
		for _, p := range ops {
			if err := p.listed("/description"); err != nil {
				return nil, err
			}
			c.Description = p.text()
		}
		return c.output(), clientCertificates.Put(tx, scope(ctx), c, c.ID)
	})
}

func (s *Service) deleteClientCertificate(ctx context.Context, in *api.DeleteClientCertificateRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		c, err := readCertificate(ctx, tx, in.ClientCertificateId)
		if err != nil {
			return err
		}
		return clientCertificates.Delete(tx, scope(ctx), c.ID)
	})
}
