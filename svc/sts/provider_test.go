package sts_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml/xmlenc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/tule-cloud/tule/svc/sts"
)

// providers are the identity providers of a world, in the form in which IAM gives
// them, and what there is of the web beyond it.
type providers struct {
	openID map[string]*openIDRecord // by account and issuer
	saml   map[string]*samlRecord   // by ARN
	web    map[string]string        // documents by address
	asked  []string                 // addresses that were fetched
	jwks   map[string]string        // what the operator registered, by address of the issuer
	fails  error                    // what fetching comes to
}

type openIDRecord struct{ clients, thumbprints []string }

type samlRecord struct {
	metadata, id string
	until        time.Time
	keys         []string
	required     bool
}

var _ sts.Providers = (*providers)(nil)

func newProviders() *providers {
	return &providers{openID: map[string]*openIDRecord{}, saml: map[string]*samlRecord{}, web: map[string]string{}, jwks: map[string]string{}}
}

func (p *providers) OIDCProvider(_ context.Context, account, issuer string) (string, []string, []string, error) {
	r := p.openID[account+" "+issuer]
	if r == nil {
		return "", nil, nil, nil
	}
	return "arn:aws:iam::" + account + ":oidc-provider/" + issuer, r.clients, r.thumbprints, nil
}

func (p *providers) SAMLProvider(_ context.Context, arn string) (string, string, time.Time, error) {
	if r := p.saml[arn]; r != nil {
		return r.metadata, r.id, r.until, nil
	}
	return "", "", time.Time{}, nil
}

func (p *providers) SAMLKeys(_ context.Context, arn string) ([]string, bool, error) {
	if r := p.saml[arn]; r != nil {
		return r.keys, r.required, nil
	}
	return nil, false, nil
}

// fetch is a jwt.Fetch.
func (p *providers) fetch(_ context.Context, url string, thumbprints []string) ([]byte, error) {
	p.asked = append(p.asked, strings.Join(append([]string{url}, thumbprints...), " "))
	if p.fails != nil {
		return nil, p.fails
	}
	text, ok := p.web[url]
	if !ok {
		return nil, errors.New("404 Not Found")
	}
	return []byte(text), nil
}

func (p *providers) registered(issuer string) ([]byte, bool, error) {
	text, ok := p.jwks[issuer]
	return []byte(text), ok, nil
}

// claims are what a token says.
type claims map[string]any

