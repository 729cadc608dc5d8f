package iam

import (
	"fmt"
	"testing"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// The key of a server certificate is kept sealed, and under its id: it goes with the
// certificate to another name and to no other certificate.
func TestServerCertificateKey(t *testing.T) {
	s, h, ctx := house(t)
	root := newPair(t, "root", nil)
	leaf := newPair(t, "www", root)
	if _, err := s.uploadServerCertificate(ctx, &api.UploadServerCertificateRequest{ServerCertificateName: ptr("www"), CertificateBody: ptr(leaf.pem()),
		CertificateChain: ptr(root.pem()), PrivateKey: ptr(leaf.keyPEM())}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.updateServerCertificate(ctx, &api.UpdateServerCertificateRequest{ServerCertificateName: ptr("www"), NewServerCertificateName: ptr("web")}); err != nil {
		t.Fatal(err)
	}
	if err := h.Store.View(ctx, func(r store.Reader) error {
		c, err := loadCertificate(ctx, r, "000000000000", "WEB")
		if err != nil {
			return err
		}
		if text, err := s.privates.Open(c.Key, certificateContext("000000000000", c.ID)); err != nil || string(text) != leaf.keyPEM() {
			t.Errorf("%q, %v", text, err)
		}
		if _, err := s.privates.Open(c.Key, certificateContext("111111111111", c.ID)); err == nil {
			t.Error("another account opens it")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestServerCertificateQuota(t *testing.T) {
	s, _, ctx := house(t)
	p := newPair(t, "www", nil)
	upload := func(i int) error {
		_, err := s.uploadServerCertificate(ctx, &api.UploadServerCertificateRequest{ServerCertificateName: ptr(fmt.Sprint("c", i)),
			CertificateBody: ptr(p.pem()), PrivateKey: ptr(p.keyPEM())})
		return err
	}
	for i := range maxServerCertificates {
		if err := upload(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := upload(maxServerCertificates); aws.CodeOf(err) != "LimitExceeded" {
		t.Error(err)
	}
}

// A chain goes upwards, each certificate signed by the next; an authority of the
// right name that did not sign is none.
func TestChain(t *testing.T) {
	root := newPair(t, "root", nil)
	middle := newPair(t, "middle", root)
	leaf := newPair(t, "leaf", middle)
	namesake := newPair(t, "middle", root)
	for _, c := range []struct {
		name, chain string
		ok          bool
	}{
		{"none", "", true},
		{"space", " \n", true},
		{"whole", middle.pem() + root.pem(), true},
		{"without its root", middle.pem(), true},
		{"upside down", root.pem() + middle.pem(), false},
		{"a gap", root.pem(), false},
		{"a namesake", namesake.pem() + root.pem(), false},
		{"with the leaf", leaf.pem() + middle.pem(), false},
		{"a key", middle.keyPEM(), false},
		{"half", middle.pem()[:200], false},
	} {
		err := checkChain(leaf.certificate, c.chain)
		if (err == nil) != c.ok || err != nil && aws.CodeOf(err) != "MalformedCertificate" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func FuzzCertificates(f *testing.F) {
	p := newPair(f, "www", nil)
	f.Add(p.pem(), p.keyPEM())
	f.Add(p.pem()+"x", "-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----\n"+p.keyPEM())
	f.Add("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "")
	f.Fuzz(func(t *testing.T, body, key string) {
		if _, err := checkCertificate(body, body, key, p.certificate.NotBefore); err != nil && aws.CodeOf(err) == "" {
			t.Error(err)
		}
	})
}
