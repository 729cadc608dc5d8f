package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/tule-cloud/tule/store"
)

// An object is the record of one version of an object, or a delete marker.
//
// Of a key's versions at most one is current, under the bucket and the key; the others
// and all delete markers are among versions, the latest first. Where none is current the
// latest of versions is a delete marker, or there is none. Sequence numbers grow, so
// what is current is later than all versions.
type object struct {
	ID       uint64 // of its bytes
	Seq      uint64
	Version  string // 32 characters; "" for the version "null"
	Marker   bool
	Modified time.Time
	Size     int64
	ETag     string // without quotes
	Owner    string // account

	// Where its bytes are: in the store if Inline, in pieces if Parts, else in Blob,
	// unless it has none.
	Inline bool
	Blob   string
	Parts  int

	CacheControl, Disposition, Encoding, Language, Type, Expires string
	Redirect, Class                                              string
	Meta, Tags                                                   map[string]string

	Sum  sum
	SSE  encryption
	Lock lock
	ACL  []byte
	// Restored is until when an archived object can be read; zero for never.
	Restored time.Time
}

// A sum is a checksum as the API tells it.
type sum struct {
	Algorithm string // "CRC32"; "" for none
	Value     string // base64, and "-5" behind it for a COMPOSITE of five parts
	Type      string // "FULL_OBJECT", "COMPOSITE"
}

// An encryption is what was asked for when an object was written.
type encryption struct {
	Algorithm string // "AES256", "aws:kms"; "" where the customer has the key
	KeyID     string
	Context   string
	BucketKey bool
	// Of a customer's key: its MD5, in base64, and what shows that it is the one.
	KeyMD5 string
	Proof  string
	IV     string
}

// A lock keeps a version from being deleted.
type lock struct {
	Mode  string // "GOVERNANCE", "COMPLIANCE", ""
	Until time.Time
	Hold  bool
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (o object) MarshalBinary() ([]byte, error) {
	f := make(fields, 0, 256)
	f.int(1, int64(o.ID))
	f.int(2, int64(o.Seq))
	f.text(3, o.Version)
	f.flag(4, o.Marker)
	f.time(5, o.Modified)
	f.int(6, o.Size)
	f.text(7, o.ETag)
	f.text(8, o.Owner)
	f.flag(9, o.Inline)
	f.text(10, o.Blob)
	f.int(11, int64(o.Parts))
	for i, p := range o.headers() {
		f.text(byte(12+i), *p)
	}
	f.pairs(20, o.Meta)
	f.pairs(21, o.Tags)
	f.sum(22, o.Sum)
	f.encryption(25, o.SSE)
	f.text(32, o.Lock.Mode)
	f.time(33, o.Lock.Until)
	f.flag(34, o.Lock.Hold)
	f.text(35, string(o.ACL))
	f.time(36, o.Restored)
	return f, nil
}

// headers are the texts that an object's answer has in its head, in the order of their
// fields.
func (o *object) headers() [8]*string {
	return [8]*string{&o.CacheControl, &o.Disposition, &o.Encoding, &o.Language, &o.Type, &o.Expires, &o.Redirect, &o.Class}
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (o *object) UnmarshalBinary(b []byte) error {
	headers := o.headers()
	return eachField(b, func(n byte, v []byte) error {
		switch {
		case n >= 12 && n < 20:
			*headers[n-12] = string(v)
			return nil
		case n >= 22 && n < 25:
			o.Sum.field(n-22, v)
			return nil
		case n >= 25 && n < 32:
			o.SSE.field(n-25, v)
			return nil
		}
		return o.field(n, v)
	})
}

func (o *object) field(n byte, v []byte) error {
	switch n {
	case 1:
		o.ID = uint64(readInt(v))
	case 2:
		o.Seq = uint64(readInt(v))
	case 3:
		o.Version = string(v)
	case 4:
		o.Marker = true
	case 5:
		o.Modified = readTime(v)
	case 6:
		o.Size = readInt(v)
	case 7:
		o.ETag = string(v)
	case 8:
		o.Owner = string(v)
	case 9:
		o.Inline = true
	case 10:
		o.Blob = string(v)
	case 11:
		o.Parts = int(readInt(v))
	case 20:
		return readPair(v, &o.Meta)
	case 21:
		return readPair(v, &o.Tags)
	case 32:
		o.Lock.Mode = string(v)
	case 33:
		o.Lock.Until = readTime(v)
	case 34:
		o.Lock.Hold = true
	case 35:
		o.ACL = append([]byte(nil), v...)
	case 36:
		o.Restored = readTime(v)
	}
	return nil
}

func (f *fields) sum(first byte, s sum) {
	f.text(first, s.Algorithm)
	f.text(first+1, s.Value)
	f.text(first+2, s.Type)
}

func (s *sum) field(n byte, v []byte) {
	*[]*string{&s.Algorithm, &s.Value, &s.Type}[n] = string(v)
}

func (f *fields) encryption(first byte, e encryption) {
	f.text(first, e.Algorithm)
	f.text(first+1, e.KeyID)
	f.text(first+2, e.Context)
	f.flag(first+3, e.BucketKey)
	f.text(first+4, e.KeyMD5)
	f.text(first+5, e.Proof)
	f.text(first+6, e.IV)
}

func (e *encryption) field(n byte, v []byte) {
	if n == 3 {
		e.BucketKey = true
		return
	}
	*[]*string{&e.Algorithm, &e.KeyID, &e.Context, nil, &e.KeyMD5, &e.Proof, &e.IV}[n] = string(v)
}

// newVersion is the id of the version with the number seq: 32 characters, from which the
// number can be read.
func (s *Service) newVersion(seq uint64) (string, error) {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 24), seq)
	_, err := io.ReadFull(s.Random, b[8:24])
	return versionText.EncodeToString(b[:24]), err
}

