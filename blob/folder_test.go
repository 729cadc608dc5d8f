package blob_test

import (
	"crypto/rand"
	"testing"

	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/blob/blobtest"
)

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	blobtest.Run(t, func(t *testing.T) blob.Store {
		f, err := blob.OpenFolder(dir, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}
