package firehose

import (
	"context"
	"encoding/json"
	"reflect"
	"strconv"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
)

// destination is where a stream delivers to, as its calls have configured it: one of these.
type destination struct {
	S3         *api.ExtendedS3DestinationConfiguration                 `json:",omitempty"`
	HTTP       *api.HttpEndpointDestinationConfiguration               `json:",omitempty"`
	Search     *api.AmazonopensearchserviceDestinationConfiguration    `json:",omitempty"`
	Elastic    *api.ElasticsearchDestinationConfiguration              `json:",omitempty"`
	Serverless *api.AmazonOpenSearchServerlessDestinationConfiguration `json:",omitempty"`
	Splunk     *api.SplunkDestinationConfiguration                     `json:",omitempty"`
	Redshift   *api.RedshiftDestinationConfiguration                   `json:",omitempty"`
	Sealed     []byte                                                  `json:",omitempty"` // its secrets
}

// secrets are what opens a destination.
type secrets struct{ AccessKey, Token, Password *string }

// sealContext is what the secrets of destinations are sealed for.
const sealContext = "destination"

// renamed are members that configurations, updates and descriptions name differently.
var renamed = map[string][]string{
	"S3Update":              {"S3Configuration"},
	"S3BackupUpdate":        {"S3BackupConfiguration"},
	"S3Configuration":       {"S3DestinationDescription"},
	"S3BackupConfiguration": {"S3BackupDescription"},
}

// overlay sets in the structure dst what is set in src, member by member, where they have
// the same or what stands for it.
func overlay(dst, src any) { overlayValue(reflect.ValueOf(dst).Elem(), reflect.ValueOf(src).Elem()) }

func overlayValue(dst, src reflect.Value) {
	for i := range src.NumField() {
		from, name := src.Field(i), src.Type().Field(i).Name
		if from.IsZero() {
			continue
		}
		to := dst.FieldByName(name)
		for _, other := range renamed[name] {
			if !to.IsValid() {
				to = dst.FieldByName(other)
			}
		}
		whole := from.Kind() != reflect.Pointer || from.Type().Elem().Kind() != reflect.Struct || from.Type() == reflect.TypeFor[*api.EncryptionConfiguration]()
		switch {
		case !to.IsValid():
		case whole:
			to.Set(from)
		default:
			into := reflect.New(to.Type().Elem())
			if !to.IsNil() {
				into.Elem().Set(to.Elem())
			}
			overlayValue(into.Elem(), from.Elem())
			to.Set(into)
		}
	}
}

// configured is a new configuration with what src sets; nil if src is.
func configured[C, S any](src *S) *C {
	if src == nil {
		return nil
	}
	c := new(C)
	overlay(c, src)
	return c
}

// only refuses configurations of no destination, or of several.
func (d *destination) only() error {
	n := 0
	for v := reflect.ValueOf(d).Elem(); n < 2; n++ {
		i := 0
		for i < v.NumField() && (v.Field(i).Kind() != reflect.Pointer || v.Field(i).IsNil()) {
			i++
		}
		if i == v.NumField() {
			break
		}
		rest := reflect.New(v.Type()).Elem()
		rest.Set(v)
		rest.Field(i).SetZero()
		v = rest
	}
	if n != 1 {
		return api.InvalidArgumentException("Exactly one destination configuration is supported for a Firehose")
	}
	return nil
}

// newDestination is the destination that an input asks for, complete with what it leaves
// to AWS.
func newDestination(in *api.CreateDeliveryStreamInput) (destination, error) {
	switch {
	case in.SnowflakeDestinationConfiguration != nil:
		return destination{}, api.InvalidArgumentException("Snowflake is not available as a destination in this version of Tule.")
	case in.IcebergDestinationConfiguration != nil:
		return destination{}, api.InvalidArgumentException("Apache Iceberg is not available as a destination in this version of Tule.")
	case in.S3DestinationConfiguration != nil && in.ExtendedS3DestinationConfiguration != nil:
		return destination{}, api.InvalidArgumentException("Exactly one destination configuration is supported for a Firehose")
	}
	d := destination{S3: configured[api.ExtendedS3DestinationConfiguration](in.ExtendedS3DestinationConfiguration),
		HTTP:       configured[api.HttpEndpointDestinationConfiguration](in.HttpEndpointDestinationConfiguration),
		Search:     configured[api.AmazonopensearchserviceDestinationConfiguration](in.AmazonopensearchserviceDestinationConfiguration),
		Elastic:    configured[api.ElasticsearchDestinationConfiguration](in.ElasticsearchDestinationConfiguration),
		Serverless: configured[api.AmazonOpenSearchServerlessDestinationConfiguration](in.AmazonOpenSearchServerlessDestinationConfiguration),
		Splunk:     configured[api.SplunkDestinationConfiguration](in.SplunkDestinationConfiguration),
		Redshift:   configured[api.RedshiftDestinationConfiguration](in.RedshiftDestinationConfiguration)}
	if in.S3DestinationConfiguration != nil {
		d.S3 = configured[api.ExtendedS3DestinationConfiguration](in.S3DestinationConfiguration)
	}
	if err := d.only(); err != nil {
		return d, err
	}
	d.complete()
	return d, nil
}

