package dynamodb

import (
	"context"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

func (s *Service) updateTable(ctx context.Context, in *api.UpdateTableInput) (*api.UpdateTableOutput, error) {
	at, err := own(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	if err := checkUpdate(in); err != nil {
		return nil, err
	}
	var t *table
	var gone *index
	err = s.alter(ctx, func(tx store.Tx) error {
		old, err := s.describe(ctx, tx, at)
		if err != nil {
			return err
		}
		if old.Restore.going() {
			return api.ResourceInUseException("Attempt to change a resource which is still in use: Table is being created: %s", at.name)
		}
		t = old.clone()
		if err := s.change(t, in); err != nil {
			return err
		}
		if gone, err = s.changeIndexes(ctx, tx, at, t, old, in); err != nil {
			return err
		}
		if err := s.switchStream(ctx, tx, at, t, in.StreamSpecification); err != nil {
			return err
		}
		return t.save(tx, at)
	})
	if err != nil {
		return nil, err
	}
	var n tally
	err = s.store.View(ctx, func(r store.Reader) error {
		n, err = s.tally(ctx, r, at, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateTableOutput{TableDescription: t.updating(at, n, in, gone)}, nil
}

// updating is the table as the answer to an update describes it.
func (t *table) updating(at ref, n tally, in *api.UpdateTableInput, gone *index) *api.TableDescription {
	statuses := map[string]string{}
	for _, u := range in.GlobalSecondaryIndexUpdates {
		switch {
		case u.Create != nil:
			statuses[*u.Create.IndexName] = api.IndexStatusCreating
		case u.Update != nil:
			statuses[*u.Update.IndexName] = api.IndexStatusUpdating
		}
	}
	if gone != nil {
		t = t.clone()
		t.Indexes = append(t.Indexes, *gone)
		statuses[gone.Name] = api.IndexStatusDeleting
	}
	d := t.description(at, api.TableStatusUpdating, n)
	for i := range d.GlobalSecondaryIndexes {
		ix := &d.GlobalSecondaryIndexes[i]
		if status, ok := statuses[*ix.IndexName]; ok {
			filling := false
			ix.IndexStatus, ix.Backfilling = &status, nil
			if status == api.IndexStatusCreating {
				ix.Backfilling = &filling
			}
		}
	}
	return d
}

func checkUpdate(in *api.UpdateTableInput) error {
	switch {
	case len(in.ReplicaUpdates) > 0 || len(in.GlobalTableWitnessUpdates) > 0 || in.MultiRegionConsistency != nil:
		return missing("Global tables")
	case in.SSESpecification != nil && aws.Value(in.SSESpecification.Enabled):
		return missing("Customer-managed encryption keys")
	case in.ProvisionedThroughput == nil && in.BillingMode == nil && in.SSESpecification == nil && in.DeletionProtectionEnabled == nil &&
		in.TableClass == nil && in.OnDemandThroughput == nil && in.WarmThroughput == nil && in.StreamSpecification == nil && len(in.GlobalSecondaryIndexUpdates) == 0:
		return value.Invalid("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates " +
			"or SSESpecification or ReplicaUpdates is required")
	case aws.Value(in.BillingMode) == api.BillingModeProvisioned && in.ProvisionedThroughput == nil:
		return value.Invalidf("ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
	case in.ProvisionedThroughput != nil:
		if err := checkThroughput(in.ProvisionedThroughput); err != nil {
			return err
		}
	}
	if err := checkIndexUpdates(in.GlobalSecondaryIndexUpdates); err != nil {
		return err
	}
	return checkStream(in.StreamSpecification)
}

// change makes an update's changes to a copy of a table's record.
func (s *Service) change(t *table, in *api.UpdateTableInput) error {
	now := s.clock.Now()
	if in.BillingMode != nil {
		onDemand := *in.BillingMode == api.BillingModePayPerRequest
		if onDemand && !t.OnDemand {
			t.OnDemandAt = &now
			t.Throughput = throughput{Decreased: &now, Decreases: t.Throughput.Decreases}
		}
		t.OnDemand = onDemand
	}
	if p := in.ProvisionedThroughput; p != nil {
		if t.OnDemand {
			return value.Invalidf("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
		}
		if err := t.Throughput.change("table", p, now); err != nil {
			return err
		}
	}
	if in.DeletionProtectionEnabled != nil {
		t.Protected = *in.DeletionProtectionEnabled
	}
	if in.OnDemandThroughput != nil {
		t.Caps = in.OnDemandThroughput
	}
	if in.WarmThroughput != nil {
		t.Warm = in.WarmThroughput
	}
	if in.TableClass != nil {
		t.Class = *in.TableClass
	}
	return nil
}
