package aws

import (
	"crypto/sha256"
	"encoding/hex"
)

// CanonicalUser is the name by which S3's ACLs and policies know an account: 64 hex
// digits. That of the account 000000000000 is the one that tools of this ecosystem have
// written down.
func CanonicalUser(account string) string {
	if account == "000000000000" {
		return "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"
	}
	sum := sha256.Sum256([]byte("s3 canonical user of " + account))
	return hex.EncodeToString(sum[:])
}
