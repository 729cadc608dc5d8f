package steer

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// pool trusts a alone.
func pool(a *Authority) *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(a.PEM())
	return p
}

// handshake connects a client to a server with a's certificates over a pipe.
func handshake(a *Authority, client *tls.Config) (tls.ConnectionState, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			tls.Server(c, a.TLSConfig()).Handshake()
			c.Close()
		}
	}()
	if client.RootCAs == nil {
		client.RootCAs = pool(a)
	}
	client.Time = a.opts.Clock.Now
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return tls.ConnectionState{}, err
	}
	tc := tls.Client(c, client)
	err = tc.Handshake()
	state := tc.ConnectionState()
	c.Close()
	<-done
	return state, err
}

// hello is what a client of today says, asking for name.
func hello(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName:        name,
		SupportedVersions: []uint16{tls.VersionTLS13},
		SupportedCurves:   []tls.CurveID{tls.CurveP256},
		SignatureSchemes:  []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
	}
}

func TestAuthorityPersists(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "ca")
	first := newAuthority(t, AuthorityOptions{Dir: dir})
	second := newAuthority(t, AuthorityOptions{Dir: dir})
	if !bytes.Equal(first.PEM(), second.PEM()) {
		t.Error("a second start made another authority")
	}
	info, err := os.Stat(filepath.Join(dir, authorityFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("authority file: %v, %v; want mode 0600", info.Mode(), err)
	}
	// What the first minted, who trusts the second believes.
	if _, err := handshake(first, &tls.Config{ServerName: "sts.amazonaws.com", RootCAs: pool(second)}); err != nil {
		t.Error(err)
	}
	cert := first.cert
	if life := cert.NotAfter.Sub(testNow); life != rootLife || !cert.IsCA || cert.PermittedDNSDomains != nil {
		t.Errorf("root: life %v, CA %v, constraints %v", life, cert.IsCA, cert.PermittedDNSDomains)
	}
}

func TestAuthorityOfTwoStarts(t *testing.T) {
	dir := t.TempDir()
	roots := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range roots {
		wg.Go(func() {
			a, err := OpenAuthority(AuthorityOptions{Dir: dir, Clock: aws.NewManualClock(testNow), Rand: rand.Reader})
			if err != nil {
				t.Error(err)
				return
			}
			roots[i] = a.PEM()
		})
	}
	wg.Wait()
	for _, r := range roots {
		if !bytes.Equal(r, roots[0]) {
			t.Fatal("starts at the same time got different authorities")
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("temporary files stayed: %v", left)
	}
}

func TestAuthorityDamaged(t *testing.T) {
	make := func() (dir, path string, body []byte) {
		dir = t.TempDir()
		newAuthority(t, AuthorityOptions{Dir: dir})
		path = filepath.Join(dir, authorityFile)
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return dir, path, body
	}
	_, _, other := make()
	cut := bytes.Index(other, []byte("-----BEGIN PRIVATE"))
	for _, c := range []struct {
		name, want string
		damage     func(body []byte) []byte
	}{
		{"empty", "no whole certificate", func(b []byte) []byte { return nil }},
		{"truncated in the key", "no whole private key", func(b []byte) []byte { return b[:len(b)-30] }},
		{"key missing", "no whole private key", func(b []byte) []byte { return b[:cut] }},
		{"certificate missing", "no whole certificate", func(b []byte) []byte { return b[bytes.Index(b, []byte("-----BEGIN PRIVATE")):] }},
		{"another's key", "key is not its certificate's", func(b []byte) []byte {
			return append(bytes.Clone(b[:bytes.Index(b, []byte("-----BEGIN PRIVATE"))]), other[cut:]...)
		}},
		{"flipped byte", "damaged", func(b []byte) []byte { b[200] ^= 1; return b }},
		{"two certificates", "unexpected", func(b []byte) []byte { return append(b, b...) }},
		{"zeroes", "no whole certificate", func(b []byte) []byte { return bytes.Repeat([]byte{0}, len(b)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, path, body := make()
			damaged := c.damage(body)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := OpenAuthority(AuthorityOptions{Dir: dir, Clock: aws.NewManualClock(testNow), Rand: rand.Reader})
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v; want %q and the path", err, c.want)
			}
			if now, _ := os.ReadFile(path); !bytes.Equal(now, damaged) {
				t.Error("the damaged file was changed")
			}
		})
	}
}

func TestAuthorityRefuses(t *testing.T) {
	dir := t.TempDir()
	newAuthority(t, AuthorityOptions{Dir: dir})
	late := aws.NewManualClock(testNow.Add(rootLife + time.Hour))
	if _, err := OpenAuthority(AuthorityOptions{Dir: dir, Clock: late, Rand: rand.Reader}); err == nil || !strings.Contains(err.Error(), "expired on 2036-") {
		t.Errorf("expired: %v", err)
	}
	os.Chmod(filepath.Join(dir, authorityFile), 0o640)
	if _, err := OpenAuthority(AuthorityOptions{Dir: dir, Clock: aws.NewManualClock(testNow), Rand: rand.Reader}); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable key: %v", err)
	}
	if _, err := OpenAuthority(AuthorityOptions{Dir: dir}); err == nil {
		t.Error("no clock was accepted")
	}
	if _, err := OpenAuthority(AuthorityOptions{Dir: t.TempDir(), Clock: late, Rand: strings.NewReader("dry")}); err == nil {
		t.Error("an authority without randomness")
	}
	blocked := filepath.Join(dir, "ca.pem", "below")
	os.WriteFile(filepath.Join(dir, "ca.pem"), nil, 0o600)
	if _, err := OpenAuthority(AuthorityOptions{Dir: blocked, Clock: aws.NewManualClock(testNow), Rand: rand.Reader}); err == nil {
		t.Error("a folder below a file was accepted")
	}
}

