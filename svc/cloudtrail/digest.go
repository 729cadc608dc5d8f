package cloudtrail

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/tule-cloud/tule/store"
)

// Digests name the files that were delivered, with the hash of each, and are signed; each
// names the one before, so that none can be changed or taken away unseen.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html

// digested is a digest that was delivered, as the next one names it.
type digested struct{ Bucket, Key, Hash, Signature string }

// A digest is the file, its members in AWS's order.
type digest struct {
	Account            string         `json:"awsAccountId"`
	Start              string         `json:"digestStartTime"`
	End                string         `json:"digestEndTime"`
	Bucket             string         `json:"digestS3Bucket"`
	Object             string         `json:"digestS3Object"`
	Fingerprint        string         `json:"digestPublicKeyFingerprint"`
	SignatureAlgorithm string         `json:"digestSignatureAlgorithm"`
	Newest             *string        `json:"newestEventTime"`
	Oldest             *string        `json:"oldestEventTime"`
	PreviousBucket     *string        `json:"previousDigestS3Bucket"`
	PreviousObject     *string        `json:"previousDigestS3Object"`
	PreviousHash       *string        `json:"previousDigestHashValue"`
	PreviousAlgorithm  *string        `json:"previousDigestHashAlgorithm"`
	PreviousSignature  *string        `json:"previousDigestSignature"`
	Files              []digestedFile `json:"logFiles"`
}

type digestedFile struct {
	Bucket    string `json:"s3Bucket"`
	Object    string `json:"s3Object"`
	Hash      string `json:"hashValue"`
	Algorithm string `json:"hashAlgorithm"`
	Newest    string `json:"newestEventTime"`
	Oldest    string `json:"oldestEventTime"`
}

const (
	hashAlgorithm      = "SHA-256"
	signatureAlgorithm = "SHA256withRSA"
)

// deliverDigest puts the digest into the bucket that a progress has planned.
func (s *Service) deliverDigest(ctx context.Context, t *trail, st stream, p progress) (status, error) {
	key, err := s.signingKey(ctx, st.home)
	if err != nil {
		return status{}, err
	}
	d := digest{Account: st.account, Start: second(p.DigestFrom), End: second(p.DigestTo), Bucket: t.Bucket, Object: digestKey(t, st, p.DigestTo),
		Fingerprint: key.Fingerprint, SignatureAlgorithm: signatureAlgorithm, Files: []digestedFile{}}
	if p.Last != nil {
		d.PreviousBucket, d.PreviousObject, d.PreviousHash = &p.Last.Bucket, &p.Last.Key, &p.Last.Hash
		d.PreviousAlgorithm, d.PreviousSignature = new(hashAlgorithm), &p.Last.Signature
	}
	if err := s.Store.View(ctx, func(r store.Reader) error { return d.name(ctx, r, st) }); err != nil {
		return status{}, err
	}
	text, err := json.Marshal(d)
	if err != nil {
		return status{}, err
	}
	signature, err := key.sign(&d, hash(text))
	if err != nil {
		return status{}, err
	}
	packed, err := pack(text)
	if err != nil {
		return status{}, err
	}
	did := status{}
	err = s.putFile(ctx, t, d.Object, packed, map[string]string{"signature": signature, "signature-algorithm": signatureAlgorithm})
	if did.DigestError, err = outcome(err); err != nil || did.DigestError != "" {
		return did, err
	}
	did.Digested, did.digest = s.Clock.Now(), &digested{t.Bucket, d.Object, hash(text), signature}
	return did, nil
}

// name lists the files of a stream since the last digest.
func (d *digest) name(ctx context.Context, r store.Reader, st stream) error {
	var oldest, newest time.Time
	for e, err := range logFiles.List(ctx, r, st.scope(), store.ListOptions{Prefix: st.key()}) {
		if err != nil {
			return err
		}
		f := &e.Record
		if oldest.IsZero() || f.Oldest.Before(oldest) {
			oldest = f.Oldest
		}
		if f.Newest.After(newest) {
			newest = f.Newest
		}
		d.Files = append(d.Files, digestedFile{f.Bucket, f.Key, f.Hash, hashAlgorithm, second(f.Newest), second(f.Oldest)})
	}
	if len(d.Files) > 0 {
		d.Newest, d.Oldest = new(second(newest)), new(second(oldest))
	}
	return nil
}

// digestKey is where a digest is put.
func digestKey(t *trail, st stream, end time.Time) string {
	return t.root(st.account) + "CloudTrail-Digest/" + st.region + end.UTC().Format("/2006/01/02/") + st.account + "_CloudTrail-Digest_" + st.region + "_" +
		st.name + "_" + st.home + end.UTC().Format("_20060102T150405Z") + ".json.gz"
}

func second(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// sign is the signature of a digest whose text has a hash. The text that is signed holds
// the signature before it, which makes the chain.
func (k *signingKey) sign(d *digest, hash string) (string, error) {
	previous := "null"
	if d.PreviousSignature != nil {
		previous = *d.PreviousSignature
	}
	sum := sha256.Sum256([]byte(d.End + "\n" + d.Bucket + "/" + d.Object + "\n" + hash + "\n" + previous))
	signature, err := rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, sum[:])
	return hex.EncodeToString(signature), err
}

// restartDigests begins new chains of digests, where validation was turned on or off.
func (s *Service) restartDigests(ctx context.Context, tx store.Tx, t *trail) error {
	for e, err := range streams.List(ctx, tx, t.scope(), store.ListOptions{Prefix: []any{t.Region, t.Name}}) {
		if err != nil {
			return err
		}
		p := e.Record
		p.DigestFrom, p.DigestTo, p.Last = s.Clock.Now().Truncate(time.Second), time.Time{}, nil
		if err := streams.Put(tx, t.scope(), p, e.Key.Parts()...); err != nil {
			return err
		}
	}
	return logFiles.DeleteAll(tx, t.scope(), t.Region, t.Name)
}
