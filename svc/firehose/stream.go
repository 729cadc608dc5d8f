package firehose

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"time"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	maxStreams    = 5000 // an account's limit in a region
	destinationID = "destinationId-000000000001"
)

// stream is a delivery stream's record.
type stream struct {
	Space       uint64
	Type        string // DirectPut or KinesisStreamAsSource
	Created     time.Time
	Updated     time.Time `json:",omitzero"`
	Version     int
	Source      *source           `json:",omitempty"`
	Hint        *int32            `json:",omitempty"` // ThroughputHintInMBs, of direct puts
	Destination destination       `json:",omitzero"`
	Encrypted   bool              `json:",omitempty"`
	KeyType     string            `json:",omitempty"`
	KeyARN      string            `json:",omitempty"`
	Tags        map[string]string `json:",omitempty"`
}

// A source is the Kinesis stream that is read.
type source struct {
	ARN, Role string
	Since     time.Time
}

// A ref names a delivery stream, which need not be there.
type ref struct {
	scope store.Scope
	name  string
}

// refOf is the stream of a name in the caller's account.
func refOf(ctx context.Context, name *string) ref {
	req := aws.RequestOf(ctx)
	return ref{store.Scope{Account: req.Account(), Region: req.Region}, *name}
}

func (r ref) arn() string {
	return aws.NewARN("firehose", r.scope.Region, r.scope.Account, "deliverystream/"+r.name).String()
}

func (r ref) notFound() error {
	return api.ResourceNotFoundException("Firehose %s under account %s not found.", r.name, r.scope.Account)
}

// find reads a stream's record.
func (r ref) find(ctx context.Context, tx store.Reader) (stream, error) {
	st, err := streamRecords.Get(ctx, tx, r.scope, r.name)
	if errors.Is(err, store.ErrNotFound) {
		return st, r.notFound()
	}
	return st, err
}

// look reads a stream's record in a transaction of its own.
func (s *Service) look(ctx context.Context, at ref) (st stream, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		st, err = at.find(ctx, r)
		return err
	})
	return st, err
}

// alter changes a stream's record in one transaction.
func (s *Service) alter(ctx context.Context, at ref, change func(st *stream) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		st, err := at.find(ctx, tx)
		if err == nil {
			err = change(&st)
		}
		if err != nil {
			return err
		}
		return streamRecords.Put(tx, at.scope, st, at.name)
	})
}

func (s *Service) createDeliveryStream(ctx context.Context, in *api.CreateDeliveryStreamInput) (*api.CreateDeliveryStreamOutput, error) {
	at := refOf(ctx, in.DeliveryStreamName)
	st, err := s.newStream(ctx, at, in)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		switch has, err := streamRecords.Has(ctx, tx, at.scope, at.name); {
		case err != nil:
			return err
		case has:
			return api.ResourceInUseException("Firehose %s under accountId %s already exists", at.name, at.scope.Account)
		}
		n := 0
		for _, err := range streamRecords.List(ctx, tx, at.scope, store.ListOptions{}) {
			if n++; err != nil {
				return err
			}
		}
		if n >= maxStreams {
			return api.LimitExceededException("You have already consumed your firehose quota of %d hoses.", maxStreams)
		}
		return streamRecords.Put(tx, at.scope, st, at.name)
	})
	if err != nil {
		return nil, err
	}
	if st.Source != nil {
		s.lanes.open(laneKey{at, st.Space})
	}
	arn := at.arn()
	return &api.CreateDeliveryStreamOutput{DeliveryStreamARN: &arn}, nil
}

// newStream is the stream that an input asks for. Its roles are such that can be assumed.
func (s *Service) newStream(ctx context.Context, at ref, in *api.CreateDeliveryStreamInput) (st stream, err error) {
	now := s.Clock.Now()
	st = stream{Type: api.DeliveryStreamTypeDirectPut, Created: now, Version: 1, Tags: map[string]string{}}
	if in.DeliveryStreamType != nil {
		st.Type = *in.DeliveryStreamType
	}
	if st.Source, err = newSource(in, st.Type, now); err != nil {
		return st, err
	}
	if in.DirectPutSourceConfiguration != nil {
		st.Hint = in.DirectPutSourceConfiguration.ThroughputHintInMBs
	}
	if err := st.tag(in.Tags); err != nil {
		return st, err
	}
	if e := in.DeliveryStreamEncryptionConfigurationInput; e != nil {
		if err := st.encrypt(e); err != nil {
			return st, err
		}
	}
	if st.Destination, err = newDestination(in); err != nil {
		return st, err
	}
	p, err := st.plan()
	if err != nil {
		return st, err
	}
	if err := s.checkRoles(ctx, at, append(p.roles(), st.roles()...)); err != nil {
		return st, err
	}
	var space [8]byte
	if _, err := io.ReadFull(s.Random, space[:]); err != nil {
		return st, err
	}
	st.Space = binary.BigEndian.Uint64(space[:])
	return st, s.lock(&st.Destination)
}

// roles are those that read the source.
func (st *stream) roles() []string {
	if st.Source == nil {
		return nil
	}
	return []string{st.Source.Role}
}

