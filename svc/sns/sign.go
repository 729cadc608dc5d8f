package sns

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"time"
)

// certificateHost is the host by whose name validators trust the certificate.
func certificateHost(region string) string { return "sns." + region + ".amazonaws.com" }

// A signer signs messages.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
type signer struct {
	make func() (*rsa.PrivateKey, []byte, error)
	once sync.Once
	key  *rsa.PrivateKey
	pem  []byte
	path string // where the certificate is served
	err  error

	mu     sync.Mutex
	recent map[string]*signature // by digest
}

// load makes the key, or finds it, when it is first needed.
func (s *signer) load() error {
	s.once.Do(func() {
		if s.key, s.pem, s.err = s.make(); s.err == nil {
			sum := sha256.Sum256(s.pem)
			s.path = "/SimpleNotificationService-" + hex.EncodeToString(sum[:16]) + ".pem"
		}
	})
	return s.err
}

// sign is the signature of a message: of its body as a protocol gets it.
func (s *signer) sign(m *message, body, topicARN, link, version string) (string, error) {
	if err := s.load(); err != nil {
		return "", err
	}
	var b strings.Builder
	add := func(k, v string) { b.WriteString(k + "\n" + v + "\n") }
	add("Message", body)
	add("MessageId", m.ID)
	if m.Type == notification {
		if m.Subject != "" {
			add("Subject", m.Subject)
		}
		add("Timestamp", stamp(m.Time))
	} else {
		add("SubscribeURL", link)
		add("Timestamp", stamp(m.Time))
		add("Token", m.Token)
	}
	add("TopicArn", topicARN)
	add("Type", m.Type)
	if version == "2" {
		sum := sha256.Sum256([]byte(b.String()))
		return s.signOnce(crypto.SHA256, sum[:])
	}
	sum := sha1.Sum([]byte(b.String())) // what version 1 is
	return s.signOnce(crypto.SHA1, sum[:])
}

// A signature is made once for all who get the same message, and waited for.
type signature struct {
	once sync.Once
	text string
	err  error
}

// maxSignatures is how many signatures are remembered.
const maxSignatures = 1024

func (s *signer) signOnce(hash crypto.Hash, digest []byte) (string, error) {
	s.mu.Lock()
	if len(s.recent) >= maxSignatures || s.recent == nil {
		s.recent = map[string]*signature{}
	}
	sig := s.recent[string(digest)]
	if sig == nil {
		sig = &signature{}
		s.recent[string(digest)] = sig
	}
	s.mu.Unlock()
	sig.once.Do(func() {
		var b []byte
		b, sig.err = rsa.SignPKCS1v15(nil, s.key, hash, digest)
		sig.text = base64.StdEncoding.EncodeToString(b)
	})
	return sig.text, sig.err
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// NewSigningKey makes a key, and the certificate that says that it is SNS's, as PEM.
func NewSigningKey(now time.Time) (*rsa.PrivateKey, []byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "sns.amazonaws.com"},
		DNSNames:     []string{"sns.amazonaws.com"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.AddDate(30, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