// newUpdate is what an input changes of a destination.
func newUpdate(in *api.UpdateDestinationInput) (destination, error) {
	d := destination{S3: configured[api.ExtendedS3DestinationConfiguration](in.ExtendedS3DestinationUpdate),
		HTTP:       configured[api.HttpEndpointDestinationConfiguration](in.HttpEndpointDestinationUpdate),
		Search:     configured[api.AmazonopensearchserviceDestinationConfiguration](in.AmazonopensearchserviceDestinationUpdate),
		Elastic:    configured[api.ElasticsearchDestinationConfiguration](in.ElasticsearchDestinationUpdate),
		Serverless: configured[api.AmazonOpenSearchServerlessDestinationConfiguration](in.AmazonOpenSearchServerlessDestinationUpdate),
		Splunk:     configured[api.SplunkDestinationConfiguration](in.SplunkDestinationUpdate),
		Redshift:   configured[api.RedshiftDestinationConfiguration](in.RedshiftDestinationUpdate)}
	if in.S3DestinationUpdate != nil {
		if d.S3 != nil {
			return d, api.InvalidArgumentException("Exactly one destination configuration is supported for a Firehose")
		}
		d.S3 = configured[api.ExtendedS3DestinationConfiguration](in.S3DestinationUpdate)
	}
	return d, d.only()
}

