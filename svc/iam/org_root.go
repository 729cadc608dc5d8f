package iam

import (
	"context"
	"errors"
	"slices"

	api "github.com/tule-cloud/tule/api/iam"
	orgapi "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An organization may let its management account, and the one that it charged with
// IAM, act for the roots of its members.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-enable-root-access.html

// servicePrincipal is IAM, for Organizations.
const servicePrincipal = "iam.amazonaws.com"

// features are what an organization has switched on, in its management account, by
// the organization's id: another organization begins anew.
var features = store.NewTable[[]string]("iam", "organization-features")

func (s *Service) orgRootRoutes() []aws.Route {
	return []aws.Route{
		api.EnableOrganizationsRootCredentialsManagement.To(s.enableRootCredentials, aws.Anywhere),
		api.DisableOrganizationsRootCredentialsManagement.To(s.disableRootCredentials, aws.Anywhere),
		api.EnableOrganizationsRootSessions.To(s.enableRootSessions, aws.Anywhere),
		api.DisableOrganizationsRootSessions.To(s.disableRootSessions, aws.Anywhere),
		api.ListOrganizationsFeatures.To(s.listOrganizationsFeatures, aws.Anywhere),
	}
}

// An organization is what IAM needs to know of one.
type organization struct {
	id, management string
	all            bool // it has all features
}

// asRoot is the context in which IAM asks Organizations in an account's name.
func asRoot(ctx context.Context, account string) context.Context {
	r := aws.RequestOf(ctx).As(aws.Caller{Kind: aws.Root, Account: account, UserID: account, ARN: aws.NewARN("iam", "", account, "root").String()})
	r.Via = append(slices.Clone(r.Via), servicePrincipal)
	return aws.WithRequest(ctx, r)
}

// organizationOf is the organization that an account is in; nil if it is in none.
func (s *Service) organizationOf(ctx context.Context, account string) (*organization, error) {
	if s.peers == nil {
		return nil, nil
	}
	out, err := orgapi.DescribeOrganization.Do(asRoot(ctx, account), s.peers, new(aws.Empty))
	if errors.Is(err, orgapi.AWSOrganizationsNotInUseException("")) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o := out.Organization
	return &organization{aws.Value(o.Id), aws.Value(o.MasterAccountId), aws.Value(o.FeatureSet) == orgapi.OrganizationFeatureSetAll}, nil
}

// trustsIAM reports whether the organization has let IAM in.
func (s *Service) trustsIAM(ctx context.Context, o *organization) (bool, error) {
	ctx = asRoot(ctx, o.management)
	for in := new(orgapi.ListAWSServiceAccessForOrganizationRequest); ; {
		out, err := orgapi.ListAWSServiceAccessForOrganization.Do(ctx, s.peers, in)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(out.EnabledServicePrincipals, func(p orgapi.EnabledServicePrincipal) bool {
			return aws.Value(p.ServicePrincipal) == servicePrincipal
		}) {
			return true, nil
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return false, nil
		}
	}
}

// administers reports whether an account is the organization's delegate for IAM.
func (s *Service) administers(ctx context.Context, o *organization, account string) (bool, error) {
	ctx = asRoot(ctx, o.management)
	for in := (&orgapi.ListDelegatedServicesForAccountRequest{AccountId: &account}); ; {
		out, err := orgapi.ListDelegatedServicesForAccount.Do(ctx, s.peers, in)
		if errors.Is(err, orgapi.AccountNotRegisteredException("")) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(out.DelegatedServices, func(d orgapi.DelegatedService) bool {
			return aws.Value(d.ServicePrincipal) == servicePrincipal
		}) {
			return true, nil
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return false, nil
		}
	}
}

// governed is the organization that the caller's account governs, alone or, unless
// alone is wanted, as the delegate for IAM.
func (s *Service) governed(ctx context.Context, alone bool) (*organization, error) {
	a := account(ctx)
	o, err := s.organizationOf(ctx, a)
	if err != nil {
		return nil, err
	}
	if o == nil {
		return nil, api.OrganizationNotFoundException("Account %s is not a member of an organization.", a)
	}
	if a != o.management {
		delegate, err := s.administers(ctx, o, a)
		switch {
		case err != nil:
			return nil, err
		case !delegate:
			return nil, api.AccountNotManagementOrDelegatedAdministratorException("Account %s is neither the management account nor a delegated administrator for IAM of organization %s.", a, o.id)
		case alone:
			return nil, api.CallerIsNotManagementAccountException("Account %s is not the management account of organization %s.", a, o.id)
		}
	}
	if !o.all {
		return nil, api.OrganizationNotInAllFeaturesModeException("Organization %s does not have all features enabled.", o.id)
	}
	trusted, err := s.trustsIAM(ctx, o)
	if err == nil && !trusted {
		err = api.ServiceAccessNotEnabledException("Trusted access for %s is not enabled in organization %s.", servicePrincipal, o.id)
	}
	return o, err
}

// featuresOf are what an organization has switched on, in order.
func featuresOf(ctx context.Context, r store.Reader, o *organization) ([]string, error) {
	have, err := features.Get(ctx, r, scope(o.management), o.id)
	return orNone(have), ignoreMissing(err)
}

// setFeature switches a feature of the caller's organization.
func (s *Service) setFeature(ctx context.Context, feature string, on bool) (o *organization, have []string, err error) {
	if o, err = s.governed(ctx, on); err != nil {
		return nil, nil, err
	}
	return o, have, s.change(ctx, o.management, func(tx store.Tx) (err error) {
		if have, err = featuresOf(ctx, tx, o); err != nil {
			return err
		}
		have = slices.DeleteFunc(have, func(f string) bool { return f == feature })
		if on {
			have = append(have, feature)
			slices.Sort(have)
		}
		return features.Put(tx, scope(o.management), have, o.id)
	})
}

func (s *Service) enableRootCredentials(ctx context.Context, _ *api.EnableOrganizationsRootCredentialsManagementRequest) (*api.EnableOrganizationsRootCredentialsManagementResponse, error) {
	o, have, err := s.setFeature(ctx, api.FeatureTypeRootCredentialsManagement, true)
	if err != nil {
		return nil, err
	}
	return &api.EnableOrganizationsRootCredentialsManagementResponse{EnabledFeatures: have, OrganizationId: &o.id}, nil
}

func (s *Service) disableRootCredentials(ctx context.Context, _ *api.DisableOrganizationsRootCredentialsManagementRequest) (*api.DisableOrganizationsRootCredentialsManagementResponse, error) {
	o, have, err := s.setFeature(ctx, api.FeatureTypeRootCredentialsManagement, false)
	if err != nil {
		return nil, err
	}
	return &api.DisableOrganizationsRootCredentialsManagementResponse{EnabledFeatures: have, OrganizationId: &o.id}, nil
}

func (s *Service) enableRootSessions(ctx context.Context, _ *api.EnableOrganizationsRootSessionsRequest) (*api.EnableOrganizationsRootSessionsResponse, error) {
	o, have, err := s.setFeature(ctx, api.FeatureTypeRootSessions, true)
	if err != nil {
		return nil, err
	}
	return &api.EnableOrganizationsRootSessionsResponse{EnabledFeatures: have, OrganizationId: &o.id}, nil
}

func (s *Service) disableRootSessions(ctx context.Context, _ *api.DisableOrganizationsRootSessionsRequest) (*api.DisableOrganizationsRootSessionsResponse, error) {
	o, have, err := s.setFeature(ctx, api.FeatureTypeRootSessions, false)
	if err != nil {
		return nil, err
	}
	return &api.DisableOrganizationsRootSessionsResponse{EnabledFeatures: have, OrganizationId: &o.id}, nil
}

func (s *Service) listOrganizationsFeatures(ctx context.Context, _ *api.ListOrganizationsFeaturesRequest) (*api.ListOrganizationsFeaturesResponse, error) {
	o, err := s.governed(ctx, false)
	if err != nil {
		return nil, err
	}
	out := &api.ListOrganizationsFeaturesResponse{OrganizationId: &o.id}
	return out, s.store.View(ctx, func(r store.Reader) (err error) {
		out.EnabledFeatures, err = featuresOf(ctx, r, o)
		return err
	})
}

// RootSessions reports whether the principals of an account may, where their own
// policies let them, have sessions of the root of member: another member of an
// organization that has switched this on, and that the account governs.
func (s *Service) RootSessions(ctx context.Context, account, member string) (bool, error) {
	o, err := s.organizationOf(ctx, account)
	if err != nil || o == nil || member == o.management || member == account {
		return false, err
	}
	_, err = orgapi.DescribeAccount.Do(asRoot(ctx, o.management), s.peers, &orgapi.DescribeAccountRequest{AccountId: &member})
	if errors.Is(err, orgapi.AccountNotFoundException("")) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if account != o.management {
		if delegate, err := s.administers(ctx, o, account); err != nil || !delegate {
			return false, err
		}
	}
	if trusted, err := s.trustsIAM(ctx, o); err != nil || !trusted {
		return false, err
	}
	var have []string
	err = s.store.View(ctx, func(r store.Reader) (err error) {
		have, err = featuresOf(ctx, r, o)
		return err
	})
	return slices.Contains(have, api.FeatureTypeRootSessions), err
}
