package hostile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/tule-cloud/tule/test/tule"
)

// TestObjectsOnFullDisk puts objects, and one that is larger than the disk, on a disk of
// their own: what does not fit is refused and leaves nothing, what was acknowledged can be
// read, and when there is room again there is room.
func TestObjectsOnFullDisk(t *testing.T) {
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
	})
	c, _, name := bucketOf(t, small)
	bodies := map[string][]byte{}
	put := func(key string, size int) error {
		body := bytes.Repeat([]byte(key+"\n"), size/(len(key)+1))
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: &key, Body: bytes.NewReader(body)})
		if err == nil {
			bodies[key] = body
		}
		return err
	}
	for i := range 20 {
		if err := put(fmt.Sprint("first/", i), 1_000<<(i%11)); err != nil {
			t.Fatal(err)
		}
	}
	full := func(what string, err error) {
		t.Helper()
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != "ServiceUnavailable" || !strings.Contains(e.ErrorMessage(), "disk") {
			t.Errorf("%s: %v, want an error that says that the disk is full", what, err)
		}
	}
	full("an object that is larger than the disk", put("huge", 200<<20))
	if err := put("after", 1<<20); err != nil {
		t.Errorf("an object that fits, after one that did not: %v", err)
	}
	filler := fill(t, disk)
	full("an object on a full disk", put("large", 1<<20))
	until(t, "a small object does not fit either", func() bool { err = put("small", 20_000); return err != nil })
	full("a small object on a full disk", err)
	objectsRead(t, c, name, bodies)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	until(t, "an object fits again", func() bool { return put("again", 1<<20) == nil })
	if err := small.Stop(); err != nil {
		t.Fatal(err)
	}
	again, err := tule.Start(tule.Options{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	c = s3.NewFromConfig(config(again, strings.TrimPrefix(*name, "bucket-")), func(o *s3.Options) { o.UsePathStyle = true })
	objectsRead(t, c, name, bodies)
	if err := again.Stop(); err != nil {
		t.Error(err)
	}
}

// objectsRead reads all that was acknowledged, and finds no more.
func objectsRead(t *testing.T, c *s3.Client, name *string, bodies map[string][]byte) {
	t.Helper()
	for _, key := range keysIn(t, c, name) {
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: aws.String(key)})
		if err != nil {
			t.Fatal(key, err)
		}
		got, err := io.ReadAll(out.Body)
		if err != nil || !bytes.Equal(got, bodies[key]) {
			t.Errorf("%s has %d bytes, want %d: %v", key, len(got), len(bodies[key]), err)
		}
		out.Body.Close()
	}
	if n := len(keysIn(t, c, name)); n != len(bodies) {
		t.Errorf("the bucket has %d objects, %d were acknowledged", n, len(bodies))
	}
}
