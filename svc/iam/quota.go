package iam

import (
	"context"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/store"
)

// counts are how many there are of each kind of thing in an account, by the names
// that messages about quotas have for them.
var counts = store.NewCounter("iam", "count")

// quotas are the most of each, as AWS has them until somebody asks for more.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
var quotas = map[string]int64{"Users": 5000, "Groups": 300, "Roles": 1000, "InstanceProfiles": 1000, "Policies": 1500}

// maxVersionsInUse is how many policy versions may be in force. Each policy has one,
// so the quota of policies comes first.
const maxVersionsInUse = 10000

// quotaOf is the name that quotas have for a kind of principal.
func quotaOf(k kind) string { return k.title() + "s" }

// meter notes that there is one more, or for -1 one less, and refuses one too many.
func meter(ctx context.Context, tx store.Tx, account, what string, by int64) error {
	n, err := counts.Add(ctx, tx, scope(account), by, what)
	if err != nil {
		return err
	}
	if by > 0 && n > quotas[what] {
		return api.LimitExceededException("Cannot exceed quota for %sPerAccount: %d", what, quotas[what])
	}
	return nil
}
