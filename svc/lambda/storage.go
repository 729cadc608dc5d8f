package lambda

import (
	"context"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/store"
)

// stored is how many bytes of zip files an account has in a region: those of each version
// of a function and of a layer, though versions of the same code share a file.
func (s *Service) stored(ctx context.Context, r store.Reader, scope store.Scope) (sum int64, err error) {
	for e, err := range functionRecords.List(ctx, r, scope, store.ListOptions{}) {
		if err != nil {
			return 0, err
		}
		f, err := s.records.functions.decode(e.Record)
		if err != nil {
			return 0, err
		}
		sum += f.Latest.Code.Size
	}
	for e, err := range versionRecords.List(ctx, r, scope, store.ListOptions{}) {
		if err != nil {
			return 0, err
		}
		v, err := s.records.versions.decode(e.Record)
		if err != nil {
			return 0, err
		}
		sum += v.Code.Size
	}
	for e, err := range layerVersionRecords.List(ctx, r, scope, store.ListOptions{}) {
		if err != nil {
			return 0, err
		}
		sum += e.Record.Code.Size
	}
	return sum, nil
}

// checkStorage refuses a zip that an account has no room for.
func (s *Service) checkStorage(ctx context.Context, scope store.Scope, zip int) error {
	return s.Store.View(ctx, func(r store.Reader) error {
		sum, err := s.stored(ctx, r, scope)
		if err == nil && sum+int64(zip) > accountCode {
			err = api.CodeStorageExceededException("Code storage limit exceeded.").With(&api.CodeStorageExceededExceptionDetail{Type: ptr("User")})
		}
		return err
	})
}
