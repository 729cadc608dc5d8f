package s3

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// completeMultipartUpload makes one object of the parts that its caller lists. Their
// bytes stay where they are.
func (s *Service) completeMultipartUpload(ctx context.Context, in *api.CompleteMultipartUploadRequest) (*api.CompleteMultipartUploadOutput, error) {
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 {
		return nil, errRequest("You must specify at least one part")
	}
	claimed, err := sumsOfComplete(in).given()
	if err != nil {
		return nil, err
	}
	k, err := customerKeyOf(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	var out *api.CompleteMultipartUploadOutput
	err = s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		u, err := uploadOf(ctx, tx, b, *in.Key, *in.UploadId)
		if err != nil {
			return err
		}
		if k != nil {
			if err := u.Object.SSE.fits(k); err != nil {
				return err
			}
		}
		o, err := s.assemble(ctx, tx, b, u, in.MultipartUpload.Parts)
		if err != nil {
			return err
		}
		if err := agrees(in, claimed, o); err != nil {
			return err
		}
		if err := s.commit(ctx, tx, b, u.Key, o, "ObjectCreated:CompleteMultipartUpload", in.IfMatch, in.IfNoneMatch); err != nil {
			return err
		}
		out = completeOutput(ctx, b, u.Key, o)
		if out.Expiration, err = s.expiration(ctx, tx, b, u.Key, o); err != nil {
			return err
		}
		return uploads.Delete(tx, b.scope(), b.ID, u.Key, u.Object.ID)
	})
	return out, err
}

// agrees holds what the caller says of the whole against what came of it.
func agrees(in *api.CompleteMultipartUploadRequest, claimed sum, o *object) error {
	value, _, _ := strings.Cut(o.Sum.Value, "-")
	said, _, _ := strings.Cut(claimed.Value, "-")
	switch {
	case in.MpuObjectSize != nil && *in.MpuObjectSize != o.Size:
		return errRequest("The provided 'x-amz-mp-object-size' header does not match what was computed.")
	case claimed.Algorithm != "" && claimed.Algorithm == o.Sum.Algorithm && said != value:
		return errBadSum(strings.ToLower(claimed.Algorithm))
	case in.ChecksumType != nil && o.Sum.Type != "" && *in.ChecksumType != o.Sum.Type:
		return errRequest("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", o.Sum.Type)
	}
	return nil
}

// assemble makes the object of the parts listed, and lets go of those that are not.
func (s *Service) assemble(ctx context.Context, tx store.Tx, b *bucket, u *upload, listed []api.CompletedPart) (*object, error) {
	all, err := piecesOf(ctx, tx, b, u.Object.ID)
	if err != nil {
		return nil, err
	}
	by := make(map[int]*piece, len(all))
	for i := range all {
		by[all[i].number] = &all[i].piece
	}
	if err := u.ordered(listed); err != nil {
		return nil, err
	}
	o := u.Object
	keep := make(map[int64]bool, len(listed))
	sums, sizes, h := make([]string, 0, len(listed)), make([]int64, 0, len(listed)), md5.New()
	for i := range listed {
		p, err := u.part(&listed[i], by)
		if err != nil {
			return nil, err
		}
		number := *listed[i].PartNumber
		if p.Size < partMin && i < len(listed)-1 {
			return nil, aws.Errorf(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size").With(&struct {
				ProposedSize, MinSizeAllowed int64
				PartNumber                   int32
				ETag                         string
			}{p.Size, partMin, number, p.ETag})
		}
		digest, _ := hex.DecodeString(p.ETag)
		h.Write(digest)
		keep[int64(number)] = true
		o.Size += p.Size
		sums, sizes = append(sums, p.Sum.Value), append(sizes, p.Size)
	}
	if o.Size > objectMax {
		return nil, errTooLarge(o.Size)
	}
	o.Parts, o.ETag = len(listed), hex.EncodeToString(h.Sum(nil))+"-"+strconv.Itoa(len(listed))
	if o.Sum, err = sumOfParts(o.Sum, by, listed, sums, sizes); err != nil {
		return nil, err
	}
	return &o, dropPieces(ctx, tx, b, o.ID, keep)
}

