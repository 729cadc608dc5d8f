package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestSealAndOpen(t *testing.T) {
	keys := New([32]byte{1}, rand.Reader)
	box := keys.For("secrets")
	sealed, err := box.Seal([]byte("a secret"), "AKIA1")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("secret")) || len(sealed) != len("a secret")+Overhead {
		t.Fatalf("sealed is %q", sealed)
	}
	if got, err := keys.For("secrets").Open(sealed, "AKIA1"); err != nil || string(got) != "a secret" {
		t.Fatalf("opened %q, %v", got, err)
	}
	again, err := box.Seal([]byte("a secret"), "AKIA1")
	if err != nil || bytes.Equal(again, sealed) || bytes.Equal(Nonce(again), Nonce(sealed)) {
		t.Errorf("the same text seals to the same bytes")
	}
}

func TestForeign(t *testing.T) {
	keys := New([32]byte{1}, rand.Reader)
	box := keys.For("secrets")
	sealed, err := box.Seal([]byte("a secret"), "AKIA1")
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string, b *Box, sealed []byte, context string) {
		if got, err := b.Open(sealed, context); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: opened %q, %v", name, got, err)
		}
	}
	open("another context", box, sealed, "AKIA2")
	open("another purpose", keys.For("tokens"), sealed, "AKIA1")
	open("another installation", New([32]byte{2}, rand.Reader).For("secrets"), sealed, "AKIA1")
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		open("a changed byte", box, changed, "AKIA1")
		open("a part", box, sealed[:i], "AKIA1")
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var all [8]*Keys
	var wait sync.WaitGroup
	for i := range all {
		wait.Go(func() {
			k, err := Open(path, rand.Reader)
			if err != nil {
				t.Error(err)
			}
			all[i] = k
		})
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, k := range all {
		if k.root != all[0].root || k.root == [32]byte{} {
			t.Fatal("those who open one file at once have different keys")
		}
	}
	if !bytes.Equal(all[0].Secret("a"), all[1].Secret("a")) || bytes.Equal(all[0].Secret("a"), all[0].Secret("b")) {
		t.Error("secrets follow from the key and the purpose, and from nothing else")
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file has mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKeyFileRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for _, content := range []string{"", "AAAA\n", "no base64 at all!", string(bytes.Repeat([]byte("A"), 4000))} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, rand.Reader); err == nil {
			t.Errorf("a key file of %d bytes is taken", len(content))
		}
		if got, _ := os.ReadFile(path); string(got) != content {
			t.Error("a key file that is refused was overwritten")
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, rand.Reader); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, rand.Reader); err == nil {
		t.Error("a key file that a group may read is taken")
	}
}

func FuzzOpen(f *testing.F) {
	box := New([32]byte{1}, rand.Reader).For("fuzz")
	sealed, _ := box.Seal([]byte("text"), "")
	f.Add(sealed, "")
	f.Add([]byte{}, "x")
	f.Fuzz(func(t *testing.T, b []byte, context string) {
		if text, err := box.Open(b, context); err == nil && !bytes.Equal(b, sealed) {
			t.Fatalf("opened %q, which was never sealed, to %q", b, text)
		}
	})
}
