package steer

import (
	"container/list"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// loopbackName is whom a client means that names nobody.
const loopbackName = "localhost"

// A leafID tells minted certificates apart.
type leafID struct {
	name string // lower case, no trailing dot
	addr string // the address reached, for a client that sent no name
	rsa  bool
}

// A leafKey is a private key shared by leaves, made at its first use: a leaf then
// costs one signature. They all live in this process, so sharing gives nothing away.
type leafKey struct {
	make func(io.Reader) (crypto.Signer, error)
	once sync.Once
	key  crypto.Signer
	err  error
}

func (k *leafKey) get(rand io.Reader) (crypto.Signer, error) {
	k.once.Do(func() { k.key, k.err = k.make(rand) })
	return k.key, k.err
}

func makeECDSA(rand io.Reader) (crypto.Signer, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand)
}

func makeRSA(rand io.Reader) (crypto.Signer, error) { return rsa.GenerateKey(rand, 2048) }

// leaf is the certificate for id, from the cache while two thirds of its life are
// not over, minted otherwise. Two that ask at once may both mint; one is kept.
func (a *Authority) leaf(id leafID) (*tls.Certificate, error) {
	now := a.opts.Clock.Now()
	a.mu.Lock()
	got := a.leaves.get(id)
	a.mu.Unlock()
	if got != nil && fresh(got.Leaf, now) {
		return got, nil
	}
	minted, err := a.mint(id, now)
	if err != nil {
		return nil, fmt.Errorf("steer: certificate for %s: %w", id.name, err)
	}
	a.mu.Lock()
	a.leaves.put(id, minted)
	a.mu.Unlock()
	return minted, nil
}

// fresh reports whether less than two thirds of the certificate's life are over
// and now is not before it (a clock that was set back).
func fresh(c *x509.Certificate, now time.Time) bool {
	born := c.NotBefore.Add(backdate)
	return !now.Before(c.NotBefore) && now.Before(born.Add(c.NotAfter.Sub(born)*2/3))
}

func (a *Authority) mint(id leafID, now time.Time) (*tls.Certificate, error) {
	source := &a.ecdsa
	if id.rsa {
		source = &a.rsa
	}
	key, err := source.get(a.opts.Rand)
	if err != nil {
		return nil, err
	}
	serial, err := serialNumber(a.opts.Rand)
	if err != nil {
		return nil, err
	}
	end := now.Add(a.opts.LeafLife)
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter
	}
	tmpl := &x509.Certificate{
		SerialNumber:   serial,
		Subject:        pkix.Name{Organization: []string{orgName}},
		NotBefore:      now.Add(-backdate),
		NotAfter:       end,
		KeyUsage:       x509.KeyUsageDigitalSignature,
		ExtKeyUsage:    []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		AuthorityKeyId: a.cert.SubjectKeyId,
	}
	if id.rsa {
		tmpl.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	if len(id.name) <= 64 { // X.520's limit on a common name
		tmpl.Subject.CommonName = id.name
	}
	addNames(tmpl, id)
	der, err := x509.CreateCertificate(a.opts.Rand, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// addNames lists the names that the certificate is good for. The loopback's
// carries its addresses too, since a client that dials one sends no name.
func addNames(tmpl *x509.Certificate, id leafID) {
	tmpl.DNSNames = []string{id.name}
	if id.name != loopbackName {
		return
	}
	tmpl.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback}
	if ip := net.ParseIP(id.addr); ip != nil && !ip.Equal(tmpl.IPAddresses[0]) && !ip.Equal(tmpl.IPAddresses[1]) {
		tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
	}
}

// hostName is s as a host name: lower case, without a trailing dot. Underscores
// pass, since bucket names of old have them.
func hostName(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSuffix(s, "."))
	if s == "" || len(s) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return "", false
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return "", false
			}
		}
	}
	return s, true
}

// leafCache keeps the max certificates that were asked for last. The zero value
// with max set is ready; it is not safe for concurrent use.
type leafCache struct {
	max   int
	order list.List // of *leafEntry, the latest first
	byID  map[leafID]*list.Element
}

type leafEntry struct {
	id   leafID
	cert *tls.Certificate
}

func (c *leafCache) get(id leafID) *tls.Certificate {
	e := c.byID[id]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*leafEntry).cert
}

func (c *leafCache) put(id leafID, cert *tls.Certificate) {
	if c.byID == nil {
		c.byID = map[leafID]*list.Element{}
	}
	if e := c.byID[id]; e != nil {
		e.Value.(*leafEntry).cert = cert
		c.order.MoveToFront(e)
		return
	}
	c.byID[id] = c.order.PushFront(&leafEntry{id, cert})
	for c.order.Len() > c.max {
		last := c.order.Back()
		delete(c.byID, last.Value.(*leafEntry).id)
		c.order.Remove(last)
	}
}
