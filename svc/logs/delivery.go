package logs

import (
	"context"
	"errors"
	"maps"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A deliverySource is the record of what would vend logs, under its name.
type deliverySource struct {
	Resource, Type, Service string
	Configuration           map[string]string `json:",omitempty"`
	Tags                    map[string]string `json:",omitempty"`
}

// A deliveryDestination is the record of where vended logs would go, under its name.
type deliveryDestination struct {
	Resource, Kind string
	Format         string            `json:",omitempty"`
	Policy         string            `json:",omitempty"`
	Tags           map[string]string `json:",omitempty"`
}

// A delivery is the record of what connects a source to a destination, under its id.
type delivery struct {
	Source, Destination, Kind string
	Fields                    []string                     `json:",omitempty"`
	Delimiter                 *string                      `json:",omitempty"`
	S3                        *api.S3DeliveryConfiguration `json:",omitempty"`
	Tags                      map[string]string            `json:",omitempty"`
}

func deliveryARN(ctx context.Context, kind, name string) *string {
	return ptr(aws.RequestOf(ctx).ARN("logs", kind+":"+name))
}

// found words what the store does not have.
func found[R any](rec R, err error, what string) (R, error) {
	if errors.Is(err, store.ErrNotFound) {
		err = api.ResourceNotFoundException("The specified %s does not exist.", what)
	}
	return rec, err
}

// joined are tags with those of a resource that stands.
func joined(have, more map[string]string) map[string]string {
	all := maps.Clone(have)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, more)
	return all
}

func (s *Service) putDeliverySource(ctx context.Context, in *api.PutDeliverySourceRequest) (*api.PutDeliverySourceResponse, error) {
	sc, name := scopeOf(ctx), *in.Name
	a, ok := aws.ParseARN(*in.ResourceArn)
	if !ok {
		return nil, api.ValidationException("The resource ARN %s is not valid.", *in.ResourceArn)
	}
	var d deliverySource
	err := s.store.Update(ctx, func(tx store.Tx) (err error) {
		d, err = deliverySources.Get(ctx, tx, sc, name)
		if err == nil && (d.Resource != *in.ResourceArn || d.Type != *in.LogType) {
			return api.ConflictException("A delivery source of this name has another resource or type of logs.")
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		d = deliverySource{Resource: *in.ResourceArn, Type: *in.LogType, Service: a.Service, Configuration: in.DeliverySourceConfiguration, Tags: joined(d.Tags, in.Tags)}
		if err := checkTags(nil, d.Tags); err != nil {
			return err
		}
		return deliverySources.Put(tx, sc, d, name)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutDeliverySourceResponse{DeliverySource: d.describe(ctx, name)}, nil
}

func (d *deliverySource) describe(ctx context.Context, name string) *api.DeliverySource {
	return &api.DeliverySource{Name: &name, Arn: deliveryARN(ctx, "delivery-source", name), ResourceArns: []string{d.Resource}, LogType: &d.Type,
		Service: &d.Service, DeliverySourceConfiguration: d.Configuration, Tags: d.Tags}
}

func (s *Service) getDeliverySource(ctx context.Context, in *api.GetDeliverySourceRequest) (*api.GetDeliverySourceResponse, error) {
	out := &api.GetDeliverySourceResponse{}
	return out, s.store.View(ctx, func(r store.Reader) error {
		d, err := deliverySources.Get(ctx, r, scopeOf(ctx), *in.Name)
		d, err = found(d, err, "delivery source")
		out.DeliverySource = d.describe(ctx, *in.Name)
		return err
	})
}

func (s *Service) deleteDeliverySource(ctx context.Context, in *api.DeleteDeliverySourceRequest) (*aws.Empty, error) {
	sc, name := scopeOf(ctx), *in.Name
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		d, err := deliverySources.Get(ctx, tx, sc, name)
		if _, err := found(d, err, "delivery source"); err != nil {
			return err
		}
		if err := unused(ctx, tx, sc, func(d *delivery) bool { return d.Source == name }); err != nil {
			return err
		}
		return deliverySources.Delete(tx, sc, name)
	})
}

// unused is an error while a delivery uses what is to be deleted.
func unused(ctx context.Context, r store.Reader, sc store.Scope, uses func(*delivery) bool) error {
	for e, err := range deliveries.List(ctx, r, sc, store.ListOptions{}) {
		if err != nil {
			return err
		}
		if uses(&e.Record) {
			return api.ConflictException("The delivery %s uses it; delete that first.", e.Key.String(0))
		}
	}
	return nil
}

func (s *Service) describeDeliverySources(ctx context.Context, in *api.DescribeDeliverySourcesRequest) (*api.DescribeDeliverySourcesResponse, error) {
	out := &api.DescribeDeliverySourcesResponse{DeliverySources: []api.DeliverySource{}}
	var err error
	out.NextToken, err = pageThrough(ctx, s, deliverySources, in.NextToken, in.Limit, func(name string, d *deliverySource) {
		out.DeliverySources = append(out.DeliverySources, *d.describe(ctx, name))
	})
	return out, err
}

// pageThrough shows a page of a table whose keys are names.
func pageThrough[R any](ctx context.Context, s *Service, t store.Table[R], token *string, most *int32, show func(name string, rec *R)) (next *string, err error) {
	after, limit, err := pageOf(token, most)
	if err != nil {
		return nil, err
	}
	o := store.ListOptions{}
	if after != "" {
		o.After = []any{after}
	}
	return next, s.store.View(ctx, func(r store.Reader) error {
		n, last := 0, ""
		for e, err := range t.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			if n == limit {
				next = ptr(aws.Token(last))
				return nil
			}
			n, last = n+1, e.Key.String(0)
			show(last, &e.Record)
		}
		return nil
	})
}

