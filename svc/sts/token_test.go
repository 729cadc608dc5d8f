package sts

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/seal"
)

func testKeys(fill byte) *seal.Keys {
	return seal.New([32]byte(bytes.Repeat([]byte{fill}, 32)), rand.Reader)
}

func TestSeal(t *testing.T) {
	k := newSealer(testKeys(1))
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tags := map[string]string{}
	for len(tags) < 50 {
		tags[aws.RandomID(rand.Reader, aws.Base62, 128)] = aws.RandomID(rand.Reader, aws.Base62, 256)
	}
	for _, s := range []session{
		{ID: "ASIAX", Kind: aws.AssumedRole, Account: "000000000000", ARN: "a", UserID: "u", Role: "r", Issued: at, Expires: at.Add(time.Hour)},
		{ID: "ASIAX", Kind: aws.Federated, Policies: []string{}, Issued: at, Expires: at},
		{ID: "ASIAX", Kind: aws.User, Policies: []string{strings.Repeat("é", 2048)}, Tags: tags, MFA: at, Issued: at, Expires: at},
		{ID: "ASIAX", Kind: aws.AssumedRole, Tags: map[string]string{"a": "b"}, Transitive: []string{"a"}, SourceIdentity: "me", Provider: "accounts.google.com",
			Keys: map[string][]string{"accounts.google.com:sub": {"1"}}, Issued: at, Expires: at},
	} {
		token, err := k.close(&s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.open(s.ID, token)
		if err != nil || !reflect.DeepEqual(*got, s) {
			t.Errorf("%+v: %v; want %+v", got, err, s)
		}
		if len(s.secret) != 40 {
			t.Errorf("a secret of %d characters", len(s.secret))
		}
		again, err := k.close(&s)
		if err != nil || again == token || s.secret == got.secret {
			t.Error("two tokens of one session have one secret")
		}
		if _, err := newSealer(testKeys(2)).open(s.ID, token); err == nil {
			t.Error("opened under another key")
		}
		if _, err := k.open("ASIAY", token); err == nil {
			t.Error("opened for another access key")
		}
	}
}

// Each bit of a token counts.
func TestSealAltered(t *testing.T) {
	k := newSealer(testKeys(1))
	token, err := k.close(&session{ID: "ASIAX", Kind: aws.User, UserID: "u"})
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.StdEncoding.DecodeString(token)
	for i := range raw {
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << bit
			if _, err := k.open("ASIAX", base64.StdEncoding.EncodeToString(bad)); err == nil {
				t.Fatalf("opened with bit %d of byte %d changed", bit, i)
			}
		}
		if _, err := k.open("ASIAX", base64.StdEncoding.EncodeToString(raw[:i])); err == nil {
			t.Fatalf("opened with %d bytes", i)
		}
	}
}

// All that a session carries comes back as the caller who it was.
func TestSessionOfCaller(t *testing.T) {
	c := aws.Caller{Kind: aws.AssumedRole, Account: "1", ARN: "a", UserID: "u", Role: "r", SessionPolicies: []string{"p"}, Tags: map[string]string{"k": "v"},
		TransitiveTags: []string{"k"}, SourceIdentity: "s", Provider: "p", Keys: map[string][]string{"saml:sub": {"x"}}, MFAAt: time.Unix(1, 0).UTC()}
	s := sessionOf(c)
	if got := s.caller(); !reflect.DeepEqual(got, c) {
		t.Errorf("%+v; want %+v", got, c)
	}
}

func TestInflateBound(t *testing.T) {
	b := deflate(bytes.Repeat([]byte{'a'}, 1000))
	if got, err := inflate(b, 1000); err != nil || len(got) != 1000 {
		t.Error(len(got), err)
	}
	if _, err := inflate(b, 999); err == nil {
		t.Error("inflated too much")
	}
	if _, err := inflate(b[:len(b)-2], 1000); err == nil {
		t.Error("inflated half a text")
	}
}

// zeros are a nonce that every process has.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func FuzzOpen(f *testing.F) {
	k := newSealer(seal.New([32]byte{1}, zeros{}))
	token, err := k.close(&session{ID: "ASIAX", Kind: aws.User, Account: "000000000000", UserID: "u"})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{token, token[:len(token)-4], "", "A", "AQ==", strings.Repeat("AQAA", 30)} {
		f.Add("ASIAX", seed)
	}
	f.Add("ASIAY", token)
	f.Fuzz(func(t *testing.T, id, text string) {
		if got, err := k.open(id, text); err == nil && (text != token || id != "ASIAX" || got.UserID != "u") {
			t.Errorf("opened %q for %q: %+v", text, id, got)
		}
	})
}
