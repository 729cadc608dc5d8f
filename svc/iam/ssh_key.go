package iam

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A sshKey is a public key that a user shows to CodeCommit.
type sshKey struct {
	ID, Status string
	Body       string // as it was uploaded
	Uploaded   time.Time
}

var sshKeys = store.NewTable[sshKey]("iam", "ssh-key") // the user's unique id, key id

const (
	maxSSHKeys = 5    // of a user
	minRSA     = 2048 // bits
)

func (s *Service) sshKeyRoutes() []aws.Route {
	return []aws.Route{
		api.UploadSSHPublicKey.To(s.uploadSSHPublicKey, on(s, user, func(in *api.UploadSSHPublicKeyRequest) *string { return in.UserName })),
		api.GetSSHPublicKey.To(s.getSSHPublicKey, on(s, user, func(in *api.GetSSHPublicKeyRequest) *string { return in.UserName })),
		api.ListSSHPublicKeys.To(s.listSSHPublicKeys, on(s, user, func(in *api.ListSSHPublicKeysRequest) *string { return in.UserName })),
		api.UpdateSSHPublicKey.To(s.updateSSHPublicKey, on(s, user, func(in *api.UpdateSSHPublicKeyRequest) *string { return in.UserName })),
		api.DeleteSSHPublicKey.To(s.deleteSSHPublicKey, on(s, user, func(in *api.DeleteSSHPublicKeyRequest) *string { return in.UserName })),
	}
}

// parseSSHKey reads an RSA key of 2,048 bits or more: in a line of SSH's or in PEM.
func parseSSHKey(body string) (ssh.PublicKey, error) {
	var key any
	if block, rest := pem.Decode([]byte(body)); block != nil {
		var err error
		switch block.Type {
		case "PUBLIC KEY":
			key, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			key, err = x509.ParsePKCS1PublicKey(block.Bytes)
		}
		if err != nil || strings.TrimSpace(string(rest)) != "" {
			return nil, api.InvalidPublicKeyException("The public key is invalid.")
		}
	} else {
		of, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(body))
		if err != nil || len(options) > 0 || strings.TrimSpace(string(rest)) != "" {
			return nil, api.InvalidPublicKeyException("The public key is invalid.")
		}
		if c, ok := of.(ssh.CryptoPublicKey); ok {
			key = c.CryptoPublicKey()
		}
	}
	of, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, api.InvalidPublicKeyException("The public key must be an RSA key.")
	}
	if n := of.N.BitLen(); n < minRSA {
		return nil, api.InvalidPublicKeyException("The length of the public key is %d bits, it must be at least %d bits.", n, minRSA)
	}
	k, err := ssh.NewPublicKey(of)
	if err != nil {
		return nil, api.InvalidPublicKeyException("The public key is invalid.").Because(err)
	}
	return k, nil
}

// sshKeyText is a key in one of the encodings that GetSSHPublicKey has.
func sshKeyText(k ssh.PublicKey, encoding string) (string, error) {
	if encoding == api.EncodingTypeSsh {
		return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))), nil
	}
	der, err := x509.MarshalPKIXPublicKey(k.(ssh.CryptoPublicKey).CryptoPublicKey())
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), err
}

func (s *Service) uploadSSHPublicKey(ctx context.Context, in *api.UploadSSHPublicKeyRequest) (*api.UploadSSHPublicKeyResponse, error) {
	parsed, err := parseSSHKey(*in.SSHPublicKeyBody)
	if err != nil {
		return nil, err
	}
	a, print := account(ctx), ssh.FingerprintLegacyMD5(parsed)
	k := sshKey{ID: "APKA" + aws.RandomID(s.random, aws.Base32, 16), Status: api.StatusTypeActive, Body: *in.SSHPublicKeyBody, Uploaded: s.now()}
	out := &api.UploadSSHPublicKeyResponse{}
	return out, s.change(ctx, a, func(tx store.Tx) error {
		u, err := load(ctx, tx, a, user, *in.UserName)
		if err != nil {
			return err
		}
		n := 0
		for e, err := range sshKeys.List(ctx, tx, scope(a), store.ListOptions{Prefix: []any{u.ID}}) {
			if err != nil {
				return err
			}
			if have, err := parseSSHKey(e.Record.Body); err == nil && ssh.FingerprintLegacyMD5(have) == print {
				return api.DuplicateSSHPublicKeyException("The SSH public key is already associated with the user %s.", u.Name)
			}
			n++
		}
		if n >= maxSSHKeys {
			return api.LimitExceededException("Cannot exceed quota for SSHPublicKeysPerUser: %d", maxSSHKeys)
		}
		out.SSHPublicKey = &api.SSHPublicKey{Fingerprint: &print, SSHPublicKeyBody: &k.Body, SSHPublicKeyId: &k.ID, Status: &k.Status,
			UploadDate: &k.Uploaded, UserName: &u.Name}
		return sshKeys.Put(tx, scope(a), k, u.ID, k.ID)
	})
}

