package dynamodb

import (
	"maps"
	"testing"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A backup of a large table, and its restoring, are made in the background, and taken up
// where a process left them; neither can be disturbed meanwhile.
func TestBackupSurvives(t *testing.T) {
	d := newDock(t)
	d.stop()
	d.table("things", 450)
	want := d.items("things")
	made, err := d.s.createBackup(d.ctx(), &api.CreateBackupInput{TableName: ptr("things"), BackupName: ptr("one")})
	if err != nil {
		t.Fatal(err)
	}
	arn := made.BackupDetails.BackupArn
	for what, err := range map[string]error{
		"delete the table":   call(d.s.deleteTable(d.ctx(), &api.DeleteTableInput{TableName: ptr("things")})),
		"delete the backup":  call(d.s.deleteBackup(d.ctx(), &api.DeleteBackupInput{BackupArn: arn})),
		"restore the backup": call(d.s.restoreTableFromBackup(d.ctx(), &api.RestoreTableFromBackupInput{BackupArn: arn, TargetTableName: ptr("again")})),
	} {
		if c := aws.CodeOf(err); c != "ResourceInUseException" && c != "BackupInUseException" {
			t.Errorf("%s: %v", what, err)
		}
	}
	d.run()
	described := func() *api.BackupDescription {
		out, err := d.s.describeBackup(d.ctx(), &api.DescribeBackupInput{BackupArn: arn})
		if err != nil {
			t.Fatal(err)
		}
		return out.BackupDescription
	}
	d.until("the backup", func() bool { return *described().BackupDetails.BackupStatus == api.BackupStatusAvailable })
	if n := *described().SourceTableDetails.ItemCount; n != 450 {
		t.Errorf("a backup of %d", n)
	}
	d.stop()
	if _, err := d.s.deleteTable(d.ctx(), &api.DeleteTableInput{TableName: ptr("things")}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.s.restoreTableFromBackup(d.ctx(), &api.RestoreTableFromBackupInput{BackupArn: arn, TargetTableName: ptr("again")}); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"read":              call(d.s.scan(d.ctx(), &api.ScanInput{TableName: ptr("again")})),
		"write":             call(d.s.putItem(d.ctx(), &api.PutItemInput{TableName: ptr("again"), Item: plainItem("x")})),
		"delete the table":  call(d.s.deleteTable(d.ctx(), &api.DeleteTableInput{TableName: ptr("again")})),
		"update the table":  call(d.s.updateTable(d.ctx(), &api.UpdateTableInput{TableName: ptr("again"), DeletionProtectionEnabled: ptr(true)})),
		"delete the backup": call(d.s.deleteBackup(d.ctx(), &api.DeleteBackupInput{BackupArn: arn})),
	} {
		if c := aws.CodeOf(err); c != "ResourceInUseException" && c != "BackupInUseException" && c != "ResourceNotFoundException" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := d.described("again"); *got.TableStatus != "CREATING" || !*got.RestoreSummary.RestoreInProgress {
		t.Errorf("%s", *got.TableStatus)
	}
	d.run()
	d.until("the table", func() bool { return *d.described("again").TableStatus == "ACTIVE" })
	if got := d.items("again"); !maps.Equal(got, want) {
		t.Errorf("%d items, want %d", len(got), len(want))
	}
	if _, err := d.s.deleteBackup(d.ctx(), &api.DeleteBackupInput{BackupArn: arn}); err != nil {
		t.Fatal(err)
	}
	if n := d.saved(); n != 0 {
		t.Errorf("%d items of a deleted backup are left", n)
	}
}

// A large table is restored from itself by way of a backup that nobody sees.
func TestRestoreToNow(t *testing.T) {
	d := newDock(t)
	d.stop()
	d.table("things", 450)
	want := d.items("things")
	if _, err := d.s.restoreTableToPointInTime(d.ctx(), &api.RestoreTableToPointInTimeInput{SourceTableName: ptr("things"), TargetTableName: ptr("again"), UseLatestRestorableTime: ptr(true)}); err != nil {
		t.Fatal(err)
	}
	out, err := d.s.listBackups(d.ctx(), &api.ListBackupsInput{})
	if err != nil || len(out.BackupSummaries) != 0 {
		t.Errorf("%v, %v", out, err)
	}
	d.run()
	d.until("the table", func() bool { return *d.described("again").TableStatus == "ACTIVE" })
	if got := d.items("again"); !maps.Equal(got, want) {
		t.Errorf("%d items, want %d", len(got), len(want))
	}
	if n := d.saved(); n != 0 {
		t.Errorf("%d items are left of what was copied", n)
	}
}

// call is the error of a call.
func call[Out any](_ Out, err error) error { return err }

func (d *dock) described(name string) *api.TableDescription {
	d.t.Helper()
	out, err := d.s.describeTable(d.ctx(), &api.DescribeTableInput{TableName: &name})
	if err != nil {
		d.t.Fatal(err)
	}
	return out.Table
}

// saved is how many items all backups have.
func (d *dock) saved() (n int) {
	d.t.Helper()
	err := d.house.Store.View(d.t.Context(), func(r store.Reader) error {
		n = 0
		for _, err := range savedRecords.All(d.t.Context(), r) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}
