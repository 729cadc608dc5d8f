package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/svc/sts"
)

func TestAddressOf(t *testing.T) {
	for name, want := range map[string]string{"dev": "dev@account.invalid", "Data Team 2": "data-team-2@account.invalid", "é": "-@account.invalid"} {
		if got := addressOf(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// Who may read the key file is the root of any account, for a while; where there is no
// key file none is made.
func TestRootSession(t *testing.T) {
	dir := t.TempDir()
	if _, err := rootSession(t.Context(), dir, defaultAccount); err == nil {
		t.Error("a session without a key file")
	}
	path := filepath.Join(dir, "key")
	if _, err := os.Stat(path); err == nil {
		t.Error("a key file was made")
	}
	keys, err := seal.Open(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	got, err := rootSession(t.Context(), dir, "123456789012")
	if err != nil {
		t.Fatal(err)
	}
	secret, owner, err := sts.New(sts.Options{Clock: systemClock{}, Random: rand.Reader, Keys: keys}).Key(t.Context(), got.AccessKeyID, got.Token)
	if err != nil || secret != got.Secret || owner.Kind != aws.Root || owner.Account != "123456789012" || owner.MFAAt.IsZero() {
		t.Errorf("%+v, %v", owner, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := rootSession(t.Context(), dir, defaultAccount); err == nil {
		t.Error("a key file that others may read was taken")
	}
}
