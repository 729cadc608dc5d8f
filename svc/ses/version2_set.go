package ses

import (
	"context"
	"slices"
	"strings"
	"unicode"

	api "github.com/tule-cloud/tule/api/ses"
	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// setRoutes2 are the second version's operations on configuration sets.
func (s *Service) setRoutes2() []aws.Route {
	return []aws.Route{
		apiv2.CreateConfigurationSet.To(second2(s.createSet2), guardCreateSet2),
		apiv2.GetConfigurationSet.To(second2(s.getSet2), onSet2(s, func(in *apiv2.GetConfigurationSetRequest) *string { return in.ConfigurationSetName })),
		apiv2.DeleteConfigurationSet.To(second2(s.deleteSet2), onSet2(s, func(in *apiv2.DeleteConfigurationSetRequest) *string { return in.ConfigurationSetName })),
		apiv2.ListConfigurationSets.To(second2(s.listSets2), aws.Anywhere),
		apiv2.PutConfigurationSetDeliveryOptions.To(second2(s.putSetDelivery2), onSet2(s, func(in *apiv2.PutConfigurationSetDeliveryOptionsRequest) *string { return in.ConfigurationSetName })),
		apiv2.PutConfigurationSetReputationOptions.To(second2(s.putSetReputation2), onSet2(s, func(in *apiv2.PutConfigurationSetReputationOptionsRequest) *string { return in.ConfigurationSetName })),
		apiv2.PutConfigurationSetSendingOptions.To(second2(s.putSetSending2), onSet2(s, func(in *apiv2.PutConfigurationSetSendingOptionsRequest) *string { return in.ConfigurationSetName })),
		apiv2.PutConfigurationSetSuppressionOptions.To(second2(s.putSetSuppression2), onSet2(s, func(in *apiv2.PutConfigurationSetSuppressionOptionsRequest) *string { return in.ConfigurationSetName })),
		apiv2.PutConfigurationSetTrackingOptions.To(second2(s.putSetTracking2), onSet2(s, func(in *apiv2.PutConfigurationSetTrackingOptionsRequest) *string { return in.ConfigurationSetName })),
		apiv2.PutConfigurationSetArchivingOptions.To(second2(s.putSetArchiving2), s.guardArchiving),
		apiv2.PutConfigurationSetVdmOptions.To(second2(s.putSetDeliverability2), onSet2(s, func(in *apiv2.PutConfigurationSetVdmOptionsRequest) *string { return in.ConfigurationSetName })),
		apiv2.CreateConfigurationSetEventDestination.To(second2(s.createDestination2), s.guardCreateDestination2),
		apiv2.UpdateConfigurationSetEventDestination.To(second2(s.updateDestination2), s.guardUpdateDestination2),
		apiv2.DeleteConfigurationSetEventDestination.To(second2(s.deleteDestination2), onSet2(s, func(in *apiv2.DeleteConfigurationSetEventDestinationRequest) *string { return in.ConfigurationSetName })),
		apiv2.GetConfigurationSetEventDestinations.To(second2(s.getDestinations2), onSet2(s, func(in *apiv2.GetConfigurationSetEventDestinationsRequest) *string { return in.ConfigurationSetName })),
	}
}

// onSet2 guards what works on a configuration set, whose tags count.
func onSet2[In any](s *Service, name func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		return s.onResource2(setARN(ctx, name(in)), nil), nil
	}
}

func (s *Service) guardArchiving(ctx context.Context, in *apiv2.PutConfigurationSetArchivingOptionsRequest) ([]aws.Access, error) {
	needs := s.onResource2(setARN(ctx, in.ConfigurationSetName), nil)
	if in.ArchiveArn != nil {
		needs = append(needs, aws.Access{Resource: *in.ArchiveArn})
	}
	return needs, nil
}

func guardCreateSet2(ctx context.Context, in *apiv2.CreateConfigurationSetRequest) ([]aws.Access, error) {
	return []aws.Access{{Resource: setARN(ctx, in.ConfigurationSetName), Keys: requestTags(in.Tags)}}, nil
}

