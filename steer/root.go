package steer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"time"
)

const (
	rootLife  = 10 * 365 * 24 * time.Hour
	backdate  = 24 * time.Hour // for clients whose clock is behind ours
	maxPEM    = 64 << 10       // an authority's file is under 2 KB
	typeCert  = "CERTIFICATE"
	typeKey   = "PRIVATE KEY"
	orgName   = "Tule"
	rootTitle = "Tule local authority"
)

// A root is the authority's own certificate and key.
type root struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// makeRoot makes a root and puts it at path, unless one has come there meanwhile,
// which is then the one that counts.
func makeRoot(path string, now time.Time, rand io.Reader) (*root, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand)
	if err != nil {
		return nil, err
	}
	serial, err := serialNumber(rand)
	if err != nil {
		return nil, err
	}
	pub, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	id := sha1.Sum(pub) // the key id of RFC 5280 4.2.1.2, an identifier and not a secret
	tmpl := &x509.Certificate{
		SerialNumber: serial,
		// The number tells two authorities apart in a person's list of them.
		Subject:               pkix.Name{Organization: []string{orgName}, CommonName: fmt.Sprintf("%s %x", rootTitle, id[:4])},
		NotBefore:             now.Add(-2 * backdate),
		NotAfter:              now.Add(rootLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		SubjectKeyId:          id[:],
	}
	der, err := x509.CreateCertificate(rand, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	body := append(encodeCertificate(der), pem.EncodeToMemory(&pem.Block{Type: typeKey, Bytes: pkcs8})...)
	if err := createFile(path, body, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return loadRoot(path, now)
}

// loadRoot reads and checks the root at path. A file that is not there is
// fs.ErrNotExist; any other fault wraps ErrDamaged and says what to do.
func loadRoot(path string, now time.Time) (*root, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, fmt.Errorf("the private key may be read by others (mode %04o): chmod 600 it, or remove it to have a new authority made", info.Mode().Perm())
	}
	body, err := io.ReadAll(io.LimitReader(f, maxPEM))
	if err != nil {
		return nil, err
	}
	r, err := parseRoot(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w; restore the file, or remove it to have a new authority made that clients must trust anew", ErrDamaged, err)
	}
	if now.After(r.cert.NotAfter) {
		return nil, fmt.Errorf("the certificate authority expired on %s: remove the file to have a new one made", r.cert.NotAfter.Format(time.DateOnly))
	}
	return r, nil
}

// parseRoot reads one certificate and its private key, and refuses anything that
// clients would refuse later with a worse message.
func parseRoot(body []byte) (*root, error) {
	var r root
	for block, rest := pem.Decode(body); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == typeCert && r.cert == nil:
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			r.cert = cert
		case block.Type == typeKey && r.key == nil:
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, err
			}
			ec, ok := key.(*ecdsa.PrivateKey)
			if !ok {
				return nil, fmt.Errorf("its key is a %T, not ECDSA", key)
			}
			r.key = ec
		default:
			return nil, fmt.Errorf("unexpected %q block", block.Type)
		}
	}
	switch {
	case r.cert == nil:
		return nil, errors.New("it holds no whole certificate")
	case r.key == nil:
		return nil, errors.New("it holds no whole private key")
	case !r.key.PublicKey.Equal(r.cert.PublicKey):
		return nil, errors.New("its key is not its certificate's")
	case !r.cert.IsCA:
		return nil, errors.New("its certificate may not sign others")
	}
	if err := r.cert.CheckSignatureFrom(r.cert); err != nil {
		return nil, err
	}
	return &r, nil
}

// serialNumber is 127 random bits: positive, and within the 20 octets of RFC 5280.
func serialNumber(rand io.Reader) (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(rand, b); err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b), nil
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typeCert, Bytes: der})
}
