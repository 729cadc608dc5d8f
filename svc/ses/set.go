package ses

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/ses"
	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	snsapi "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// configurationSet is what is kept of one.
type configurationSet struct {
	Name         string
	Destinations []eventDestination `json:",omitempty"`
	Paused       bool               `json:",omitempty"`
	Reputation   bool               `json:",omitempty"`
	TLS          string             `json:",omitempty"`
	Redirect     string             `json:",omitempty"`

	// Of the second version alone.
	Tags       map[string]string `json:",omitempty"`
	MaxSeconds *int64            `json:",omitempty"` // of delivery
	HTTPS      string            `json:",omitempty"` // policy of links that are tracked
	Suppress   *[]string         `json:",omitempty"` // reasons; nil: the account's count

	Deliverability *apiv2.VdmOptions `json:",omitempty"`
}

// eventDestination is where the events of a configuration set go.
type eventDestination struct {
	Name    string
	Enabled bool
	Events  []string
	Topic   string                          `json:",omitempty"`
	Cloud   *api.CloudWatchDestination      `json:",omitempty"`
	Stream  *api.KinesisFirehoseDestination `json:",omitempty"`
	Bus     string                          `json:",omitempty"` // of EventBridge
}

var setName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func noSet(name string) error {
	return api.ConfigurationSetDoesNotExistException("Configuration set <%s> does not exist.", name).
		With(&api.ConfigurationSetDoesNotExistExceptionDetail{ConfigurationSetName: &name})
}

func getSet(ctx context.Context, r store.Reader, scope store.Scope, name string) (configurationSet, error) {
	c, err := sets.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return c, noSet(name)
	}
	return c, err
}

func (s *Service) changeSet(ctx context.Context, name string, f func(*configurationSet) error) error {
	scope := scopeOf(ctx)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		c, err := getSet(ctx, tx, scope, name)
		if err != nil {
			return err
		}
		c.Destinations = slices.Clone(c.Destinations)
		if err := f(&c); err != nil {
			return err
		}
		return sets.Put(tx, scope, c, name)
	})
}

func (s *Service) createConfigurationSet(ctx context.Context, in *api.CreateConfigurationSetRequest) (*api.CreateConfigurationSetResponse, error) {
	name := *in.ConfigurationSet.Name
	if !setName.MatchString(name) {
		return nil, api.InvalidConfigurationSetException("Invalid configuration set name <%s>: only alphanumeric ASCII characters, '_',  '-' are allowed.", name)
	}
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		has, err := sets.Has(ctx, tx, scope, name)
		if err == nil && has {
			err = api.ConfigurationSetAlreadyExistsException("Configuration set <%s> already exists.", name).With(&api.ConfigurationSetAlreadyExistsExceptionDetail{ConfigurationSetName: &name})
		}
		if err != nil {
			return err
		}
		return sets.Put(tx, scope, configurationSet{Name: name}, name)
	})
}

func (s *Service) deleteConfigurationSet(ctx context.Context, in *api.DeleteConfigurationSetRequest) (*api.DeleteConfigurationSetResponse, error) {
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := getSet(ctx, tx, scope, *in.ConfigurationSetName); err != nil {
			return err
		}
		return sets.Delete(tx, scope, *in.ConfigurationSetName)
	})
}

func (s *Service) describeConfigurationSet(ctx context.Context, in *api.DescribeConfigurationSetRequest) (*api.DescribeConfigurationSetResponse, error) {
	out := &api.DescribeConfigurationSetResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		c, err := getSet(ctx, r, scopeOf(ctx), *in.ConfigurationSetName)
		if err != nil {
			return err
		}
		out.ConfigurationSet = &api.ConfigurationSet{Name: &c.Name}
		for _, what := range in.ConfigurationSetAttributeNames {
			switch what {
			case api.ConfigurationSetAttributeEventDestinations:
				out.EventDestinations = []api.EventDestination{}
				for _, d := range c.Destinations {
					shown := api.EventDestination{Name: &d.Name, Enabled: &d.Enabled, MatchingEventTypes: d.Events, CloudWatchDestination: d.Cloud, KinesisFirehoseDestination: d.Stream}
					if d.Topic != "" {
						shown.SNSDestination = &api.SNSDestination{TopicARN: &d.Topic}
					}
					out.EventDestinations = append(out.EventDestinations, shown)
				}
			case api.ConfigurationSetAttributeDeliveryOptions:
				if c.TLS != "" {
					out.DeliveryOptions = &api.DeliveryOptions{TlsPolicy: &c.TLS}
				}
			case api.ConfigurationSetAttributeReputationOptions:
				out.ReputationOptions = &api.ReputationOptions{ReputationMetricsEnabled: &c.Reputation, SendingEnabled: new(!c.Paused)}
			case api.ConfigurationSetAttributeTrackingOptions:
				if c.Redirect != "" {
					out.TrackingOptions = &api.TrackingOptions{CustomRedirectDomain: &c.Redirect}
				}
			}
		}
		return nil
	})
}

func (s *Service) listConfigurationSets(ctx context.Context, in *api.ListConfigurationSetsRequest) (*api.ListConfigurationSetsResponse, error) {
	return s.listSets(ctx, in, "")
}

// listSets lists those whose names hold a text.
func (s *Service) listSets(ctx context.Context, in *api.ListConfigurationSetsRequest, holds string) (*api.ListConfigurationSetsResponse, error) {
	o, most, err := pageOf(in.NextToken, in.MaxItems, 1000)
	if err != nil {
		return nil, err
	}
	out := &api.ListConfigurationSetsResponse{ConfigurationSets: []api.ConfigurationSet{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range sets.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			if !strings.Contains(e.Record.Name, holds) {
				continue
			}
			if len(out.ConfigurationSets) == most {
				out.NextToken = new(aws.Token(*out.ConfigurationSets[most-1].Name))
				return nil
			}
			out.ConfigurationSets = append(out.ConfigurationSets, api.ConfigurationSet{Name: &e.Record.Name})
		}
		return nil
	})
}

