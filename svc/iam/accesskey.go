package iam

import (
	"context"
	"errors"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An accessKey is a long-term credential, of a user or of an account's root.
type accessKey struct {
	ID      string
	Sealed  []byte // the secret, under secretContext
	User    string // name; "" for root
	Status  string
	Created time.Time
}

var (
	keys     = store.NewTable[accessKey]("iam", "key")    // id
	rootKeys = store.NewTable[struct{}]("iam", "rootkey") // id
)

// maxKeys is how many access keys a user, or root, has at most.
const maxKeys = 2

func (s *Service) keyRoutes() []aws.Route {
	return []aws.Route{
		api.CreateAccessKey.To(s.createAccessKey, on(s, user, func(in *api.CreateAccessKeyRequest) *string { return in.UserName })),
		api.ListAccessKeys.To(s.listAccessKeys, on(s, user, func(in *api.ListAccessKeysRequest) *string { return in.UserName })),
		api.UpdateAccessKey.To(s.updateAccessKey, on(s, user, func(in *api.UpdateAccessKeyRequest) *string { return in.UserName })),
		api.DeleteAccessKey.To(s.deleteAccessKey, on(s, user, func(in *api.DeleteAccessKeyRequest) *string { return in.UserName })),
		api.GetAccessKeyLastUsed.To(s.getAccessKeyLastUsed, s.guardKey),
	}
}

// secretContext binds the sealed secret of an access key to the key.
func secretContext(account, id string) string { return account + "/" + id }

// newKey makes an access key, and its secret, for a user, or for root where user is "".
func (s *Service) newKey(ctx context.Context, account, userName string) (*accessKey, string, error) {
	k := accessKey{ID: aws.NewAccessKeyID(s.random, "AKIA", account), Status: api.StatusTypeActive, Created: s.now()}
	secret := aws.RandomID(s.random, aws.Base62+"+/", 40)
	var err error
	if k.Sealed, err = s.secrets.Seal([]byte(secret), secretContext(account, k.ID)); err != nil {
		return nil, "", err
	}
	return &k, secret, s.change(ctx, account, func(tx store.Tx) error {
		taken, err := keys.Has(ctx, tx, scope(account), k.ID)
		if err != nil || taken {
			return errors.Join(err, errTaken(taken))
		}
		ids, err := owned(ctx, tx, account, userName)
		if err != nil {
			return err
		}
		if len(ids) >= maxKeys {
			return api.LimitExceededException("Cannot exceed quota for AccessKeysPerUser: %d", maxKeys)
		}
		k.User = ""
		if userName == "" {
			err = rootKeys.Put(tx, scope(account), struct{}{}, k.ID)
		} else {
			var u *principal
			if u, err = load(ctx, tx, account, user, userName); err == nil {
				u.Keys, k.User = append(u.Keys, k.ID), u.Name
				err = u.save(tx, account)
			}
		}
		if err != nil {
			return err
		}
		return keys.Put(tx, scope(account), k, k.ID)
	})
}

func errTaken(taken bool) error {
	if taken {
		return aws.Unavailable("Please try again.")
	}
	return nil
}

// owned are the ids of a user's access keys, or of root's where user is "".
func owned(ctx context.Context, r store.Reader, account, userName string) ([]string, error) {
	if userName != "" {
		u, err := load(ctx, r, account, user, userName)
		if err != nil {
			return nil, err
		}
		return u.Keys, nil
	}
	var ids []string
	for e, err := range rootKeys.List(ctx, r, scope(account), store.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, e.Key.String(0))
	}
	return ids, nil
}

func (s *Service) createAccessKey(ctx context.Context, in *api.CreateAccessKeyRequest) (*api.CreateAccessKeyResponse, error) {
	name, err := named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	k, secret, err := s.newKey(ctx, account(ctx), name)
	if err != nil {
		return nil, err
	}
	return &api.CreateAccessKeyResponse{AccessKey: &api.AccessKey{AccessKeyId: &k.ID, CreateDate: &k.Created,
		SecretAccessKey: &secret, Status: &k.Status, UserName: &k.User}}, nil
}

