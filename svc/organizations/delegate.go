package organizations

import (
	"context"
	"maps"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) delegateRoutes() []aws.Route {
	return []aws.Route{
		api.RegisterDelegatedAdministrator.To(s.registerDelegate, onWith(s, management,
			func(in *api.RegisterDelegatedAdministratorRequest) []string { return []string{*in.AccountId} },
			func(in *api.RegisterDelegatedAdministratorRequest) map[string][]string {
				return serviceKey(in.ServicePrincipal)
			})),
		api.DeregisterDelegatedAdministrator.To(s.deregisterDelegate, onWith(s, management,
			func(in *api.DeregisterDelegatedAdministratorRequest) []string { return []string{*in.AccountId} },
			func(in *api.DeregisterDelegatedAdministratorRequest) map[string][]string {
				return serviceKey(in.ServicePrincipal)
			})),
		api.ListDelegatedAdministrators.To(s.listDelegates, onWith(s, reader, func(*api.ListDelegatedAdministratorsRequest) []string { return nil },
			func(in *api.ListDelegatedAdministratorsRequest) map[string][]string {
				return serviceKey(in.ServicePrincipal)
			})),
		api.ListDelegatedServicesForAccount.To(s.listDelegatedServices, on(s, reader, func(in *api.ListDelegatedServicesForAccountRequest) []string {
			return []string{*in.AccountId}
		})),
	}
}

// delegates reports whether an account administers any service for the organization.
func (o *organization) delegates(ctx context.Context, r store.Reader, account string) (bool, error) {
	n, err := o.node(ctx, r, account, nil)
	return err == nil && n != nil && len(n.Member.Delegated) > 0, err
}

func (s *Service) registerDelegate(ctx context.Context, in *api.RegisterDelegatedAdministratorRequest) (*aws.Empty, error) {
	if err := recognized(*in.ServicePrincipal); err != nil {
		return nil, err
	}
	return nil, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		n, err := o.node(ctx, tx, *in.AccountId, noAccount())
		if err != nil {
			return err
		}
		if n.ID == o.Management {
			return constraint(api.ConstraintViolationExceptionReasonCannotRegisterMasterAsDelegatedAdministrator,
				"You cannot register master account/yourself as delegated administrator for your organization.")
		}
		if n.Member.Closed {
			return constraint(api.ConstraintViolationExceptionReasonCannotRegisterSuspendedAccountAsDelegatedAdministrator,
				"You cannot register a suspended account as a delegated administrator.")
		}
		if _, trusted := o.Services[*in.ServicePrincipal]; !trusted {
			return constraint(api.ConstraintViolationExceptionReasonServiceAccessNotEnabled,
				"You attempted to register a delegated administrator before you enabled service access. Call the EnableAWSServiceAccess API first.")
		}
		if _, have := n.Member.Delegated[*in.ServicePrincipal]; have {
			return api.AccountAlreadyRegisteredException("The provided account is already a delegated administrator for your organization.")
		}
		if n.Member.Delegated == nil {
			n.Member.Delegated = map[string]time.Time{}
		}
		n.Member.Delegated[*in.ServicePrincipal] = s.now()
		return o.put(tx, n)
	})
}

func notRegistered() error {
	return api.AccountNotRegisteredException("The provided account is not a registered delegated administrator for your organization.")
}

func (s *Service) deregisterDelegate(ctx context.Context, in *api.DeregisterDelegatedAdministratorRequest) (*aws.Empty, error) {
	if err := recognized(*in.ServicePrincipal); err != nil {
		return nil, err
	}
	return nil, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		n, err := o.node(ctx, tx, *in.AccountId, noAccount())
		if err != nil {
			return err
		}
		if _, have := n.Member.Delegated[*in.ServicePrincipal]; !have {
			return notRegistered()
		}
		delete(n.Member.Delegated, *in.ServicePrincipal)
		return o.put(tx, n)
	})
}

func (s *Service) listDelegates(ctx context.Context, in *api.ListDelegatedAdministratorsRequest) (*api.ListDelegatedAdministratorsResponse, error) {
	out := &api.ListDelegatedAdministratorsResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) (err error) {
		out.DelegatedAdministrators, out.NextToken, err = list(ctx, r, nodes, scope(o.Management), nil, page{in.NextToken, in.MaxResults},
			func(e store.Entry[node]) (none api.DelegatedAdministrator, ok bool, err error) {
				since, ok := e.Record.delegated(in.ServicePrincipal)
				if !ok {
					return none, false, nil
				}
				a, err := o.account(ctx, r, &e.Record)
				return api.DelegatedAdministrator{Id: a.Id, Arn: a.Arn, Name: a.Name, Email: a.Email, JoinedMethod: a.JoinedMethod,
					JoinedTimestamp: a.JoinedTimestamp, State: a.State, Status: a.Status, DelegationEnabledDate: &since}, true, err
			})
		return err
	})
}

// delegated is since when a node administers a service, or any where service is nil.
func (n *node) delegated(service *string) (since time.Time, ok bool) {
	if n.Member == nil {
		return since, false
	}
	for name, at := range n.Member.Delegated {
		if (service == nil || *service == name) && (!ok || at.Before(since)) {
			since, ok = at, true
		}
	}
	return since, ok
}

func (s *Service) listDelegatedServices(ctx context.Context, in *api.ListDelegatedServicesForAccountRequest) (*api.ListDelegatedServicesForAccountResponse, error) {
	out := &api.ListDelegatedServicesForAccountResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) error {
		n, err := o.node(ctx, r, *in.AccountId, noAccount())
		if err != nil {
			return err
		}
		if len(n.Member.Delegated) == 0 {
			return notRegistered()
		}
		out.DelegatedServices, out.NextToken, err = cut(slices.Collect(maps.Keys(n.Member.Delegated)), page{in.NextToken, in.MaxResults},
			func(name string) api.DelegatedService {
				return api.DelegatedService{ServicePrincipal: &name, DelegationEnabledDate: ptr(n.Member.Delegated[name])}
			})
		return err
	})
}