// destinationKinds are the types of destinations, by the service of the resource.
var destinationKinds = map[string]string{"s3": api.DeliveryDestinationTypeS3, "logs": api.DeliveryDestinationTypeCwl, "firehose": api.DeliveryDestinationTypeFh}

func (s *Service) putDeliveryDestination(ctx context.Context, in *api.PutDeliveryDestinationRequest) (*api.PutDeliveryDestinationResponse, error) {
	sc, name := scopeOf(ctx), *in.Name
	if in.DeliveryDestinationConfiguration == nil || in.DeliveryDestinationConfiguration.DestinationResourceArn == nil {
		return nil, api.ValidationException("deliveryDestinationConfiguration must be specified.")
	}
	arn := *in.DeliveryDestinationConfiguration.DestinationResourceArn
	a, _ := aws.ParseARN(arn)
	kind := destinationKinds[a.Service]
	if kind == "" || in.DeliveryDestinationType != nil && *in.DeliveryDestinationType != kind {
		return nil, api.ValidationException("The destination resource ARN %s is not one of a bucket, a log group or a delivery stream.", arn)
	}
	var d deliveryDestination
	err := s.store.Update(ctx, func(tx store.Tx) (err error) {
		d, err = deliveryDestinations.Get(ctx, tx, sc, name)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if d.Format != "" && in.OutputFormat != nil && d.Format != *in.OutputFormat {
			return api.ValidationException("The output format of a delivery destination cannot be changed.")
		}
		d.Resource, d.Kind, d.Tags = arn, kind, joined(d.Tags, in.Tags)
		if in.OutputFormat != nil {
			d.Format = *in.OutputFormat
		}
		if err := checkTags(nil, d.Tags); err != nil {
			return err
		}
		return deliveryDestinations.Put(tx, sc, d, name)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutDeliveryDestinationResponse{DeliveryDestination: d.describe(ctx, name)}, nil
}

func (d *deliveryDestination) describe(ctx context.Context, name string) *api.DeliveryDestination {
	out := &api.DeliveryDestination{Name: &name, Arn: deliveryARN(ctx, "delivery-destination", name), DeliveryDestinationType: &d.Kind,
		DeliveryDestinationConfiguration: &api.DeliveryDestinationConfiguration{DestinationResourceArn: &d.Resource}, Tags: d.Tags}
	if d.Format != "" {
		out.OutputFormat = &d.Format
	}
	return out
}

func (s *Service) getDeliveryDestination(ctx context.Context, in *api.GetDeliveryDestinationRequest) (*api.GetDeliveryDestinationResponse, error) {
	out := &api.GetDeliveryDestinationResponse{}
	return out, s.store.View(ctx, func(r store.Reader) error {
		d, err := deliveryDestinations.Get(ctx, r, scopeOf(ctx), *in.Name)
		d, err = found(d, err, "delivery destination")
		out.DeliveryDestination = d.describe(ctx, *in.Name)
		return err
	})
}

// changeDeliveryDestination rewrites the record of a delivery destination.
func (s *Service) changeDeliveryDestination(ctx context.Context, name string, change func(store.Tx, *deliveryDestination) error) error {
	sc := scopeOf(ctx)
	return s.store.Update(ctx, func(tx store.Tx) error {
		d, err := deliveryDestinations.Get(ctx, tx, sc, name)
		if d, err = found(d, err, "delivery destination"); err != nil {
			return err
		}
		if err := change(tx, &d); err != nil {
			return err
		}
		return deliveryDestinations.Put(tx, sc, d, name)
	})
}

func (s *Service) deleteDeliveryDestination(ctx context.Context, in *api.DeleteDeliveryDestinationRequest) (*aws.Empty, error) {
	sc, name := scopeOf(ctx), *in.Name
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		d, err := deliveryDestinations.Get(ctx, tx, sc, name)
		if _, err := found(d, err, "delivery destination"); err != nil {
			return err
		}
		arn := *deliveryARN(ctx, "delivery-destination", name)
		if err := unused(ctx, tx, sc, func(d *delivery) bool { return d.Destination == arn }); err != nil {
			return err
		}
		return deliveryDestinations.Delete(tx, sc, name)
	})
}