// with is claims with others in their place; nil takes one away.
func (c claims) with(others claims) claims {
	out := maps.Clone(c)
	for k, v := range others {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

// mint signs a token.
func mint(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, c claims) string {
	t.Helper()
	o := new(jose.SignerOptions).WithType("JWT")
	if kid != "" {
		o = o.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(map[string]any(c)).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// keySet is a JWKS of public keys, whose ids are id0, id1 …
func keySet(t testing.TB, keys ...crypto.PublicKey) string {
	t.Helper()
	var set jose.JSONWebKeySet
	for i, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k, KeyID: fmt.Sprintf("id%d", i), Use: "sig"})
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// publish puts an issuer on the web.
func (p *providers) publish(t testing.TB, issuer string, keys ...crypto.PublicKey) {
	p.web[issuer+"/.well-known/openid-configuration"] = `{"issuer":"` + issuer + `","jwks_uri":"` + issuer + `/keys"}`
	p.web[issuer+"/keys"] = keySet(t, keys...)
}

// A samlIdP is a SAML identity provider.
type samlIdP struct {
	testing.TB
	key  *rsa.PrivateKey
	cert []byte
}

const entity = "https://idp.example.com/metadata"

func newSAMLIdP(t testing.TB, n int) *samlIdP {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(1e9+1, 0)} // long over
	cert, err := x509.CreateCertificate(rand.Reader, template, template, rsaKey(n).Public(), rsaKey(n))
	if err != nil {
		t.Fatal(err)
	}
	return &samlIdP{t, rsaKey(n), cert}
}

func (p *samlIdP) metadata() string {
	return `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="` + entity + `">` +
		`<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data>` +
		`<ds:X509Certificate>` + base64.StdEncoding.EncodeToString(p.cert) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>` +
		`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example.com/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>`
}

// A saying is what a provider says of somebody in a response.
type saying struct {
	issued     time.Time
	attributes map[string][]string
	// What else a test wants otherwise: text that stands in the assertion, and what it
	// is to be.
	replace []string
}

func (s saying) assertion() string {
	end := s.issued.Add(5 * time.Minute).Format(time.RFC3339)
	var b strings.Builder
	fmt.Fprintf(&b, `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" Version="2.0" IssueInstant="%s"><saml:Issuer>%s</saml:Issuer>`+
		`<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">anna</saml:NameID>`+
		`<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="%s" Recipient="https://signin.aws.amazon.com/saml"/></saml:SubjectConfirmation></saml:Subject>`+
		`<saml:Conditions NotOnOrAfter="%[3]s"><saml:AudienceRestriction><saml:Audience>urn:amazon:webservices</saml:Audience></saml:AudienceRestriction></saml:Conditions>`+
		`<saml:AuthnStatement AuthnInstant="%[1]s"/><saml:AttributeStatement>`, s.issued.Format(time.RFC3339), entity, end)
	for name, values := range s.attributes {
		if !strings.Contains(name, ":") {
			name = "https://aws.amazon.com/SAML/Attributes/" + strings.Replace(name, "PrincipalTag.", "PrincipalTag:", 1)
		}
		b.WriteString(`<saml:Attribute Name="` + name + `">`)
		for _, v := range values {
			b.WriteString(`<saml:AttributeValue>` + v + `</saml:AttributeValue>`)
		}
		b.WriteString(`</saml:Attribute>`)
	}
	b.WriteString(`</saml:AttributeStatement></saml:Assertion>`)
	return strings.NewReplacer(s.replace...).Replace(b.String())
}

// envelope is a response around what it holds.
func envelope(inner string) string {
	return `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r1" Version="2.0"><samlp:Status>` +
		`<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>` + inner + `</samlp:Response>`
}

func (p *samlIdP) parse(text string) *etree.Element {
	p.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		p.Fatal(err)
	}
	return doc.Root()
}

func (p *samlIdP) print(e *etree.Element) string {
	p.Helper()
	text, err := etree.NewDocumentWithRoot(e).WriteToString()
	if err != nil {
		p.Fatal(err)
	}
	return text
}

// sign signs an element.
func (p *samlIdP) sign(text string) string { return p.signBy(text, crypto.SHA256) }

func (p *samlIdP) signBy(text string, hash crypto.Hash) string {
	p.Helper()
	ctx, err := dsig.NewSigningContext(p.key, [][]byte{p.cert})
	if err != nil {
		p.Fatal(err)
	}
	ctx.Hash, ctx.Canonicalizer = hash, dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	signed, err := ctx.SignEnveloped(p.parse(text))
	if err != nil {
		p.Fatal(err)
	}
	return p.print(signed)
}

// encrypt encrypts an assertion for a certificate.
func (p *samlIdP) encrypt(text string, cert []byte) string {
	p.Helper()
	how := xmlenc.OAEP()
	how.BlockCipher, how.DigestMethod = xmlenc.AES256CBC, &xmlenc.SHA1
	of, err := x509.ParseCertificate(cert)
	if err != nil {
		p.Fatal(err)
	}
	data, err := how.Encrypt(of, []byte(text), nil)
	if err != nil {
		p.Fatal(err)
	}
	data.CreateAttr("Type", "http://www.w3.org/2001/04/xmlenc#Element")
	return `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">` + p.print(data) + `</saml:EncryptedAssertion>`
}

func b64(text string) string { return base64.StdEncoding.EncodeToString(bytes.TrimSpace([]byte(text))) }