// ordered returns an error unless each part listed has a greater number than the one
// before.
func (u *upload) ordered(listed []api.CompletedPart) error {
	last := int32(0)
	for i := range listed {
		n := listed[i].PartNumber
		if n == nil || listed[i].ETag == nil {
			return errMalformed()
		}
		if *n <= last {
			return aws.Errorf(400, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.").With(&struct{ UploadId string }{u.name()})
		}
		last = *n
	}
	return nil
}

// part finds a part that was listed, and holds it against what is said of it.
func (u *upload) part(listed *api.CompletedPart, by map[int]*piece) (*piece, error) {
	n := int(*listed.PartNumber)
	bad := aws.Errorf(400, "InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.").With(&struct {
		UploadId   string
		PartNumber int32
		ETag       string
	}{u.name(), int32(n), strings.Trim(*listed.ETag, `"`)})
	p := by[n]
	if p == nil || p.ETag != strings.Trim(*listed.ETag, `"`) {
		return nil, bad
	}
	said, err := sumsOfCompleted(listed).given()
	switch {
	case err != nil:
		return nil, err
	case said.Algorithm == p.Sum.Algorithm && said.Value != p.Sum.Value:
		return nil, bad
	case said.Algorithm == "" && u.Object.Sum.Type == api.ChecksumTypeComposite:
		return nil, errRequest("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.", strings.ToLower(u.Object.Sum.Algorithm), n)
	}
	return p, nil
}

// sumOfParts is the checksum of the whole: as the upload was to have it, else the usual
// one, if all parts have that.
func sumOfParts(want sum, by map[int]*piece, listed []api.CompletedPart, sums []string, sizes []int64) (sum, error) {
	if want.Algorithm == "" {
		want = sum{Algorithm: usual, Type: api.ChecksumTypeFullObject}
	}
	for i := range listed {
		if by[int(*listed[i].PartNumber)].Sum.Algorithm != want.Algorithm {
			return sum{}, nil
		}
	}
	return combine(algorithmNamed(want.Algorithm), want.Type, sums, sizes)
}

func completeOutput(ctx context.Context, b *bucket, key string, o *object) *api.CompleteMultipartUploadOutput {
	req := aws.RequestOf(ctx)
	etag, where := quoted(o.ETag), req.Scheme+"://"+req.Host+"/"+b.Name+"/"+escapeKey(key)
	out := &api.CompleteMultipartUploadOutput{Bucket: &b.Name, Key: &key, ETag: &etag, Location: &where, ChecksumType: text(o.Sum.Type)}
	if b.Versioning == api.BucketVersioningStatusEnabled {
		out.VersionId = told(b, o)
	}
	sumsOfCompleteOutput(out).tell(o.Sum)
	var customer, keyMD5 *string
	o.SSE.tell(&out.ServerSideEncryption, &out.SSEKMSKeyId, nil, &out.BucketKeyEnabled, &customer, &keyMD5)
	return out
}

func (s *Service) listParts(ctx context.Context, in *api.ListPartsRequest) (out *api.ListPartsOutput, err error) {
	most, after := limited(in.MaxParts), aws.Value(in.PartNumberMarker)
	if most < 0 {
		return nil, errMax("max-parts", *in.MaxParts)
	}
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		u, err := uploadOf(ctx, r, b, *in.Key, *in.UploadId)
		if err != nil {
			return err
		}
		class, id, full := classOf(u.Object.Class), *in.UploadId, false
		out = &api.ListPartsOutput{Bucket: &b.Name, Key: &u.Key, UploadId: &id, MaxParts: &most, PartNumberMarker: &after, IsTruncated: &full, StorageClass: &class,
			Owner: ownerOf(u.Object.Owner), Initiator: initiatorOf(u), ChecksumAlgorithm: text(u.Object.Sum.Algorithm), ChecksumType: text(u.Object.Sum.Type)}
		next := after
		for e, err := range pieces.List(ctx, r, b.scope(), store.ListOptions{Prefix: []any{b.ID, u.Object.ID}, After: []any{b.ID, u.Object.ID, int(after)}, Limit: int(most) + 1}) {
			if err != nil {
				return err
			}
			if len(out.Parts) == int(most) {
				full = true
				break
			}
			next = int32(e.Key.Int(2))
			out.Parts = append(out.Parts, partTold(next, &e.Record, u))
		}
		out.NextPartNumberMarker = &next
		return nil
	})
	return out, err
}

func partTold(number int32, p *piece, u *upload) api.Part {
	etag := quoted(p.ETag)
	out := api.Part{PartNumber: &number, ETag: &etag, LastModified: &p.Modified, Size: &p.Size}
	if u.Object.Sum.Algorithm != "" {
		sumsOfPart(&out).tell(p.Sum)
	}
	return out
}

func initiatorOf(u *upload) *api.Initiator {
	id := u.Initiator
	if strings.HasSuffix(id, ":root") || id == "" {
		id = canonicalID(u.Object.Owner)
	}
	return &api.Initiator{ID: &id}
}

// limited is how many elements a page is to have: at most a thousand. Negative numbers
// are the caller's mistake.
func limited(max *int32) int32 {
	if max == nil || *max > 1000 {
		return 1000
	}
	return *max
}

func errMax(name string, value int32) error {
	return errArgument("Argument "+name+" must be an integer between 0 and 2147483647", name, strconv.Itoa(int(value)))
}
