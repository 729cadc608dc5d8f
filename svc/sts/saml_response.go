package sts

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	"github.com/crewjam/saml/xmlenc"
	xrv "github.com/mattermost/xml-roundtrip-validator"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// An assertion is what a SAML provider says of somebody, as far as STS asks. It is
// read from the very bytes that were signed.
// https://docs.oasis-open.org/security/saml/v2.0/saml-core-2.0-os.pdf
type assertion struct {
	XMLName xml.Name  `xml:"urn:oasis:names:tc:SAML:2.0:assertion Assertion"`
	Issued  time.Time `xml:"IssueInstant,attr"`
	Issuer  string    `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	Subject struct {
		NameID struct {
			Format string `xml:",attr"`
			Value  string `xml:",chardata"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:assertion NameID"`
		Confirmations []struct {
			Method string `xml:",attr"`
			Data   struct {
				Recipient    string    `xml:",attr"`
				NotOnOrAfter time.Time `xml:",attr"`
			} `xml:"urn:oasis:names:tc:SAML:2.0:assertion SubjectConfirmationData"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:assertion SubjectConfirmation"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion Subject"`
	Conditions struct {
		NotBefore    time.Time `xml:",attr"`
		NotOnOrAfter time.Time `xml:",attr"`
		Restrictions []struct {
			Audience []string `xml:"urn:oasis:names:tc:SAML:2.0:assertion Audience"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:assertion AudienceRestriction"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion Conditions"`
	Authentications []struct {
		SessionNotOnOrAfter time.Time `xml:",attr"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion AuthnStatement"`
	Attributes []struct {
		Name   string   `xml:",attr"`
		Values []string `xml:"urn:oasis:names:tc:SAML:2.0:assertion AttributeValue"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion AttributeStatement>Attribute"`
}

// A samlProvider is what an account has registered of one.
type samlProvider struct {
	issuer   string
	certs    []*x509.Certificate // by one of them its responses are signed
	keys     []*rsa.PrivateKey   // for one of them its assertions may be encrypted
	required bool                // they must be
}

const (
	protocolNS  = "urn:oasis:names:tc:SAML:2.0:protocol"
	assertionNS = "urn:oasis:names:tc:SAML:2.0:assertion"
	success     = "urn:oasis:names:tc:SAML:2.0:status:Success"
	maxDepth    = 64 // of elements within each other
)

var (
	errNotSAML  = errors.New("not a SAML response")
	errUnsigned = errors.New("the signature is missing or not valid")
	errPlain    = errors.New("the assertion is not encrypted")
)

// parseProvider reads a provider's metadata.
func parseProvider(metadata string) (*samlProvider, error) {
	var d saml.EntityDescriptor
	if err := xml.Unmarshal([]byte(metadata), &d); err != nil {
		return nil, err
	}
	p := &samlProvider{issuer: d.EntityID}
	for _, idp := range d.IDPSSODescriptors {
		for _, k := range idp.KeyDescriptors {
			if k.Use != "" && k.Use != "signing" {
				continue
			}
			for _, c := range k.KeyInfo.X509Data.X509Certificates {
				der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(c.Data), ""))
				if err != nil {
					return nil, err
				}
				cert, err := x509.ParseCertificate(der)
				if err != nil {
					return nil, err
				}
				p.certs = append(p.certs, cert)
			}
		}
	}
	if p.issuer == "" || len(p.certs) == 0 {
		return nil, errors.New("the metadata name no issuer or no certificate")
	}
	return p, nil
}

// addKey adds a private key in PEM.
func (p *samlProvider) addKey(text string) error {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return errors.New("a private key is not in PEM")
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		p.keys = append(p.keys, k)
		return nil
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return err
	}
	key, ok := k.(*rsa.PrivateKey)
	if !ok {
		return fmt.Errorf("a private key is a %T", k)
	}
	p.keys = append(p.keys, key)
	return nil
}

// read is the one assertion in a response, if the provider signed it or the response
// about it. Where something else than what was signed could be taken for it, the
// response is refused.
func (p *samlProvider) read(response []byte) (*assertion, error) {
	root, err := parseXML(response, "Response", protocolNS)
	if err != nil {
		return nil, err
	}
	found := root.FindElements("//Assertion")
	sealed := root.FindElements("//EncryptedAssertion")
	if len(found)+len(sealed) != 1 {
		return nil, errNotSAML
	}
	if p.required && len(sealed) == 0 {
		return nil, errPlain
	}
	signed := hasSignature(root)
	if signed {
		if root, err = p.verify(root); err != nil {
			return nil, err
		}
	}
	if !succeeded(root) {
		return nil, errNotSAML
	}
	var a *etree.Element
	if len(sealed) == 1 {
		if a, err = p.decrypt(root); err != nil {
			return nil, err
		}
	} else if a, err = detach(child(root, "Assertion", assertionNS)); err != nil {
		return nil, err
	}
	if !signed {
		if a, err = p.verify(a); err != nil {
			return nil, err
		}
	}
	return readAssertion(a)
}

// parseXML reads a document whose root is an element of that name. Documents that
// parsers could differ about, that are absurdly deep, or in which an ID means two
// elements, are refused.
func parseXML(text []byte, name, space string) (*etree.Element, error) {
	if err := xrv.Validate(bytes.NewReader(text)); err != nil {
		return nil, errors.Join(errNotSAML, err)
	}
	depth := 0
	for dec := xml.NewDecoder(bytes.NewReader(text)); ; {
		t, err := dec.RawToken()
		if t == nil || err != nil {
			break // the end; what is broken etree will tell
		}
		switch t.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		case xml.Directive:
			return nil, errNotSAML // a document type
		}
		if depth > maxDepth {
			return nil, errNotSAML
		}
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(text); err != nil {
		return nil, errors.Join(errNotSAML, err)
	}
	root := doc.Root()
	if root == nil || root.Tag != name || root.NamespaceURI() != space {
		return nil, errNotSAML
	}
	seen := map[string]bool{}
	for _, e := range append(root.FindElements(".//*"), root) {
		if id := e.SelectAttrValue("ID", ""); id != "" {
			if seen[id] {
				return nil, errNotSAML
			}
			seen[id] = true
		}
	}
	return root, nil
}

// child is the one child of that name, or nil.
func child(e *etree.Element, name, space string) *etree.Element {
	var out *etree.Element
	for _, c := range e.ChildElements() {
		if c.Tag == name && c.NamespaceURI() == space {
			if out != nil {
				return nil
			}
			out = c
		}
	}
	return out
}

func hasSignature(e *etree.Element) bool {
	return slices.ContainsFunc(e.ChildElements(), func(c *etree.Element) bool { return c.Tag == "Signature" && c.NamespaceURI() == dsig.Namespace })
}

func succeeded(response *etree.Element) bool {
	status := child(response, "Status", protocolNS)
	if status == nil {
		return false
	}
	code := child(status, "StatusCode", protocolNS)
	return code != nil && code.SelectAttrValue("Value", "") == success
}

// detach is an element by itself, with the namespaces that it was in.
func detach(e *etree.Element) (*etree.Element, error) {
	if e == nil {
		return nil, errNotSAML
	}
	ctx, err := etreeutils.NSBuildParentContext(e)
	if err != nil {
		return nil, errors.Join(errNotSAML, err)
	}
	if e, err = etreeutils.NSDetatch(ctx, e); err != nil {
		return nil, errors.Join(errNotSAML, err)
	}
	return e, nil
}

// verify is what the provider signed of an element, which must bear the signature
// itself. When certificates end does not matter: metadata say who is trusted. SHA-1
// is no hash for signatures any more.
func (p *samlProvider) verify(e *etree.Element) (*etree.Element, error) {
	if !hasSignature(e) {
		return nil, errUnsigned
	}
	for _, path := range []string{"SignatureMethod", "Reference/DigestMethod"} {
		for _, m := range e.FindElements("//" + path) {
			if strings.HasSuffix(m.SelectAttrValue("Algorithm", ""), "sha1") {
				return nil, errors.Join(errUnsigned, errors.New("signed with SHA-1"))
			}
		}
	}
	errs := []error{errUnsigned}
	for _, c := range p.certs {
		ctx := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{c}})
		ctx.Clock = dsig.NewFakeClockAt(c.NotBefore)
		signed, err := ctx.Validate(e)
		if err == nil {
			return signed, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// decrypt opens the encrypted assertion of a response. Why it does not open is not
// told apart from a bad signature, so that nobody can feel his way to the text.
func (p *samlProvider) decrypt(response *etree.Element) (*etree.Element, error) {
	sealed, err := detach(child(response, "EncryptedAssertion", assertionNS))
	if err != nil {
		return nil, err
	}
	data := sealed.FindElement("./EncryptedData")
	if data == nil {
		return nil, errNotSAML
	}
	errs := []error{errUnsigned}
	for i := len(p.keys) - 1; i >= 0; i-- {
		var key any = p.keys[i]
		if wrapped := sealed.FindElement("./EncryptedKey"); wrapped != nil {
			if key, err = xmlenc.Decrypt(key, wrapped); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		text, err := xmlenc.Decrypt(key, data)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		a, err := parseXML(text, "Assertion", assertionNS)
		if err != nil || len(a.FindElements(".//Assertion")) > 0 {
			return nil, errUnsigned
		}
		return a, nil
	}
	return nil, errors.Join(errs...)
}

// readAssertion decodes an element that is known to be the provider's word.
func readAssertion(e *etree.Element) (*assertion, error) {
	text, err := etree.NewDocumentWithRoot(e.Copy()).WriteToBytes()
	if err != nil {
		return nil, err
	}
	var a assertion
	if err := xml.Unmarshal(text, &a); err != nil {
		return nil, errors.Join(errNotSAML, err)
	}
	a.Issuer, a.Subject.NameID.Value = strings.TrimSpace(a.Issuer), strings.TrimSpace(a.Subject.NameID.Value)
	for _, attr := range a.Attributes {
		for i, v := range attr.Values {
			attr.Values[i] = strings.TrimSpace(v)
		}
	}
	return &a, nil
}
