package iam

import (
	"context"
	"errors"
	"fmt"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A credential is an access key with whose it is.
type credential struct {
	secret string
	active bool
	owner  aws.Caller
}

// Key is the secret and the owner of a long-term access key. An id that was never
// issued, or is no more, gives aws.ErrUnknownKey; a key that is switched off, or
// that comes with a session token, an *aws.Error for its holder.
func (s *Service) Key(ctx context.Context, id, token string) (secret string, owner aws.Caller, err error) {
	a, ok := aws.AccountOfKey(id)
	if !ok {
		return "", aws.Caller{}, aws.ErrUnknownKey
	}
	c, err := s.credential(ctx, a, id)
	if errors.Is(err, store.ErrNotFound) {
		return "", aws.Caller{}, aws.ErrUnknownKey
	}
	if err != nil {
		return "", aws.Caller{}, err
	}
	if !c.active || token != "" {
		return "", aws.Caller{}, aws.Errorf(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	return c.secret, c.owner, nil
}

func (s *Service) credential(ctx context.Context, account, id string) (c credential, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		stamp, err := stamps.Get(ctx, r, scope(account))
		if err != nil {
			return err // an account without a stamp has no keys
		}
		s.cache.mu.RLock()
		var ok bool
		if k := s.cache.at(account, stamp); k != nil {
			c, ok = k.keys[id]
		}
		s.cache.mu.RUnlock()
		if ok {
			return nil
		}
		if c, err = s.readKey(ctx, r, account, id); err != nil {
			return err
		}
		s.cache.mu.Lock()
		s.cache.room(account, stamp).keys[id] = c
		s.cache.mu.Unlock()
		return nil
	})
	return c, err
}

// readKey reads a credential from the store, and opens its secret.
func (s *Service) readKey(ctx context.Context, r store.Reader, account, id string) (credential, error) {
	k, err := keys.Get(ctx, r, scope(account), id)
	if err != nil {
		return credential{}, err
	}
	secret, err := s.secrets.Open(k.Sealed, secretContext(account, id))
	if err != nil {
		return credential{}, fmt.Errorf("the access key %s: %w", id, err)
	}
	c := credential{secret: string(secret), active: k.Status == api.StatusTypeActive}
	if k.User == "" {
		c.owner = aws.Caller{Kind: aws.Root, Account: account, ARN: aws.NewARN("iam", "", account, "root").String(), UserID: account}
		return c, nil
	}
	u, err := load(ctx, r, account, user, k.User)
	if err != nil {
		return credential{}, err
	}
	c.owner = aws.Caller{Kind: aws.User, Account: account, ARN: u.arn(account), UserID: u.ID, Tags: u.Tags}
	return c, nil
}

// RootKeys reports whether the root of any account has an access key.
func (s *Service) RootKeys(ctx context.Context) (any bool, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		any = false
		for _, err := range rootKeys.All(ctx, r) {
			any = err == nil
			return err
		}
		return nil
	})
	return any, err
}

// CreateRootKey makes an access key for the root of an account.
func (s *Service) CreateRootKey(ctx context.Context, account string) (id, secret string, err error) {
	if !aws.ValidAccount(account) {
		return "", "", aws.Errorf(400, "ValidationError", "%q is not an account: twelve digits", account)
	}
	k, secret, err := s.newKey(ctx, account, "")
	if err != nil {
		return "", "", err
	}
	return k.ID, secret, nil
}
