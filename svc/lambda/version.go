package lambda

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) publishVersion(ctx context.Context, in *api.PublishVersionRequest) (*api.FunctionConfiguration, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if in.PublishTo != nil {
		return nil, unbuilt("$LATEST.PUBLISHED is")
	}
	var v *version
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		f, err := s.change(ctx, tx, at)
		if err != nil {
			return err
		}
		if have := f.Latest.Code.sum(); in.CodeSha256 != nil && *in.CodeSha256 != "" && *in.CodeSha256 != have {
			return invalid("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", *in.CodeSha256, have)
		}
		if in.RevisionId != nil && *in.RevisionId != f.Latest.Revision {
			return revisionConflict("GetFunction/GetAlias")
		}
		if v, err = s.publish(ctx, tx, at, f, in.Description); err != nil {
			return err
		}
		return put(tx, functionRecords, at.scope, f, at.name)
	})
	if err != nil {
		return nil, err
	}
	return v.configuration(at, at.arn(v.label())), nil
}

// publish makes a version of what is $LATEST, or returns the one that was made of it
// already.
func (s *Service) publish(ctx context.Context, tx store.Tx, at ref, f *function, description *string) (*version, error) {
	print, err := s.print(&f.Latest)
	if err != nil {
		return nil, err
	}
	if f.Published > 0 && f.PublishedAs == print {
		v, err := s.numbered(ctx, tx, at, f.Published)
		if !errors.Is(err, store.ErrNotFound) {
			return v, err
		}
	}
	f.Published++
	f.PublishedAs = print
	v := f.Latest
	v.Number = f.Published
	if description != nil {
		v.Description = *description
	}
	s.touch(&v, s.now())
	if err := v.reuseAll(ctx, tx, at); err != nil {
		return nil, err
	}
	return &v, put(tx, versionRecords, at.scope, &v, at.name, v.Number)
}

// print is the same for versions of the same code and configuration. It tells nothing
// of their variables to who does not have the keys.
func (s *Service) print(v *version) (string, error) {
	same := *v
	same.Sealed, same.Modified, same.Revision, same.UpdateOn = nil, time.Time{}, "", ""
	b, err := json.Marshal(struct {
		Version   version
		Variables map[string]string
	}{same, v.Environment})
	mac := hmac.New(sha256.New, s.Keys.Secret("lambda version"))
	mac.Write(b)
	return hex.EncodeToString(mac.Sum(nil)), err
}

// published are the numbered versions of a function.
func (s *Service) published(ctx context.Context, r store.Reader, at ref) ([]api.FunctionConfiguration, error) {
	var out []api.FunctionConfiguration
	for e, err := range versionRecords.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{at.name}}) {
		if err != nil {
			return nil, err
		}
		v, err := s.records.versions.decode(e.Record)
		if err != nil {
			return nil, err
		}
		out = append(out, *v.configuration(at, at.arn(v.label())))
	}
	return out, nil
}

func (s *Service) listVersionsByFunction(ctx context.Context, in *api.ListVersionsByFunctionRequest) (*api.ListVersionsByFunctionResponse, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	limit := maxPage
	if in.MaxItems != nil {
		limit = min(limit, int(*in.MaxItems))
	}
	var after int64 = -1
	if aws.Value(in.Marker) != "" && !aws.ParseToken(*in.Marker, &after) {
		return nil, invalid("Invalid Marker")
	}
	var out *api.ListVersionsByFunctionResponse
	err = s.Store.View(ctx, func(r store.Reader) error {
		out = &api.ListVersionsByFunctionResponse{}
		f, err := s.function(ctx, r, at)
		if err != nil {
			return err
		}
		if after < 0 {
			out.Versions = append(out.Versions, *f.Latest.configuration(at, at.arn(latest)))
			after = 0
		}
		o := store.ListOptions{Prefix: []any{at.name}, After: []any{at.name, after}, Limit: limit + 1}
		for e, err := range versionRecords.List(ctx, r, at.scope, o) {
			if err != nil {
				return err
			}
			if len(out.Versions) >= limit {
				out.NextMarker = ptr(aws.Token(after))
				break
			}
			v, err := s.records.versions.decode(e.Record)
			if err != nil {
				return err
			}
			out.Versions = append(out.Versions, *v.configuration(at, at.arn(v.label())))
			after = v.Number
		}
		return nil
	})
	return out, err
}

// deleteVersion deletes one version, which no alias may point to.
func (s *Service) deleteVersion(ctx context.Context, tx store.Tx, at ref, number int64, gone *trash) error {
	v, err := s.numbered(ctx, tx, at, number)
	if errors.Is(err, store.ErrNotFound) {
		has, err := functionRecords.Has(ctx, tx, at.scope, at.name)
		if err == nil && !has {
			return notFound("Function not found: %s", at.arn((&version{Number: number}).label()))
		}
		return err // a version that is not there is deleted
	}
	if err != nil {
		return err
	}
	for e, err := range aliasRecords.List(ctx, tx, at.scope, store.ListOptions{Prefix: []any{at.name}}) {
		if err != nil {
			return err
		}
		a, err := s.records.aliases.decode(e.Record)
		if err != nil {
			return err
		}
		if _, weighted := a.Weights[v.label()]; weighted || a.Version == v.label() {
			return conflict("The version is referenced by an alias: %s", at.arn(a.Name))
		}
	}
	if err := capacityRecords.Delete(tx, at.scope, at.name, v.label()); err != nil {
		return err
	}
	if err := policyRecords.Delete(tx, at.scope, at.name, v.label()); err != nil {
		return err
	}
	if err := gone.dropAll(ctx, tx, at, v); err != nil {
		return err
	}
	return versionRecords.Delete(tx, at.scope, at.name, number)
}