// destinationGuard2 asks for the role of a Firehose destination, too.
func (s *Service) destinationGuard2(ctx context.Context, set *string, d *apiv2.EventDestinationDefinition) []aws.Access {
	needs := s.onResource2(setARN(ctx, set), nil)
	if f := d.KinesisFirehoseDestination; f != nil {
		needs = append(needs, aws.Access{Action: "iam:PassRole", Resource: *f.IamRoleArn, Keys: map[string][]string{
			"iam:PassedToService": {principal}, "iam:AssociatedResourceArn": {setARN(ctx, set)}}})
	}
	return needs
}

func (s *Service) guardCreateDestination2(ctx context.Context, in *apiv2.CreateConfigurationSetEventDestinationRequest) ([]aws.Access, error) {
	return s.destinationGuard2(ctx, in.ConfigurationSetName, in.EventDestination), nil
}

func (s *Service) guardUpdateDestination2(ctx context.Context, in *apiv2.UpdateConfigurationSetEventDestinationRequest) ([]aws.Access, error) {
	return s.destinationGuard2(ctx, in.ConfigurationSetName, in.EventDestination), nil
}

func (s *Service) createSet2(ctx context.Context, in *apiv2.CreateConfigurationSetRequest) (*apiv2.CreateConfigurationSetResponse, error) {
	name := *in.ConfigurationSetName
	if !setName.MatchString(name) {
		return nil, apiv2.BadRequestException("Invalid configuration set name <%s>: only alphanumeric ASCII characters, '_',  '-' are allowed.", name)
	}
	if in.ArchivingOptions != nil {
		if err := archive(in.ArchivingOptions.ArchiveArn); err != nil {
			return nil, err
		}
	}
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	c := configurationSet{Name: name, Tags: tags, Deliverability: in.VdmOptions}
	if d := in.DeliveryOptions; d != nil {
		if err := c.deliver(d.TlsPolicy, d.SendingPoolName, d.MaxDeliverySeconds); err != nil {
			return nil, err
		}
	}
	if in.ReputationOptions != nil {
		c.Reputation = aws.Value(in.ReputationOptions.ReputationMetricsEnabled)
	}
	if o := in.SendingOptions; o != nil && o.SendingEnabled != nil {
		c.Paused = !*o.SendingEnabled
	}
	if in.SuppressionOptions != nil {
		c.Suppress = new(append([]string{}, in.SuppressionOptions.SuppressedReasons...))
	}
	if t := in.TrackingOptions; t != nil {
		c.Redirect, c.HTTPS = aws.Value(t.CustomRedirectDomain), aws.Value(t.HttpsPolicy)
	}
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		has, err := sets.Has(ctx, tx, scope, name)
		if err == nil && has {
			err = apiv2.AlreadyExistsException("Configuration set <%s> already exists.", name)
		}
		if err != nil {
			return err
		}
		return sets.Put(tx, scope, c, name)
	})
}

// archive takes an archive that is none: there are no others here.
func archive(arn *string) error {
	if arn != nil {
		return apiv2.NotFoundException("Archive <%s> does not exist.", *arn)
	}
	return nil
}

func (s *Service) putSetArchiving2(ctx context.Context, in *apiv2.PutConfigurationSetArchivingOptionsRequest) (*apiv2.PutConfigurationSetArchivingOptionsResponse, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(*configurationSet) error { return archive(in.ArchiveArn) })
}

func (s *Service) putSetDeliverability2(ctx context.Context, in *apiv2.PutConfigurationSetVdmOptionsRequest) (*apiv2.PutConfigurationSetVdmOptionsResponse, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error { c.Deliverability = in.VdmOptions; return nil })
}

// deliver takes over how mail of a set is delivered.
func (c *configurationSet) deliver(tls, pool *string, most *int64) error {
	if pool != nil {
		return apiv2.NotFoundException("Dedicated IP pool %s does not exist.", *pool) // there are none
	}
	c.TLS, c.MaxSeconds = "", most
	if tls != nil {
		c.TLS = map[string]string{apiv2.TlsPolicyRequire: api.TlsPolicyRequire, apiv2.TlsPolicyOptional: api.TlsPolicyOptional}[*tls]
	}
	return nil
}

