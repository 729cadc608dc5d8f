package hostile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/tule-cloud/tule/test/tule"
)

// A disk of its own, which somebody else fills up: writes then fail with a clear
// error, reads go on, and when there is room again writes do too. Nothing that was
// acknowledged is lost.
func TestDiskFull(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small file system")
	}
	disk := t.TempDir()
	if err := syscall.Mount("tule-test", disk, "tmpfs", 0, "size=96m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	data := filepath.Join(disk, "data")
	small, err := tule.Start(tule.Options{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if small.Alive() {
			small.Kill()
		}
		if t.Failed() {
			t.Log(small.Failures())
		}
	})
	db := dynamodb.NewFromConfig(config(small, "test"))
	table(t, db)
	acked := map[int]bool{}
	n := 0
	write := func() error {
		n++
		err := put(db, n)
		if err == nil {
			acked[n] = true
		}
		return err
	}
	for range 50 {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}

	filler := fill(t, disk)
	full := until(t, "a write fails on a full disk", func() bool { err = write(); return err != nil })
	var e smithy.APIError
	if !errors.As(err, &e) || !strings.Contains(e.ErrorMessage(), "disk") || !strings.Contains(e.ErrorMessage(), "full") {
		t.Errorf("after %v: %v, want an error that says that the disk is full", full, err)
	}
	for range 20 {
		if write() == nil {
			continue // what fits is no failure
		}
		if !small.Alive() {
			t.Fatalf("tule is gone\n%s", small.Failures())
		}
	}
	check(t, db, acked)

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	until(t, "writes succeed when there is room again", func() bool { return write() == nil })
	for range 50 {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	check(t, db, acked)
	if err := small.Stop(); err != nil {
		t.Fatal(err)
	}
	again, err := tule.Start(tule.Options{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	check(t, dynamodb.NewFromConfig(config(again, "test")), acked)
	if err := again.Stop(); err != nil {
		t.Error(err)
	}
}

// put writes an item of 100 KB.
func put(db *dynamodb.Client, n int) error {
	_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("things"), Item: map[string]types.AttributeValue{
		"id": &types.AttributeValueMemberS{Value: strconv.Itoa(n % 100)}, "n": &types.AttributeValueMemberN{Value: strconv.Itoa(n)},
		"v": &types.AttributeValueMemberS{Value: strings.Repeat(fmt.Sprintf("%010d", n), 10_000)}}})
	return err
}

// check reads every item: the last that was acknowledged, or one that was sent later.
func check(t *testing.T, db *dynamodb.Client, acked map[int]bool) {
	t.Helper()
	last := map[string]int{}
	for n := range acked {
		id := strconv.Itoa(n % 100)
		last[id] = max(last[id], n)
	}
	there := map[string]int{}
	for p := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: aws.String("things"), ConsistentRead: aws.Bool(true)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx, again)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Items {
			n, err := strconv.Atoi(it["n"].(*types.AttributeValueMemberN).Value)
			if err != nil || !strings.HasPrefix(it["v"].(*types.AttributeValueMemberS).Value, fmt.Sprintf("%010d", n)) {
				t.Errorf("item %v is not whole", n)
			}
			there[it["id"].(*types.AttributeValueMemberS).Value] = n
		}
	}
	for id, n := range last {
		if there[id] < n {
			t.Errorf("item %s holds write %d; %d was acknowledged", id, there[id], n)
		}
	}
}

// again lets the SDK try three times, as it does by default: it closes a request's
// body when the answer begins, and where that comes before net/http has seen the
// body's end, net/http closes the connection with the answer still on it.
func again(o *dynamodb.Options) { o.RetryMaxAttempts = 3 }

// fill takes all the room that a file system has.
func fill(t *testing.T, disk string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 512; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
	return f.Name()
}

// until asks until something holds, and says how long that took.
func until(t *testing.T, what string, holds func() bool) time.Duration {
	t.Helper()
	for started := time.Now(); ; {
		if holds() {
			return time.Since(started)
		}
		if time.Since(started) > 20*time.Second {
			t.Fatalf("it did not come to be that %s", what)
		}
	}
}
