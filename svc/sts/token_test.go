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
)

func testSeal(t testing.TB, fill byte) *sealer {
	k, err := newSeal(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSeal(t *testing.T) {
	k := testSeal(t, 1)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, s := range []session{
		{ID: "ASIAX", Kind: aws.AssumedRole, Account: "000000000000", ARN: "a", UserID: "u", Role: "r", Issued: at, Expires: at.Add(time.Hour)},
		{ID: "ASIAX", Kind: aws.Federated, Policies: []string{}, Issued: at, Expires: at},
		{ID: "ASIAX", Kind: aws.User, Policies: []string{strings.Repeat("é", 2048)}, Tags: map[string]string{"a": "b"}, Issued: at, Expires: at},
	} {
		token, err := k.close(&s, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.open(token)
		if err != nil || !reflect.DeepEqual(*got, s) {
			t.Errorf("%+v: %v; want %+v", got, err, s)
		}
		if len(s.secret) != 40 {
			t.Errorf("a secret of %d characters", len(s.secret))
		}
		again, err := k.close(&s, rand.Reader)
		if err != nil || again == token || s.secret == got.secret {
			t.Error("two tokens of one session have one secret")
		}
		if _, err := testSeal(t, 2).open(token); err == nil {
			t.Error("opened under another key")
		}
		raw, _ := base64.StdEncoding.DecodeString(token)
		for i := range raw {
			bad := bytes.Clone(raw)
			bad[i] ^= 1
			if _, err := k.open(base64.StdEncoding.EncodeToString(bad)); err == nil {
				t.Fatalf("opened with a bit of byte %d changed", i)
			}
		}
	}
	if _, err := newSeal([]byte("short")); err == nil {
		t.Error("a short key is one")
	}
}

func FuzzOpen(f *testing.F) {
	k := testSeal(f, 1)
	s := session{ID: "ASIAX", Kind: aws.User, Account: "000000000000", UserID: "u"}
	token, err := k.close(&s, bytes.NewReader(make([]byte, nonceSize)))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{token, token[:len(token)-4], "", "A", "AQ==", base64.StdEncoding.EncodeToString([]byte{tokenFormat}), strings.Repeat("AQAA", 30)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := k.open(text); err == nil && (text != token || got.UserID != "u") {
			t.Errorf("opened %q: %+v", text, got)
		}
	})
}
