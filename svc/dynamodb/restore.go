package dynamodb

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// A restore is how far the restoring of a table from a backup has come, under the name of
// the new table, which nobody can read or write until it is done.
type restore struct {
	Table, Backup string // of which it is restored
	walk                 // through the backup
}

// restored is what a table knows of the backup that it was restored from.
type restored struct {
	Source string    // ARN of a table
	Backup string    `json:",omitempty"` // ARN of a backup; empty for the table itself
	At     time.Time // of what it has the state
	Going  bool      `json:",omitempty"`
}

// going reports whether the restoring is under way.
func (r *restored) going() bool { return r != nil && r.Going }

func (r *restored) summary() *api.RestoreSummary {
	return &api.RestoreSummary{RestoreDateTime: &r.At, RestoreInProgress: &r.Going, SourceTableArn: &r.Source, SourceBackupArn: optional(r.Backup)}
}

// overrides are what a restored table has otherwise than its source.
type overrides struct {
	billing    *string
	throughput *api.ProvisionedThroughput
	caps       *api.OnDemandThroughput
	global     []api.GlobalSecondaryIndex
	local      []api.LocalSecondaryIndex
	encryption *api.SSESpecification
}

func (s *Service) restoreTableFromBackup(ctx context.Context, in *api.RestoreTableFromBackupInput) (*api.RestoreTableFromBackupOutput, error) {
	from, err := ownBackup(ctx, in.BackupArn)
	if err != nil {
		return nil, err
	}
	at, err := own(ctx, in.TargetTableName)
	if err != nil {
		return nil, err
	}
	o := overrides{in.BillingModeOverride, in.ProvisionedThroughputOverride, in.OnDemandThroughputOverride, in.GlobalSecondaryIndexOverride, in.LocalSecondaryIndexOverride, in.SSESpecificationOverride}
	var t *table
	err = s.alter(ctx, func(tx store.Tx) error {
		b, err := from.find(ctx, tx)
		if err != nil {
			return err
		}
		if b.Status != api.BackupStatusAvailable {
			return api.BackupInUseException("Backup is being created: %s", from.arn())
		}
		t, err = s.beginRestore(ctx, tx, at, from, &b, restored{Source: from.ref.arn(), Backup: from.arn(), At: b.Created}, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.RestoreTableFromBackupOutput{TableDescription: t.restoring(at)}, nil
}

// restoring is the table as the answer that begins its restoring describes it.
func (t *table) restoring(at ref) *api.TableDescription {
	d := t.description(at, api.TableStatusCreating, tally{})
	going := true
	d.RestoreSummary.RestoreInProgress = &going
	return d
}

// restoreTableToPointInTime restores the table as it is now: of its past there is nothing.
func (s *Service) restoreTableToPointInTime(ctx context.Context, in *api.RestoreTableToPointInTimeInput) (*api.RestoreTableToPointInTimeOutput, error) {
	if (in.SourceTableName == nil) == (in.SourceTableArn == nil) {
		return nil, value.Invalid("Invalid Request: Must provide exactly one of: sourceTableArn, sourceTableName")
	}
	if (in.RestoreDateTime != nil) == aws.Value(in.UseLatestRestorableTime) {
		return nil, value.Invalid("Invalid Request: Either one of RestoreDateTime or UseLatestRestorableTime must be specified, but not both")
	}
	name := in.SourceTableName
	if name == nil {
		name = in.SourceTableArn
	}
	source, err := own(ctx, name)
	if err != nil {
		return nil, err
	}
	at, err := own(ctx, in.TargetTableName)
	if err != nil {
		return nil, err
	}
	o := overrides{in.BillingModeOverride, in.ProvisionedThroughputOverride, in.OnDemandThroughputOverride, in.GlobalSecondaryIndexOverride, in.LocalSecondaryIndexOverride, in.SSESpecificationOverride}
	var t *table
	err = s.alter(ctx, func(tx store.Tx) error {
		old, err := s.restorable(ctx, tx, source, in.RestoreDateTime)
		if err != nil {
			return err
		}
		from, b, err := s.newBackup(ctx, tx, source, old, at.name, true)
		if err != nil {
			return err
		}
		t, err = s.beginRestore(ctx, tx, at, from, b, restored{Source: source.arn(), At: b.Created}, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.RestoreTableToPointInTimeOutput{TableDescription: t.restoring(at)}, nil
}

// restorable is the table that can be restored to that time, or to now.
func (s *Service) restorable(ctx context.Context, r store.Reader, at ref, to *time.Time) (*table, error) {
	t, err := s.lookup(ctx, r, at)
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.TableNotFoundException("Table not found: %s", at.name)
	}
	if err != nil {
		return nil, err
	}
	if t.Recovery == nil {
		return nil, api.PointInTimeRecoveryUnavailableException("Point in time recovery is not enabled for table '%s'", at.name)
	}
	if to == nil {
		return t, nil
	}
	d := s.backups(t).PointInTimeRecoveryDescription
	switch {
	case to.Before(*d.EarliestRestorableDateTime) || to.After(*d.LatestRestorableDateTime):
		return nil, api.InvalidRestoreTimeException("RestoreDateTime must be between EarliestRestorableDateTime and LatestRestorableDateTime")
	case d.LatestRestorableDateTime.Sub(*to) > 5*time.Minute:
		return nil, missing("Restores to a table's past")
	}
	return t, nil
}

// beginRestore makes the table that is to be, which is complete if it is small.
func (s *Service) beginRestore(ctx context.Context, tx store.Tx, at ref, from backupRef, b *backup, how restored, o overrides) (*table, error) {
	switch has, err := tableRecords.Has(ctx, tx, at.scope, at.name); {
	case err != nil:
		return nil, err
	case has:
		return nil, api.TableAlreadyExistsException("Table already exists: %s", at.name)
	}
	t, err := s.restoredTable(at, b.Table, o)
	if err != nil {
		return nil, err
	}
	how.Going = true
	t.Restore = &how
	job := &restore{Table: from.name, Backup: from.id}
	if err := t.save(tx, at); err != nil {
		return nil, err
	}
	if b.Status != api.BackupStatusAvailable {
		return t, restoreRecords.Put(tx, at.scope, *job, at.name)
	}
	return t, s.restoreSome(ctx, tx, at, t, job, from, b)
}

// restoredTable is a new table like one of a backup, but for what a restore leaves out: tags,
// streams, time to live, point-in-time recovery and protection.
func (s *Service) restoredTable(at ref, from *table, o overrides) (*table, error) {
	if o.encryption != nil && aws.Value(o.encryption.Enabled) {
		return nil, missing("Customer-managed encryption keys")
	}
	var space [8]byte
	if _, err := io.ReadFull(s.random, space[:]); err != nil {
		return nil, err
	}
	t := &table{Name: at.name, ID: aws.RandomUUID(s.random), Space: binary.BigEndian.Uint64(space[:]), Created: s.clock.Now().Truncate(time.Millisecond),
		Hash: from.Hash, Range: from.Range, OnDemand: from.OnDemand, Throughput: throughput{Read: from.Throughput.Read, Write: from.Throughput.Write}, Caps: from.Caps, Warm: from.Warm, Class: from.Class}
	if err := t.rebill(o); err != nil {
		return nil, err
	}
	if t.OnDemand {
		t.OnDemandAt = &t.Created
	}
	return t, s.reindexed(t, from, o)
}

// rebill gives a table that is to be restored the billing that was asked for.
func (t *table) rebill(o overrides) error {
	if o.billing != nil {
		t.OnDemand = *o.billing == api.BillingModePayPerRequest
	}
	switch p := o.throughput; {
	case t.OnDemand && p != nil:
		return value.Invalid("Invalid Request: Cannot override ProvisionedThroughput if BillingMode is overridden to PAY_PER_REQUEST")
	case t.OnDemand:
		t.Throughput = throughput{}
	case p == nil && t.Throughput.Read == 0:
		return value.Invalid("Invalid Request: Must override ProvisionedThroughput if BillingMode is overridden to PROVISIONED")
	case p != nil:
		if err := checkThroughput(p); err != nil {
			return err
		}
		t.Throughput = throughput{Read: aws.Value(p.ReadCapacityUnits), Write: aws.Value(p.WriteCapacityUnits)}
	}
	if o.caps != nil {
		t.Caps = o.caps
	}
	return nil
}

// reindexed gives a table that is to be restored the indexes of its source, or those of them
// that were asked for.
func (s *Service) reindexed(t, from *table, o overrides) error {
	wanted := map[string]*api.ProvisionedThroughput{}
	for _, l := range o.local {
		wanted[*l.IndexName] = nil
	}
	for _, g := range o.global {
		wanted[*g.IndexName] = g.ProvisionedThroughput
	}
	for name := range wanted {
		if from.index(name) == nil {
			return value.Invalid("Invalid Request: Index %s does not match a secondary index that existed in the source table and cannot be created during the restore operation", name)
		}
	}
	for _, ix := range from.Indexes {
		p, asked := wanted[ix.Name]
		if ix.Local && o.local != nil && !asked || !ix.Local && o.global != nil && !asked {
			continue
		}
		var space [8]byte
		if _, err := io.ReadFull(s.random, space[:]); err != nil {
			return err
		}
		ix.Space, ix.Filling = binary.BigEndian.Uint64(space[:]), false
		ix.Throughput = throughput{Read: ix.Throughput.Read, Write: ix.Throughput.Write}
		switch {
		case ix.Local || t.OnDemand:
			ix.Throughput = throughput{}
		case p != nil:
			ix.provision(p, nil, nil)
		case ix.Throughput.Read == 0:
			return value.Invalid("Invalid Request: Must specify provisioned throughput for index %s", ix.Name)
		}
		t.Indexes = append(t.Indexes, ix)
	}
	return nil
}

// restoreSome copies some items into a table, and saves how far it came. Nobody has a
// schema of a table that is not complete, so completing it needs no lock on schemas.
func (s *Service) restoreSome(ctx context.Context, tx store.Tx, at ref, t *table, job *restore, from backupRef, b *backup) error {
	done, err := job.some(ctx, tx, from.ref, savedRecords, b.Space, func(place []any, raw []byte) error {
		it, _, err := value.Decode(raw)
		if err != nil {
			return err
		}
		for i := range t.Indexes {
			if in := t.Indexes[i].entry(t, it); in.place != nil {
				if err := entryRecords.Put(tx, at.scope, in.raw, in.place...); err != nil {
					return err
				}
			}
		}
		return itemRecords.Put(tx, at.scope, raw, slices.Concat([]any{t.Space}, place)...)
	})
	if err != nil {
		return err
	}
	if !done {
		return restoreRecords.Put(tx, at.scope, *job, at.name)
	}
	full, how := t.clone(), *t.Restore
	how.Going = false
	full.Restore = &how
	if err := full.save(tx, at); err != nil {
		return err
	}
	if b.Passing {
		if err := from.drop(tx, b); err != nil {
			return err
		}
	}
	return restoreRecords.Delete(tx, at.scope, at.name)
}

// runBackups makes backups and restores tables, those of a process before first, until ctx
// ends.
func (s *Service) runBackups(ctx context.Context) {
	s.background(ctx, "backups and restores wait", func(ctx context.Context) error {
		return errors.Join(s.backUpAll(ctx), s.restoreAll(ctx))
	}, backupRecords.WatchAll(ctx, s.store), restoreRecords.WatchAll(ctx, s.store))
}

// backUpAll completes the backups that are being made.
func (s *Service) backUpAll(ctx context.Context) error {
	var jobs []backupRef
	err := s.store.View(ctx, func(r store.Reader) error {
		jobs = nil
		for e, err := range backupRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			if e.Record.Status == api.BackupStatusCreating {
				jobs = append(jobs, backupRef{ref{e.Scope, e.Key.String(0)}, e.Key.String(1)})
			}
		}
		return nil
	})
	for _, r := range jobs {
		for going := err == nil; going && err == nil; {
			err = s.store.Update(ctx, func(tx store.Tx) error {
				b, err := backupRecords.Get(ctx, tx, r.scope, r.name, r.id)
				if errors.Is(err, store.ErrNotFound) || err == nil && b.Status != api.BackupStatusCreating {
					going = false
					return nil
				}
				if err != nil {
					return err
				}
				return b.copy(ctx, tx, r)
			})
		}
	}
	return err
}

// restoreAll completes the tables that are being restored.
func (s *Service) restoreAll(ctx context.Context) error {
	var jobs []ref
	err := s.store.View(ctx, func(r store.Reader) error {
		jobs = nil
		for e, err := range restoreRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			jobs = append(jobs, ref{e.Scope, e.Key.String(0)})
		}
		return nil
	})
	for _, at := range jobs {
		for going := err == nil; going && err == nil; {
			err = s.store.Update(ctx, func(tx store.Tx) (err error) {
				going, err = s.restoreOn(ctx, tx, at)
				return err
			})
		}
	}
	return err
}

// restoreOn goes on with the restoring of a table.
func (s *Service) restoreOn(ctx context.Context, tx store.Tx, at ref) (going bool, err error) {
	job, err := restoreRecords.Get(ctx, tx, at.scope, at.name)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	t, err := s.lookup(ctx, tx, at)
	if errors.Is(err, store.ErrNotFound) || err == nil && !t.Restore.going() {
		return false, restoreRecords.Delete(tx, at.scope, at.name)
	}
	if err != nil {
		return false, err
	}
	from := backupRef{ref{at.scope, job.Table}, job.Backup}
	b, err := backupRecords.Get(ctx, tx, at.scope, job.Table, job.Backup)
	if err != nil {
		return false, err
	}
	if b.Status != api.BackupStatusAvailable {
		return false, nil // its turn comes when the backup is complete
	}
	return true, s.restoreSome(ctx, tx, at, t, &job, from, &b)
}