var versionText = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._").WithPadding(base64.NoPadding)

// seqOf is the number in a version's id.
func seqOf(version string) (uint64, bool) {
	b, err := versionText.DecodeString(version)
	if err != nil || len(b) != 24 {
		return 0, false
	}
	return binary.BigEndian.Uint64(b), true
}

// nullVersion is how the API calls the version that has no id.
const nullVersion = "null"

// id is the version as the API calls it.
func (o *object) id() string {
	if o.Version == "" {
		return nullVersion
	}
	return o.Version
}

// latest reads the latest version of a key, which may be a delete marker; nil if there
// is none.
func latest(ctx context.Context, r store.Reader, b *bucket, key string) (*object, error) {
	o, err := current.Get(ctx, r, b.scope(), b.ID, key)
	if err == nil {
		return &o, nil
	}
	if !errors.Is(err, store.ErrNotFound) || b.Versioning == "" {
		return nil, none(err)
	}
	for e, err := range versions.List(ctx, r, b.scope(), store.ListOptions{Prefix: []any{b.ID, key}, Limit: 1}) {
		return &e.Record, err
	}
	return nil, nil
}

// versionOf reads a version of a key by its id; nil if there is none. That it is the
// current one tells the second result.
func versionOf(ctx context.Context, r store.Reader, b *bucket, key, id string) (*object, bool, error) {
	cur, err := current.Get(ctx, r, b.scope(), b.ID, key)
	if err == nil && cur.id() == id {
		return &cur, true, nil
	}
	if none(err) != nil {
		return nil, false, err
	}
	seq, ok := seqOf(id)
	if id == nullVersion {
		n, err := nulls.Get(ctx, r, b.scope(), b.ID, key)
		if err != nil {
			return nil, false, none(err)
		}
		seq = uint64(n)
	} else if !ok {
		return nil, false, errArgument("Invalid version id specified", "versionId", id)
	}
	o, err := versions.Get(ctx, r, b.scope(), b.ID, key, ^seq)
	if err != nil || o.id() != id {
		return nil, false, none(err)
	}
	return &o, false, nil
}

// none makes of «not found» no error.
func none(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
