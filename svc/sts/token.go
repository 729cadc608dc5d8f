package sts

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A session is what a token seals: who acts, narrowed by what, until when.
type session struct {
	ID       string // the access key's
	Kind     aws.PrincipalKind
	Account  string
	ARN      string
	UserID   string
	Role     string            `json:",omitempty"`
	Policies []string          // documents, and ARNs of managed policies; null means none
	Tags     map[string]string `json:",omitempty"`
	Issued   time.Time
	Expires  time.Time
	secret   string
}

// caller is the session as the front door knows it.
func (s *session) caller() aws.Caller {
	return aws.Caller{Kind: s.Kind, Account: s.Account, ARN: s.ARN, UserID: s.UserID, AccessKeyID: s.ID, Role: s.Role,
		SessionPolicies: s.Policies, Tags: s.Tags, IssuedAt: s.Issued}
}

// sealKeys has the key under which tokens are sealed: one for the installation.
var sealKeys = store.NewTable[[]byte]("sts", "seal")

// A sealer closes sessions into tokens and opens them again. A token is, in base64,
// the format's number, a nonce, and the session in JSON under AES-256-GCM. The
// secret that belongs to it follows from the nonce and the access key's id.
type sealer struct {
	key    [32]byte
	aead   cipher.AEAD
	secret []byte
}

const (
	tokenFormat = 1
	nonceSize   = 12
	// maxToken is the longest token worth decoding: two policies of 2,048
	// characters, ten ARNs and fifty tags fit.
	maxToken = 64 << 10
)

var errToken = errors.New("not a token of this installation")

func newSeal(key []byte) (*sealer, error) {
	if len(key) != 32 {
		return nil, errors.New("sts: the sealing key in the store is damaged")
	}
	derive := func(purpose string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(purpose))
		return h.Sum(nil)
	}
	block, err := aes.NewCipher(derive("tule session tokens"))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &sealer{key: [32]byte(key), aead: aead, secret: derive("tule session secrets")}, nil
}

// close makes a session's token, and gives the session its secret.
func (k *sealer) close(s *session, random io.Reader) (token string, err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	b := make([]byte, 1+nonceSize, 1+nonceSize+len(text)+k.aead.Overhead())
	b[0] = tokenFormat
	if _, err := io.ReadFull(random, b[1:]); err != nil {
		return "", err
	}
	s.secret = k.secretOf(s.ID, b[1:])
	b = k.aead.Seal(b, b[1:], text, b[:1])
	return base64.StdEncoding.EncodeToString(b), nil
}

// open is the session in a token, whatever the time.
func (k *sealer) open(token string) (*session, error) {
	if len(token) > maxToken {
		return nil, errToken
	}
	b, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < 1+nonceSize || b[0] != tokenFormat {
		return nil, errToken
	}
	nonce := b[1 : 1+nonceSize]
	text, err := k.aead.Open(nil, nonce, b[1+nonceSize:], b[:1])
	if err != nil {
		return nil, errToken
	}
	var s session
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, errToken
	}
	s.secret = k.secretOf(s.ID, nonce)
	return &s, nil
}

func (k *sealer) secretOf(id string, nonce []byte) string {
	h := hmac.New(sha256.New, k.secret)
	h.Write([]byte(id))
	h.Write(nonce)
	return base64.StdEncoding.EncodeToString(h.Sum(nil)[:30])
}

// sealing is the installation's seal; the first call makes its key. A seal whose key
// the store does not have any more, after a reset, is dropped.
func (s *Service) sealing(ctx context.Context) (*sealer, error) {
	var key []byte
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		key, err = sealKeys.Get(ctx, r, store.Scope{}, "key")
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		key, err = s.newSealKey(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	k := s.seal
	s.mu.RUnlock()
	if k != nil && string(k.key[:]) == string(key) {
		return k, nil
	}
	if k, err = newSeal(key); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.seal = k
	clear(s.opened)
	s.mu.Unlock()
	return k, nil
}

func (s *Service) newSealKey(ctx context.Context) ([]byte, error) {
	fresh := make([]byte, 32)
	if _, err := io.ReadFull(s.random, fresh); err != nil {
		return nil, err
	}
	var key []byte
	return key, s.store.Update(ctx, func(tx store.Tx) (err error) {
		key, err = sealKeys.Get(ctx, tx, store.Scope{}, "key")
		if errors.Is(err, store.ErrNotFound) { // else somebody was faster
			key = fresh
			return sealKeys.Put(tx, store.Scope{}, fresh, "key")
		}
		return err
	})
}
