package jwt_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/jwt"
)

const issuer = "https://id.example.com/tenant"

// world is an issuer with two keys, reached over no network.
type world struct {
	clock   *aws.ManualClock
	rsa     *rsa.PrivateKey
	ec      *ecdsa.PrivateKey
	keys    []jose.JSONWebKey
	fetched int
	down    error
	*jwt.Issuers
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{clock: aws.NewManualClock(time.Unix(1_800_000_000, 0))}
	var err error
	if w.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if w.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	w.keys = []jose.JSONWebKey{{Key: w.rsa.Public(), KeyID: "one", Algorithm: "RS256", Use: "sig"}, {Key: w.ec.Public(), KeyID: "two"}}
	w.Issuers = jwt.New(jwt.Options{Clock: w.clock, Fetch: w.fetch})
	return w
}

func (w *world) fetch(_ context.Context, url string, _ []string) ([]byte, error) {
	w.fetched++
	if w.down != nil {
		return nil, w.down
	}
	switch url {
	case issuer + "/.well-known/openid-configuration":
		return json.Marshal(map[string]string{"issuer": issuer, "jwks_uri": "https://id.example.com/keys"})
	case "https://id.example.com/keys":
		return json.Marshal(jose.JSONWebKeySet{Keys: w.keys})
	}
	return nil, errors.New("404")
}

