package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestCurrent proves that what is committed is what the generator writes.
func TestCurrent(t *testing.T) {
	found, _ := filepath.Glob("../../../../.cache/cfn-lint/*.whl")
	if len(found) != 1 {
		if os.Getenv("TULE_REQUIRE_CASES") != "" {
			t.Fatal("the pinned cfn-lint is not there: run `make setup`")
		}
		t.Skip("the pinned cfn-lint is not there: run `make setup`")
	}
	want, err := generate(found[0])
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../schemas.json")
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("schemas.json is not what the generator writes: run `make generate`: %v", err)
	}
}
