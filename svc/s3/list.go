package s3

import (
	"context"
	"iter"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A keyPage is a part of a list of keys in the order of their bytes. Keys that share what
// comes up to a delimiter, behind the prefix, are one element: that beginning.
type keyPage struct {
	prefix, delimiter string
	after             string // what comes behind this
	most              int

	items    []listed
	prefixes []string
	last     string // the last element
	more     bool
}

type listed struct {
	key string
	*object
}

// skips is how many keys of one beginning are read before the list jumps behind them.
const skips = 20

// read fills a page with what a walk over keys yields. Walk starts with the first key
// that is not less than from.
func (p *keyPage) read(walk func(from string) iter.Seq2[listed, error]) error {
	from := max(p.prefix, p.after)
	for from != "\xff" {
		next := "\xff" // no key begins so
		skipped := 0
		for it, err := range walk(from) {
			if err != nil {
				return err
			}
			if !strings.HasPrefix(it.key, p.prefix) {
				break
			}
			group, grouped := p.group(it.key)
			if grouped && (group <= p.after && p.after != "" || len(p.prefixes) > 0 && p.prefixes[len(p.prefixes)-1] == group) {
				if skipped++; skipped > skips {
					next = behind(group)
					break
				}
				continue
			}
			if !p.add(it, group, grouped) {
				return nil
			}
			skipped = 0
		}
		from = next
	}
	return nil
}

// add adds an element; false if there is no room for it.
func (p *keyPage) add(it listed, group string, grouped bool) bool {
	if len(p.items)+len(p.prefixes) >= p.most {
		p.more = p.most > 0
		return false
	}
	if grouped {
		p.prefixes, p.last = append(p.prefixes, group), group
		return true
	}
	p.items, p.last = append(p.items, it), it.key
	return true
}

// group is the beginning that stands for a key, if one does.
func (p *keyPage) group(key string) (string, bool) {
	if p.delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(p.prefix):], p.delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(p.prefix)+i+len(p.delimiter)], true
}

// behind is the first text that comes after all that begin with s.
func behind(s string) string {
	b := []byte(s)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return "\xff"
}

// objects walks over the objects of a bucket, behind p.after.
func (p *keyPage) objects(ctx context.Context, r store.Reader, b *bucket) func(string) iter.Seq2[listed, error] {
	return func(from string) iter.Seq2[listed, error] {
		o := store.ListOptions{Prefix: []any{b.ID}, From: []any{b.ID, from}}
		if p.delimiter == "" {
			o.Limit = p.most + 2
		}
		return func(yield func(listed, error) bool) {
			for e, err := range current.List(ctx, r, b.scope(), o) {
				if err != nil {
					yield(listed{}, err)
					return
				}
				key := e.Key.String(1)
				if key == p.after {
					continue
				}
				if !yield(listed{key, &e.Record}, nil) {
					return
				}
			}
		}
	}
}

func (p *keyPage) commonPrefixes(encode func(string) *string) []api.CommonPrefix {
	var out []api.CommonPrefix
	for _, c := range p.prefixes {
		out = append(out, api.CommonPrefix{Prefix: encode(c)})
	}
	return out
}

// contents are the objects of a page as the API lists them.
func (s *Service) contents(p *keyPage, encode func(string) *string, owners bool, optional []string) []api.Object {
	out := make([]api.Object, 0, len(p.items))
	for _, it := range p.items {
		etag, class := quoted(it.ETag), classOf(it.Class)
		o := api.Object{Key: encode(it.key), ETag: &etag, LastModified: &it.Modified, Size: &it.Size, StorageClass: &class}
		if it.Sum.Algorithm != "" {
			o.ChecksumAlgorithm, o.ChecksumType = []string{it.Sum.Algorithm}, &it.Sum.Type
		}
		if owners {
			o.Owner = ownerOf(it.Owner)
		}
		if len(optional) > 0 {
			o.RestoreStatus = restoreStatus(it.object)
		}
		out = append(out, o)
	}
	return out
}

func restoreStatus(o *object) *api.RestoreStatus {
	if !archived(o.Class) {
		return nil
	}
	under := false
	st := &api.RestoreStatus{IsRestoreInProgress: &under}
	if !o.Restored.IsZero() {
		st.RestoreExpiryDate = &o.Restored
	}
	return st
}

// encoding is how keys stand in an answer.
func encoding(kind *string) func(string) *string {
	if kind == nil {
		return func(s string) *string { return &s }
	}
	return func(s string) *string {
		e := escapeKey(s)
		return &e
	}
}

// escapeKey escapes a key as S3 does in URLs and, where asked to, in lists.
func escapeKey(key string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(key) {
		c := key[i]
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.*/", c) >= 0:
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('+')
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

func orNil(f func(string) *string, s *string) *string {
	if s == nil || *s == "" {
		return nil
	}
	return f(*s)
}

func (s *Service) listObjects(ctx context.Context, in *api.ListObjectsRequest) (out *api.ListObjectsOutput, err error) {
	most := limited(in.MaxKeys)
	if most < 0 {
		return nil, errMax("maxKeys", *in.MaxKeys)
	}
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		p := &keyPage{prefix: aws.Value(in.Prefix), delimiter: aws.Value(in.Delimiter), after: aws.Value(in.Marker), most: int(most)}
		if err := p.read(p.objects(ctx, r, b)); err != nil {
			return err
		}
		encode := encoding(in.EncodingType)
		out = &api.ListObjectsOutput{Name: &b.Name, Prefix: encode(p.prefix), Delimiter: orNil(encode, in.Delimiter), Marker: encode(p.after), MaxKeys: &most,
			EncodingType: in.EncodingType, IsTruncated: &p.more, Contents: s.contents(p, encode, true, in.OptionalObjectAttributes), CommonPrefixes: p.commonPrefixes(encode)}
		if p.more && p.delimiter != "" {
			out.NextMarker = encode(p.last)
		}
		return nil
	})
	return out, err
}

func (s *Service) listObjectsV2(ctx context.Context, in *api.ListObjectsV2Request) (out *api.ListObjectsV2Output, err error) {
	most := limited(in.MaxKeys)
	if most < 0 {
		return nil, errMax("maxKeys", *in.MaxKeys)
	}
	after, err := parseContinuation(in.ContinuationToken)
	if err != nil {
		return nil, err
	}
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		p := &keyPage{prefix: aws.Value(in.Prefix), delimiter: aws.Value(in.Delimiter), after: max(after, aws.Value(in.StartAfter)), most: int(most)}
		if err := p.read(p.objects(ctx, r, b)); err != nil {
			return err
		}
		encode := encoding(in.EncodingType)
		count := int32(len(p.items) + len(p.prefixes))
		out = &api.ListObjectsV2Output{Name: &b.Name, Prefix: encode(p.prefix), Delimiter: orNil(encode, in.Delimiter), MaxKeys: &most, KeyCount: &count,
			EncodingType: in.EncodingType, IsTruncated: &p.more, Contents: s.contents(p, encode, aws.Value(in.FetchOwner), in.OptionalObjectAttributes),
			CommonPrefixes: p.commonPrefixes(encode), ContinuationToken: in.ContinuationToken, StartAfter: orNil(encode, in.StartAfter)}
		if p.more {
			out.NextContinuationToken = text(aws.Token([]byte(p.last)))
		}
		return nil
	})
	return out, err
}

// parseContinuation reads a continuation token: the last element of the page before.
func parseContinuation(token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	var last []byte
	if !aws.ParseToken(*token, &last) || len(last) == 0 {
		return "", errArgument("The continuation token provided is incorrect", "continuation-token", *token)
	}
	return string(last), nil
}
