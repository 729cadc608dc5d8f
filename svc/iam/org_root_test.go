package iam

import (
	"context"
	"slices"
	"testing"

	api "github.com/tule-cloud/tule/api/iam"
	orgapi "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/organizations"
)

const manager, delegate, member, stranger = "000000000000", "111111111111", "222222222222", "333333333333"

// An organized is Organizations, with one organization of three accounts.
type organized struct {
	all, trusted bool
}

func (o *organized) Call(ctx context.Context, op *aws.Operation, in any) (any, error) {
	who := account(ctx)
	switch in := in.(type) {
	case *aws.Empty:
		if who == stranger {
			return nil, orgapi.AWSOrganizationsNotInUseException("Your account is not a member of an organization.")
		}
		set := orgapi.OrganizationFeatureSetConsolidatedBilling
		if o.all {
			set = orgapi.OrganizationFeatureSetAll
		}
		return &orgapi.DescribeOrganizationResponse{Organization: &orgapi.Organization{Id: ptr("o-example"), MasterAccountId: ptr(manager), FeatureSet: &set}}, nil
	case *orgapi.DescribeAccountRequest:
		if *in.AccountId == stranger {
			return nil, orgapi.AccountNotFoundException("You specified an account that doesn't exist.")
		}
		return &orgapi.DescribeAccountResponse{Account: &orgapi.Account{Id: in.AccountId}}, nil
	case *orgapi.ListAWSServiceAccessForOrganizationRequest:
		if who != manager {
			return nil, orgapi.AccessDeniedException("You don't have permissions to access this resource.")
		}
		if in.NextToken == nil { // a page with nothing of interest comes first
			return &orgapi.ListAWSServiceAccessForOrganizationResponse{NextToken: ptr("more")}, nil
		}
		out := &orgapi.ListAWSServiceAccessForOrganizationResponse{}
		if o.trusted {
			out.EnabledServicePrincipals = []orgapi.EnabledServicePrincipal{{ServicePrincipal: ptr(servicePrincipal)}}
		}
		return out, nil
	case *orgapi.ListDelegatedServicesForAccountRequest:
		if *in.AccountId != delegate {
			return nil, orgapi.AccountNotRegisteredException("The provided account is not a registered delegated administrator for your organization.")
		}
		return &orgapi.ListDelegatedServicesForAccountResponse{DelegatedServices: []orgapi.DelegatedService{{ServicePrincipal: ptr(servicePrincipal)}}}, nil
	}
	return nil, aws.Unanswered(op)
}

