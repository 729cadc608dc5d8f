package sts

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// maxOpened is how many opened tokens are kept.
const maxOpened = 4096

// Key is the secret and the owner of a session's access key, which its token must
// come with. An id that no session can have gives aws.ErrUnknownKey.
func (s *Service) Key(ctx context.Context, id, token string) (secret string, owner aws.Caller, err error) {
	if _, ok := aws.AccountOfKey(id); !ok || !strings.HasPrefix(id, "ASIA") {
		return "", aws.Caller{}, aws.ErrUnknownKey
	}
	have, err := s.open(ctx, token)
	if errors.Is(err, errToken) || err == nil && have.ID != id {
		return "", aws.Caller{}, aws.Errorf(403, "UnrecognizedClientException", "The security token included in the request is invalid")
	}
	if err != nil {
		return "", aws.Caller{}, err
	}
	if !s.clock.Now().Before(have.Expires) {
		return "", aws.Caller{}, api.ExpiredTokenException("The security token included in the request is expired")
	}
	return have.secret, have.caller(), nil
}

// open is the session in a token. Tokens come again and again, so the last ones are
// remembered.
func (s *Service) open(ctx context.Context, token string) (*session, error) {
	k, err := s.sealing(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	have := s.opened[token]
	s.mu.RUnlock()
	if have != nil {
		return have, nil
	}
	if have, err = k.open(token); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seal == k {
		if len(s.opened) >= maxOpened {
			clear(s.opened)
		}
		s.opened[token] = have
	}
	return have, nil
}

// lend closes a session of that length, and is what its holder gets.
func (s *Service) lend(ctx context.Context, of session, length time.Duration) (*api.Credentials, error) {
	k, err := s.sealing(ctx)
	if err != nil {
		return nil, err
	}
	of.ID = aws.NewAccessKeyID(s.random, "ASIA", of.Account)
	of.Issued = s.clock.Now().UTC().Truncate(time.Second)
	of.Expires = of.Issued.Add(length)
	token, err := k.close(&of, s.random)
	if err != nil {
		return nil, err
	}
	return &api.Credentials{AccessKeyId: &of.ID, SecretAccessKey: &of.secret, SessionToken: &token, Expiration: &of.Expires}, nil
}
