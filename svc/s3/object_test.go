package s3

import (
	"testing"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/script"
)

// objectHouse is S3 in a house, with its blobs in a folder of the test's own.
func objectHouse(t *testing.T, h *script.House) *Service {
	t.Helper()
	blobs, err := blob.OpenFolder(t.TempDir(), h.Random)
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Store: h.Store, Blobs: blobs, Clock: h.Clock, Random: h.Random, Peers: h})
}

func TestObjectScripts(t *testing.T) {
	script.Run(t, "testdata/objects", func(t *testing.T, h *script.House) []aws.Route { return objectHouse(t, h).Routes() })
}
