package lambda

import (
	"context"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// eventConfig says how asynchronous invokes of a function are tried again. It is
// under the function's name and the qualifier that they came by.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html
type eventConfig struct {
	Retries *int32 `json:",omitempty"`
	Age     *int32 `json:",omitempty"` // seconds
	// The ARNs of who is told of events that have succeeded, or failed for good.
	OnSuccess, OnFailure string `json:",omitempty"`
	Modified             time.Time
}

var eventConfigRecords = store.NewTable[eventConfig]("lambda", "eventconfig")

func (c eventConfig) retries() int {
	if c.Retries == nil {
		return maxRetries
	}
	return int(*c.Retries)
}

func (c eventConfig) age() time.Duration {
	if c.Age == nil {
		return maxEventAge
	}
	return time.Duration(*c.Age) * time.Second
}

// eventConfig is what holds for events that came by a qualifier.
func (s *Service) eventConfig(ctx context.Context, at ref, qualifier string) (c eventConfig, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		c, err = eventConfigRecords.Get(ctx, r, at.scope, at.name, orLatest(qualifier))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return eventConfig{}, nil
	}
	return c, err
}

func orLatest(qualifier string) string {
	if qualifier == "" {
		return latest
	}
	return qualifier
}

func noEventConfig(at ref, qualifier string) error {
	return notFound("The function %s doesn't have an EventInvokeConfig", at.arn(orLatest(qualifier)))
}

func (c eventConfig) shown(at ref, qualifier string) *api.FunctionEventInvokeConfig {
	return &api.FunctionEventInvokeConfig{
		FunctionArn: ptr(at.arn(orLatest(qualifier))), LastModified: &c.Modified, MaximumRetryAttempts: c.Retries, MaximumEventAgeInSeconds: c.Age,
		DestinationConfig: &api.DestinationConfig{OnFailure: &api.OnFailure{Destination: optional(c.OnFailure)}, OnSuccess: &api.OnSuccess{Destination: optional(c.OnSuccess)}},
	}
}

// setEventConfig writes a configuration: a new one, or, for update, what is given of
// the one that is there.
func (s *Service) setEventConfig(ctx context.Context, name, qualifier *string, retries, age *int32, to *api.DestinationConfig, update bool) (*api.FunctionEventInvokeConfig, error) {
	at, q, err := parseName(ctx, name, qualifier)
	if err != nil {
		return nil, err
	}
	if retries == nil && age == nil && to == nil {
		return nil, invalid("You must specify at least one of error handling or destination setting.")
	}
	if err := s.probeDestinations(ctx, name, qualifier, to); err != nil {
		return nil, err
	}
	var c eventConfig
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := s.resolve(ctx, tx, at, q); err != nil {
			if aws.CodeOf(err) == "ResourceNotFoundException" {
				return notFound("The function doesn't exist.")
			}
			return err
		}
		c = eventConfig{}
		if update {
			if c, err = eventConfigRecords.Get(ctx, tx, at.scope, at.name, orLatest(q)); errors.Is(err, store.ErrNotFound) {
				return noEventConfig(at, q)
			} else if err != nil {
				return err
			}
		}
		if err := s.direct(ctx, tx, at, &c, to); err != nil {
			return err
		}
		if retries != nil {
			c.Retries = retries
		}
		if age != nil {
			c.Age = age
		}
		c.Modified = s.now()
		return eventConfigRecords.Put(tx, at.scope, c, at.name, orLatest(q))
	})
	return c.shown(at, q), err
}

// direct sets the destinations that are given; an empty ARN is none.
func (s *Service) direct(ctx context.Context, r store.Reader, at ref, c *eventConfig, to *api.DestinationConfig) error {
	if to == nil {
		return nil
	}
	if to.OnSuccess != nil {
		c.OnSuccess = aws.Value(to.OnSuccess.Destination)
	}
	if to.OnFailure != nil {
		c.OnFailure = aws.Value(to.OnFailure.Destination)
	}
	if err := s.checkDestination(ctx, r, at, c.OnSuccess); err != nil {
		return err
	}
	return s.checkDestination(ctx, r, at, c.OnFailure)
}

func (s *Service) putEventConfig(ctx context.Context, in *api.PutFunctionEventInvokeConfigRequest) (*api.FunctionEventInvokeConfig, error) {
	return s.setEventConfig(ctx, in.FunctionName, in.Qualifier, in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig, false)
}

func (s *Service) updateEventConfig(ctx context.Context, in *api.UpdateFunctionEventInvokeConfigRequest) (*api.FunctionEventInvokeConfig, error) {
	return s.setEventConfig(ctx, in.FunctionName, in.Qualifier, in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig, true)
}

func (s *Service) getEventConfig(ctx context.Context, in *api.GetFunctionEventInvokeConfigRequest) (*api.FunctionEventInvokeConfig, error) {
	at, q, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	var c eventConfig
	err = s.Store.View(ctx, func(r store.Reader) error {
		c, err = eventConfigRecords.Get(ctx, r, at.scope, at.name, orLatest(q))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, noEventConfig(at, q)
	}
	return c.shown(at, q), err
}

func (s *Service) deleteEventConfig(ctx context.Context, in *api.DeleteFunctionEventInvokeConfigRequest) (*aws.Empty, error) {
	at, q, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		has, err := eventConfigRecords.Has(ctx, tx, at.scope, at.name, orLatest(q))
		if err != nil || !has {
			return cmpError(err, noEventConfig(at, q))
		}
		return eventConfigRecords.Delete(tx, at.scope, at.name, orLatest(q))
	})
}

func (s *Service) listEventConfigs(ctx context.Context, in *api.ListFunctionEventInvokeConfigsRequest) (*api.ListFunctionEventInvokeConfigsResponse, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	o, limit, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	o.Prefix = []any{at.name}
	if o.After != nil {
		o.After = []any{at.name, o.After[0]}
	}
	var out *api.ListFunctionEventInvokeConfigsResponse
	err = s.Store.View(ctx, func(r store.Reader) error {
		out = &api.ListFunctionEventInvokeConfigsResponse{FunctionEventInvokeConfigs: []api.FunctionEventInvokeConfig{}}
		if has, err := functionRecords.Has(ctx, r, at.scope, at.name); err != nil || !has {
			return cmpError(err, notFound("The function doesn't exist."))
		}
		last := ""
		for e, err := range eventConfigRecords.List(ctx, r, at.scope, o) {
			if err != nil {
				return err
			}
			if len(out.FunctionEventInvokeConfigs) == limit {
				out.NextMarker = ptr(aws.Token(last))
				break
			}
			last = e.Key.String(1)
			out.FunctionEventInvokeConfigs = append(out.FunctionEventInvokeConfigs, *e.Record.shown(at, last))
		}
		return nil
	})
	return out, err
}
