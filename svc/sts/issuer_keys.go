package sts

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

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// Fetch reads a document from an https address, and no other: within seconds, of at
// most a mebibyte, following no redirects. A server whose certificate nobody known
// vouches for is to be trusted where its chain has a certificate with one of
// thumbprints (SHA-1, in lower-case hex); otherwise the error is ErrThumbprint.
type Fetch func(ctx context.Context, url string, thumbprints []string) ([]byte, error)

// ErrThumbprint says that a server is not who it has to be.
var ErrThumbprint = errors.New("the certificate of the server has none of the thumbprints")

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

// issuers has the keys by which issuers sign their tokens.
type issuers struct {
	clock      aws.Clock
	fetch      Fetch // nil: only registered ones
	registered func(issuer string) (jwks []byte, ok bool, err error)

	mu   sync.Mutex
	kept map[string]*issuer // by the address, and the thumbprints to trust it by
}

// issuer is what was fetched of one.
type issuer struct {
	mu    sync.Mutex // held while its keys are on their way
	keys  []jose.JSONWebKey
	at    time.Time // when keys came
	asked time.Time // when they were last asked for
	err   error     // what came of that
}

// keysOf are the keys of an issuer, an https address, with a key id; all of them for
// a token that names none.
func (i *issuers) keysOf(ctx context.Context, address string, thumbprints []string, id string) ([]jose.JSONWebKey, error) {
	if i.registered != nil {
		text, ok, err := i.registered(address)
		if err != nil {
			return nil, err
		}
		if ok {
			keys, err := parseKeys(text)
			return withID(keys, id), noKeys(err)
		}
	}
	if i.fetch == nil {
		return nil, noKeys(errors.New("no keys are registered, and this Tule fetches none"))
	}
	return i.known(address, thumbprints).keysOf(ctx, i, address, thumbprints, id)
}

// known is what there is of an issuer, perhaps nothing.
func (i *issuers) known(address string, thumbprints []string) *issuer {
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

func (k *issuer) keysOf(ctx context.Context, i *issuers, address string, thumbprints []string, id string) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := i.clock.Now()
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
func (i *issuers) discover(ctx context.Context, address string, thumbprints []string) ([]jose.JSONWebKey, error) {
	text, err := i.fetch(ctx, strings.TrimSuffix(address, "/")+"/.well-known/openid-configuration", thumbprints)
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
	if text, err = i.fetch(ctx, c.Keys, thumbprints); err != nil {
		return nil, unreachable(err)
	}
	keys, err := parseKeys(text)
	return keys, noKeys(err)
}

// parseKeys reads the public keys of a JWKS that sign. Keys of kinds that are not
// known here are left out.
func parseKeys(text []byte) ([]jose.JSONWebKey, error) {
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
	return api.InvalidIdentityTokenException("Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements").Because(cause)
}

// unreachable is the error for an issuer that does not answer, or not as who it is.
func unreachable(cause error) error {
	if errors.Is(cause, ErrThumbprint) {
		return api.InvalidIdentityTokenException("OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint").Because(cause)
	}
	return api.IDPCommunicationErrorException("The identity provider that was asked to verify the incoming identity token could not be reached").Because(cause)
}
