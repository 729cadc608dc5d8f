package events

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// destination is what is kept of an API destination: an HTTP endpoint that events go to.
type destination struct {
	Name        string
	ID          string
	Description string `json:",omitempty"`
	Connection  string // its ARN
	Endpoint    string
	Method      string
	Rate        int32 // calls a second
	Created     time.Time
	Modified    time.Time
}

// defaultRate is how many calls a second a destination gets that does not say.
const defaultRate = 300

func destinationARN(scope store.Scope, d *destination) string {
	return aws.NewARN("events", scope.Region, scope.Account, "api-destination/"+d.Name+"/"+d.ID).String()
}

func getDestination(ctx context.Context, r store.Reader, scope store.Scope, name string) (destination, error) {
	d, err := destinations.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return d, api.ResourceNotFoundException("Failed to describe the api-destination(s). An api-destination '%s' does not exist.", name)
	}
	return d, err
}

// checkEndpoint refuses what is no address. AWS takes https alone; what hosts itself may
// have no certificate.
func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return invalid("Parameter InvocationEndpoint is not valid. Reason: InvocationEndpoint must be a valid HTTPS URL.")
	}
	return nil
}

// connectionAt finds the connection that an ARN names.
func connectionAt(ctx context.Context, r store.Reader, scope store.Scope, arn string) (connection, error) {
	a, _ := aws.ParseARN(arn)
	parts := strings.Split(a.Resource, "/")
	if len(parts) != 3 || a.Account != scope.Account || a.Region != scope.Region {
		return connection{}, api.ResourceNotFoundException("Connection '%s' does not exist.", arn)
	}
	c, err := getConnection(ctx, r, scope, parts[1])
	if err == nil && c.ID != parts[2] {
		err = api.ResourceNotFoundException("Connection '%s' does not exist.", arn)
	}
	return c, err
}

func (s *Service) createDestination(ctx context.Context, in *api.CreateApiDestinationRequest) (*api.CreateApiDestinationResponse, error) {
	scope, now := scopeOf(ctx), s.Clock.Now()
	if err := checkEndpoint(*in.InvocationEndpoint); err != nil {
		return nil, err
	}
	d := destination{Name: *in.Name, ID: aws.RandomUUID(s.Random), Description: aws.Value(in.Description), Connection: *in.ConnectionArn, Endpoint: *in.InvocationEndpoint, Method: *in.HttpMethod,
		Rate: defaultRate, Created: now, Modified: now}
	if in.InvocationRateLimitPerSecond != nil {
		d.Rate = *in.InvocationRateLimitPerSecond
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if has, err := destinations.Has(ctx, tx, scope, d.Name); err != nil {
			return err
		} else if has {
			return api.ResourceAlreadyExistsException("An api-destination '%s' already exists.", d.Name)
		}
		if _, err := connectionAt(ctx, tx, scope, d.Connection); err != nil {
			return err
		}
		return destinations.Put(tx, scope, d, d.Name)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateApiDestinationResponse{ApiDestinationArn: new(destinationARN(scope, &d)), ApiDestinationState: new(api.ApiDestinationStateActive), CreationTime: moment(now), LastModifiedTime: moment(now)}, nil
}

func (s *Service) updateDestination(ctx context.Context, in *api.UpdateApiDestinationRequest) (*api.UpdateApiDestinationResponse, error) {
	scope := scopeOf(ctx)
	if in.InvocationEndpoint != nil {
		if err := checkEndpoint(*in.InvocationEndpoint); err != nil {
			return nil, err
		}
	}
	var d destination
	var state string
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if d, err = getDestination(ctx, tx, scope, *in.Name); err != nil {
			return err
		}
		if in.ConnectionArn != nil {
			if _, err := connectionAt(ctx, tx, scope, *in.ConnectionArn); err != nil {
				return err
			}
		}
		for _, set := range []struct{ from, to *string }{{in.ConnectionArn, &d.Connection}, {in.Description, &d.Description}, {in.HttpMethod, &d.Method}, {in.InvocationEndpoint, &d.Endpoint}} {
			if set.from != nil {
				*set.to = *set.from
			}
		}
		if in.InvocationRateLimitPerSecond != nil {
			d.Rate = *in.InvocationRateLimitPerSecond
		}
		d.Modified = s.Clock.Now()
		state = d.state(ctx, tx, scope)
		return destinations.Put(tx, scope, d, d.Name)
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateApiDestinationResponse{ApiDestinationArn: new(destinationARN(scope, &d)), ApiDestinationState: &state, CreationTime: moment(d.Created), LastModifiedTime: moment(d.Modified)}, nil
}

// state is whether the destination has a connection that is authorized.
func (d *destination) state(ctx context.Context, r store.Reader, scope store.Scope) string {
	if c, err := connectionAt(ctx, r, scope, d.Connection); err != nil || c.State != api.ConnectionStateAuthorized {
		return api.ApiDestinationStateInactive
	}
	return api.ApiDestinationStateActive
}

func (s *Service) deleteDestination(ctx context.Context, in *api.DeleteApiDestinationRequest) (*api.DeleteApiDestinationResponse, error) {
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := getDestination(ctx, tx, scope, *in.Name); err != nil {
			return err
		}
		return destinations.Delete(tx, scope, *in.Name)
	})
}

func (s *Service) describeDestination(ctx context.Context, in *api.DescribeApiDestinationRequest) (*api.DescribeApiDestinationResponse, error) {
	scope := scopeOf(ctx)
	var d destination
	var state string
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		d, err = getDestination(ctx, r, scope, *in.Name)
		state = d.state(ctx, r, scope)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.DescribeApiDestinationResponse{ApiDestinationArn: new(destinationARN(scope, &d)), ApiDestinationState: &state, ConnectionArn: &d.Connection, CreationTime: moment(d.Created), Description: text(d.Description),
		HttpMethod: &d.Method, InvocationEndpoint: &d.Endpoint, InvocationRateLimitPerSecond: &d.Rate, LastModifiedTime: moment(d.Modified), Name: &d.Name}, nil
}

func (s *Service) listDestinations(ctx context.Context, in *api.ListApiDestinationsRequest) (*api.ListApiDestinationsResponse, error) {
	scope := scopeOf(ctx)
	p, err := newPage(in.NamePrefix, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListApiDestinationsResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.ApiDestinations = []api.ApiDestination{}
		out.NextToken, err = walk(ctx, r, destinations, scope, nil, p, func(name string, d *destination) bool {
			if in.ConnectionArn != nil && *in.ConnectionArn != d.Connection {
				return false
			}
			out.ApiDestinations = append(out.ApiDestinations, api.ApiDestination{ApiDestinationArn: new(destinationARN(scope, d)), ApiDestinationState: new(d.state(ctx, r, scope)), ConnectionArn: &d.Connection,
				CreationTime: moment(d.Created), HttpMethod: &d.Method, InvocationEndpoint: &d.Endpoint, InvocationRateLimitPerSecond: &d.Rate, LastModifiedTime: moment(d.Modified), Name: &name})
			return true
		})
		return err
	})
}
