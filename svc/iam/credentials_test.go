package iam

import (
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
)

// Passwords for services are told once, and sealed.
func TestServiceCredentialsAreSealed(t *testing.T) {
	s, h, ctx := house(t)
	newUser(t, s, ctx, "anna")
	for service := range servicesWithCredentials {
		out, err := s.createServiceSpecificCredential(ctx, &api.CreateServiceSpecificCredentialRequest{UserName: ptr("anna"), ServiceName: &service})
		if err != nil {
			t.Fatal(err)
		}
		c := out.ServiceSpecificCredential
		secret := aws.Value(c.ServicePassword) + aws.Value(c.ServiceCredentialSecret)
		if len(secret) < 44 || holds(t, h, secret) || holds(t, h, strings.TrimPrefix(secret, "ABSK")) {
			t.Errorf("%s: the secret %s is short, or in the store", service, secret)
		}
		if service == bedrock != strings.HasPrefix(secret, "ABSK") {
			t.Errorf("%s has the secret %s", service, secret)
		}
		var ids []string
		for range 2 {
			again, err := s.resetServiceSpecificCredential(ctx, &api.ResetServiceSpecificCredentialRequest{UserName: ptr("anna"), ServiceSpecificCredentialId: c.ServiceSpecificCredentialId})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, aws.Value(again.ServiceSpecificCredential.ServicePassword)+aws.Value(again.ServiceSpecificCredential.ServiceCredentialSecret))
		}
		if ids[0] == ids[1] || ids[0] == secret {
			t.Errorf("%s: reset to the same secret", service)
		}
	}
}

// Whatever is read as a key reads the same in both of its encodings.
func FuzzSSHKey(f *testing.F) {
	f.Add("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDCsPnrVIK/wvoD3bJuJo1uBvxjQs+pC7fUOBjT1ybBXCxOiFm6XPl83aZtwP6RaReYIJGWbVivW+Yioc6bYLgtJy1r8Ig7L277/X8cDZlAyKpATtY7fX32ERA970ChuB6ByySe4HKIDay9zTPRDSD9E5SKX1Joeir+mdnlBZxV0zTd1gJpH8MUMlcx29JzIyyuKp1mw0ON+DMewM/ExRWA9NqmArSQcsCERweNYVigCAWO2tMgsrLD0QUJNICjbEHLPaF+UmzZ08cEa71ZB5uCFCJWGDaEHxtesGRRf/Qs2gIl9/efsrh3jlCSvNcp6dWexxt7iwPgaileJULAtgcL anna")
	f.Add("-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL\n-----END PUBLIC KEY-----")
	f.Fuzz(func(t *testing.T, body string) {
		k, err := parseSSHKey(body)
		if err != nil {
			if aws.CodeOf(err) != "InvalidPublicKey" {
				t.Fatal(err)
			}
			return
		}
		if n := k.(ssh.CryptoPublicKey).CryptoPublicKey().(*rsa.PublicKey).N.BitLen(); n < minRSA {
			t.Fatalf("a key of %d bits", n)
		}
		for _, encoding := range []string{api.EncodingTypeSsh, api.EncodingTypePem} {
			text, err := sshKeyText(k, encoding)
			if err != nil {
				t.Fatal(err)
			}
			again, err := parseSSHKey(text)
			if err != nil || ssh.FingerprintLegacyMD5(again) != ssh.FingerprintLegacyMD5(k) {
				t.Fatalf("%s reads as another key, %v", text, err)
			}
		}
	})
}

func FuzzCertificate(f *testing.F) {
	f.Add("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body string) {
		c, err := parseCertificate(body, now)
		switch {
		case err == nil:
			if now.Before(c.NotBefore) || now.After(c.NotAfter) {
				t.Fatal("a certificate that does not hold now")
			}
		case aws.CodeOf(err) != "MalformedCertificate" && aws.CodeOf(err) != "InvalidCertificate":
			t.Fatal(err)
		}
	})
}
