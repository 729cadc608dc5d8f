package dynamodb

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// A backup is a copy of a table's items, and of what the table was like, under the table's
// name and the backup's id. Small ones are made at once, others in the background; of items
// that change meanwhile they have the one or the other.
type backup struct {
	Name    string
	Table   *table // as it was
	Created time.Time
	Status  string
	Space   uint64 // of the items' keys
	// Passing says that the backup is a step of a restore from a table, and nobody's to see.
	Passing bool `json:",omitempty"`
	walk         // through the table
}

// A backupRef names a backup, which need not be there.
type backupRef struct {
	ref
	id string
}

func (r backupRef) arn() string { return r.ref.arn() + "/backup/" + r.id }

func (r backupRef) notFound() error {
	return api.BackupNotFoundException("Backup not found: %s", r.arn())
}

// ownBackup reads the ARN of a backup of the caller's account, in the region of the call.
func ownBackup(ctx context.Context, arn *string) (backupRef, error) {
	a, ok := aws.ParseARN(aws.Value(arn))
	rest, isTable := strings.CutPrefix(a.Resource, "table/")
	name, id, isBackup := strings.Cut(rest, "/backup/")
	if !ok || a.Service != "dynamodb" || !isTable || !isBackup || !legalName(name) || !legalName(id) {
		return backupRef{}, value.Invalid("Invalid Backup ARN")
	}
	r := backupRef{ref{store.Scope{Account: a.Account, Region: a.Region}, name}, id}
	if req := aws.RequestOf(ctx); a.Account != req.Account() || a.Region != req.Region {
		return r, r.notFound()
	}
	return r, nil
}

// find reads a backup's record.
func (r backupRef) find(ctx context.Context, rd store.Reader) (backup, error) {
	b, err := backupRecords.Get(ctx, rd, r.scope, r.name, r.id)
	if errors.Is(err, store.ErrNotFound) || err == nil && b.Passing {
		return b, r.notFound()
	}
	return b, err
}

func (r backupRef) save(tx store.Tx, b *backup) error {
	return backupRecords.Put(tx, r.scope, *b, r.name, r.id)
}

// newBackup begins a backup, which is complete if the table is small.
func (s *Service) newBackup(ctx context.Context, tx store.Tx, at ref, t *table, name string, passing bool) (backupRef, *backup, error) {
	var random [12]byte
	if _, err := io.ReadFull(s.random, random[:]); err != nil {
		return backupRef{}, nil, err
	}
	now := s.clock.Now().Truncate(time.Millisecond)
	r := backupRef{at, fmt.Sprintf("%014d-%s", now.UnixMilli(), hex.EncodeToString(random[8:]))}
	b := &backup{Name: name, Table: t, Created: now, Status: api.BackupStatusCreating, Space: binary.BigEndian.Uint64(random[:]), Passing: passing}
	return r, b, b.copy(ctx, tx, r)
}

// copy copies some items into the backup, and saves it.
func (b *backup) copy(ctx context.Context, tx store.Tx, r backupRef) error {
	done, err := b.some(ctx, tx, r.ref, itemRecords, b.Table.Space, func(place []any, raw []byte) error {
		size, err := value.DecodeSize(raw)
		if err != nil {
			return err
		}
		b.Items++
		b.Bytes += int64(size)
		return savedRecords.Put(tx, r.scope, raw, append([]any{b.Space}, place...)...)
	})
	if err != nil {
		return err
	}
	if done {
		b.Status = api.BackupStatusAvailable
	}
	return r.save(tx, b)
}

