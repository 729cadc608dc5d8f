package cloudtrail

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A publicKey is what digests are signed by, in one region. Its private part is sealed.
type publicKey struct {
	Fingerprint string
	Value       []byte // PKCS#1, as AWS gives it out
	Private     []byte // sealed
	From, Until time.Time
}

// publicKeys are kept for the installation, by region and when they begin.
var publicKeys = store.NewTable[publicKey]("cloudtrail", "key")

const (
	// keyBits is the length of AWS's own keys.
	keyBits = 2048
	// keyLasts is for how long a key signs. After that it can be asked for still.
	keyLasts = 365 * 24 * time.Hour
)

// A signingKey is one with its private part.
type signingKey struct {
	Fingerprint string
	private     *rsa.PrivateKey
}

// signingKey is the key that signs in a region now, made when it is first needed.
func (s *Service) signingKey(ctx context.Context, region string) (*signingKey, error) {
	if s.Box == nil {
		return nil, errors.New("without a box for secrets no digest can be signed")
	}
	var have *publicKey
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		have, err = s.currentKey(ctx, r, region)
		return err
	})
	if err != nil {
		return nil, err
	}
	if have == nil {
		made, err := s.makeKey(region)
		if err != nil {
			return nil, err
		}
		err = s.Store.Update(ctx, func(tx store.Tx) (err error) {
			if have, err = s.currentKey(ctx, tx, region); err != nil || have != nil {
				return err
			}
			have = made
			return publicKeys.Put(tx, store.Scope{Region: region}, *made, made.From)
		})
		if err != nil {
			return nil, err
		}
	}
	der, err := s.Box.Open(have.Private, "cloudtrail "+region)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS1PrivateKey(der)
	return &signingKey{have.Fingerprint, private}, err
}

// currentKey is the key of a region that is valid now; nil for none.
func (s *Service) currentKey(ctx context.Context, r store.Reader, region string) (*publicKey, error) {
	now := s.Clock.Now()
	for e, err := range publicKeys.List(ctx, r, store.Scope{Region: region}, store.ListOptions{Reverse: true, Limit: 1}) {
		if err != nil {
			return nil, err
		}
		if now.Before(e.Record.Until) {
			return &e.Record, nil
		}
	}
	return nil, nil
}

func (s *Service) makeKey(region string) (*publicKey, error) {
	private, err := rsa.GenerateKey(s.Random, keyBits)
	if err != nil {
		return nil, err
	}
	sealed, err := s.Box.Seal(x509.MarshalPKCS1PrivateKey(private), "cloudtrail "+region)
	if err != nil {
		return nil, err
	}
	value := x509.MarshalPKCS1PublicKey(&private.PublicKey)
	sum := md5.Sum(value)
	from := s.Clock.Now().Truncate(time.Second)
	return &publicKey{Fingerprint: hex.EncodeToString(sum[:]), Value: value, Private: sealed, From: from, Until: from.Add(keyLasts)}, nil
}

// listPublicKeys answers the keys of the region that were valid at some time between two,
// or in the present.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_ListPublicKeys.html
func (s *Service) listPublicKeys(ctx context.Context, in *api.ListPublicKeysRequest) (*api.ListPublicKeysResponse, error) {
	if in.NextToken != nil {
		return nil, api.InvalidTokenException("Reserved for future use.")
	}
	now := s.Clock.Now()
	from, to := cmp.Or(in.StartTime, in.EndTime, &now), cmp.Or(in.EndTime, &now)
	if from.After(*to) {
		return nil, api.InvalidTimeRangeException("Start time must be before end time.")
	}
	out := &api.ListPublicKeysResponse{PublicKeyList: []api.PublicKey{}}
	err := s.Store.View(ctx, func(r store.Reader) error {
		out.PublicKeyList = out.PublicKeyList[:0]
		for e, err := range publicKeys.List(ctx, r, store.Scope{Region: aws.RequestOf(ctx).Region}, store.ListOptions{}) {
			if err != nil {
				return err
			}
			k := e.Record
			if !k.From.After(*to) && !k.Until.Before(*from) {
				out.PublicKeyList = append(out.PublicKeyList, api.PublicKey{Fingerprint: &k.Fingerprint, Value: k.Value,
					ValidityStartTime: &k.From, ValidityEndTime: &k.Until})
			}
		}
		return nil
	})
	return out, err
}
