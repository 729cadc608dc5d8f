// Package sns is SNS.
package sns

import (
	"context"
	"io"
	"log/slog"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Options furnish a Service. All are required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger
	// Peers are the services that this one calls.
	Peers aws.Peers
}

// Service is SNS.
type Service struct{ Options }

// New makes the service.
func New(o Options) *Service { return &Service{o} }

// Routes are the operations that are answered.
func (s *Service) Routes() []aws.Route { return nil }

// Planes are the entrances beside the API.
func (s *Service) Planes() []aws.Plane { return nil }

// Run does the background work until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