func (s *Service) updateDestination(ctx context.Context, in *api.UpdateDestinationInput) (*api.UpdateDestinationOutput, error) {
	at, began := refOf(ctx, in.DeliveryStreamName), s.Clock.Now()
	change, err := newUpdate(in)
	if err != nil {
		return nil, err
	}
	st, err := s.look(ctx, at)
	if err != nil {
		return nil, err
	}
	if *in.DestinationId != destinationID {
		return nil, api.InvalidArgumentException("Destination Id %s not found", *in.DestinationId)
	}
	version := *in.CurrentDeliveryStreamVersionId
	if have := strconv.Itoa(st.Version); have != version {
		return nil, at.stale(have, version)
	}
	if err := s.merge(&st.Destination, change); err != nil {
		return nil, err
	}
	p, err := st.plan()
	if err != nil {
		return nil, err
	}
	if err := s.checkRoles(ctx, at, p.roles()); err != nil {
		return nil, err
	}
	if err := s.lock(&st.Destination); err != nil {
		return nil, err
	}
	err = s.alter(ctx, at, func(have *stream) error {
		if now := strconv.Itoa(have.Version); now != version || have.Space != st.Space {
			return at.stale(now, version)
		}
		have.Destination, have.Updated = st.Destination, s.Clock.Now()
		have.Version++
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.measureCall(at, "UpdateDeliveryStream", began)
	s.lanes.wake(laneKey{at, st.Space})
	return &api.UpdateDestinationOutput{}, nil
}

func (r ref) stale(have, named string) error {
	return api.ConcurrentModificationException("Cannot update firehose: %s since the current version id: %s and specified version id: %s do not match", r.name, have, named)
}

// merge changes d, member by member where it is of the same kind, wholly where it becomes
// one of another.
func (s *Service) merge(d *destination, change destination) error {
	if err := s.unlock(d); err != nil {
		return err
	}
	have, want := reflect.ValueOf(d).Elem(), reflect.ValueOf(&change).Elem()
	for i := range want.NumField() {
		from, to := want.Field(i), have.Field(i)
		if from.Kind() != reflect.Pointer {
			continue
		}
		switch {
		case from.IsNil():
			to.SetZero()
		case to.IsNil():
			to.Set(from)
		default:
			overlayValue(to.Elem(), from.Elem())
		}
	}
	d.complete()
	return nil
}

// lock seals the secrets of a destination.
func (s *Service) lock(d *destination) error {
	d.Sealed = nil
	if s.Secrets == nil {
		return nil
	}
	var v secrets
	if d.HTTP != nil && d.HTTP.EndpointConfiguration != nil {
		v.AccessKey, d.HTTP.EndpointConfiguration.AccessKey = d.HTTP.EndpointConfiguration.AccessKey, nil
	}
	if d.Splunk != nil {
		v.Token, d.Splunk.HECToken = d.Splunk.HECToken, nil
	}
	if d.Redshift != nil {
		v.Password, d.Redshift.Password = d.Redshift.Password, nil
	}
	if v == (secrets{}) {
		return nil
	}
	b, err := json.Marshal(v)
	if err == nil {
		d.Sealed, err = s.Secrets.Seal(b, sealContext)
	}
	return err
}

// unlock makes the secrets of a destination known that was read from the store.
func (s *Service) unlock(d *destination) error {
	if len(d.Sealed) == 0 || s.Secrets == nil {
		return nil
	}
	b, err := s.Secrets.Open(d.Sealed, sealContext)
	if err != nil {
		return err
	}
	var v secrets
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	switch {
	case d.HTTP != nil:
		d.HTTP.EndpointConfiguration.AccessKey = v.AccessKey
	case d.Splunk != nil:
		d.Splunk.HECToken = v.Token
	case d.Redshift != nil:
		d.Redshift.Password = v.Password
	}
	return nil
}

// described is a destination as DescribeDeliveryStream shows it. An S3 destination is shown
// as both kinds.
func (d *destination) described() api.DestinationDescription {
	out := api.DestinationDescription{DestinationId: new(destinationID),
		ExtendedS3DestinationDescription:                 configured[api.ExtendedS3DestinationDescription](d.S3),
		S3DestinationDescription:                         configured[api.S3DestinationDescription](d.S3),
		HttpEndpointDestinationDescription:               configured[api.HttpEndpointDestinationDescription](d.HTTP),
		AmazonopensearchserviceDestinationDescription:    configured[api.AmazonopensearchserviceDestinationDescription](d.Search),
		ElasticsearchDestinationDescription:              configured[api.ElasticsearchDestinationDescription](d.Elastic),
		AmazonOpenSearchServerlessDestinationDescription: configured[api.AmazonOpenSearchServerlessDestinationDescription](d.Serverless),
		SplunkDestinationDescription:                     configured[api.SplunkDestinationDescription](d.Splunk),
		RedshiftDestinationDescription:                   configured[api.RedshiftDestinationDescription](d.Redshift)}
	return out
}

// rolesIn are all roles that a configuration names, whatever it configures.
func rolesIn(configuration any) (roles []string) {
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			if p, ok := v.Interface().(api.ProcessorParameter); ok && aws.Value(p.ParameterName) == api.ProcessorParameterNameRoleArn {
				roles = append(roles, aws.Value(p.ParameterValue))
			}
			for i := range v.NumField() {
				if !v.Type().Field(i).IsExported() {
					continue
				}
				if role, ok := v.Field(i).Interface().(*string); ok && role != nil && v.Type().Field(i).Name == "RoleARN" {
					roles = append(roles, *role)
				}
				walk(v.Field(i))
			}
		}
	}
	walk(reflect.ValueOf(configuration))
	return roles
}

// processing are the processors of a destination that are not switched off.
func (d *destination) processing() []api.Processor {
	var c *api.ProcessingConfiguration
	switch {
	case d.S3 != nil:
		c = d.S3.ProcessingConfiguration
	case d.HTTP != nil:
		c = d.HTTP.ProcessingConfiguration
	case d.Search != nil:
		c = d.Search.ProcessingConfiguration
	case d.Elastic != nil:
		c = d.Elastic.ProcessingConfiguration
	case d.Serverless != nil:
		c = d.Serverless.ProcessingConfiguration
	case d.Splunk != nil:
		c = d.Splunk.ProcessingConfiguration
	case d.Redshift != nil:
		c = d.Redshift.ProcessingConfiguration
	}
	if c == nil || !aws.Value(c.Enabled) {
		return nil
	}
	return c.Processors
}

// logging is where a destination's failures are logged.
func (d *destination) logging() *api.CloudWatchLoggingOptions {
	switch {
	case d.S3 != nil:
		return d.S3.CloudWatchLoggingOptions
	case d.HTTP != nil:
		return d.HTTP.CloudWatchLoggingOptions
	case d.Search != nil:
		return d.Search.CloudWatchLoggingOptions
	case d.Elastic != nil:
		return d.Elastic.CloudWatchLoggingOptions
	case d.Serverless != nil:
		return d.Serverless.CloudWatchLoggingOptions
	case d.Splunk != nil:
		return d.Splunk.CloudWatchLoggingOptions
	case d.Redshift != nil:
		return d.Redshift.CloudWatchLoggingOptions
	}
	return nil
}
