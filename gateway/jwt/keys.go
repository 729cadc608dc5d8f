// Package jwt verifies the tokens of OpenID Connect issuers: it finds the keys that an
// issuer signs by, keeps them for a while, and holds a token to its signature, its
// issuer and the time. It knows no AWS service; what a token's claims permit is its
// callers' to say. The clock and the way to the network are given.
//
// What differs on purpose from what issuers may do: tokens signed by a secret that both
// sides share (HS256 and its kin) are no tokens here.
package jwt

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tule-cloud/tule/aws"
)

// Fetch reads a document from an https address, and no other: within seconds, of at
// most a mebibyte, following no redirects. A server whose certificate nobody known
// vouches for is to be trusted where its chain has a certificate with one of
// thumbprints (SHA-1, in lower-case hex); otherwise the error is ErrThumbprint.
type Fetch func(ctx context.Context, url string, thumbprints []string) ([]byte, error)

// ErrThumbprint says that a server is not who it has to be.
var ErrThumbprint = errors.New("the certificate of the server has none of the thumbprints")

// What is wrong with an issuer; errors of Keys and Verify wrap one of them.
var (
	// ErrUnreachable: the issuer does not answer, or not as who it is.
	ErrUnreachable = errors.New("the issuer cannot be reached")
	// ErrNoKeys: there are no keys of the issuer that could have signed.
	ErrNoKeys = errors.New("the issuer has no such keys")
)

// Keys of issuers that were fetched are kept for a while. Before that is over they
// are fetched anew where a token names a key that is not among them, but not so often
// that tokens could make Tule a nuisance to an issuer.
const (
	keepKeys   = time.Hour
	askAgain   = 30 * time.Second
	maxIssuers = 1000
	maxKeys    = 100 // of RSA, and as many of elliptic curves
	maxRSA     = 8192
)

// Options furnish Issuers. Only Clock is required.
type Options struct {
	Clock aws.Clock
	Fetch Fetch // nil: only registered keys
	// Registered are the keys that the operator knows an issuer, an https address, to sign
	// by: a JWKS. Nobody is asked for them.
	Registered func(issuer string) (jwks []byte, ok bool, err error)
}

// Issuers has the keys by which issuers sign their tokens. Safe for concurrent use.
type Issuers struct {
	Options

	mu   sync.Mutex
	kept map[string]*issuer // by the address, and the thumbprints to trust it by
}

// New returns Issuers of which nothing is known yet.
func New(o Options) *Issuers { return &Issuers{Options: o, kept: map[string]*issuer{}} }

// issuer is what was fetched of one.
type issuer struct {
	mu    sync.Mutex // held while its keys are on their way
	keys  []jose.JSONWebKey
	at    time.Time // when keys came
	asked time.Time // when they were last asked for
	err   error     // what came of that
}

// Keys are the keys of an issuer, an https address, with a key id; all of them for
// a token that names none. Thumbprints are Fetch's.
func (i *Issuers) Keys(ctx context.Context, address string, thumbprints []string, id string) ([]jose.JSONWebKey, error) {
	if i.Registered != nil {
		text, ok, err := i.Registered(address)
		if err != nil {
			return nil, err
		}
		if ok {
			keys, err := ParseKeys(text)
			return withID(keys, id), noKeys(err)
		}
	}
	if i.Fetch == nil {
		return nil, noKeys(errors.New("no keys are registered, and this Tule fetches none"))
	}
	return i.known(address, thumbprints).keysOf(ctx, i, address, thumbprints, id)
}

// known is what there is of an issuer, perhaps nothing.
func (i *Issuers) known(address string, thumbprints []string) *issuer {
	name := strings.Join(append([]string{address}, thumbprints...), " ")
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.kept[name] == nil {
		if len(i.kept) >= maxIssuers {
			clear(i.kept)
		}
		i.kept[name] = &issuer{}
	}
	return i.kept[name]
}

func (k *issuer) keysOf(ctx context.Context, i *Issuers, address string, thumbprints []string, id string) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := i.Clock.Now()
	fresh := !k.at.IsZero() && now.Sub(k.at) < keepKeys
	if have := withID(k.keys, id); fresh && len(have) > 0 {
		return have, nil
	}
	if !k.asked.IsZero() && now.Sub(k.asked) < askAgain {
		return nil, k.err
	}
	keys, err := i.discover(ctx, address, thumbprints)
	if ctx.Err() != nil {
		return nil, ctx.Err() // the caller went away, which says nothing of the issuer
	}
	k.asked, k.err = now, err
	if err != nil {
		return nil, err
	}
	k.keys, k.at = keys, now
	return withID(keys, id), nil
}

// withID are the keys that a token may be signed by.
func withID(keys []jose.JSONWebKey, id string) []jose.JSONWebKey {
	if id == "" {
		return keys
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k jose.JSONWebKey) bool { return k.KeyID != id })
}

// discover fetches an issuer's keys from where its configuration says they are.
// https://openid.net/specs/openid-connect-discovery-1_0.html
func (i *Issuers) discover(ctx context.Context, address string, thumbprints []string) ([]jose.JSONWebKey, error) {
	text, err := i.Fetch(ctx, strings.TrimSuffix(address, "/")+"/.well-known/openid-configuration", thumbprints)
	if err != nil {
		return nil, unreachable(err)
	}
	var c struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, noKeys(err)
	}
	if c.Issuer != address {
		return nil, noKeys(fmt.Errorf("the configuration of %s is of the issuer %q", address, c.Issuer))
	}
	if u, err := url.Parse(c.Keys); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, noKeys(fmt.Errorf("the keys of %s are at %q, which is no https address", address, c.Keys))
	}
	if text, err = i.Fetch(ctx, c.Keys, thumbprints); err != nil {
		return nil, unreachable(err)
	}
	keys, err := ParseKeys(text)
	return keys, noKeys(err)
}

// ParseKeys reads the public keys of a JWKS that sign. Keys of kinds that are not
// known here are left out.
func ParseKeys(text []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) > 2*maxKeys {
		return nil, fmt.Errorf("%d keys are too many", len(set.Keys))
	}
	var out []jose.JSONWebKey
	var counts [2]int
	for _, raw := range set.Keys {
		var private struct{ D, K any }
		if err := json.Unmarshal(raw, &private); err != nil || private.D != nil || private.K != nil {
			continue
		}
		var k jose.JSONWebKey
		if err := json.Unmarshal(raw, &k); err != nil || k.Use == "enc" {
			continue
		}
		switch key := k.Key.(type) {
		case *rsa.PublicKey:
			if key.N.BitLen() > maxRSA {
				continue
			}
			counts[0]++
		case *ecdsa.PublicKey:
			counts[1]++
		default:
			continue
		}
		out = append(out, k)
	}
	if counts[0] > maxKeys || counts[1] > maxKeys {
		return nil, fmt.Errorf("%d keys are too many", len(out))
	}
	return out, nil
}

// noKeys is the error for an issuer whose keys are not to be had; nil for nil.
func noKeys(cause error) error {
	if cause == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNoKeys, cause)
}

// unreachable is the error for an issuer that does not answer, or not as who it is.
func unreachable(cause error) error { return fmt.Errorf("%w: %w", ErrUnreachable, cause) }
