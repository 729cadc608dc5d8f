package iam

import (
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

var (
	// aliases are the alias of each account; aliasOwners, for the installation as a
	// whole, the account behind each alias.
	aliases     = store.NewTable[string]("iam", "alias")
	aliasOwners = store.NewTable[string]("iam", "aliasowner")
)

func (s *Service) accountRoutes() []aws.Route {
	return []aws.Route{
		api.CreateAccountAlias.To(s.createAccountAlias, aws.Anywhere),
		api.DeleteAccountAlias.To(s.deleteAccountAlias, aws.Anywhere),
		api.ListAccountAliases.To(s.listAccountAliases, aws.Anywhere),
		api.GetAccountSummary.To(s.getAccountSummary, aws.Anywhere),
	}
}

func (s *Service) alias(ctx context.Context, r store.Reader, account string) (string, error) {
	a, err := aliases.Get(ctx, r, scope(account), "alias")
	return a, ignoreMissing(err)
}

// An account has one alias; a new one takes the old one's place.
func (s *Service) createAccountAlias(ctx context.Context, in *api.CreateAccountAliasRequest) (*aws.Empty, error) {
	a, name := account(ctx), *in.AccountAlias
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		owner, err := aliasOwners.Get(ctx, tx, store.Scope{}, name)
		if err == nil && owner != a {
			return api.EntityAlreadyExistsException("The account alias %s already exists.", name)
		}
		if ignoreMissing(err) != nil {
			return err
		}
		old, err := s.alias(ctx, tx, a)
		if err != nil {
			return err
		}
		if old != "" {
			if err := aliasOwners.Delete(tx, store.Scope{}, old); err != nil {
				return err
			}
		}
		return errors.Join(aliasOwners.Put(tx, store.Scope{}, a, name), aliases.Put(tx, scope(a), name, "alias"))
	})
}

func (s *Service) deleteAccountAlias(ctx context.Context, in *api.DeleteAccountAliasRequest) (*aws.Empty, error) {
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		have, err := s.alias(ctx, tx, a)
		if err != nil {
			return err
		}
		if have != *in.AccountAlias {
			return api.NoSuchEntityException("The account alias %s does not exist.", *in.AccountAlias)
		}
		return errors.Join(aliasOwners.Delete(tx, store.Scope{}, have), aliases.Delete(tx, scope(a), "alias"))
	})
}

func (s *Service) listAccountAliases(ctx context.Context, _ *api.ListAccountAliasesRequest) (*api.ListAccountAliasesResponse, error) {
	out := &api.ListAccountAliasesResponse{AccountAliases: []string{}, IsTruncated: new(bool)}
	return out, s.store.View(ctx, func(r store.Reader) error {
		have, err := s.alias(ctx, r, account(ctx))
		if have != "" {
			out.AccountAliases = append(out.AccountAliases, have)
		}
		return err
	})
}

// getAccountSummary counts what the account has, beside what it may have.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
func (s *Service) getAccountSummary(ctx context.Context, _ *aws.Empty) (*api.GetAccountSummaryResponse, error) {
	a := account(ctx)
	n := map[string]int32{
		"AccessKeysPerUserQuota": maxKeys, "GroupsPerUserQuota": maxGroups, "VersionsPerPolicyQuota": maxVersions,
		"AttachedPoliciesPerUserQuota": maxAttached, "AttachedPoliciesPerGroupQuota": maxAttached, "AttachedPoliciesPerRoleQuota": maxAttached,
		"UserPolicySizeQuota": int32(maxInline[user]), "GroupPolicySizeQuota": int32(maxInline[group]), "RolePolicySizeQuota": int32(maxInline[role]),
		"PolicySizeQuota": maxManaged, "AssumeRolePolicySizeQuota": maxTrust, "SigningCertificatesPerUserQuota": maxCertificates,
		"ServerCertificatesQuota": maxServerCertificates, "AccountPasswordPresent": 0,
		"PolicyVersionsInUseQuota": maxVersionsInUse,
		"Users":                    0, "Groups": 0, "Roles": 0, "MFADevicesInUse": 0,
	}
	for what, most := range quotas {
		n[what+"Quota"] = int32(most)
	}
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		for e, err := range principals.List(ctx, r, scope(a), store.ListOptions{}) {
			if err != nil {
				return err
			}
			n[e.Record.Kind.title()+"s"]++
		}
		for e, err := range devices.List(ctx, r, scope(a), store.ListOptions{}) {
			if err != nil {
				return err
			}
			if e.Record.Owner != "" {
				n["MFADevicesInUse"]++
			}
		}
		root := store.ListOptions{Prefix: []any{a}, Limit: 1} // what belongs to root is there or not
		for _, c := range []counted{
			count(ctx, r, "Policies", policies, a, store.ListOptions{}),
			count(ctx, r, "PolicyVersionsInUse", policies, a, store.ListOptions{}),
			count(ctx, r, "InstanceProfiles", profiles, a, store.ListOptions{}),
			count(ctx, r, "Providers", samlProviders, a, store.ListOptions{}),
			count(ctx, r, "Providers", oidcProviders, a, store.ListOptions{}),
			count(ctx, r, "ServerCertificates", serverCertificates, a, store.ListOptions{}),
			count(ctx, r, "MFADevices", devices, a, store.ListOptions{}),
			count(ctx, r, "AccountMFAEnabled", devicesOf, a, root),
			count(ctx, r, "AccountSigningCertificatesPresent", signingCertificates, a, root),
			count(ctx, r, "AccountAccessKeysPresent", rootKeys, a, store.ListOptions{Limit: 1}),
		} {
			if c.err != nil {
				return c.err
			}
			n[c.name] += c.n
		}
		n["GlobalEndpointTokenVersion"], err = tokenVersion(ctx, r, a)
		return err
	})
	return &api.GetAccountSummaryResponse{SummaryMap: n}, err
}

// A counted is how many there are of what the summary calls so.
type counted struct {
	name string
	n    int32
	err  error
}

func count[R any](ctx context.Context, r store.Reader, name string, t store.Table[R], account string, o store.ListOptions) counted {
	c := counted{name: name}
	for _, err := range t.List(ctx, r, scope(account), o) {
		if err != nil {
			c.err = err
			break
		}
		c.n++
	}
	return c
}
