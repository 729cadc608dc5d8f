package iam

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/store"
)

// holds reports whether the store has text anywhere, as it is or in base64.
func holds(t *testing.T, h *script.House, text string) bool {
	t.Helper()
	found := false
	err := h.Store.View(t.Context(), func(r store.Reader) error {
		for kv, err := range r.Range(t.Context(), nil, nil, store.RangeOptions{}) {
			if err != nil {
				return err
			}
			for shift := range 3 { // the three ways that it may lie in base64
				coded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + text))
				found = found || bytes.Contains(kv.Value, []byte(coded[4:len(coded)-4]))
			}
			found = found || bytes.Contains(kv.Value, []byte(text)) || bytes.Contains(kv.Key, []byte(text))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Who reads the disk learns no secret, of a user nor of root.
func TestSecretsAreSealed(t *testing.T) {
	s, h, ctx := house(t)
	k := newUser(t, s, ctx, "anna")
	_, root, err := s.CreateRootKey(ctx, "111111111111")
	if err != nil {
		t.Fatal(err)
	}
	if !holds(t, h, *k.AccessKeyId) {
		t.Error("what is no secret is not found in the store, so neither would a secret be")
	}
	for _, secret := range []string{*k.SecretAccessKey, root} {
		if holds(t, h, secret) {
			t.Errorf("the store holds the secret %s", secret)
		}
	}
}

// Another key file opens nothing, and what one key's record holds is no use in
// another's.
func TestSecretsStayPut(t *testing.T) {
	s, h, ctx := house(t)
	anna, bert := newUser(t, s, ctx, "anna"), newUser(t, s, ctx, "bert")
	other := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Keys: seal.New([32]byte{2}, h.Random)})
	if secret, _, err := other.Key(ctx, *anna.AccessKeyId, ""); err == nil {
		t.Errorf("another installation opened %s", secret)
	}
	err := s.change(ctx, "000000000000", func(tx store.Tx) error {
		of, err := keys.Get(ctx, tx, scope("000000000000"), *anna.AccessKeyId)
		if err != nil {
			return err
		}
		to, err := keys.Get(ctx, tx, scope("000000000000"), *bert.AccessKeyId)
		if err != nil {
			return err
		}
		to.Sealed = of.Sealed
		return keys.Put(tx, scope("000000000000"), to, to.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	if secret, _, err := s.Key(ctx, *bert.AccessKeyId, ""); err == nil {
		t.Errorf("bert's key came to have the secret %s", secret)
	}
}

// An opened secret is kept for as long as nothing in the account has changed.
func TestOpenedSecretsAreKept(t *testing.T) {
	s, _, ctx := house(t)
	k := newUser(t, s, ctx, "anna")
	for range 2 {
		if _, _, err := s.Key(ctx, *k.AccessKeyId, ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.cache.accounts["000000000000"].keys); n != 1 {
		t.Errorf("%d credentials are kept", n)
	}
	if _, err := s.updateAccessKey(ctx, &api.UpdateAccessKeyRequest{UserName: ptr("anna"), AccessKeyId: k.AccessKeyId, Status: ptr(api.StatusTypeInactive)}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Key(ctx, *k.AccessKeyId, ""); err == nil {
		t.Error("a key that was switched off still opens")
	}
}
