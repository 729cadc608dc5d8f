package dynamodb

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// table is a table's record, under its name. Once decoded it never changes.
type table struct {
	Name    string
	ID      string
	Space   uint64 // of its items' keys
	Created time.Time
	Hash    keyAttribute
	Range   *keyAttribute `json:",omitempty"`
	// OnDemand is the billing mode PAY_PER_REQUEST, since OnDemandAt.
	OnDemand   bool       `json:",omitempty"`
	OnDemandAt *time.Time `json:",omitempty"`
	Throughput throughput
	// Caps and Warm are throughputs that AWS lets one set for tables on demand; they
	// are kept and described, as Throughput is.
	Caps       *api.OnDemandThroughput `json:",omitempty"`
	Warm       *api.WarmThroughput     `json:",omitempty"`
	Class      string                  `json:",omitempty"`
	Protected  bool                    `json:",omitempty"`
	TimeToLive string                  `json:",omitempty"` // attribute
	Tags       map[string]string       `json:",omitempty"`
	// Stream, if not nil, is where changes are told. LastStream is the label of the
	// stream of now, or of the last one that there was.
	Stream     *tableStream       `json:",omitempty"`
	LastStream string             `json:",omitempty"`
	Recovery   *recovery          `json:",omitempty"` // point-in-time recovery; nil is off
	Indexes    []index            `json:",omitempty"`
	Feeds      []feed             `json:",omitempty"` // streams of Kinesis that changes go to
	Policy     *resourcePolicy    `json:",omitempty"`
	Insights   map[string]insight `json:",omitempty"` // by index; "" for the table
	Restore    *restored          `json:",omitempty"` // nil for a table that was not restored

	dimensions []string // of what is measured of it, made when it is decoded
}

// clone is a copy of the table's record that may be changed.
func (t *table) clone() *table {
	c := *t
	c.Indexes, c.Feeds, c.Insights = slices.Clone(t.Indexes), slices.Clone(t.Feeds), maps.Clone(t.Insights)
	return &c
}

// keyAttribute is an attribute of the key, of type S, N or B.
type keyAttribute struct{ Name, Type string }

type throughput struct {
	Read, Write          int64
	Increased, Decreased *time.Time `json:",omitempty"`
	Decreases            int64      `json:",omitempty"`
}

// What a table on demand, and an index of one, can take at once where nobody asked for more.
const (
	warmReads  = 12_000
	warmWrites = 4_000
)

// warm is what can be taken at once: what was asked for, or else what is provisioned.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html
func (p *throughput) warm(asked *api.WarmThroughput) api.WarmThroughput {
	out := api.WarmThroughput{ReadUnitsPerSecond: new(int64(warmReads)), WriteUnitsPerSecond: new(int64(warmWrites))}
	if p.Read > 0 {
		out = api.WarmThroughput{ReadUnitsPerSecond: &p.Read, WriteUnitsPerSecond: &p.Write}
	}
	if asked != nil && asked.ReadUnitsPerSecond != nil {
		out.ReadUnitsPerSecond = asked.ReadUnitsPerSecond
	}
	if asked != nil && asked.WriteUnitsPerSecond != nil {
		out.WriteUnitsPerSecond = asked.WriteUnitsPerSecond
	}
	return out
}

// change sets the throughput of what, a table or an index.
func (h *throughput) change(what string, p *api.ProvisionedThroughput, now time.Time) error {
	read, write := aws.Value(p.ReadCapacityUnits), aws.Value(p.WriteCapacityUnits)
	if read == h.Read && write == h.Write {
		return value.Invalid("The provisioned throughput for the %s will not change. The requested value equals the current value. "+
			"Current ReadCapacityUnits provisioned for the %[1]s: %d. Requested ReadCapacityUnits: %d. "+
			"Current WriteCapacityUnits provisioned for the %[1]s: %[4]d. Requested WriteCapacityUnits: %[5]d. "+
			"Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.", what, read, read, write, write)
	}
	if read > h.Read || write > h.Write {
		h.Increased = &now
	}
	if read < h.Read || write < h.Write {
		h.Decreased = &now
		h.Decreases++
	}
	h.Read, h.Write = read, write
	return nil
}

