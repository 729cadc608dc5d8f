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
	var n count
	err = s.alter(ctx, func(tx store.Tx) error {
		old, err := s.describe(ctx, tx, at)
		if err != nil {
			return err
		}
		changed := *old
		if err := s.change(&changed, in); err != nil {
			return err
		}
		if err := s.switchStream(ctx, tx, at, &changed, in.StreamSpecification); err != nil {
			return err
		}
		t = &changed
		return t.save(tx, at)
	})
	if err != nil {
		return nil, err
	}
	err = s.store.View(ctx, func(r store.Reader) error {
		n, err = s.count(ctx, r, at, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateTableOutput{TableDescription: t.description(at, api.TableStatusUpdating, n)}, nil
}

func checkUpdate(in *api.UpdateTableInput) error {
	switch {
	case len(in.GlobalSecondaryIndexUpdates) > 0:
		return missing("Secondary indexes")
	case len(in.ReplicaUpdates) > 0 || len(in.GlobalTableWitnessUpdates) > 0 || in.MultiRegionConsistency != nil:
		return missing("Global tables")
	case in.SSESpecification != nil && aws.Value(in.SSESpecification.Enabled):
		return missing("Customer-managed encryption keys")
	case in.ProvisionedThroughput == nil && in.BillingMode == nil && in.SSESpecification == nil && in.DeletionProtectionEnabled == nil &&
		in.TableClass == nil && in.OnDemandThroughput == nil && in.WarmThroughput == nil && in.StreamSpecification == nil:
		return value.Invalid("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates " +
			"or SSESpecification or ReplicaUpdates is required")
	case aws.Value(in.BillingMode) == api.BillingModeProvisioned && in.ProvisionedThroughput == nil:
		return value.Invalidf("ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
	case in.ProvisionedThroughput != nil:
		if err := checkThroughput(in.ProvisionedThroughput); err != nil {
			return err
		}
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
		read, write := aws.Value(p.ReadCapacityUnits), aws.Value(p.WriteCapacityUnits)
		if read == t.Throughput.Read && write == t.Throughput.Write {
			return value.Invalid("The provisioned throughput for the table will not change. The requested value equals the current value. "+
				"Current ReadCapacityUnits provisioned for the table: %d. Requested ReadCapacityUnits: %d. "+
				"Current WriteCapacityUnits provisioned for the table: %d. Requested WriteCapacityUnits: %d. "+
				"Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.", read, read, write, write)
		}
		if read > t.Throughput.Read || write > t.Throughput.Write {
			t.Throughput.Increased = &now
		}
		if read < t.Throughput.Read || write < t.Throughput.Write {
			t.Throughput.Decreased = &now
			t.Throughput.Decreases++
		}
		t.Throughput.Read, t.Throughput.Write = read, write
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