func (s *Service) describeDeliveryDestinations(ctx context.Context, in *api.DescribeDeliveryDestinationsRequest) (*api.DescribeDeliveryDestinationsResponse, error) {
	out := &api.DescribeDeliveryDestinationsResponse{DeliveryDestinations: []api.DeliveryDestination{}}
	var err error
	out.NextToken, err = pageThrough(ctx, s, deliveryDestinations, in.NextToken, in.Limit, func(name string, d *deliveryDestination) {
		out.DeliveryDestinations = append(out.DeliveryDestinations, *d.describe(ctx, name))
	})
	return out, err
}

func (s *Service) putDeliveryDestinationPolicy(ctx context.Context, in *api.PutDeliveryDestinationPolicyRequest) (*api.PutDeliveryDestinationPolicyResponse, error) {
	if !isObject(*in.DeliveryDestinationPolicy) {
		return nil, api.ValidationException("The policy is not a JSON policy document.")
	}
	err := s.changeDeliveryDestination(ctx, *in.DeliveryDestinationName, func(_ store.Tx, d *deliveryDestination) error {
		d.Policy = *in.DeliveryDestinationPolicy
		return nil
	})
	return &api.PutDeliveryDestinationPolicyResponse{Policy: &api.Policy{DeliveryDestinationPolicy: in.DeliveryDestinationPolicy}}, err
}

func (s *Service) getDeliveryDestinationPolicy(ctx context.Context, in *api.GetDeliveryDestinationPolicyRequest) (*api.GetDeliveryDestinationPolicyResponse, error) {
	out := &api.GetDeliveryDestinationPolicyResponse{Policy: &api.Policy{}}
	return out, s.store.View(ctx, func(r store.Reader) error {
		d, err := deliveryDestinations.Get(ctx, r, scopeOf(ctx), *in.DeliveryDestinationName)
		if d, err = found(d, err, "delivery destination"); err != nil {
			return err
		}
		if d.Policy == "" {
			return api.ResourceNotFoundException("The delivery destination has no policy.")
		}
		out.Policy.DeliveryDestinationPolicy = &d.Policy
		return nil
	})
}

func (s *Service) deleteDeliveryDestinationPolicy(ctx context.Context, in *api.DeleteDeliveryDestinationPolicyRequest) (*aws.Empty, error) {
	return nil, s.changeDeliveryDestination(ctx, *in.DeliveryDestinationName, func(_ store.Tx, d *deliveryDestination) error {
		d.Policy = ""
		return nil
	})
}

const idLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func (s *Service) createDelivery(ctx context.Context, in *api.CreateDeliveryRequest) (*api.CreateDeliveryResponse, error) {
	sc := scopeOf(ctx)
	if err := checkTags(nil, in.Tags); err != nil {
		return nil, err
	}
	id := aws.RandomID(s.random, idLetters, 16)
	a, _ := aws.ParseARN(*in.DeliveryDestinationArn)
	name, ok := strings.CutPrefix(a.Resource, "delivery-destination:")
	if !ok {
		return nil, api.ValidationException("%s is not the ARN of a delivery destination.", *in.DeliveryDestinationArn)
	}
	var d delivery
	err := s.store.Update(ctx, func(tx store.Tx) error {
		source, err := deliverySources.Get(ctx, tx, sc, *in.DeliverySourceName)
		if _, err := found(source, err, "delivery source"); err != nil {
			return err
		}
		to, err := deliveryDestinations.Get(ctx, tx, store.Scope{Account: a.Account, Region: a.Region}, name)
		if to, err = found(to, err, "delivery destination"); err != nil {
			return err
		}
		d = delivery{Source: *in.DeliverySourceName, Destination: *in.DeliveryDestinationArn, Kind: to.Kind, Fields: in.RecordFields,
			Delimiter: in.FieldDelimiter, S3: in.S3DeliveryConfiguration, Tags: in.Tags}
		err = unused(ctx, tx, sc, func(other *delivery) bool { return other.Source == d.Source && other.Kind == d.Kind })
		if err != nil {
			return api.ConflictException("The delivery source has a delivery to a destination of this type.")
		}
		return deliveries.Put(tx, sc, d, id)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateDeliveryResponse{Delivery: d.describe(ctx, id)}, nil
}

func (d *delivery) describe(ctx context.Context, id string) *api.Delivery {
	return &api.Delivery{Id: &id, Arn: deliveryARN(ctx, "delivery", id), DeliverySourceName: &d.Source, DeliveryDestinationArn: &d.Destination,
		DeliveryDestinationType: &d.Kind, RecordFields: d.Fields, FieldDelimiter: d.Delimiter, S3DeliveryConfiguration: d.S3, Tags: d.Tags}
}

func (s *Service) getDelivery(ctx context.Context, in *api.GetDeliveryRequest) (*api.GetDeliveryResponse, error) {
	out := &api.GetDeliveryResponse{}
	return out, s.store.View(ctx, func(r store.Reader) error {
		d, err := deliveries.Get(ctx, r, scopeOf(ctx), *in.Id)
		d, err = found(d, err, "delivery")
		out.Delivery = d.describe(ctx, *in.Id)
		return err
	})
}

func (s *Service) deleteDelivery(ctx context.Context, in *api.DeleteDeliveryRequest) (*aws.Empty, error) {
	sc := scopeOf(ctx)
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		d, err := deliveries.Get(ctx, tx, sc, *in.Id)
		if _, err := found(d, err, "delivery"); err != nil {
			return err
		}
		return deliveries.Delete(tx, sc, *in.Id)
	})
}

func (s *Service) updateDeliveryConfiguration(ctx context.Context, in *api.UpdateDeliveryConfigurationRequest) (*api.UpdateDeliveryConfigurationResponse, error) {
	sc := scopeOf(ctx)
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		d, err := deliveries.Get(ctx, tx, sc, *in.Id)
		if d, err = found(d, err, "delivery"); err != nil {
			return err
		}
		if in.RecordFields != nil {
			d.Fields = in.RecordFields
		}
		if in.FieldDelimiter != nil {
			d.Delimiter = in.FieldDelimiter
		}
		if in.S3DeliveryConfiguration != nil {
			d.S3 = in.S3DeliveryConfiguration
		}
		return deliveries.Put(tx, sc, d, *in.Id)
	})
}

func (s *Service) describeDeliveries(ctx context.Context, in *api.DescribeDeliveriesRequest) (*api.DescribeDeliveriesResponse, error) {
	out := &api.DescribeDeliveriesResponse{Deliveries: []api.Delivery{}}
	var err error
	out.NextToken, err = pageThrough(ctx, s, deliveries, in.NextToken, in.Limit, func(id string, d *delivery) {
		out.Deliveries = append(out.Deliveries, *d.describe(ctx, id))
	})
	return out, err
}