func (h *throughput) description() *api.ProvisionedThroughputDescription {
	return &api.ProvisionedThroughputDescription{ReadCapacityUnits: &h.Read, WriteCapacityUnits: &h.Write, NumberOfDecreasesToday: &h.Decreases,
		LastIncreaseDateTime: h.Increased, LastDecreaseDateTime: h.Decreased}
}

// keys are the attributes of the table's key, the partition key first.
func (t *table) keys() []keyAttribute {
	if t.Range == nil {
		return []keyAttribute{t.Hash}
	}
	return []keyAttribute{t.Hash, *t.Range}
}

// maxCached is how many tables stay decoded.
const maxCached = 4096

// lookup reads a table's record, or store.ErrNotFound. The transaction reads the
// record's bytes, so that it sees the table as it is; only decoding is saved.
func (s *Service) lookup(ctx context.Context, r store.Reader, at ref) (*table, error) {
	raw, err := tableRecords.Get(ctx, r, at.scope, at.name)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	t := s.tables[string(raw)]
	s.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	t = new(table)
	if err := json.Unmarshal(raw, t); err != nil {
		return nil, err
	}
	t.dimensions = []string{"TableName", t.Name}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tables) >= maxCached {
		clear(s.tables)
	}
	s.tables[string(raw)] = t
	return t, nil
}

// describe is lookup for operations on tables.
func (s *Service) describe(ctx context.Context, r store.Reader, at ref) (*table, error) {
	t, err := s.lookup(ctx, r, at)
	if errors.Is(err, store.ErrNotFound) {
		return nil, at.tableNotFound()
	}
	return t, err
}

// peek is a table's record in a transaction of its own.
func (s *Service) peek(ctx context.Context, name *string) (t *table, err error) {
	at, err := parseRef(ctx, name)
	if err != nil {
		return nil, err
	}
	err = s.store.View(ctx, func(r store.Reader) error {
		t, err = s.describe(ctx, r, at)
		return err
	})
	return t, err
}

func (t *table) save(tx store.Tx, at ref) error {
	raw, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return tableRecords.Put(tx, at.scope, raw, at.name)
}