func TestLeafNames(t *testing.T) {
	a := newAuthority(t, AuthorityOptions{})
	for _, name := range []string{
		"sts.amazonaws.com", "my.dotted.bucket.s3.eu-west-1.amazonaws.com", "x.execute-api.us-east-1.amazonaws.com",
		"a.b.localhost.localstack.cloud", "localhost", "under_score.s3.amazonaws.com",
		strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + ".s3.amazonaws.com",
	} {
		state, err := handshake(a, &tls.Config{ServerName: name, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, ok := state.PeerCertificates[0].PublicKey.(*ecdsa.PublicKey); !ok || state.NegotiatedProtocol != "h2" || state.Version != tls.VersionTLS13 {
			t.Errorf("%s: %T %s %x", name, state.PeerCertificates[0].PublicKey, state.NegotiatedProtocol, state.Version)
		}
	}
	// A client that dials an address sends no name.
	for _, name := range []string{"127.0.0.1", "::1"} {
		if _, err := handshake(a, &tls.Config{ServerName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHostName(t *testing.T) {
	for in, want := range map[string]string{
		"S3.Amazonaws.COM": "s3.amazonaws.com", "a.b.": "a.b", "": "", ".": "", "a..b": "", "*.a": "", "a b": "", "a/b": "",
		strings.Repeat("a", 64): "", strings.Repeat("a.", 127) + "a": "", "ä.b": "", "a\x00b": "",
	} {
		if got, ok := hostName(in); got != want || ok != (want != "") {
			t.Errorf("hostName(%q) = %q, %v", in, got, ok)
		}
	}
	a := newAuthority(t, AuthorityOptions{})
	if _, err := a.Certificate(&tls.ClientHelloInfo{ServerName: "a..b"}); err == nil {
		t.Error("a certificate for a..b")
	}
}

func TestOldClients(t *testing.T) {
	a := newAuthority(t, AuthorityOptions{})
	state, err := handshake(a, &tls.Config{
		ServerName: "s3.amazonaws.com", MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
	})
	if err != nil {
		t.Fatalf("a client without ECDSA suites: %v", err)
	}
	if _, ok := state.PeerCertificates[0].PublicKey.(*rsa.PublicKey); !ok {
		t.Errorf("it got a %T", state.PeerCertificates[0].PublicKey)
	}
	old := &tls.Config{ServerName: "s3.amazonaws.com", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}
	if _, err := handshake(a, old.Clone()); err == nil {
		t.Error("TLS 1.0 was spoken unasked")
	}
	b := newAuthority(t, AuthorityOptions{MinTLS: tls.VersionTLS10})
	if _, err := handshake(b, old.Clone()); err != nil {
		t.Errorf("TLS 1.0: %v", err)
	}
}

func TestLeafRenewal(t *testing.T) {
	clock := aws.NewManualClock(testNow)
	a := newAuthority(t, AuthorityOptions{Clock: clock, LeafLife: 3 * time.Hour})
	ask := func() *x509.Certificate {
		c, err := a.Certificate(hello("sts.amazonaws.com"))
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf
	}
	first := ask()
	clock.Advance(2*time.Hour - time.Second)
	if ask() != first {
		t.Error("minted again before two thirds of its life")
	}
	clock.Advance(time.Second)
	if second := ask(); second == first || second.NotAfter.Sub(clock.Now()) != 3*time.Hour {
		t.Error("not minted again at two thirds of its life")
	}
	// The last leaf does not outlive the root.
	clock.Advance(a.cert.NotAfter.Sub(clock.Now()) - time.Hour)
	if last := ask(); !last.NotAfter.Equal(a.cert.NotAfter) {
		t.Errorf("leaf until %v, root until %v", last.NotAfter, a.cert.NotAfter)
	}
}

func TestLeafCacheIsBounded(t *testing.T) {
	a := newAuthority(t, AuthorityOptions{MaxLeaves: 3})
	ask := func(i int) *tls.Certificate {
		c, err := a.Certificate(hello(fmt.Sprintf("b%d.s3.amazonaws.com", i)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	kept, gone := ask(0), ask(1)
	ask(2)
	ask(0) // asked for again, so 1 is the oldest
	ask(3)
	if ask(0) != kept || a.leaves.order.Len() != 3 || len(a.leaves.byID) != 3 {
		t.Errorf("cache holds %d, %d", a.leaves.order.Len(), len(a.leaves.byID))
	}
	if ask(1) == gone {
		t.Error("the oldest did not make room")
	}
}

func BenchmarkMint(b *testing.B) {
	a := newAuthority(b, AuthorityOptions{})
	for i := 0; b.Loop(); i++ {
		a.Certificate(hello(fmt.Sprintf("b%d.s3.amazonaws.com", i)))
	}
}