func TestOrganizationsFeatures(t *testing.T) {
	s, _, ctx := house(t)
	o := &organized{}
	s.peers = o
	enable := func(account string) (*api.EnableOrganizationsRootSessionsResponse, error) {
		return s.enableRootSessions(asRoot(ctx, account), &api.EnableOrganizationsRootSessionsRequest{})
	}
	refused := func(account, code string) {
		t.Helper()
		if _, err := enable(account); aws.CodeOf(err) != code {
			t.Errorf("%s: %v; want %s", account, err, code)
		}
	}
	refused(stranger, "OrganizationNotFoundException")
	refused(member, "AccountNotManagementOrDelegatedAdministratorException")
	refused(delegate, "CallerIsNotManagementAccountException")
	refused(manager, "OrganizationNotInAllFeaturesModeException")
	o.all = true
	refused(manager, "ServiceAccessNotEnabledException")
	o.trusted = true

	sessions := func(account, of string, want bool) {
		t.Helper()
		if got, err := s.RootSessions(ctx, account, of); got != want || err != nil {
			t.Errorf("%s for %s: %v, %v", account, of, got, err)
		}
	}
	sessions(manager, member, false)
	out, err := enable(manager)
	if err != nil || *out.OrganizationId != "o-example" || !slices.Equal(out.EnabledFeatures, []string{"RootSessions"}) {
		t.Errorf("%+v, %v", out, err)
	}
	sessions(manager, member, true)
	sessions(delegate, member, true)
	sessions(manager, delegate, true)
	sessions(delegate, delegate, false)
	sessions(delegate, manager, false)
	sessions(member, delegate, false)
	sessions(manager, stranger, false)
	sessions(stranger, member, false)

	if _, err := s.enableRootCredentials(ctx, &api.EnableOrganizationsRootCredentialsManagementRequest{}); err != nil {
		t.Error(err)
	}
	list, err := s.listOrganizationsFeatures(asRoot(ctx, delegate), &api.ListOrganizationsFeaturesRequest{})
	if err != nil || !slices.Equal(list.EnabledFeatures, []string{"RootCredentialsManagement", "RootSessions"}) {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := s.disableRootSessions(asRoot(ctx, delegate), &api.DisableOrganizationsRootSessionsRequest{}); err != nil {
		t.Error(err)
	}
	sessions(manager, member, false)
	off, err := s.disableRootCredentials(ctx, &api.DisableOrganizationsRootCredentialsManagementRequest{})
	if err != nil || off.EnabledFeatures == nil || len(off.EnabledFeatures) != 0 {
		t.Errorf("%+v, %v", off, err)
	}
}

// Organizations itself answers as the one above does.
func TestOrganizationsThemselves(t *testing.T) {
	s, h, ctx := house(t)
	s.peers = h
	h.Add(s.Routes())
	h.Add(organizations.New(organizations.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h}).Routes())
	enable := func(account, code string) {
		t.Helper()
		_, err := s.enableRootSessions(asRoot(ctx, account), &api.EnableOrganizationsRootSessionsRequest{})
		if aws.CodeOf(err) != code {
			t.Errorf("%s: %v; want %q", account, err, code)
		}
	}
	enable(manager, "OrganizationNotFoundException")
	made, err := orgapi.CreateOrganization.Do(ctx, h, &orgapi.CreateOrganizationRequest{})
	if err != nil {
		t.Fatal(err)
	}
	child, err := orgapi.CreateAccount.Do(ctx, h, &orgapi.CreateAccountRequest{AccountName: ptr("dev"), Email: ptr("dev@example.com")})
	if err != nil || child.CreateAccountStatus.AccountId == nil {
		t.Fatal(child, err)
	}
	dev := *child.CreateAccountStatus.AccountId
	enable(stranger, "OrganizationNotFoundException")
	enable(dev, "AccountNotManagementOrDelegatedAdministratorException")
	enable(manager, "ServiceAccessNotEnabledException")
	if _, err := orgapi.EnableAWSServiceAccess.Do(ctx, h, &orgapi.EnableAWSServiceAccessRequest{ServicePrincipal: ptr(servicePrincipal)}); err != nil {
		t.Fatal(err)
	}
	enable(manager, "")
	list, err := s.listOrganizationsFeatures(ctx, &api.ListOrganizationsFeaturesRequest{})
	if err != nil || *list.OrganizationId != *made.Organization.Id || !slices.Equal(list.EnabledFeatures, []string{"RootSessions"}) {
		t.Errorf("%+v, %v", list, err)
	}
	for of, want := range map[string]bool{dev: true, manager: false, stranger: false} {
		if got, err := s.RootSessions(ctx, manager, of); got != want || err != nil {
			t.Errorf("for %s: %v, %v", of, got, err)
		}
	}
	if _, err := orgapi.RegisterDelegatedAdministrator.Do(ctx, h, &orgapi.RegisterDelegatedAdministratorRequest{AccountId: &dev, ServicePrincipal: ptr(servicePrincipal)}); err != nil {
		t.Fatal(err)
	}
	enable(dev, "CallerIsNotManagementAccountException")
	if _, err := s.disableRootSessions(asRoot(ctx, dev), &api.DisableOrganizationsRootSessionsRequest{}); err != nil {
		t.Error(err)
	}
}

func TestOutboundIssuer(t *testing.T) {
	s, _, ctx := house(t)
	if url, err := s.OutboundIssuer(ctx, manager); url != "" || err != nil {
		t.Error(url, err)
	}
	out, err := s.enableOutbound(ctx, &aws.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	if url, err := s.OutboundIssuer(ctx, manager); url != *out.IssuerIdentifier || err != nil {
		t.Error(url, err)
	}
	if url, err := s.OutboundIssuer(ctx, member); url != "" || err != nil {
		t.Error(url, err)
	}
}