// destination is an input as what is kept. A topic is tried with a message, as AWS does.
func (s *Service) destination(ctx context.Context, set string, in *api.EventDestination) (eventDestination, error) {
	d := eventDestination{Name: *in.Name, Enabled: aws.Value(in.Enabled), Events: slices.Sorted(slices.Values(in.MatchingEventTypes)), Cloud: in.CloudWatchDestination, Stream: in.KinesisFirehoseDestination}
	if in.SNSDestination == nil {
		return d, nil
	}
	d.Topic = *in.SNSDestination.TopicARN
	a, ok := aws.ParseARN(d.Topic)
	if !ok || a.Service != "sns" {
		return d, api.InvalidSNSDestinationException("SNS topic <%s> not found.", d.Topic)
	}
	_, err := snsapi.Publish.Do(s.acting(ctx, scopeOf(ctx), a.Region, set), s.Peers, &snsapi.PublishInput{TopicArn: &d.Topic,
		Message: new("Successfully validated SNS topic for Amazon SES event publishing.")})
	switch aws.CodeOf(err) {
	case "":
		return d, err
	case "NotFound":
		return d, api.InvalidSNSDestinationException("SNS topic <%s> not found.", d.Topic)
	}
	return d, api.InvalidSNSDestinationException("Could not publish to SNS topic <%s>.", d.Topic).Because(err)
}

func (s *Service) createEventDestination(ctx context.Context, in *api.CreateConfigurationSetEventDestinationRequest) (*api.CreateConfigurationSetEventDestinationResponse, error) {
	if err := s.changeSet(ctx, *in.ConfigurationSetName, func(*configurationSet) error { return nil }); err != nil {
		return nil, err // before a message goes out
	}
	d, err := s.destination(ctx, *in.ConfigurationSetName, in.EventDestination)
	if err != nil {
		return nil, err
	}
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error {
		if slices.ContainsFunc(c.Destinations, func(have eventDestination) bool { return have.Name == d.Name }) {
			return api.EventDestinationAlreadyExistsException("An event destination with name <%s> already exists.", d.Name)
		}
		c.Destinations = append(c.Destinations, d)
		return nil
	})
}

func noDestination(set string) error {
	return api.EventDestinationDoesNotExistException("No EventDestination found for %s", set)
}

func (s *Service) updateEventDestination(ctx context.Context, in *api.UpdateConfigurationSetEventDestinationRequest) (*api.UpdateConfigurationSetEventDestinationResponse, error) {
	d, err := s.destination(ctx, *in.ConfigurationSetName, in.EventDestination)
	if err != nil {
		return nil, err
	}
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error {
		i := slices.IndexFunc(c.Destinations, func(have eventDestination) bool { return have.Name == d.Name })
		if i < 0 {
			return noDestination(c.Name)
		}
		c.Destinations[i] = d
		return nil
	})
}

func (s *Service) deleteEventDestination(ctx context.Context, in *api.DeleteConfigurationSetEventDestinationRequest) (*api.DeleteConfigurationSetEventDestinationResponse, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error {
		n := len(c.Destinations)
		c.Destinations = slices.DeleteFunc(c.Destinations, func(have eventDestination) bool { return have.Name == *in.EventDestinationName })
		if len(c.Destinations) == n {
			return noDestination(c.Name)
		}
		return nil
	})
}

func (s *Service) updateSetSending(ctx context.Context, in *api.UpdateConfigurationSetSendingEnabledRequest) (*aws.Empty, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error { c.Paused = !*in.Enabled; return nil })
}

func (s *Service) updateSetReputation(ctx context.Context, in *api.UpdateConfigurationSetReputationMetricsEnabledRequest) (*aws.Empty, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error { c.Reputation = *in.Enabled; return nil })
}

func (s *Service) putSetDelivery(ctx context.Context, in *api.PutConfigurationSetDeliveryOptionsRequest) (*api.PutConfigurationSetDeliveryOptionsResponse, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error {
		c.TLS = ""
		if in.DeliveryOptions != nil {
			c.TLS = aws.Value(in.DeliveryOptions.TlsPolicy)
		}
		return nil
	})
}

func (s *Service) createSetTracking(ctx context.Context, in *api.CreateConfigurationSetTrackingOptionsRequest) (*api.CreateConfigurationSetTrackingOptionsResponse, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error {
		if c.Redirect != "" {
			return api.TrackingOptionsAlreadyExistsException("Configuration set <%s> already has tracking options.", c.Name)
		}
		c.Redirect = aws.Value(in.TrackingOptions.CustomRedirectDomain)
		return nil
	})
}

func noTracking(name string) error {
	return api.TrackingOptionsDoesNotExistException("Configuration set <%s> does not have tracking options.", name)
}

func (s *Service) updateSetTracking(ctx context.Context, in *api.UpdateConfigurationSetTrackingOptionsRequest) (*api.UpdateConfigurationSetTrackingOptionsResponse, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error {
		if c.Redirect == "" {
			return noTracking(c.Name)
		}
		c.Redirect = aws.Value(in.TrackingOptions.CustomRedirectDomain)
		return nil
	})
}

func (s *Service) deleteSetTracking(ctx context.Context, in *api.DeleteConfigurationSetTrackingOptionsRequest) (*api.DeleteConfigurationSetTrackingOptionsResponse, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error {
		if c.Redirect == "" {
			return noTracking(c.Name)
		}
		c.Redirect = ""
		return nil
	})
}