func (s *Service) listAccessKeys(ctx context.Context, in *api.ListAccessKeysRequest) (*api.ListAccessKeysResponse, error) {
	name, err := named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	a := account(ctx)
	var all []api.AccessKeyMetadata
	err = s.store.View(ctx, func(r store.Reader) error {
		ids, err := owned(ctx, r, a, name)
		if err != nil {
			return err
		}
		for _, id := range ids {
			k, err := keys.Get(ctx, r, scope(a), id)
			if err != nil {
				return err
			}
			all = append(all, api.AccessKeyMetadata{AccessKeyId: &k.ID, CreateDate: &k.Created, Status: &k.Status, UserName: &k.User})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(all, page{in.Marker, in.MaxItems}, func(k *api.AccessKeyMetadata) string { return *k.AccessKeyId })
	return &api.ListAccessKeysResponse{AccessKeyMetadata: part, IsTruncated: more(next), Marker: next}, err
}

// editKey changes, or with a nil result deletes, an access key of a user.
func (s *Service) editKey(ctx context.Context, userName *string, id string, fn func(accessKey) *accessKey) error {
	name, err := named(ctx, userName)
	if err != nil {
		return err
	}
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		ids, err := owned(ctx, tx, a, name)
		if err != nil {
			return err
		}
		if !slices.Contains(ids, id) {
			return api.NoSuchEntityException("The Access Key with id %s cannot be found.", id)
		}
		k, err := keys.Get(ctx, tx, scope(a), id)
		if err != nil {
			return err
		}
		if after := fn(k); after != nil {
			return keys.Put(tx, scope(a), *after, id)
		}
		return s.dropKey(ctx, tx, a, &k)
	})
}

func (s *Service) dropKey(ctx context.Context, tx store.Tx, account string, k *accessKey) error {
	if err := errors.Join(keys.Delete(tx, scope(account), k.ID), lastUses.Delete(tx, scope(account), k.ID)); err != nil {
		return err
	}
	if k.User == "" {
		return rootKeys.Delete(tx, scope(account), k.ID)
	}
	u, err := load(ctx, tx, account, user, k.User)
	if err != nil {
		return err
	}
	u.Keys = slices.DeleteFunc(u.Keys, func(id string) bool { return id == k.ID })
	return u.save(tx, account)
}

// checkStatus refuses a status that nobody can give.
func checkStatus(status string) error {
	if status != api.StatusTypeActive && status != api.StatusTypeInactive {
		return aws.Errorf(400, "ValidationError", "Status can be set to Active or Inactive, not to %s.", status)
	}
	return nil
}

func (s *Service) updateAccessKey(ctx context.Context, in *api.UpdateAccessKeyRequest) (*aws.Empty, error) {
	if err := checkStatus(*in.Status); err != nil {
		return nil, err
	}
	return nil, s.editKey(ctx, in.UserName, *in.AccessKeyId, func(k accessKey) *accessKey {
		k.Status = *in.Status
		return &k
	})
}

func (s *Service) deleteAccessKey(ctx context.Context, in *api.DeleteAccessKeyRequest) (*aws.Empty, error) {
	return nil, s.editKey(ctx, in.UserName, *in.AccessKeyId, func(accessKey) *accessKey { return nil })
}

// guardKey asks for the user who has the key.
func (s *Service) guardKey(ctx context.Context, in *api.GetAccessKeyLastUsedRequest) ([]aws.Access, error) {
	k, err := s.key(ctx, account(ctx), *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	if k == nil || k.User == "" {
		return []aws.Access{{Resource: "*"}}, nil
	}
	return s.guard(ctx, user, &k.User, nil)
}

// key reads an access key; nil if there is none of that id in the account.
func (s *Service) key(ctx context.Context, account, id string) (k *accessKey, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		have, err := keys.Get(ctx, r, scope(account), id)
		if err == nil {
			k = &have
		}
		return ignoreMissing(err)
	})
	return k, err
}

func ignoreMissing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

func (s *Service) getAccessKeyLastUsed(ctx context.Context, in *api.GetAccessKeyLastUsedRequest) (*api.GetAccessKeyLastUsedResponse, error) {
	k, err := s.key(ctx, account(ctx), *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, api.NoSuchEntityException("The Access Key with id %s cannot be found.", *in.AccessKeyId)
	}
	last, err := s.lastUse(ctx, account(ctx), k.ID)
	if err != nil {
		return nil, err
	}
	region, service := "N/A", "N/A"
	out := &api.GetAccessKeyLastUsedResponse{UserName: &k.User, AccessKeyLastUsed: &api.AccessKeyLastUsed{Region: &region, ServiceName: &service}}
	if !last.At.IsZero() {
		out.AccessKeyLastUsed.LastUsedDate = &last.At
		if last.Service != "" {
			region, service = last.Region, last.Service
		}
	}
	return out, nil
}
