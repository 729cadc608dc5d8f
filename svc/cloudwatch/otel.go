package cloudwatch

import (
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/store"
)

// An account's settings in a region.
type settings struct{ Enriched bool }

func (s *Service) setEnrichment(ctx context.Context, on bool) error {
	return s.Store.Update(ctx, func(tx store.Tx) error { return accountSettings.Put(tx, scopeOf(ctx), settings{on}, "") })
}

func (s *Service) startOTelEnrichment(ctx context.Context, _ *api.StartOTelEnrichmentInput) (*api.StartOTelEnrichmentOutput, error) {
	return nil, s.setEnrichment(ctx, true)
}

func (s *Service) stopOTelEnrichment(ctx context.Context, _ *api.StopOTelEnrichmentInput) (*api.StopOTelEnrichmentOutput, error) {
	return nil, s.setEnrichment(ctx, false)
}

func (s *Service) getOTelEnrichment(ctx context.Context, _ *api.GetOTelEnrichmentInput) (*api.GetOTelEnrichmentOutput, error) {
	var have settings
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		have, err = accountSettings.Get(ctx, r, scopeOf(ctx), "")
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return err
	})
	status := api.OTelEnrichmentStatusStopped
	if have.Enriched {
		status = api.OTelEnrichmentStatusRunning
	}
	return &api.GetOTelEnrichmentOutput{Status: &status}, err
}
