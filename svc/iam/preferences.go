package iam

import (
	"context"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// tokenVersions have which tokens an account wants of STS's global endpoint. There is
// one kind here, good in every region; what was asked for is told, by
// GetAccountSummary.
var tokenVersions = store.NewTable[int32]("iam", "token-version") // "global"

func (s *Service) preferenceRoutes() []aws.Route {
	return []aws.Route{api.SetSecurityTokenServicePreferences.To(s.setSecurityTokenServicePreferences, aws.Anywhere)}
}

func (s *Service) setSecurityTokenServicePreferences(ctx context.Context, in *api.SetSecurityTokenServicePreferencesRequest) (*aws.Empty, error) {
	version := int32(1)
	if *in.GlobalEndpointTokenVersion == api.GlobalEndpointTokenVersionV2Token {
		version = 2
	}
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error { return tokenVersions.Put(tx, scope(a), version, "global") })
}

// tokenVersion is what an account last asked for; 1 at first.
func tokenVersion(ctx context.Context, r store.Reader, account string) (int32, error) {
	v, err := tokenVersions.Get(ctx, r, scope(account), "global")
	return max(v, 1), ignoreMissing(err)
}
