package s3

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/tule-cloud/tule/store"
)

// What a bucket is set to lies in one record per setting and, where a bucket has
// several of a kind, id: the structure of the API, as JSON.

// setting reads a bucket's setting of a kind; nil if it has none.
func setting[T any](ctx context.Context, r store.Reader, b *bucket, kind string) (*T, error) {
	return settingOf[T](ctx, r, b, kind, "")
}

// settingOf is setting for a kind of which there are several, each with an id.
func settingOf[T any](ctx context.Context, r store.Reader, b *bucket, kind, id string) (*T, error) {
	if b.Kinds != nil && !slices.Contains(b.Kinds, kind) {
		return nil, nil
	}
	raw, err := settings.Get(ctx, r, b.scope(), b.ID, kind, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := new(T)
	return v, json.Unmarshal(raw, v)
}

// putSetting sets a bucket's setting of a kind, or with an id one of several. The bucket was
// read in the same transaction.
func putSetting(tx store.Tx, b *bucket, kind, id string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if b.Kinds != nil && !slices.Contains(b.Kinds, kind) {
		b.Kinds = append(b.Kinds, kind)
		if err := b.put(tx); err != nil {
			return err
		}
	}
	return settings.Put(tx, b.scope(), raw, b.ID, kind, id)
}

// dropSetting takes a setting away; the bucket need not have it.
func dropSetting(tx store.Tx, b *bucket, kind, id string) error {
	return settings.Delete(tx, b.scope(), b.ID, kind, id)
}

// The kinds that reading and writing objects ask for.
const (
	policySetting     = "policy"     // policyRecord
	encryptionSetting = "encryption" // api.ServerSideEncryptionConfiguration
	lockSetting       = "lock"       // api.ObjectLockConfiguration
)