func (s *Service) getSet2(ctx context.Context, in *apiv2.GetConfigurationSetRequest) (*apiv2.GetConfigurationSetResponse, error) {
	out := &apiv2.GetConfigurationSetResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		c, err := getSet(ctx, r, scopeOf(ctx), *in.ConfigurationSetName)
		if err != nil {
			return err
		}
		*out = apiv2.GetConfigurationSetResponse{ConfigurationSetName: &c.Name, Tags: tagList(c.Tags), VdmOptions: c.Deliverability, SendingOptions: &apiv2.SendingOptions{SendingEnabled: new(!c.Paused)},
			ReputationOptions: &apiv2.ReputationOptions{ReputationMetricsEnabled: &c.Reputation}, DeliveryOptions: &apiv2.DeliveryOptions{TlsPolicy: new(apiv2.TlsPolicyOptional), MaxDeliverySeconds: c.MaxSeconds}}
		if c.TLS == api.TlsPolicyRequire {
			out.DeliveryOptions.TlsPolicy = new(apiv2.TlsPolicyRequire)
		}
		if c.Suppress != nil {
			out.SuppressionOptions = &apiv2.SuppressionOptions{SuppressedReasons: *c.Suppress}
		}
		if c.Redirect != "" {
			out.TrackingOptions = &apiv2.TrackingOptions{CustomRedirectDomain: &c.Redirect}
			if c.HTTPS != "" {
				out.TrackingOptions.HttpsPolicy = &c.HTTPS
			}
		}
		return nil
	})
}

func (s *Service) deleteSet2(ctx context.Context, in *apiv2.DeleteConfigurationSetRequest) (*apiv2.DeleteConfigurationSetResponse, error) {
	_, err := s.deleteConfigurationSet(ctx, &api.DeleteConfigurationSetRequest{ConfigurationSetName: in.ConfigurationSetName})
	return nil, err
}

func (s *Service) listSets2(ctx context.Context, in *apiv2.ListConfigurationSetsRequest) (*apiv2.ListConfigurationSetsResponse, error) {
	got, err := s.listSets(ctx, &api.ListConfigurationSetsRequest{NextToken: in.NextToken, MaxItems: in.PageSize}, in.Filter[apiv2.ConfigurationSetFilterKeyConfigurationSetNameContains])
	if err != nil {
		return nil, err
	}
	out := &apiv2.ListConfigurationSetsResponse{ConfigurationSets: []string{}, NextToken: got.NextToken}
	for _, c := range got.ConfigurationSets {
		out.ConfigurationSets = append(out.ConfigurationSets, *c.Name)
	}
	return out, nil
}

func (s *Service) putSetDelivery2(ctx context.Context, in *apiv2.PutConfigurationSetDeliveryOptionsRequest) (*apiv2.PutConfigurationSetDeliveryOptionsResponse, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error {
		return c.deliver(in.TlsPolicy, in.SendingPoolName, in.MaxDeliverySeconds)
	})
}

func (s *Service) putSetReputation2(ctx context.Context, in *apiv2.PutConfigurationSetReputationOptionsRequest) (*apiv2.PutConfigurationSetReputationOptionsResponse, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error {
		c.Reputation = aws.Value(in.ReputationMetricsEnabled)
		return nil
	})
}

func (s *Service) putSetSending2(ctx context.Context, in *apiv2.PutConfigurationSetSendingOptionsRequest) (*apiv2.PutConfigurationSetSendingOptionsResponse, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error { c.Paused = !aws.Value(in.SendingEnabled); return nil })
}

func (s *Service) putSetSuppression2(ctx context.Context, in *apiv2.PutConfigurationSetSuppressionOptionsRequest) (*apiv2.PutConfigurationSetSuppressionOptionsResponse, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error {
		c.Suppress = new(append([]string{}, in.SuppressedReasons...))
		return nil
	})
}

