// Package firehose is Amazon Data Firehose: streams that are delivered to where data is kept.
//
// https://docs.aws.amazon.com/firehose/latest/APIReference/Welcome.html
package firehose

import (
	"context"
	"io"
	"log/slog"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Options are what the service needs.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger
	// Peers are the other services, as the front door opens them.
	Peers aws.Peers
	// Meter takes what the service measures of itself.
	Meter aws.Meter
}

// Service answers the operations of Data Firehose.
type Service struct {
	Options
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	return &Service{Options: o}
}

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return nil
}

// Run does what is due, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