func (s *Service) createBackup(ctx context.Context, in *api.CreateBackupInput) (*api.CreateBackupOutput, error) {
	at, err := own(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	var r backupRef
	var b *backup
	err = s.store.Update(ctx, func(tx store.Tx) error {
		t, err := s.lookup(ctx, tx, at)
		if errors.Is(err, store.ErrNotFound) {
			return api.TableNotFoundException("Table not found: %s", at.name)
		}
		if err != nil {
			return err
		}
		if t.Restore.going() {
			return api.TableInUseException("Table is being created: %s", at.name)
		}
		r, b, err = s.newBackup(ctx, tx, at, t, *in.BackupName, false)
		return err
	})
	if err != nil {
		return nil, err
	}
	d := b.details(r)
	creating := api.BackupStatusCreating
	d.BackupStatus = &creating
	return &api.CreateBackupOutput{BackupDetails: d}, nil
}

func (b *backup) details(r backupRef) *api.BackupDetails {
	arn, user := r.arn(), api.BackupTypeUser
	return &api.BackupDetails{BackupArn: &arn, BackupName: &b.Name, BackupCreationDateTime: &b.Created, BackupSizeBytes: &b.Bytes, BackupStatus: &b.Status, BackupType: &user}
}

// description is the backup as answers show it.
func (b *backup) description(r backupRef) *api.BackupDescription {
	d := b.Table.description(r.ref, api.TableStatusActive, tally{})
	mode := api.BillingModeProvisioned
	if b.Table.OnDemand {
		mode = api.BillingModePayPerRequest
	}
	throughput := func(h *throughput) *api.ProvisionedThroughput {
		return &api.ProvisionedThroughput{ReadCapacityUnits: &h.Read, WriteCapacityUnits: &h.Write}
	}
	out := &api.BackupDescription{BackupDetails: b.details(r),
		SourceTableDetails: &api.SourceTableDetails{TableName: d.TableName, TableArn: d.TableArn, TableId: d.TableId, KeySchema: d.KeySchema, TableCreationDateTime: d.CreationDateTime,
			BillingMode: &mode, ItemCount: &b.Items, TableSizeBytes: &b.Bytes, ProvisionedThroughput: throughput(&b.Table.Throughput), OnDemandThroughput: b.Table.Caps},
		SourceTableFeatureDetails: &api.SourceTableFeatureDetails{StreamDescription: d.StreamSpecification}}
	for i, g := range d.GlobalSecondaryIndexes {
		out.SourceTableFeatureDetails.GlobalSecondaryIndexes = append(out.SourceTableFeatureDetails.GlobalSecondaryIndexes, api.GlobalSecondaryIndexInfo{IndexName: g.IndexName,
			KeySchema: g.KeySchema, Projection: g.Projection, OnDemandThroughput: g.OnDemandThroughput, ProvisionedThroughput: throughput(&b.Table.index(*d.GlobalSecondaryIndexes[i].IndexName).Throughput)})
	}
	for _, l := range d.LocalSecondaryIndexes {
		out.SourceTableFeatureDetails.LocalSecondaryIndexes = append(out.SourceTableFeatureDetails.LocalSecondaryIndexes, api.LocalSecondaryIndexInfo{IndexName: l.IndexName, KeySchema: l.KeySchema, Projection: l.Projection})
	}
	if b.Table.TimeToLive != "" {
		enabled := api.TimeToLiveStatusEnabled
		out.SourceTableFeatureDetails.TimeToLiveDescription = &api.TimeToLiveDescription{AttributeName: &b.Table.TimeToLive, TimeToLiveStatus: &enabled}
	}
	return out
}

func (s *Service) describeBackup(ctx context.Context, in *api.DescribeBackupInput) (*api.DescribeBackupOutput, error) {
	r, err := ownBackup(ctx, in.BackupArn)
	if err != nil {
		return nil, err
	}
	var b backup
	err = s.store.View(ctx, func(rd store.Reader) error {
		b, err = r.find(ctx, rd)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.DescribeBackupOutput{BackupDescription: b.description(r)}, nil
}

func (s *Service) deleteBackup(ctx context.Context, in *api.DeleteBackupInput) (*api.DeleteBackupOutput, error) {
	r, err := ownBackup(ctx, in.BackupArn)
	if err != nil {
		return nil, err
	}
	var b backup
	err = s.store.Update(ctx, func(tx store.Tx) error {
		if b, err = r.find(ctx, tx); err != nil {
			return err
		}
		if b.Status == api.BackupStatusCreating {
			return api.BackupInUseException("Backup is being created: %s", r.arn())
		}
		for e, err := range restoreRecords.List(ctx, tx, r.scope, store.ListOptions{}) {
			if err != nil {
				return err
			}
			if e.Record.Table == r.name && e.Record.Backup == r.id {
				return api.BackupInUseException("Backup is being restored: %s", r.arn())
			}
		}
		return r.drop(tx, &b)
	})
	if err != nil {
		return nil, err
	}
	b.Status = api.BackupStatusDeleted
	return &api.DeleteBackupOutput{BackupDescription: b.description(r)}, nil
}

// drop removes a backup and its items.
func (r backupRef) drop(tx store.Tx, b *backup) error {
	if err := savedRecords.DeleteAll(tx, r.scope, b.Space); err != nil {
		return err
	}
	return backupRecords.Delete(tx, r.scope, r.name, r.id)
}

// maxBackups is the most backups that one answer lists.
const maxBackups = 100

func (s *Service) listBackups(ctx context.Context, in *api.ListBackupsInput) (*api.ListBackupsOutput, error) {
	limit := maxBackups
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	if in.TimeRangeLowerBound != nil && in.TimeRangeUpperBound != nil && in.TimeRangeLowerBound.After(*in.TimeRangeUpperBound) {
		return nil, value.Invalidf("Time range lower bound must be less than or equal to upper bound")
	}
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	var o store.ListOptions
	if in.TableName != nil {
		at, err := own(ctx, in.TableName)
		if err != nil {
			return nil, err
		}
		o.Prefix = []any{at.name}
	}
	if in.ExclusiveStartBackupArn != nil {
		r, err := ownBackup(ctx, in.ExclusiveStartBackupArn)
		if err != nil {
			return nil, err
		}
		o.After = []any{r.name, r.id}
	}
	var out *api.ListBackupsOutput
	err := s.store.View(ctx, func(rd store.Reader) error {
		out = &api.ListBackupsOutput{BackupSummaries: []api.BackupSummary{}}
		for e, err := range backupRecords.List(ctx, rd, scope, o) {
			if err != nil {
				return err
			}
			b := e.Record
			if b.Passing || !b.within(in) {
				continue
			}
			if len(out.BackupSummaries) == limit {
				out.LastEvaluatedBackupArn = out.BackupSummaries[limit-1].BackupArn
				return nil
			}
			r := backupRef{ref{scope, e.Key.String(0)}, e.Key.String(1)}
			d, arn := b.details(r), r.ref.arn()
			out.BackupSummaries = append(out.BackupSummaries, api.BackupSummary{BackupArn: d.BackupArn, BackupName: d.BackupName, BackupCreationDateTime: d.BackupCreationDateTime,
				BackupSizeBytes: d.BackupSizeBytes, BackupStatus: d.BackupStatus, BackupType: d.BackupType, TableName: &b.Table.Name, TableArn: &arn, TableId: &b.Table.ID})
		}
		return nil
	})
	return out, err
}

// within reports whether a list of backups wants this one.
func (b *backup) within(in *api.ListBackupsInput) bool {
	switch kind := aws.Value(in.BackupType); {
	case kind != "" && kind != api.BackupTypeFilterUser && kind != api.BackupTypeFilterAll:
		return false
	case in.TimeRangeLowerBound != nil && b.Created.Before(*in.TimeRangeLowerBound):
		return false
	case in.TimeRangeUpperBound != nil && !b.Created.Before(*in.TimeRangeUpperBound):
		return false
	}
	return true
}

// backedUp reports whether a backup of the table is being made.
func backedUp(ctx context.Context, r store.Reader, at ref) (bool, error) {
	for e, err := range backupRecords.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{at.name}}) {
		if err != nil {
			return false, err
		}
		if e.Record.Status == api.BackupStatusCreating {
			return true, nil
		}
	}
	return false, nil
}
