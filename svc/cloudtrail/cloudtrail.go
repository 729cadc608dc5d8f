// Package cloudtrail is CloudTrail in the small: it keeps account of who did what, for
// 90 days, and of what each principal has used.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/Welcome.html
package cloudtrail

import (
	"context"
	"io"
	"log/slog"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Options furnish a Service. All are required but Logger.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader // of ids
	Logger *slog.Logger
}

// A Service answers CloudTrail's operations and is told of every call.
type Service struct{ Options }

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service { return &Service{o} }

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route { return nil }

// Record takes a call into account. It is called with every request, and does not
// wait for the disk.
func (s *Service) Record(ctx context.Context, e *aws.Event) {}

// Run writes what Record was told, until ctx ends.
func (s *Service) Run(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
