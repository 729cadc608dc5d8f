package iam

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A pair is a certificate, signed by another or by itself, and its key.
type pair struct {
	certificate *x509.Certificate
	key         *rsa.PrivateKey
}

func newPair(t testing.TB, name string, by *pair) *pair {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: from.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true}
	p := &pair{c, k}
	if by == nil {
		by = p
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by.certificate, &k.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	if p.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pair) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.certificate.Raw}))
}

func (p *pair) keyPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(p.key)}))
}

// metadata is a document of an identity provider that signs with p.
func (p *pair) metadata() string {
	return fmt.Sprintf(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com">
<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#">
<X509Data><X509Certificate>%s</X509Certificate></X509Data></KeyInfo></KeyDescriptor></IDPSSODescriptor></EntityDescriptor>`,
		base64.StdEncoding.EncodeToString(p.certificate.Raw))
}

func TestSAMLProvider(t *testing.T) {
	s, h, ctx := house(t)
	p := newPair(t, "idp", nil)
	const arn = "arn:aws:iam::000000000000:saml-provider/corp"
	if _, err := s.createSAMLProvider(ctx, &api.CreateSAMLProviderRequest{Name: ptr("corp"), SAMLMetadataDocument: ptr(p.metadata()),
		AddPrivateKey: ptr(p.keyPEM()), AssertionEncryptionMode: ptr("Required")}); err != nil {
		t.Fatal(err)
	}
	metadata, id, until, err := s.SAMLProvider(ctx, arn)
	if err != nil || metadata != p.metadata() || len(id) != 22 || until.Year() != 2126 {
		t.Errorf("%s %s %v %v", metadata, id, until, err)
	}
	keys, required, err := s.SAMLKeys(ctx, arn)
	if err != nil || !required || len(keys) != 1 || keys[0] != p.keyPEM() {
		t.Errorf("%v %v %v", keys, required, err)
	}
	for _, arn := range []string{"", "corp", "arn:aws:iam::000000000000:saml-provider/CORP", "arn:aws:iam::000000000000:saml-provider/",
		"arn:aws:iam::111111111111:saml-provider/corp", "arn:aws:iam::000000000000:oidc-provider/corp", "arn:aws-cn:iam::000000000000:saml-provider/corp"} {
		metadata, _, _, err := s.SAMLProvider(ctx, arn)
		keys, _, also := s.SAMLKeys(ctx, arn)
		if metadata != "" || keys != nil || err != nil || also != nil {
			t.Errorf("%q: %q %q %v %v", arn, metadata, keys, err, also)
		}
	}
	// The disk has the key sealed only.
	if err := h.Store.View(ctx, func(r store.Reader) error {
		for e, err := range samlProviders.All(ctx, r) {
			if err != nil || bytes.Contains(e.Record.Keys[0].Sealed, []byte("PRIVATE")) {
				t.Errorf("%+v, %v", e.Record, err)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add(newPair(f, "idp", nil).metadata())
	f.Add(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="a" validUntil="2031-05-06T07:08:09Z" cacheDuration="P1D"/>`)
	f.Add(`<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"/>`)
	f.Add(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseMetadata(text); err != nil && aws.CodeOf(err) != "InvalidInput" {
			t.Error(err)
		}
	})
}
