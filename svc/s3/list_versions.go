package s3

import (
	"context"
	"errors"
	"iter"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// both walks over the current objects and the versions of a bucket at once: key by key,
// each key's latest first. It starts at a key, behind its version with the number seq
// unless that is zero.
func both(ctx context.Context, r store.Reader, b *bucket, from string, seq uint64) iter.Seq2[listed, error] {
	next := []any{b.ID, from}
	if seq != 0 {
		next = append(next, ^seq+1)
	}
	return func(yield func(listed, error) bool) {
		newest, stopNewest := iter.Pull2(current.List(ctx, r, b.scope(), store.ListOptions{Prefix: []any{b.ID}, From: []any{b.ID, from}}))
		defer stopNewest()
		older, stopOlder := iter.Pull2(versions.List(ctx, r, b.scope(), store.ListOptions{Prefix: []any{b.ID}, From: next}))
		defer stopOlder()
		c, cerr, cok := newest()
		o, oerr, ook := older()
		if cok && seq != 0 && c.Key.String(1) == from && c.Record.Seq >= seq {
			c, cerr, cok = newest()
		}
		for cok || ook {
			if err := errors.Join(cerr, oerr); err != nil {
				yield(listed{}, err)
				return
			}
			var it listed
			if cok && (!ook || c.Key.String(1) <= o.Key.String(1)) {
				rec := c.Record
				it = listed{c.Key.String(1), &rec}
				c, cerr, cok = newest()
			} else {
				rec := o.Record
				it = listed{o.Key.String(1), &rec}
				o, oerr, ook = older()
			}
			if !yield(it, nil) {
				return
			}
		}
	}
}

// versionMarker is the number of the version behind which a list goes on.
func versionMarker(ctx context.Context, r store.Reader, b *bucket, key, id string) (uint64, error) {
	o, _, err := versionOf(ctx, r, b, key, id)
	if err != nil || o == nil {
		seq, _ := seqOf(id) // it was deleted meanwhile
		return seq, err
	}
	return o.Seq, nil
}

func (s *Service) listObjectVersions(ctx context.Context, in *api.ListObjectVersionsRequest) (out *api.ListObjectVersionsOutput, err error) {
	most := limited(in.MaxKeys)
	if most < 0 {
		return nil, errMax("maxKeys", *in.MaxKeys)
	}
	marker := aws.Value(in.VersionIdMarker)
	if in.VersionIdMarker != nil && aws.Value(in.KeyMarker) == "" {
		return nil, errArgument("A version-id marker cannot be specified without a key marker.", "version-id-marker", marker)
	}
	if in.VersionIdMarker != nil && marker == "" {
		return nil, errArgument("A version-id marker cannot be empty.", "version-id-marker", "")
	}
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		p := &keyPage{prefix: aws.Value(in.Prefix), delimiter: aws.Value(in.Delimiter), after: aws.Value(in.KeyMarker), most: int(most)}
		walk, err := p.versions(ctx, r, b, marker)
		if err != nil {
			return err
		}
		if err := p.read(walk); err != nil {
			return err
		}
		encode := encoding(in.EncodingType)
		out = &api.ListObjectVersionsOutput{Name: &b.Name, Prefix: encode(p.prefix), Delimiter: orNil(encode, in.Delimiter), MaxKeys: &most, EncodingType: in.EncodingType,
			KeyMarker: encode(p.after), VersionIdMarker: &marker, IsTruncated: &p.more, CommonPrefixes: p.commonPrefixes(encode)}
		previous := ""
		if marker != "" {
			previous = p.after
		}
		for i := range p.items {
			it := &p.items[i]
			tellVersion(out, it, encode(it.key), it.key != previous, len(in.OptionalObjectAttributes) > 0)
			previous = it.key
		}
		if p.more {
			out.NextKeyMarker = encode(p.last)
			if n := len(p.items); n > 0 && p.items[n-1].key == p.last {
				out.NextVersionIdMarker = text(p.items[n-1].id())
			}
		}
		return nil
	})
	return out, err
}

