package main

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/gateway/jwt"
)

func TestIssuerKeys(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "id.example.com%2Ftenant.json"), []byte("keys"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, ok, err := issuers(dir).keys("https://id.example.com/tenant"); string(text) != "keys" || !ok || err != nil {
		t.Errorf("%q %v %v", text, ok, err)
	}
	for _, none := range []string{"https://id.example.com", "https://../id.example.com/tenant", "https://" + strings.Repeat("a/", 200)} {
		if text, ok, err := issuers(dir).keys(none); text != nil || ok || err != nil {
			t.Errorf("%s: %q %v %v", none, text, ok, err)
		}
	}
	if _, ok, err := issuers(filepath.Join(dir, "none")).keys("https://id.example.com/tenant"); ok || err != nil {
		t.Errorf("without the folder: %v %v", ok, err)
	}
}

func TestFetch(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "keys") })
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, fetchSize+1)) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) })
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	sum := sha1.Sum(server.Certificate().Raw)
	known := []string{strings.Repeat("0", 40), hex.EncodeToString(sum[:])}

	if text, err := fetch(t.Context(), server.URL+"/keys", known); string(text) != "keys" || err != nil {
		t.Errorf("%q %v", text, err)
	}
	if _, err := fetch(t.Context(), server.URL+"/keys", known[:1]); !errors.Is(err, jwt.ErrThumbprint) {
		t.Errorf("another thumbprint: %v", err)
	}
	if _, err := fetch(t.Context(), server.URL+"/keys", nil); err == nil || errors.Is(err, jwt.ErrThumbprint) {
		t.Errorf("no thumbprint: %v", err)
	}
	// The certificate is good for 127.0.0.1 and example.com, and not for this name.
	if _, err := fetch(t.Context(), strings.Replace(server.URL, "127.0.0.1", "localhost", 1)+"/keys", known); !errors.Is(err, jwt.ErrThumbprint) {
		t.Errorf("another name: %v", err)
	}
	for _, path := range []string{"/none", "/long", "/moved"} {
		if text, err := fetch(t.Context(), server.URL+path, known); err == nil {
			t.Errorf("%s: %d bytes", path, len(text))
		}
	}
	plain := httptest.NewServer(mux)
	defer plain.Close()
	for _, address := range []string{plain.URL + "/keys", "file:///etc/hostname", "https://"} {
		if _, err := fetch(t.Context(), address, known); err == nil {
			t.Errorf("fetched %s", address)
		}
	}
}
