package sts

import (
	"bytes"
	"compress/flate"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/seal"
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
	// Transitive are the keys of those tags that go along from role to role.
	Transitive     []string            `json:",omitempty"`
	SourceIdentity string              `json:",omitempty"`
	Provider       string              `json:",omitempty"`
	Keys           map[string][]string `json:",omitempty"` // condition keys
	MFA            time.Time           `json:",omitzero"`  // when a code was shown
	Issued         time.Time
	Expires        time.Time
	secret         string
}

// sessionOf is a session in which c acts; lend fills in the rest.
func sessionOf(c aws.Caller) session {
	return session{Kind: c.Kind, Account: c.Account, ARN: c.ARN, UserID: c.UserID, Role: c.Role, Policies: c.SessionPolicies,
		Tags: c.Tags, Transitive: c.TransitiveTags, SourceIdentity: c.SourceIdentity, Provider: c.Provider, Keys: c.Keys, MFA: c.MFAAt}
}

// caller is the session as the front door knows it.
func (s *session) caller() aws.Caller {
	return aws.Caller{Kind: s.Kind, Account: s.Account, ARN: s.ARN, UserID: s.UserID, AccessKeyID: s.ID, Role: s.Role,
		SessionPolicies: s.Policies, Tags: s.Tags, TransitiveTags: s.Transitive, SourceIdentity: s.SourceIdentity,
		Provider: s.Provider, Keys: s.Keys, IssuedAt: s.Issued, MFAAt: s.MFA}
}

// A sealer closes sessions into tokens and opens them again. A token is, in base64,
// the session in JSON, deflated and sealed for the access key that it comes with. The
// secret that belongs to it follows from the token's nonce and the access key's id.
type sealer struct {
	box    *seal.Box
	secret []byte
}

const (
	// maxToken is the longest token worth decoding, and maxSession the longest
	// session worth inflating, in bytes: policies of 2,048 characters, ten ARNs and
	// fifty tags fit.
	maxToken   = 64 << 10
	maxSession = 128 << 10
)

var errToken = errors.New("not a token of this installation")

func newSealer(keys *seal.Keys) *sealer {
	return &sealer{keys.For("session tokens"), keys.Secret("session secrets")}
}

// close makes a session's token, and gives the session its secret.
func (k *sealer) close(s *session) (token string, err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	b, err := k.box.Seal(deflate(text), s.ID)
	if err != nil {
		return "", err
	}
	s.secret = k.secretOf(s.ID, seal.Nonce(b))
	return base64.StdEncoding.EncodeToString(b), nil
}

// open is the session in the token that comes with an access key, whatever the time.
func (k *sealer) open(id, token string) (*session, error) {
	if len(token) > maxToken {
		return nil, errToken
	}
	b, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, errToken
	}
	packed, err := k.box.Open(b, id)
	if err != nil {
		return nil, errToken
	}
	text, err := inflate(packed, maxSession)
	if err != nil {
		return nil, errToken
	}
	var s session
	if err := json.Unmarshal(text, &s); err != nil || s.ID != id {
		return nil, errToken
	}
	s.secret = k.secretOf(id, seal.Nonce(b))
	return &s, nil
}

func (k *sealer) secretOf(id string, nonce []byte) string {
	h := hmac.New(sha256.New, k.secret)
	h.Write([]byte(id))
	h.Write(nonce)
	return base64.StdEncoding.EncodeToString(h.Sum(nil)[:30])
}

func deflate(text []byte) []byte {
	var b bytes.Buffer
	// Neither a buffer in memory nor the best compression can fail.
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	return b.Bytes()
}

// inflate undoes deflate, for texts of at most most bytes.
func inflate(packed []byte, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), most+1))
	if err == nil && int64(len(text)) > most {
		err = errors.New("too long")
	}
	return text, err
}
