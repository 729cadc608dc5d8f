package s3

import (
	"crypto/sha256"
	"encoding/hex"

	api "github.com/tule-cloud/tule/api/s3"
)

// canonicalID is the name by which S3 knows an account: 64 hex digits.
func canonicalID(account string) string {
	sum := sha256.Sum256([]byte("s3 canonical user of " + account))
	return hex.EncodeToString(sum[:])
}

// ownerOf is an account as lists show it.
func ownerOf(account string) *api.Owner {
	id := canonicalID(account)
	return &api.Owner{ID: &id}
}
