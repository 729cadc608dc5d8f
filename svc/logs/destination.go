package logs

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A destination is the record of a destination, through which other accounts
// subscribe to what belongs to this one, under its name.
type destination struct {
	Target, Role string
	Policy       string            `json:",omitempty"`
	Created      int64             // milliseconds
	Tags         map[string]string `json:",omitempty"`
}

const destinationPrefix = "destination:"

func destinationARN(ctx context.Context, name string) string {
	return aws.RequestOf(ctx).ARN("logs", destinationPrefix+name)
}

func errNoDestination() error {
	return api.ResourceNotFoundException("The specified destination does not exist.")
}

func (s *Service) putDestination(ctx context.Context, in *api.PutDestinationRequest) (*api.PutDestinationResponse, error) {
	sc, name := scopeOf(ctx), *in.DestinationName
	if err := checkTags(nil, in.Tags); err != nil {
		return nil, err
	}
	o := outlet{Destination: *in.TargetArn, Role: *in.RoleArn}
	if a, _ := aws.ParseARN(o.Destination); a.Service != "kinesis" && a.Service != "firehose" {
		return nil, api.InvalidParameterException("targetArn must be the ARN of a Kinesis stream or of a Firehose delivery stream.")
	}
	if err := s.probe(ctx, sc, &o, destinationARN(ctx, name)); err != nil {
		return nil, err
	}
	var d destination
	err := s.store.Update(ctx, func(tx store.Tx) (err error) {
		d, err = destinations.Get(ctx, tx, sc, name)
		if errors.Is(err, store.ErrNotFound) {
			d, err = destination{Created: s.now(), Tags: in.Tags}, nil
		}
		if err != nil {
			return err
		}
		d.Target, d.Role = *in.TargetArn, *in.RoleArn
		return destinations.Put(tx, sc, d, name)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutDestinationResponse{Destination: ptr(d.describe(ctx, name))}, nil
}

func (s *Service) putDestinationPolicy(ctx context.Context, in *api.PutDestinationPolicyRequest) (*aws.Empty, error) {
	sc, name := scopeOf(ctx), *in.DestinationName
	if len(*in.AccessPolicy) > 5120 || !isObject(*in.AccessPolicy) {
		return nil, api.InvalidParameterException("Access policy is not a valid JSON policy document of at most 5120 bytes.")
	}
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		d, err := destinations.Get(ctx, tx, sc, name)
		if errors.Is(err, store.ErrNotFound) {
			return errNoDestination()
		}
		if err != nil {
			return err
		}
		d.Policy = *in.AccessPolicy
		return destinations.Put(tx, sc, d, name)
	})
}

func (s *Service) deleteDestination(ctx context.Context, in *api.DeleteDestinationRequest) (*aws.Empty, error) {
	sc, name := scopeOf(ctx), *in.DestinationName
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		switch there, err := destinations.Has(ctx, tx, sc, name); {
		case err != nil:
			return err
		case !there:
			return errNoDestination()
		}
		return destinations.Delete(tx, sc, name)
	})
}

func (s *Service) describeDestinations(ctx context.Context, in *api.DescribeDestinationsRequest) (*api.DescribeDestinationsResponse, error) {
	after, limit, err := pageOf(in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeDestinationsResponse{Destinations: []api.Destination{}}
	o := store.ListOptions{}
	if after != "" {
		o.After = []any{after}
	}
	return out, s.store.View(ctx, func(r store.Reader) error {
		for e, err := range destinations.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			name := e.Key.String(0)
			if !strings.HasPrefix(name, aws.Value(in.DestinationNamePrefix)) {
				continue
			}
			if n := len(out.Destinations); n == limit {
				out.NextToken = ptr(aws.Token(*out.Destinations[n-1].DestinationName))
				return nil
			}
			out.Destinations = append(out.Destinations, e.Record.describe(ctx, name))
		}
		return nil
	})
}

func (d *destination) describe(ctx context.Context, name string) api.Destination {
	out := api.Destination{DestinationName: &name, Arn: ptr(destinationARN(ctx, name)), TargetArn: &d.Target, RoleArn: &d.Role, CreationTime: &d.Created}
	if d.Policy != "" {
		out.AccessPolicy = &d.Policy
	}
	return out
}

// destinationAt reads the destination that an ARN names, in whatever account it is.
func (s *Service) destinationAt(ctx context.Context, r store.Reader, arn string) (d destination, err error) {
	a, ok := aws.ParseARN(arn)
	name, isDestination := strings.CutPrefix(a.Resource, destinationPrefix)
	if !ok || !isDestination || a.Service != "logs" || name == "" {
		return d, errNoDestination()
	}
	d, err = destinations.Get(ctx, r, store.Scope{Account: a.Account, Region: a.Region}, name)
	if errors.Is(err, store.ErrNotFound) {
		err = errNoDestination()
	}
	return d, err
}

// destinationPolicy reads the policy of a destination, when it is asked whether another
// account may subscribe. One that is not there has none.
func (s *Service) destinationPolicy(arn string) func(context.Context) (string, error) {
	return func(ctx context.Context) (policy string, err error) {
		err = s.store.View(ctx, func(r store.Reader) error {
			d, err := s.destinationAt(ctx, r, arn)
			policy = d.Policy
			return err
		})
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			return "", nil
		}
		return policy, err
	}
}

// isObject reports whether text is a JSON object.
func isObject(text string) bool {
	var v map[string]any
	return json.Unmarshal([]byte(text), &v) == nil && v != nil
}