func (s *Service) createTable(ctx context.Context, in *api.CreateTableInput) (*api.CreateTableOutput, error) {
	at, err := own(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	if err := checkCreate(in); err != nil {
		return nil, err
	}
	t, err := s.newTable(at, in)
	if err != nil {
		return nil, err
	}
	err = s.alter(ctx, func(tx store.Tx) error {
		switch has, err := tableRecords.Has(ctx, tx, at.scope, at.name); {
		case err != nil:
			return err
		case has:
			return api.ResourceInUseException("Table already exists: %s", at.name)
		}
		if in.StreamSpecification != nil && aws.Value(in.StreamSpecification.StreamEnabled) {
			if err := s.openStream(ctx, tx, at, t, *in.StreamSpecification.StreamViewType); err != nil {
				return err
			}
		}
		return t.save(tx, at)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateTableOutput{TableDescription: t.description(at, api.TableStatusCreating, tally{})}, nil
}

// newTable is the record of a table that was asked for and checked.
func (s *Service) newTable(at ref, in *api.CreateTableInput) (*table, error) {
	var space [8]byte
	if _, err := io.ReadFull(s.random, space[:]); err != nil {
		return nil, err
	}
	t := &table{Name: at.name, ID: aws.RandomUUID(s.random), Space: binary.BigEndian.Uint64(space[:]), Created: s.clock.Now().Truncate(time.Millisecond),
		OnDemand: aws.Value(in.BillingMode) == api.BillingModePayPerRequest,
		Caps:     in.OnDemandThroughput, Warm: in.WarmThroughput,
		Class: aws.Value(in.TableClass), Protected: aws.Value(in.DeletionProtectionEnabled)}
	types := define(in.AttributeDefinitions).types
	for i, k := range in.KeySchema {
		name := aws.Value(k.AttributeName)
		if i == 0 {
			t.Hash = keyAttribute{name, types[name]}
		} else {
			t.Range = &keyAttribute{name, types[name]}
		}
	}
	var err error
	if t.Indexes, err = s.newIndexes(in); err != nil {
		return nil, err
	}
	if t.OnDemand {
		t.OnDemandAt = &t.Created
	} else {
		t.Throughput = throughput{Read: *in.ProvisionedThroughput.ReadCapacityUnits, Write: *in.ProvisionedThroughput.WriteCapacityUnits}
	}
	if in.ResourcePolicy != nil {
		if t.Policy, err = s.newPolicy(*in.ResourcePolicy); err != nil {
			return nil, err
		}
	}
	for _, tag := range in.Tags {
		if t.Tags == nil {
			t.Tags = map[string]string{}
		}
		t.Tags[aws.Value(tag.Key)] = aws.Value(tag.Value)
	}
	return t, nil
}

func (s *Service) describeTable(ctx context.Context, in *api.DescribeTableInput) (*api.DescribeTableOutput, error) {
	at, err := s.reach(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	var t *table
	var n tally
	err = s.store.View(ctx, func(r store.Reader) (err error) {
		if t, err = s.describe(ctx, r, at); err != nil {
			return err
		}
		n, err = s.tally(ctx, r, at, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	status := api.TableStatusActive
	switch {
	case t.Restore.going():
		status = api.TableStatusCreating
	case t.filling():
		status = api.TableStatusUpdating
	}
	return &api.DescribeTableOutput{Table: t.description(at, status, n)}, nil
}

// filling reports whether an index is being filled.
func (t *table) filling() bool {
	return slices.ContainsFunc(t.Indexes, func(ix index) bool { return ix.Filling })
}

// A table is counted anew whenever somebody asks, unless that took long not long
// ago: then no more than a hundredth of the time goes into counting.
const (
	cheapCount = 5 * time.Millisecond
	countShare = 100
)

// tally is how much is in a table, and in its indexes, by their names.
type tally struct {
	count
	indexes map[string]count
}

// tally counts a table's items and its indexes' entries, and their bytes.
func (s *Service) tally(ctx context.Context, r store.Reader, at ref, t *table) (n tally, err error) {
	if n.count, err = s.count(ctx, r, at, keyspace{t: t}); err != nil {
		return n, err
	}
	n.indexes = map[string]count{}
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		if n.indexes[ix.Name], err = s.count(ctx, r, at, keyspace{t, ix}); err != nil {
			return n, err
		}
	}
	return n, nil
}

// count counts items, or entries, and their bytes.
func (s *Service) count(ctx context.Context, r store.Reader, at ref, k keyspace) (count, error) {
	start := s.clock.Now()
	s.mu.RLock()
	n, known := s.counts[k.space()]
	s.mu.RUnlock()
	if known && n.took > cheapCount && start.Sub(n.at) < countShare*n.took {
		return n, nil
	}
	n = count{at: start}
	for e, err := range k.list(ctx, r, at, store.ListOptions{Prefix: []any{k.space()}}) {
		if err != nil {
			return n, err
		}
		size, err := value.DecodeSize(e.Record)
		if err != nil {
			return n, err
		}
		n.items++
		n.bytes += int64(size)
	}
	n.took = s.clock.Now().Sub(start)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.counts) >= maxCached {
		clear(s.counts)
	}
	s.counts[k.space()] = n
	return n, nil
}

// description is the table as AWS describes it.
func (t *table) description(at ref, status string, n tally) *api.TableDescription {
	arn := at.arn()
	d := &api.TableDescription{
		TableName: &t.Name, TableArn: &arn, TableId: &t.ID, TableStatus: &status, CreationDateTime: &t.Created,
		ItemCount: &n.items, TableSizeBytes: &n.bytes, DeletionProtectionEnabled: &t.Protected,
		ProvisionedThroughput: t.Throughput.description(),
	}
	kinds := []string{api.KeyTypeHash, api.KeyTypeRange}
	for i, k := range t.keys() {
		d.KeySchema = append(d.KeySchema, api.KeySchemaElement{AttributeName: &k.Name, KeyType: &kinds[i]})
	}
	for _, k := range t.attributes() {
		d.AttributeDefinitions = append(d.AttributeDefinitions, api.AttributeDefinition{AttributeName: &k.Name, AttributeType: &k.Type})
	}
	t.descriptions(d, at, status, n)
	if t.Restore != nil {
		d.RestoreSummary = t.Restore.summary()
	}
	if t.OnDemandAt != nil {
		mode := api.BillingModeProvisioned
		if t.OnDemand {
			mode = api.BillingModePayPerRequest
		}
		d.BillingModeSummary = &api.BillingModeSummary{BillingMode: &mode, LastUpdateToPayPerRequestDateTime: t.OnDemandAt}
	}
	if t.Stream != nil {
		on := true
		d.StreamSpecification = &api.StreamSpecification{StreamEnabled: &on, StreamViewType: &t.Stream.View}
	}
	if t.LastStream != "" {
		arn := at.streamARN(t.LastStream)
		d.LatestStreamArn, d.LatestStreamLabel = &arn, &t.LastStream
	}
	d.OnDemandThroughput = t.Caps
	warm := t.Throughput.warm(t.Warm)
	d.WarmThroughput = &api.TableWarmThroughputDescription{ReadUnitsPerSecond: warm.ReadUnitsPerSecond,
		WriteUnitsPerSecond: warm.WriteUnitsPerSecond, Status: new(api.TableStatusActive)}
	if t.Class != "" {
		d.TableClassSummary = &api.TableClassSummary{TableClass: &t.Class}
	}
	return d
}

// attributes are those of the keys of the table and of its indexes.
func (t *table) attributes() []keyAttribute {
	out := t.keys()
	for i := range t.Indexes {
		for _, k := range t.Indexes[i].keys() {
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

func (s *Service) deleteTable(ctx context.Context, in *api.DeleteTableInput) (*api.DeleteTableOutput, error) {
	at, err := own(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	var t *table
	err = s.alter(ctx, func(tx store.Tx) (err error) {
		if t, err = s.describe(ctx, tx, at); err != nil {
			return err
		}
		if t.Protected {
			return value.Invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
		}
		if err := t.checkIdle(ctx, tx, at); err != nil {
			return err
		}
		if err := itemRecords.DeleteAll(tx, at.scope, t.Space); err != nil {
			return err
		}
		for i := range t.Indexes {
			if err := t.Indexes[i].dropEntries(tx, at); err != nil {
				return err
			}
		}
		for i := range t.Feeds {
			if err := t.Feeds[i].drop(tx, at); err != nil {
				return err
			}
		}
		if t.Stream != nil {
			t = t.clone()
			if err := s.closeStream(ctx, tx, at, t); err != nil {
				return err
			}
		}
		return tableRecords.Delete(tx, at.scope, at.name)
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	delete(s.counts, t.Space)
	s.mu.Unlock()
	d := t.description(at, api.TableStatusDeleting, tally{})
	d.AttributeDefinitions, d.KeySchema, d.CreationDateTime = nil, nil, nil
	return &api.DeleteTableOutput{TableDescription: d}, nil
}

// checkIdle refuses to delete a table that is being restored or backed up.
func (t *table) checkIdle(ctx context.Context, r store.Reader, at ref) error {
	if t.Restore.going() {
		return api.ResourceInUseException("Attempt to change a resource which is still in use: Table is being created: %s", at.name)
	}
	busy, err := backedUp(ctx, r, at)
	if busy {
		return api.ResourceInUseException("Attempt to change a resource which is still in use: Table is being backed up: %s", at.name)
	}
	return err
}

// maxTables is the most names that one answer lists.
const maxTables = 100

func (s *Service) listTables(ctx context.Context, in *api.ListTablesInput) (*api.ListTablesOutput, error) {
	req := aws.RequestOf(ctx)
	limit := maxTables
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	o := store.ListOptions{Limit: limit + 1}
	if in.ExclusiveStartTableName != nil {
		o.After = []any{*in.ExclusiveStartTableName}
	}
	var out *api.ListTablesOutput
	err := s.store.View(ctx, func(r store.Reader) error {
		out = &api.ListTablesOutput{TableNames: []string{}}
		for e, err := range tableRecords.List(ctx, r, store.Scope{Account: req.Account(), Region: req.Region}, o) {
			if err != nil {
				return err
			}
			if len(out.TableNames) == limit {
				out.LastEvaluatedTableName = &out.TableNames[limit-1]
				break
			}
			out.TableNames = append(out.TableNames, e.Key.String(0))
		}
		return nil
	})
	return out, err
}