// loadSSHKey reads a user and one of his keys.
func loadSSHKey(ctx context.Context, r store.Reader, account, name, id string) (*principal, *sshKey, error) {
	u, err := load(ctx, r, account, user, name)
	if err != nil {
		return nil, nil, err
	}
	k, err := sshKeys.Get(ctx, r, scope(account), u.ID, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, api.NoSuchEntityException("The Public Key with id %s cannot be found.", id)
	}
	return u, &k, err
}

func (s *Service) getSSHPublicKey(ctx context.Context, in *api.GetSSHPublicKeyRequest) (*api.GetSSHPublicKeyResponse, error) {
	out := &api.GetSSHPublicKeyResponse{}
	return out, s.store.View(ctx, func(r store.Reader) error {
		u, k, err := loadSSHKey(ctx, r, account(ctx), *in.UserName, *in.SSHPublicKeyId)
		if err != nil {
			return err
		}
		parsed, err := parseSSHKey(k.Body)
		if err != nil {
			return err
		}
		body, err := sshKeyText(parsed, *in.Encoding)
		print := ssh.FingerprintLegacyMD5(parsed)
		out.SSHPublicKey = &api.SSHPublicKey{Fingerprint: &print, SSHPublicKeyBody: &body, SSHPublicKeyId: &k.ID, Status: &k.Status,
			UploadDate: &k.Uploaded, UserName: &u.Name}
		return err
	})
}

func (s *Service) listSSHPublicKeys(ctx context.Context, in *api.ListSSHPublicKeysRequest) (*api.ListSSHPublicKeysResponse, error) {
	name, err := userNamed(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	a := account(ctx)
	var all []api.SSHPublicKeyMetadata
	err = s.store.View(ctx, func(r store.Reader) error {
		u, err := load(ctx, r, a, user, name)
		if err != nil {
			return err
		}
		for e, err := range sshKeys.List(ctx, r, scope(a), store.ListOptions{Prefix: []any{u.ID}}) {
			if err != nil {
				return err
			}
			k := e.Record
			all = append(all, api.SSHPublicKeyMetadata{SSHPublicKeyId: &k.ID, Status: &k.Status, UploadDate: &k.Uploaded, UserName: &u.Name})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(all, page{in.Marker, in.MaxItems}, func(k *api.SSHPublicKeyMetadata) string { return *k.SSHPublicKeyId })
	return &api.ListSSHPublicKeysResponse{SSHPublicKeys: part, IsTruncated: more(next), Marker: next}, err
}

func (s *Service) updateSSHPublicKey(ctx context.Context, in *api.UpdateSSHPublicKeyRequest) (*aws.Empty, error) {
	if err := checkStatus(*in.Status); err != nil {
		return nil, err
	}
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		u, k, err := loadSSHKey(ctx, tx, a, *in.UserName, *in.SSHPublicKeyId)
		if err != nil {
			return err
		}
		k.Status = *in.Status
		return sshKeys.Put(tx, scope(a), *k, u.ID, k.ID)
	})
}

func (s *Service) deleteSSHPublicKey(ctx context.Context, in *api.DeleteSSHPublicKeyRequest) (*aws.Empty, error) {
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		u, k, err := loadSSHKey(ctx, tx, a, *in.UserName, *in.SSHPublicKeyId)
		if err != nil {
			return err
		}
		return sshKeys.Delete(tx, scope(a), u.ID, k.ID)
	})
}
