package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// TestVerify: what Open was told not to look at, Verify finds.
func TestVerify(t *testing.T) {
	whole := ruin(t, false)
	o := store.Options{Clock: aws.NewManualClock(time.Unix(0, 0)), FS: whole.CrashClone(vfs.CrashCloneCfg{}), VerifyBytes: 1}
	st, err := store.Open("store", o)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Verify(t.Context()); err != nil {
		t.Errorf("a sound store: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := st.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := st.Verify(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	names, err := whole.List("store")
	if err != nil {
		t.Fatal(err)
	}
	tables := 0
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			tables++
			verifyDamaged(t, whole, name)
		}
	}
	if tables == 0 {
		t.Error("there are no tables")
	}
}

func verifyDamaged(t *testing.T, whole *vfs.MemFS, name string) {
	fs := whole.CrashClone(vfs.CrashCloneCfg{})
	data, err := fs.UnsafeGetFileDataBuffer("store/" + name)
	if err != nil {
		t.Fatal(err)
	}
	data[40] ^= 0x5a
	st, err := store.Open("store", store.Options{Clock: aws.NewManualClock(time.Unix(0, 0)), FS: fs, VerifyBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Verify(t.Context()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%s: %v", name, err)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}
