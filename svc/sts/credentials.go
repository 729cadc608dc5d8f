package sts

import (
	"context"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// maxOpened is how many opened tokens are kept.
const maxOpened = 4096

// Key is the secret and the owner of a session's access key, which its token must
// come with. An id that no session can have gives aws.ErrUnknownKey.
func (s *Service) Key(_ context.Context, id, token string) (secret string, owner aws.Caller, err error) {
	if _, ok := aws.AccountOfKey(id); !ok || !strings.HasPrefix(id, "ASIA") {
		return "", aws.Caller{}, aws.ErrUnknownKey
	}
	have, err := s.open(id, token)
	if err != nil {
		return "", aws.Caller{}, aws.Errorf(403, "UnrecognizedClientException", "The security token included in the request is invalid").Because(err)
	}
	if !s.clock.Now().Before(have.Expires) {
		return "", aws.Caller{}, api.ExpiredTokenException("The security token included in the request is expired")
	}
	return have.secret, have.caller(), nil
}

// open is the session in a token. Tokens come again and again, so the last ones are
// remembered.
func (s *Service) open(id, token string) (*session, error) {
	s.mu.RLock()
	have := s.opened[token]
	s.mu.RUnlock()
	if have != nil && have.ID == id {
		return have, nil
	}
	have, err := s.sealer.open(id, token)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.opened) >= maxOpened {
		clear(s.opened)
	}
	s.opened[token] = have
	return have, nil
}

// lend closes a session of that length, and is what its holder gets.
func (s *Service) lend(of session, length time.Duration) (*api.Credentials, error) {
	of.ID = aws.NewAccessKeyID(s.random, "ASIA", of.Account)
	of.Issued = s.clock.Now().UTC().Truncate(time.Second)
	of.Expires = of.Issued.Add(length)
	token, err := s.sealer.close(&of)
	if err != nil {
		return nil, err
	}
	return &api.Credentials{AccessKeyId: &of.ID, SecretAccessKey: &of.secret, SessionToken: &token, Expiration: &of.Expires}, nil
}
