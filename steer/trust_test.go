package steer

import (
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// hostRoot is a host's bundle with one root and some of what real bundles have in
// them: comments, blocks of other kinds, certificates that cannot be read.
func hostRoot(t *testing.T) (path string, root []byte) {
	root = newAuthority(t, AuthorityOptions{}).PEM()
	body := bytes.Join([][]byte{
		[]byte("# a comment\n"), root,
		pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte("x")}),
		pem.EncodeToMemory(&pem.Block{Type: typeCert, Bytes: []byte("broken")}),
		root,
	}, nil)
	path = filepath.Join(t.TempDir(), "bundle.crt")
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
	return path, root
}

func read(t *testing.T, path string, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestTrustFiles(t *testing.T) {
	a := newAuthority(t, AuthorityOptions{})
	host, root := hostRoot(t)
	tr, err := NewTrust(t.TempDir(), a.PEM(), host)
	if err != nil {
		t.Fatal(err)
	}
	path, err := tr.RootFile()
	if got := read(t, path, err); !bytes.Equal(got, a.PEM()) || !bytes.Equal(tr.RootPEM(), a.PEM()) {
		t.Error("RootFile is not the root")
	}
	path, err = tr.BundleFile()
	if got := read(t, path, err); !bytes.HasPrefix(got, a.PEM()) || !bytes.Contains(got, root) {
		t.Error("BundleFile lacks a root")
	}
	path, err = tr.TrustStoreFile()
	certs, err := pkcs12.DecodeTrustStore(read(t, path, err), TrustStorePassword)
	if err != nil || len(certs) != 2 || !bytes.Equal(encodeCertificate(certs[0].Raw), a.PEM()) {
		t.Errorf("trust store: %d certificates, %v", len(certs), err)
	}
}

func TestTrustFollowsTheHost(t *testing.T) {
	a := newAuthority(t, AuthorityOptions{})
	host, root := hostRoot(t)
	tr, err := NewTrust(t.TempDir(), a.PEM(), host)
	if err != nil {
		t.Fatal(err)
	}
	bundle, _ := tr.BundleFile()
	store, err := tr.TrustStoreFile()
	before := read(t, store, err)
	// Unchanged, they are not written again.
	past := time.Now().Add(-time.Hour)
	os.Chtimes(bundle, past, past)
	if again, err := tr.TrustStoreFile(); !bytes.Equal(read(t, again, err), before) {
		t.Error("the trust store was made again")
	}
	if info, _ := os.Stat(bundle); !info.ModTime().Equal(past) {
		t.Error("the bundle was written again")
	}
	// The host's roots change: both follow.
	if err := os.WriteFile(host, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := tr.TrustStoreFile()
	certs, err := pkcs12.DecodeTrustStore(read(t, again, err), TrustStorePassword)
	if err != nil || len(certs) != 1 {
		t.Errorf("trust store after the change: %d certificates, %v", len(certs), err)
	}
	if bytes.Contains(read(t, bundle, nil), root) {
		t.Error("the bundle still has the old root")
	}
	os.Remove(host)
	if _, err := tr.BundleFile(); err == nil || !strings.Contains(err.Error(), host) {
		t.Errorf("a host's bundle that went: %v", err)
	}
}

func TestTrustRefuses(t *testing.T) {
	for _, body := range []string{"", "no PEM", string(pem.EncodeToMemory(&pem.Block{Type: typeCert, Bytes: []byte("x")})),
		string(pem.EncodeToMemory(&pem.Block{Type: typeKey, Bytes: []byte("x")}))} {
		if _, err := NewTrust(t.TempDir(), []byte(body), ""); err == nil {
			t.Errorf("%q was taken for a certificate", body)
		}
	}
}

// TestTrustStoreInJava has Java itself read the store.
func TestTrustStoreInJava(t *testing.T) {
	if _, err := exec.LookPath("keytool"); err != nil {
		t.Skip("needs keytool, which is not installed")
	}
	store, err := newRealAuthority(t).Trust().TrustStoreFile()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("keytool", "-list", "-keystore", store, "-storepass", TrustStorePassword).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "trustedCertEntry") || !strings.Contains(strings.ToLower(string(out)), strings.ToLower(rootTitle)) {
		t.Errorf("keytool: %v\n%.2000s", err, out)
	}
}
