package s3

import (
	"context"
	"slices"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) getObjectAttributes(ctx context.Context, in *api.GetObjectAttributesRequest) (out *api.GetObjectAttributesOutput, err error) {
	k, err := customerKeyOf(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	most := limited(in.MaxParts)
	if most < 0 {
		return nil, errMax("max-parts", *in.MaxParts)
	}
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		o, _, err := lookUp(ctx, r, b, *in.Key, in.VersionId)
		if err != nil {
			return err
		}
		if err := o.SSE.fits(k); err != nil {
			return err
		}
		out = &api.GetObjectAttributesOutput{LastModified: &o.Modified, VersionId: told(b, o)}
		wants := func(name string) bool { return slices.Contains(in.ObjectAttributes, name) }
		if wants(api.ObjectAttributesETag) {
			out.ETag = &o.ETag // without quotes, here alone
		}
		if wants(api.ObjectAttributesStorageClass) {
			out.StorageClass = text(classOf(o.Class))
		}
		if wants(api.ObjectAttributesObjectSize) {
			out.ObjectSize = &o.Size
		}
		if wants(api.ObjectAttributesChecksum) && o.Sum.Algorithm != "" {
			out.Checksum = &api.Checksum{ChecksumType: text(o.Sum.Type)}
			sumsOfChecksum(out.Checksum).tell(o.Sum)
		}
		if wants(api.ObjectAttributesObjectParts) && o.Parts > 0 {
			out.ObjectParts, err = partsOf(ctx, r, b, o, most, aws.Value(in.PartNumberMarker))
		}
		return err
	})
	return out, err
}

// partsOf is a page of the parts of an object. Where parts have no sums of their own that
// AWS tells, only their number is told.
func partsOf(ctx context.Context, r store.Reader, b *bucket, o *object, most, after int32) (*api.GetObjectAttributesParts, error) {
	total, more := int32(o.Parts), false
	out := &api.GetObjectAttributesParts{TotalPartsCount: &total}
	if o.Sum.Type != api.ChecksumTypeComposite {
		return out, nil
	}
	next := after
	out.IsTruncated, out.MaxParts, out.PartNumberMarker, out.NextPartNumberMarker = &more, &most, &after, &next
	for e, err := range pieces.List(ctx, r, b.scope(), store.ListOptions{Prefix: []any{b.ID, o.ID}, After: []any{b.ID, o.ID, int(after)}, Limit: int(most) + 1}) {
		if err != nil {
			return nil, err
		}
		if len(out.Parts) == int(most) {
			more = true
			break
		}
		next = int32(e.Key.Int(2))
		p := api.ObjectPart{PartNumber: new(int32), Size: &e.Record.Size}
		*p.PartNumber = next
		sumsOfObjectPart(&p).tell(e.Record.Sum)
		out.Parts = append(out.Parts, p)
	}
	return out, nil
}
