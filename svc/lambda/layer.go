package lambda

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// layer is a layer's record, under its name. It stays when its versions have gone, so
// that no number is given twice.
type layer struct {
	Published int64 // the greatest number given to a version
}

// layerVersion is a version of a layer, under the layer's name and its number.
type layerVersion struct {
	Number        int64
	Description   string
	License       string   `json:",omitempty"`
	Runtimes      []string `json:",omitempty"`
	Architectures []string `json:",omitempty"`
	Code          code
	Created       time.Time
}

var (
	layerRecords        = store.NewTable[layer]("lambda", "layer")
	layerVersionRecords = store.NewTable[layerVersion]("lambda", "layerVersion")
)

// A layerRef is a layer, by its place and name.
type layerRef struct {
	scope store.Scope
	name  string
}

// arn is the layer's ARN, or that of its version with the number if that is not 0.
func (l layerRef) arn(number int64) string {
	resource := "layer:" + l.name
	if number != 0 {
		resource += ":" + strconv.FormatInt(number, 10)
	}
	return aws.NewARN("lambda", l.scope.Region, l.scope.Account, resource).String()
}

// parseLayer reads a layer's name or ARN. A name is one of the caller's own layers.
func parseLayer(ctx context.Context, name *string) layerRef {
	req := aws.RequestOf(ctx)
	l := layerRef{store.Scope{Account: req.Account(), Region: req.Region}, aws.Value(name)}
	if a, ok := aws.ParseARN(l.name); ok {
		l.scope = store.Scope{Account: a.Account, Region: a.Region}
		l.name = strings.TrimPrefix(a.Resource, "layer:")
	}
	return l
}

// parseLayerVersion reads the ARN of a layer's version.
func parseLayerVersion(arn string) (l layerRef, number int64, ok bool) {
	a, ok := aws.ParseARN(arn)
	resource, layered := strings.CutPrefix(a.Resource, "layer:")
	name, text, numbered := strings.Cut(resource, ":")
	if !ok || !layered || !numbered {
		return l, 0, false
	}
	number, err := strconv.ParseInt(text, 10, 64)
	return layerRef{store.Scope{Account: a.Account, Region: a.Region}, name}, number, err == nil && number > 0
}

// checkLayerNumber refuses numbers that no version ever has.
func checkLayerNumber(number *int64) error {
	if aws.Value(number) < 1 {
		return invalid("Layer Version Cannot be less than 1")
	}
	return nil
}

func (s *Service) publishLayerVersion(ctx context.Context, in *api.PublishLayerVersionRequest) (*api.PublishLayerVersionResponse, error) {
	l := parseLayer(ctx, in.LayerName)
	if l.scope.Account != aws.RequestOf(ctx).Account() || l.scope.Region != aws.RequestOf(ctx).Region {
		return nil, invalidValue(*in.LayerName, "layerName", "Member must be the name of a layer of your own, in this region")
	}
	if err := checkSource(in.Content.ZipFile, in.Content.S3Bucket, in.Content.S3Key, nil); err != nil {
		return nil, err
	}
	var up *upload
	var err error
	if in.Content.S3Bucket != nil {
		up, err = s.uploadObject(ctx, l.scope, in.Content.S3Bucket, in.Content.S3Key, in.Content.S3ObjectVersion)
	} else {
		up, err = s.upload(ctx, l.scope, in.Content.ZipFile)
	}
	if err != nil {
		return nil, err
	}
	defer up.done()
	v := layerVersion{Description: aws.Value(in.Description), License: aws.Value(in.LicenseInfo), Runtimes: in.CompatibleRuntimes,
		Architectures: in.CompatibleArchitectures, Created: s.now()}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		rec, err := layerRecords.Get(ctx, tx, l.scope, l.name)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		rec.Published++
		v.Number = rec.Published
		if v.Code, err = up.keep(ctx, tx, l.scope); err != nil {
			return err
		}
		if err := layerVersionRecords.Put(tx, l.scope, v, l.name, v.Number); err != nil {
			return err
		}
		return layerRecords.Put(tx, l.scope, rec, l.name)
	})
	if err != nil {
		return nil, err
	}
	shown := s.showLayer(ctx, l, &v)
	out := api.PublishLayerVersionResponse(*shown)
	return &out, nil
}

// showLayer is a version of a layer as answers show it.
func (s *Service) showLayer(ctx context.Context, l layerRef, v *layerVersion) *api.GetLayerVersionResponse {
	sum, _ := hex.DecodeString(v.Code.SHA256)
	out := &api.GetLayerVersionResponse{
		LayerArn: ptr(l.arn(0)), LayerVersionArn: ptr(l.arn(v.Number)), Version: &v.Number, Description: &v.Description,
		CreatedDate: ptr(stamp(v.Created)), CompatibleRuntimes: v.Runtimes, CompatibleArchitectures: v.Architectures,
		Content: &api.LayerVersionContentOutput{CodeSha256: ptr(base64.StdEncoding.EncodeToString(sum)), CodeSize: &v.Code.Size,
			Location: ptr(s.codeLocation(ctx, l.scope, v.Code))},
	}
	if v.License != "" {
		out.LicenseInfo = &v.License
	}
	return out
}

// listed is a version of a layer as lists show it.
func (l layerRef) listed(v *layerVersion) *api.LayerVersionsListItem {
	out := &api.LayerVersionsListItem{LayerVersionArn: ptr(l.arn(v.Number)), Version: &v.Number, Description: &v.Description,
		CreatedDate: ptr(stamp(v.Created)), CompatibleRuntimes: v.Runtimes, CompatibleArchitectures: v.Architectures}
	if v.License != "" {
		out.LicenseInfo = &v.License
	}
	return out
}

// stamp is a time as Lambda writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }

// layerVersion reads a version of a layer; store.ErrNotFound if there is none.
func (l layerRef) version(ctx context.Context, r store.Reader, number int64) (*layerVersion, error) {
	v, err := layerVersionRecords.Get(ctx, r, l.scope, l.name, number)
	return &v, err
}

func (s *Service) getLayer(ctx context.Context, l layerRef, number int64) (*api.GetLayerVersionResponse, error) {
	var v *layerVersion
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		v, err = l.version(ctx, r, number)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("The resource you requested does not exist.")
	}
	if err != nil {
		return nil, err
	}
	return s.showLayer(ctx, l, v), nil
}

func (s *Service) getLayerVersion(ctx context.Context, in *api.GetLayerVersionRequest) (*api.GetLayerVersionResponse, error) {
	if err := checkLayerNumber(in.VersionNumber); err != nil {
		return nil, err
	}
	return s.getLayer(ctx, parseLayer(ctx, in.LayerName), *in.VersionNumber)
}

func (s *Service) getLayerVersionByArn(ctx context.Context, in *api.GetLayerVersionByArnRequest) (*api.GetLayerVersionResponse, error) {
	l, number, ok := parseLayerVersion(*in.Arn)
	if !ok {
		return nil, notFound("The resource you requested does not exist.")
	}
	return s.getLayer(ctx, l, number)
}

func (s *Service) deleteLayerVersion(ctx context.Context, in *api.DeleteLayerVersionRequest) (*aws.Empty, error) {
	if err := checkLayerNumber(in.VersionNumber); err != nil {
		return nil, err
	}
	l, number := parseLayer(ctx, in.LayerName), *in.VersionNumber
	var gone *trash
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		gone = &trash{}
		v, err := l.version(ctx, tx, number)
		if errors.Is(err, store.ErrNotFound) {
			return nil // a version that is not there is deleted
		}
		if err != nil {
			return err
		}
		if err := gone.drop(ctx, tx, l.scope, v.Code); err != nil {
			return err
		}
		if err := layerPolicyRecords.Delete(tx, l.scope, l.name, number); err != nil {
			return err
		}
		return layerVersionRecords.Delete(tx, l.scope, l.name, number)
	})
	if err == nil {
		s.empty(gone)
	}
	return nil, err
}

// A layerFilter chooses versions of layers that say they fit; nil fits all.
type layerFilter struct{ runtime, architecture *string }

func (f layerFilter) fits(v *layerVersion) bool {
	return (f.runtime == nil || slices.Contains(v.Runtimes, *f.runtime)) &&
		(f.architecture == nil || slices.Contains(v.Architectures, *f.architecture))
}

func (s *Service) listLayers(ctx context.Context, in *api.ListLayersRequest) (*api.ListLayersResponse, error) {
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	o, limit, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	o.Limit = 0 // not every layer has a version that fits
	filter := layerFilter{in.CompatibleRuntime, in.CompatibleArchitecture}
	var out *api.ListLayersResponse
	err = s.Store.View(ctx, func(r store.Reader) error {
		out = &api.ListLayersResponse{Layers: []api.LayersListItem{}}
		for e, err := range layerRecords.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			l := layerRef{scope, e.Key.String(0)}
			newest, err := l.versions(ctx, r, filter, 0, 1)
			if err != nil {
				return err
			}
			if len(newest) == 0 {
				continue
			}
			if len(out.Layers) == limit {
				out.NextMarker = ptr(aws.Token(*out.Layers[limit-1].LayerName))
				break
			}
			out.Layers = append(out.Layers, api.LayersListItem{LayerArn: ptr(l.arn(0)), LayerName: &l.name, LatestMatchingVersion: l.listed(&newest[0])})
		}
		return nil
	})
	return out, err
}

// versions are those versions of a layer that fit and are older than before, if that is
// not 0: the newest first, and no more than limit.
func (l layerRef) versions(ctx context.Context, r store.Reader, filter layerFilter, before int64, limit int) (out []layerVersion, err error) {
	o := store.ListOptions{Prefix: []any{l.name}, Reverse: true}
	if before > 0 {
		o.After = []any{l.name, before}
	}
	for e, err := range layerVersionRecords.List(ctx, r, l.scope, o) {
		if err != nil {
			return nil, err
		}
		if filter.fits(&e.Record) {
			out = append(out, e.Record)
		}
		if len(out) == limit {
			break
		}
	}
	return out, nil
}

func (s *Service) listLayerVersions(ctx context.Context, in *api.ListLayerVersionsRequest) (*api.ListLayerVersionsResponse, error) {
	l := parseLayer(ctx, in.LayerName)
	// The action has no resource, and so no policy on a layer can allow it to others.
	if req := aws.RequestOf(ctx); l.scope.Account != req.Account() {
		return nil, aws.AccessDenied("User: %s is not authorized to perform: lambda:ListLayerVersions on resource: %s because no resource-based policy allows the lambda:ListLayerVersions action",
			req.Caller.ARN, l.arn(0))
	}
	limit := maxPage
	if in.MaxItems != nil {
		limit = min(limit, int(*in.MaxItems))
	}
	var before int64
	if aws.Value(in.Marker) != "" && !aws.ParseToken(*in.Marker, &before) {
		return nil, invalid("Invalid Marker")
	}
	var found []layerVersion
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		found, err = l.versions(ctx, r, layerFilter{in.CompatibleRuntime, in.CompatibleArchitecture}, before, limit+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &api.ListLayerVersionsResponse{LayerVersions: []api.LayerVersionsListItem{}}
	for i := range found {
		if i == limit {
			out.NextMarker = ptr(aws.Token(found[limit-1].Number))
			break
		}
		out.LayerVersions = append(out.LayerVersions, *l.listed(&found[i]))
	}
	return out, nil
}
