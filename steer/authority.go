package steer

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// AuthorityOptions say where an authority lives and what it may do.
type AuthorityOptions struct {
	// Dir holds the authority's files. It is made, mode 0700, if it is not there.
	Dir string
	// Clock dates certificates and renews them. Required.
	Clock aws.Clock
	// Rand is where serial numbers come from, crypto/rand's Reader in earnest.
	// (For keys Go reads the system's randomness, whatever is given.) Required.
	Rand io.Reader
	// MinTLS is the oldest TLS version spoken; 0 is TLS 1.2. With tls.VersionTLS10
	// or 11 the cipher suites of that time are offered as well.
	MinTLS uint16
	// LeafLife is how long a minted certificate is valid; 0 is seven days. One
	// that has used two thirds of it is minted again.
	LeafLife time.Duration
	// MaxLeaves bounds the cache of minted certificates; 0 is 1024. The one that
	// was not asked for longest makes room.
	MaxLeaves int
}

// Authority is Tule's certificate authority: one root, ECDSA P-256, valid for ten
// years, without name constraints because clients of 2016 refuse them. Safe for
// concurrent use.
type Authority struct {
	opts  AuthorityOptions
	cert  *x509.Certificate
	key   crypto.Signer
	pem   []byte
	trust *Trust

	ecdsa leafKey // the key that all ordinary leaves share
	rsa   leafKey // made when the first client asks that cannot do ECDSA

	mu     sync.Mutex
	leaves leafCache
}

// authorityFile holds the root's certificate and private key, mode 0600. It is the
// truth; every other file in the folder is made from it.
const authorityFile = "authority.pem"

// ErrDamaged is wrapped by OpenAuthority's errors when the folder holds an
// authority that cannot be used. It is never replaced silently: clients trust it.
var ErrDamaged = errors.New("certificate authority is damaged")

// OpenAuthority loads the authority in o.Dir, or makes one if there is none. It is
// on disk, fsynced, when OpenAuthority returns; of two processes that start at
// once, both get the one that came first.
func OpenAuthority(o AuthorityOptions) (*Authority, error) {
	if o.Dir == "" || o.Clock == nil || o.Rand == nil {
		return nil, errors.New("steer: an authority needs a folder, a clock and a source of randomness")
	}
	if o.MinTLS == 0 {
		o.MinTLS = tls.VersionTLS12
	}
	if o.LeafLife <= 0 {
		o.LeafLife = 7 * 24 * time.Hour
	}
	if o.MaxLeaves <= 0 {
		o.MaxLeaves = 1024
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("steer: authority folder: %w", err)
	}
	path := filepath.Join(o.Dir, authorityFile)
	root, err := loadRoot(path, o.Clock.Now())
	if errors.Is(err, os.ErrNotExist) {
		root, err = makeRoot(path, o.Clock.Now(), o.Rand)
	}
	if err != nil {
		return nil, fmt.Errorf("steer: %s: %w", path, err)
	}
	a := &Authority{opts: o, cert: root.cert, key: root.key, pem: encodeCertificate(root.cert.Raw)}
	a.leaves.max = o.MaxLeaves
	a.ecdsa.make, a.rsa.make = makeECDSA, makeRSA
	if a.trust, err = NewTrust(o.Dir, a.pem, ""); err != nil {
		return nil, err
	}
	return a, nil
}

// PEM is the root's certificate: what clients are to trust. It is public.
func (a *Authority) PEM() []byte { return append([]byte(nil), a.pem...) }

// Trust is the root as files for clients, kept in the authority's folder.
func (a *Authority) Trust() *Trust { return a.trust }

// TLSConfig serves any name, with h2 and http/1.1. It may be shared by any number
// of listeners, and may be cloned and changed.
func (a *Authority) TLSConfig() *tls.Config {
	cfg := &tls.Config{
		GetCertificate: a.Certificate,
		MinVersion:     a.opts.MinTLS,
		NextProtos:     []string{"h2", "http/1.1"},
		Time:           a.opts.Clock.Now,
	}
	if a.opts.MinTLS < tls.VersionTLS12 {
		for _, s := range tls.CipherSuites() {
			cfg.CipherSuites = append(cfg.CipherSuites, s.ID)
		}
		for _, s := range tls.InsecureCipherSuites() {
			cfg.CipherSuites = append(cfg.CipherSuites, s.ID)
		}
	}
	return cfg
}

// Certificate is tls.Config's GetCertificate: the certificate for the name that
// the client asks for, or for the address it reached when it names none. A name
// that is no host name is an error, and the handshake fails.
func (a *Authority) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	var id leafID
	if hello.ServerName == "" {
		id.name = loopbackName
		if hello.Conn != nil {
			if host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String()); err == nil {
				id.addr = host
			}
		}
	} else if name, ok := hostName(hello.ServerName); ok {
		id.name = name
	} else {
		return nil, fmt.Errorf("steer: no certificate for %.80q: not a host name", hello.ServerName)
	}
	leaf, err := a.leaf(id)
	if err != nil || hello.SupportsCertificate(leaf) == nil {
		return leaf, err
	}
	id.rsa = true
	if other, err := a.leaf(id); err == nil && hello.SupportsCertificate(other) == nil {
		return other, nil
	}
	return leaf, nil // let the handshake say what is wrong
}