// newSource is where the records of a stream come from; nil if they are put.
func newSource(in *api.CreateDeliveryStreamInput, kind string, now time.Time) (*source, error) {
	switch k := in.KinesisStreamSourceConfiguration; {
	case kind == api.DeliveryStreamTypeMSKAsSource, in.MSKSourceConfiguration != nil:
		return nil, api.InvalidArgumentException("MSK is not available in this version of Tule: MSKAsSource is not supported.")
	case kind == api.DeliveryStreamTypeDatabaseAsSource, in.DatabaseSourceConfiguration != nil:
		return nil, api.InvalidArgumentException("Databases are not read by this version of Tule: DatabaseAsSource is not supported.")
	case kind == api.DeliveryStreamTypeKinesisStreamAsSource && k == nil:
		return nil, api.InvalidArgumentException("KinesisStreamSourceConfiguration must be specified for a delivery stream of type KinesisStreamAsSource.")
	case kind != api.DeliveryStreamTypeKinesisStreamAsSource && k != nil:
		return nil, api.InvalidArgumentException("KinesisStreamSourceConfig is only applicable for KinesisStreamAsSource stream type.")
	case k == nil:
		return nil, nil
	case in.DeliveryStreamEncryptionConfigurationInput != nil:
		return nil, api.InvalidArgumentException("DeliveryStreamEncryptionConfigurationInput is only applicable for DirectPut stream type.")
	default:
		return &source{ARN: *k.KinesisStreamARN, Role: *k.RoleARN, Since: now.Truncate(time.Millisecond)}, nil
	}
}

func (s *Service) describeDeliveryStream(ctx context.Context, in *api.DescribeDeliveryStreamInput) (*api.DescribeDeliveryStreamOutput, error) {
	at := refOf(ctx, in.DeliveryStreamName)
	began := s.Clock.Now()
	st, err := s.look(ctx, at)
	if err != nil {
		return nil, err
	}
	s.measureCall(at, "DescribeDeliveryStream", began)
	more, status, arn, version := false, api.DeliveryStreamStatusActive, at.arn(), strconv.Itoa(st.Version)
	d := &api.DeliveryStreamDescription{DeliveryStreamName: &at.name, DeliveryStreamARN: &arn, DeliveryStreamStatus: &status, DeliveryStreamType: &st.Type,
		VersionId: &version, CreateTimestamp: &st.Created, HasMoreDestinations: &more, Destinations: []api.DestinationDescription{st.Destination.described()}}
	if !st.Updated.IsZero() {
		d.LastUpdateTimestamp = &st.Updated
	}
	if st.Type == api.DeliveryStreamTypeDirectPut {
		d.DeliveryStreamEncryptionConfiguration = st.encryption()
	}
	if src := st.Source; src != nil {
		d.Source = &api.SourceDescription{KinesisStreamSourceDescription: &api.KinesisStreamSourceDescription{
			KinesisStreamARN: &src.ARN, RoleARN: &src.Role, DeliveryStartTimestamp: &src.Since}}
	} else if st.Hint != nil {
		d.Source = &api.SourceDescription{DirectPutSourceDescription: &api.DirectPutSourceDescription{ThroughputHintInMBs: st.Hint}}
	}
	return &api.DescribeDeliveryStreamOutput{DeliveryStreamDescription: d}, nil
}

func (s *Service) listDeliveryStreams(ctx context.Context, in *api.ListDeliveryStreamsInput) (*api.ListDeliveryStreamsOutput, error) {
	req := aws.RequestOf(ctx)
	limit := 10
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	o := store.ListOptions{}
	if in.ExclusiveStartDeliveryStreamName != nil {
		o.After = []any{*in.ExclusiveStartDeliveryStreamName}
	}
	var out *api.ListDeliveryStreamsOutput
	err := s.Store.View(ctx, func(r store.Reader) error {
		out = &api.ListDeliveryStreamsOutput{DeliveryStreamNames: []string{}, HasMoreDeliveryStreams: new(false)}
		for e, err := range streamRecords.List(ctx, r, store.Scope{Account: req.Account(), Region: req.Region}, o) {
			switch {
			case err != nil:
				return err
			case in.DeliveryStreamType != nil && *in.DeliveryStreamType != e.Record.Type:
				continue
			case len(out.DeliveryStreamNames) == limit:
				*out.HasMoreDeliveryStreams = true
				return nil
			}
			out.DeliveryStreamNames = append(out.DeliveryStreamNames, e.Key.String(0))
		}
		return nil
	})
	return out, err
}

// deleteDeliveryStream removes a stream with what it has gathered: what is not delivered by
// then is lost, as on AWS.
func (s *Service) deleteDeliveryStream(ctx context.Context, in *api.DeleteDeliveryStreamInput) (*api.DeleteDeliveryStreamOutput, error) {
	at := refOf(ctx, in.DeliveryStreamName)
	var space uint64
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		st, err := at.find(ctx, tx)
		if err != nil {
			return err
		}
		space = st.Space
		return errors.Join(streamRecords.Delete(tx, at.scope, at.name), bundleRecords.DeleteAll(tx, at.scope, space),
			batchRecords.DeleteAll(tx, at.scope, space), placeRecords.DeleteAll(tx, at.scope, space))
	})
	if err == nil {
		s.lanes.wake(laneKey{at, space})
	}
	return &api.DeleteDeliveryStreamOutput{}, err
}