// versions walks over all versions of a bucket, behind p.after and the marker.
func (p *keyPage) versions(ctx context.Context, r store.Reader, b *bucket, marker string) (func(string) iter.Seq2[listed, error], error) {
	var seq uint64
	if marker != "" {
		var err error
		if seq, err = versionMarker(ctx, r, b, p.after, marker); err != nil {
			return nil, err
		}
	}
	return func(from string) iter.Seq2[listed, error] {
		if from == p.after && seq != 0 {
			return both(ctx, r, b, from, seq)
		}
		return func(yield func(listed, error) bool) {
			for it, err := range both(ctx, r, b, from, 0) {
				if err == nil && it.key == p.after && p.after != "" {
					continue
				}
				if !yield(it, err) {
					return
				}
			}
		}
	}, nil
}

func tellVersion(out *api.ListObjectVersionsOutput, it *listed, key *string, isLatest, optional bool) {
	id := it.id()
	if it.Marker {
		out.DeleteMarkers = append(out.DeleteMarkers, api.DeleteMarkerEntry{Key: key, VersionId: &id, IsLatest: &isLatest, LastModified: &it.Modified, Owner: ownerOf(it.Owner)})
		return
	}
	etag, class := quoted(it.ETag), classOf(it.Class)
	v := api.ObjectVersion{Key: key, VersionId: &id, IsLatest: &isLatest, LastModified: &it.Modified, Owner: ownerOf(it.Owner), ETag: &etag, Size: &it.Size, StorageClass: &class}
	if it.Sum.Algorithm != "" {
		v.ChecksumAlgorithm, v.ChecksumType = []string{it.Sum.Algorithm}, &it.Sum.Type
	}
	if optional {
		v.RestoreStatus = restoreStatus(it.object)
	}
	out.Versions = append(out.Versions, v)
}

// listMultipartUploads lists uploads under way by key and, within a key, by their start.
func (s *Service) listMultipartUploads(ctx context.Context, in *api.ListMultipartUploadsRequest) (out *api.ListMultipartUploadsOutput, err error) {
	most := limited(in.MaxUploads)
	if most < 0 {
		return nil, errMax("max-uploads", *in.MaxUploads)
	}
	marker := ""
	if aws.Value(in.KeyMarker) != "" {
		marker = aws.Value(in.UploadIdMarker)
	}
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		p := &keyPage{prefix: aws.Value(in.Prefix), delimiter: aws.Value(in.Delimiter), after: aws.Value(in.KeyMarker), most: int(most)}
		seq, _ := seqOf(marker)
		found := map[*object]*upload{}
		err := p.read(func(from string) iter.Seq2[listed, error] { return p.uploads(ctx, r, b, from, seq, found) })
		if err != nil {
			return err
		}
		encode := encoding(in.EncodingType)
		out = &api.ListMultipartUploadsOutput{Bucket: &b.Name, Prefix: encode(p.prefix), Delimiter: orNil(encode, in.Delimiter), MaxUploads: &most, EncodingType: in.EncodingType,
			KeyMarker: encode(p.after), UploadIdMarker: &marker, IsTruncated: &p.more, CommonPrefixes: p.commonPrefixes(encode)}
		for _, it := range p.items {
			u := found[it.object]
			id, class := u.name(), classOf(it.Class)
			out.Uploads = append(out.Uploads, api.MultipartUpload{Key: encode(it.key), UploadId: &id, Initiated: &u.Started, StorageClass: &class,
				Owner: ownerOf(it.Owner), Initiator: initiatorOf(u), ChecksumAlgorithm: text(it.Sum.Algorithm), ChecksumType: text(it.Sum.Type)})
		}
		if p.more {
			out.NextKeyMarker, out.NextUploadIdMarker = encode(p.last), new(string)
			if n := len(out.Uploads); n > 0 && p.items[n-1].key == p.last {
				out.NextUploadIdMarker = out.Uploads[n-1].UploadId
			}
		}
		return nil
	})
	return out, err
}

// uploads walks over uploads, and notes which is whose object. Behind a key whose upload
// is named, those with greater numbers come first.
func (p *keyPage) uploads(ctx context.Context, r store.Reader, b *bucket, from string, seq uint64, found map[*object]*upload) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		for e, err := range uploads.List(ctx, r, b.scope(), store.ListOptions{Prefix: []any{b.ID}, From: []any{b.ID, from}}) {
			if err != nil {
				yield(listed{}, err)
				return
			}
			u := e.Record
			if u.Key == p.after && p.after != "" && (seq == 0 || u.Object.ID <= seq) {
				continue
			}
			found[&u.Object] = &u
			if !yield(listed{u.Key, &u.Object}, nil) {
				return
			}
		}
	}
}
