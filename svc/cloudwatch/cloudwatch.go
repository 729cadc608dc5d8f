// Package cloudwatch is CloudWatch: metrics, alarms and dashboards.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/Welcome.html
package cloudwatch

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
}

// Service answers the operations of CloudWatch.
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

// Measure implements aws.Meter.
func (s *Service) Measure(aws.Measurement) {}

// Run does what is due, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