func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, id string, claims map[string]any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithType("JWT")
	if id != "" {
		o = o.WithHeader("kid", id)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	out, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// claims are good ones, with others over them; nil takes one away.
func (w *world) claims(over map[string]any) map[string]any {
	now := w.clock.Now().Unix()
	out := map[string]any{"iss": issuer, "sub": "ann", "aud": "app", "exp": now + 60, "iat": now, "nbf": now}
	for k, v := range over {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

func TestVerify(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now().Unix()
	mallory, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := sign(t, jose.RS256, w.rsa, "one", w.claims(nil))
	for _, c := range []struct {
		name, token string
		rules       jwt.Rules
		want        error
	}{
		{"RSA", good, jwt.Rules{}, nil},
		{"an elliptic curve", sign(t, jose.ES256, w.ec, "two", w.claims(nil)), jwt.Rules{}, nil},
		{"no key named", sign(t, jose.ES256, w.ec, "", w.claims(nil)), jwt.Rules{}, nil},
		{"no key named where one has to be", sign(t, jose.ES256, w.ec, "", w.claims(nil)), jwt.Rules{NeedsID: true}, jwt.ErrMalformed},
		{"an elliptic curve where RSA has to be", sign(t, jose.ES256, w.ec, "two", w.claims(nil)), jwt.Rules{Algorithms: jwt.RSA()}, jwt.ErrMalformed},
		{"another algorithm than the key's", sign(t, jose.RS512, w.rsa, "one", w.claims(nil)), jwt.Rules{}, jwt.ErrSignature},
		{"a shared secret", sign(t, jose.HS256, []byte(strings.Repeat("secret", 10)), "one", w.claims(nil)), jwt.Rules{}, jwt.ErrMalformed},
		{"another's key", sign(t, jose.RS256, mallory, "one", w.claims(nil)), jwt.Rules{}, jwt.ErrSignature},
		{"an unknown key", sign(t, jose.RS256, mallory, "three", w.claims(nil)), jwt.Rules{}, jwt.ErrNoKeys},
		{"another issuer", sign(t, jose.RS256, w.rsa, "one", w.claims(map[string]any{"iss": "https://evil.example.com"})), jwt.Rules{}, jwt.ErrIssuer},
		{"an issuer that is longer", sign(t, jose.RS256, w.rsa, "one", w.claims(map[string]any{"iss": issuer + "/"})), jwt.Rules{}, jwt.ErrIssuer},
		{"the last second but one", sign(t, jose.RS256, w.rsa, "one", w.claims(map[string]any{"exp": now + 1})), jwt.Rules{}, nil},
		{"the end", sign(t, jose.RS256, w.rsa, "one", w.claims(map[string]any{"exp": now})), jwt.Rules{}, jwt.ErrExpired},
		{"no end", sign(t, jose.RS256, w.rsa, "one", w.claims(map[string]any{"exp": nil})), jwt.Rules{}, jwt.ErrExpired},
		{"an end in words", sign(t, jose.RS256, w.rsa, "one", w.claims(map[string]any{"exp": "tomorrow"})), jwt.Rules{}, jwt.ErrMalformed},
		{"not yet", sign(t, jose.RS256, w.rsa, "one", w.claims(map[string]any{"nbf": now + 1})), jwt.Rules{}, jwt.ErrEarly},
		{"issued tomorrow", sign(t, jose.RS256, w.rsa, "one", w.claims(map[string]any{"iat": now + 86400})), jwt.Rules{}, jwt.ErrEarly},
		{"no text", "", jwt.Rules{}, jwt.ErrMalformed},
		{"none of it signed", strings.Join(strings.Split(good, ".")[:2], ".") + ".", jwt.Rules{}, jwt.ErrSignature},
		{"long", strings.Repeat("a", 1<<20), jwt.Rules{}, jwt.ErrMalformed},
	} {
		c.rules.Issuers = []string{"https://other.example.com", issuer}
		got, err := w.Verify(t.Context(), c.token, c.rules)
		if !errors.Is(err, c.want) || err == nil && (got.Text("sub") != "ann" || got.Issuer != issuer) {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}

// Keys are fetched once, and anew where a token names one that is not among them.
func TestKeysAreKept(t *testing.T) {
	w := newWorld(t)
	rules := jwt.Rules{Issuers: []string{issuer}}
	for range 5 {
		if _, err := w.Verify(t.Context(), sign(t, jose.RS256, w.rsa, "one", w.claims(nil)), rules); err != nil {
			t.Fatal(err)
		}
	}
	if w.fetched != 2 {
		t.Errorf("fetched %d documents", w.fetched)
	}
	w.keys[0].KeyID = "three"
	token := func() string { return sign(t, jose.RS256, w.rsa, "three", w.claims(nil)) }
	if _, err := w.Verify(t.Context(), token(), rules); !errors.Is(err, jwt.ErrNoKeys) {
		t.Error(err) // too soon to ask again
	}
	w.clock.Advance(31 * time.Second)
	if _, err := w.Verify(t.Context(), token(), rules); err != nil || w.fetched != 4 {
		t.Errorf("%v after %d", err, w.fetched)
	}
	w.clock.Advance(2 * time.Hour)
	w.down = errors.New("it is down")
	if _, err := w.Verify(t.Context(), token(), rules); !errors.Is(err, jwt.ErrUnreachable) {
		t.Error(err)
	}
}

// What the operator registers goes before, and needs no network.
func TestRegistered(t *testing.T) {
	w := newWorld(t)
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: w.keys})
	if err != nil {
		t.Fatal(err)
	}
	offline := jwt.New(jwt.Options{Clock: w.clock, Registered: func(of string) ([]byte, bool, error) { return text, of == issuer, nil }})
	if _, err := offline.Verify(t.Context(), sign(t, jose.RS256, w.rsa, "one", w.claims(nil)), jwt.Rules{Issuers: []string{issuer}}); err != nil {
		t.Error(err)
	}
	if _, err := offline.Keys(t.Context(), "https://other.example.com", nil, ""); !errors.Is(err, jwt.ErrNoKeys) {
		t.Error(err)
	}
}

func TestScopes(t *testing.T) {
	for _, c := range []struct {
		claims map[string]any
		asked  []string
		want   bool
	}{
		{map[string]any{}, nil, true},
		{map[string]any{}, []string{"read"}, false},
		{map[string]any{"scope": "write read"}, []string{"read"}, true},
		{map[string]any{"scope": "reader"}, []string{"read"}, false},
		{map[string]any{"scp": []any{"read", 7}}, []string{"admin", "read"}, true},
		{map[string]any{"scp": 7}, []string{"7"}, false},
	} {
		if got := (&jwt.Token{Claims: c.claims}).HasScope(c.asked); got != c.want {
			t.Errorf("%v for %v: %v", c.claims, c.asked, got)
		}
	}
	for value, want := range map[string]string{"Bearer a.b.c": "a.b.c", "bearer  a.b.c ": "a.b.c", "a.b.c": "a.b.c", "Bearer": "Bearer", "Basic a": "Basic a"} {
		if got := jwt.Bearer(value); got != want {
			t.Errorf("%q: %q", value, got)
		}
	}
}

func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	f.Add(sign(f, jose.RS256, w.rsa, "one", w.claims(nil)))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	f.Add(`{"payload":"e30","signatures":[]}`)
	rules := jwt.Rules{Issuers: []string{issuer}}
	f.Fuzz(func(t *testing.T, text string) {
		if token, err := w.Verify(t.Context(), text, rules); err == nil && token.Issuer != issuer {
			t.Error(token)
		}
	})
}