func (s *Service) putSetTracking2(ctx context.Context, in *apiv2.PutConfigurationSetTrackingOptionsRequest) (*apiv2.PutConfigurationSetTrackingOptionsResponse, error) {
	return nil, s.changeSet(ctx, *in.ConfigurationSetName, func(c *configurationSet) error {
		c.Redirect, c.HTTPS = aws.Value(in.CustomRedirectDomain), aws.Value(in.HttpsPolicy)
		return nil
	})
}

// event1 is a type of events as the first version writes it: "RENDERING_FAILURE" is
// "renderingFailure".
func event1(kind string) string {
	var out strings.Builder
	for i, word := range strings.Split(strings.ToLower(kind), "_") {
		if i > 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		out.WriteString(word)
	}
	return out.String()
}

// event2 is the same for the second version.
func event2(kind string) string {
	var out strings.Builder
	for _, c := range kind {
		if unicode.IsUpper(c) {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToUpper(c))
	}
	return out.String()
}

// Sources of a dimension's value, as the versions write them.
var sources2 = map[string]string{"MESSAGE_TAG": "messageTag", "EMAIL_HEADER": "emailHeader", "LINK_TAG": "linkTag"}

// destination2 is an input as what is kept.
func (s *Service) destination2(ctx context.Context, set, name string, in *apiv2.EventDestinationDefinition) (eventDestination, error) {
	given := 0
	for _, is := range []bool{in.SnsDestination != nil, in.CloudWatchDestination != nil, in.KinesisFirehoseDestination != nil, in.EventBridgeDestination != nil, in.PinpointDestination != nil} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return eventDestination{}, apiv2.BadRequestException("Exactly one event destination must be specified.")
	case in.PinpointDestination != nil:
		return eventDestination{}, aws.Errorf(501, "NotImplemented", "Pinpoint is not in this version of Tule.")
	case len(in.MatchingEventTypes) == 0:
		return eventDestination{}, apiv2.BadRequestException("At least one matching event type must be specified.")
	}
	d := &api.EventDestination{Name: &name, Enabled: in.Enabled}
	for _, kind := range in.MatchingEventTypes {
		d.MatchingEventTypes = append(d.MatchingEventTypes, event1(kind))
	}
	if in.SnsDestination != nil {
		d.SNSDestination = &api.SNSDestination{TopicARN: in.SnsDestination.TopicArn}
	}
	if f := in.KinesisFirehoseDestination; f != nil {
		d.KinesisFirehoseDestination = &api.KinesisFirehoseDestination{DeliveryStreamARN: f.DeliveryStreamArn, IAMRoleARN: f.IamRoleArn}
	}
	if w := in.CloudWatchDestination; w != nil {
		d.CloudWatchDestination = &api.CloudWatchDestination{}
		for _, x := range w.DimensionConfigurations {
			d.CloudWatchDestination.DimensionConfigurations = append(d.CloudWatchDestination.DimensionConfigurations,
				api.CloudWatchDimensionConfiguration{DimensionName: x.DimensionName, DefaultDimensionValue: x.DefaultDimensionValue, DimensionValueSource: new(sources2[*x.DimensionValueSource])})
		}
	}
	out, err := s.destination(ctx, set, d)
	if b := in.EventBridgeDestination; b != nil && err == nil {
		a, ok := aws.ParseARN(*b.EventBusArn)
		if !ok || a.Service != "events" || a.Resource != "event-bus/default" {
			return out, apiv2.BadRequestException("Event bus <%s> is not supported: only the default event bus can be specified.", *b.EventBusArn)
		}
		out.Bus = *b.EventBusArn
	}
	return out, err
}

