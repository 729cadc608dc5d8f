package organizations

import (
	"context"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) accountRoutes() []aws.Route {
	return []aws.Route{
		api.DescribeAccount.To(s.describeAccount, on(s, reader, func(in *api.DescribeAccountRequest) []string { return []string{*in.AccountId} })),
		api.ListAccounts.To(s.listAccounts, anywhere[api.ListAccountsRequest](s, reader)),
		api.ListAccountsForParent.To(s.listAccountsForParent, on(s, reader, func(in *api.ListAccountsForParentRequest) []string { return []string{*in.ParentId} })),
		api.MoveAccount.To(s.moveAccount, on(s, management, func(in *api.MoveAccountRequest) []string {
			return []string{*in.AccountId, *in.SourceParentId, *in.DestinationParentId}
		})),
		api.RemoveAccountFromOrganization.To(s.removeAccount, on(s, management, func(in *api.RemoveAccountFromOrganizationRequest) []string {
			return []string{*in.AccountId}
		})),
		api.LeaveOrganization.To(s.leaveOrganization, aws.Anywhere),
		api.CloseAccount.To(s.closeAccount, on(s, management, func(in *api.CloseAccountRequest) []string { return []string{*in.AccountId} })),
	}
}

// join makes an account a member, below the root.
func (o *organization) join(ctx context.Context, tx store.Tx, account, method string, now time.Time, tags map[string]string) error {
	p, err := profileOf(ctx, tx, account)
	if err != nil {
		return err
	}
	p.Organization = o.Management
	n := &node{ID: account, Name: p.Name, Parent: o.Root, Policies: o.inherited(), Tags: tags,
		Member: &membership{Email: p.Email, Method: method, Joined: now}}
	return errors.Join(p.save(tx, account), o.put(tx, n))
}

// leave ends a membership.
func (o *organization) leave(ctx context.Context, tx store.Tx, n *node) error {
	switch {
	case n.ID == o.Management:
		return api.MasterCannotLeaveOrganizationException("You can't remove the management account from an organization.")
	case len(n.Member.Delegated) > 0:
		return constraint(api.ConstraintViolationExceptionReasonCannotRemoveDelegatedAdministratorFromOrg,
			"You attempted to remove an account that is registered as a delegated administrator for a service integrated with your organization.")
	case n.Member.Closed:
		return constraint(api.ConstraintViolationExceptionReasonAccountCannotLeaveOrganization, "You can't remove an account that is closed.")
	}
	p, err := profileOf(ctx, tx, n.ID)
	if err != nil {
		return err
	}
	p.Organization = ""
	return errors.Join(p.save(tx, n.ID), o.take(tx, n))
}

// account is a member as answers show it.
func (o *organization) account(ctx context.Context, r store.Reader, n *node) (api.Account, error) {
	status := api.AccountStatusActive
	if n.Member.Closed {
		status = api.AccountStatusSuspended
	}
	path, err := o.pathOf(ctx, r, n.ID)
	return api.Account{Id: &n.ID, Arn: ptr(o.nodeARN(n.ID)), Name: &n.Name, Email: &n.Member.Email, JoinedMethod: &n.Member.Method,
		JoinedTimestamp: &n.Member.Joined, State: &status, Status: &status, Paths: []string{path}}, err
}

func (s *Service) describeAccount(ctx context.Context, in *api.DescribeAccountRequest) (*api.DescribeAccountResponse, error) {
	out := &api.DescribeAccountResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) error {
		n, err := o.node(ctx, r, *in.AccountId, noAccount())
		if err != nil {
			return err
		}
		a, err := o.account(ctx, r, n)
		out.Account = &a
		return err
	})
}

func (s *Service) listAccounts(ctx context.Context, in *api.ListAccountsRequest) (*api.ListAccountsResponse, error) {
	out := &api.ListAccountsResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) (err error) {
		out.Accounts, out.NextToken, err = list(ctx, r, nodes, scope(o.Management), nil, page{in.NextToken, in.MaxResults},
			func(e store.Entry[node]) (api.Account, bool, error) {
				if !e.Record.account() {
					return api.Account{}, false, nil
				}
				a, err := o.account(ctx, r, &e.Record)
				return a, true, err
			})
		return err
	})
}

func (s *Service) listAccountsForParent(ctx context.Context, in *api.ListAccountsForParentRequest) (*api.ListAccountsForParentResponse, error) {
	out := &api.ListAccountsForParentResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) (err error) {
		out.Accounts, out.NextToken, err = below(ctx, r, o, *in.ParentId, api.ChildTypeAccount, page{in.NextToken, in.MaxResults},
			func(n *node) (api.Account, error) { return o.account(ctx, r, n) })
		return err
	})
}

func (s *Service) moveAccount(ctx context.Context, in *api.MoveAccountRequest) (*aws.Empty, error) {
	return nil, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		n, err := o.node(ctx, tx, *in.AccountId, noAccount())
		if err != nil {
			return err
		}
		noSource := api.SourceParentNotFoundException("You specified a source parent that doesn't exist.")
		if _, err := o.parent(ctx, tx, *in.SourceParentId, noSource); err != nil {
			return err
		}
		if _, err := o.parent(ctx, tx, *in.DestinationParentId,
			api.DestinationParentNotFoundException("You specified a destination parent that doesn't exist.")); err != nil {
			return err
		}
		switch n.Parent {
		case *in.DestinationParentId:
			return api.DuplicateAccountException("The specified account is already present in the specified destination.")
		case *in.SourceParentId:
		default:
			return noSource
		}
		if err := o.take(tx, n); err != nil {
			return err
		}
		n.Parent = *in.DestinationParentId
		return o.put(tx, n)
	})
}

// parent reads a root or unit.
func (o *organization) parent(ctx context.Context, r store.Reader, id string, instead error) (*node, error) {
	if isAccount(id) {
		return nil, instead
	}
	return o.node(ctx, r, id, instead)
}

func (s *Service) removeAccount(ctx context.Context, in *api.RemoveAccountFromOrganizationRequest) (*aws.Empty, error) {
	return nil, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		n, err := o.node(ctx, tx, *in.AccountId, noAccount())
		if err != nil {
			return err
		}
		return o.leave(ctx, tx, n)
	})
}

func (s *Service) leaveOrganization(ctx context.Context, _ *aws.Empty) (*aws.Empty, error) {
	return nil, s.change(ctx, member, func(tx store.Tx, o *organization) error {
		n, err := o.node(ctx, tx, account(ctx), noAccount())
		if err != nil {
			return err
		}
		return o.leave(ctx, tx, n)
	})
}

// closeAccount suspends an account, for good.
func (s *Service) closeAccount(ctx context.Context, in *api.CloseAccountRequest) (*aws.Empty, error) {
	return nil, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		if o.Features != api.OrganizationFeatureSetAll {
			return constraint(api.ConstraintViolationExceptionReasonOrganizationNotInAllFeaturesMode,
				"You can close an account only in an organization with all features enabled.")
		}
		n, err := o.node(ctx, tx, *in.AccountId, noAccount())
		if err != nil {
			return err
		}
		if n.ID == o.Management {
			return constraint(api.ConstraintViolationExceptionReasonCannotCloseManagementAccount, "You can't close the management account.")
		}
		if n.Member.Closed {
			return api.AccountAlreadyClosedException("The provided account is already closed.")
		}
		n.Member.Closed, n.Member.Delegated = true, nil
		return o.put(tx, n)
	})
}