// changeDestination2 puts an event destination into its set, where it must be or must not.
func (s *Service) changeDestination2(ctx context.Context, set, name string, in *apiv2.EventDestinationDefinition, there bool) error {
	fits := func(c *configurationSet) (int, error) {
		i := slices.IndexFunc(c.Destinations, func(d eventDestination) bool { return d.Name == name })
		if there && i < 0 {
			return i, apiv2.NotFoundException("No EventDestination found for %s", set)
		}
		if !there && i >= 0 {
			return i, apiv2.AlreadyExistsException("An event destination with name <%s> already exists.", name)
		}
		return i, nil
	}
	// Before a message goes out.
	if err := s.changeSet(ctx, set, func(c *configurationSet) error { _, err := fits(c); return err }); err != nil {
		return err
	}
	d, err := s.destination2(ctx, set, name, in)
	if err != nil {
		return err
	}
	return s.changeSet(ctx, set, func(c *configurationSet) error {
		i, err := fits(c)
		if i >= 0 && err == nil {
			c.Destinations[i] = d
		} else if err == nil {
			c.Destinations = append(c.Destinations, d)
		}
		return err
	})
}

func (s *Service) createDestination2(ctx context.Context, in *apiv2.CreateConfigurationSetEventDestinationRequest) (*apiv2.CreateConfigurationSetEventDestinationResponse, error) {
	return nil, s.changeDestination2(ctx, *in.ConfigurationSetName, *in.EventDestinationName, in.EventDestination, false)
}

func (s *Service) updateDestination2(ctx context.Context, in *apiv2.UpdateConfigurationSetEventDestinationRequest) (*apiv2.UpdateConfigurationSetEventDestinationResponse, error) {
	return nil, s.changeDestination2(ctx, *in.ConfigurationSetName, *in.EventDestinationName, in.EventDestination, true)
}

func (s *Service) deleteDestination2(ctx context.Context, in *apiv2.DeleteConfigurationSetEventDestinationRequest) (*apiv2.DeleteConfigurationSetEventDestinationResponse, error) {
	_, err := s.deleteEventDestination(ctx, &api.DeleteConfigurationSetEventDestinationRequest{ConfigurationSetName: in.ConfigurationSetName, EventDestinationName: in.EventDestinationName})
	return nil, err
}

func (s *Service) getDestinations2(ctx context.Context, in *apiv2.GetConfigurationSetEventDestinationsRequest) (*apiv2.GetConfigurationSetEventDestinationsResponse, error) {
	out := &apiv2.GetConfigurationSetEventDestinationsResponse{EventDestinations: []apiv2.EventDestination{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		c, err := getSet(ctx, r, scopeOf(ctx), *in.ConfigurationSetName)
		if err != nil {
			return err
		}
		for i := range c.Destinations {
			out.EventDestinations = append(out.EventDestinations, c.Destinations[i].show2())
		}
		return nil
	})
}

func (d *eventDestination) show2() apiv2.EventDestination {
	out := apiv2.EventDestination{Name: &d.Name, Enabled: &d.Enabled, MatchingEventTypes: []string{}}
	for _, kind := range d.Events {
		out.MatchingEventTypes = append(out.MatchingEventTypes, event2(kind))
	}
	if d.Topic != "" {
		out.SnsDestination = &apiv2.SnsDestination{TopicArn: &d.Topic}
	}
	if d.Bus != "" {
		out.EventBridgeDestination = &apiv2.EventBridgeDestination{EventBusArn: &d.Bus}
	}
	if d.Stream != nil {
		out.KinesisFirehoseDestination = &apiv2.KinesisFirehoseDestination{DeliveryStreamArn: d.Stream.DeliveryStreamARN, IamRoleArn: d.Stream.IAMRoleARN}
	}
	if d.Cloud != nil {
		out.CloudWatchDestination = &apiv2.CloudWatchDestination{}
		for _, x := range d.Cloud.DimensionConfigurations {
			source := ""
			for two, one := range sources2 {
				if one == *x.DimensionValueSource {
					source = two
				}
			}
			out.CloudWatchDestination.DimensionConfigurations = append(out.CloudWatchDestination.DimensionConfigurations,
				apiv2.CloudWatchDimensionConfiguration{DimensionName: x.DimensionName, DefaultDimensionValue: x.DefaultDimensionValue, DimensionValueSource: &source})
		}
	}
	return out
}
