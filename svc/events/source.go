package events

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// partnerSource is a partner's event source, offered to an account. The partner has one
// record of it, the account another.
type partnerSource struct {
	Name    string
	Partner string // the account of who sends
	Account string // and of who gets
	State   string
	Created time.Time
}

// sourceWait is how long an offer waits for a bus.
const sourceWait = 14 * 24 * time.Hour

func sourceARN(region, name string) string {
	return aws.NewARN("events", region, "", "event-source/"+name).String()
}

func noSource(name string) error {
	return api.ResourceNotFoundException("Event source %s does not exist.", name)
}

// partnerName is how AWS names who sends: the second part of a source's name.
func (p *partnerSource) partnerName() string {
	parts := strings.SplitN(p.Name, "/", 3)
	if len(parts) < 2 {
		return p.Name
	}
	return parts[1]
}

// expires is when an offer that nobody took ends.
func (p *partnerSource) expires() *time.Time {
	if p.State == api.EventSourceStateActive {
		return nil
	}
	return moment(p.Created.Add(sourceWait))
}

func (s *Service) createPartnerSource(ctx context.Context, in *api.CreatePartnerEventSourceRequest) (*api.CreatePartnerEventSourceResponse, error) {
	scope := scopeOf(ctx)
	p := partnerSource{Name: *in.Name, Partner: scope.Account, Account: *in.Account, State: api.EventSourceStatePending, Created: s.Clock.Now()}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if has, err := offers.Has(ctx, tx, scope, p.Name, p.Account); err != nil {
			return err
		} else if has {
			return api.ResourceAlreadyExistsException("Event source %s already exists.", p.Name)
		}
		theirs := store.Scope{Account: p.Account, Region: scope.Region}
		if has, err := sources.Has(ctx, tx, theirs, p.Name); err != nil {
			return err
		} else if has { // it is another's, or was this one's
			return api.ResourceAlreadyExistsException("Event source %s already exists.", p.Name)
		}
		if err := offers.Put(tx, scope, p, p.Name, p.Account); err != nil {
			return err
		}
		return sources.Put(tx, theirs, p, p.Name)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreatePartnerEventSourceResponse{EventSourceArn: new(sourceARN(scope.Region, p.Name))}, nil
}

func (s *Service) deletePartnerSource(ctx context.Context, in *api.DeletePartnerEventSourceRequest) (*aws.Empty, error) {
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		p, err := offers.Get(ctx, tx, scope, *in.Name, *in.Account)
		if errors.Is(err, store.ErrNotFound) {
			return nil // deleting is idempotent
		}
		if err != nil {
			return err
		}
		if err := offers.Delete(tx, scope, p.Name, p.Account); err != nil {
			return err
		}
		theirs := store.Scope{Account: p.Account, Region: scope.Region}
		if has, err := buses.Has(ctx, tx, theirs, p.Name); err != nil {
			return err
		} else if has {
			p.State = api.EventSourceStateDeleted // the bus is theirs, and stays
			return sources.Put(tx, theirs, p, p.Name)
		}
		return sources.Delete(tx, theirs, p.Name)
	})
}

func (s *Service) describePartnerSource(ctx context.Context, in *api.DescribePartnerEventSourceRequest) (*api.DescribePartnerEventSourceResponse, error) {
	scope := scopeOf(ctx)
	found := false
	err := s.Store.View(ctx, func(r store.Reader) error {
		found = false
		for _, err := range offers.List(ctx, r, scope, store.ListOptions{Prefix: []any{*in.Name}, Limit: 1}) {
			found = err == nil
			return err
		}
		return nil
	})
	if err == nil && !found {
		err = noSource(*in.Name)
	}
	if err != nil {
		return nil, err
	}
	return &api.DescribePartnerEventSourceResponse{Arn: new(sourceARN(scope.Region, *in.Name)), Name: in.Name}, nil
}

func (s *Service) listPartnerSources(ctx context.Context, in *api.ListPartnerEventSourcesRequest) (*api.ListPartnerEventSourcesResponse, error) {
	scope := scopeOf(ctx)
	p, err := newPage(in.NamePrefix, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListPartnerEventSourcesResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.PartnerEventSources = []api.PartnerEventSource{}
		last := p.after
		out.NextToken, err = walk(ctx, r, offers, scope, nil, p, func(name string, _ *partnerSource) bool {
			if name == last {
				return false // the same, for another account
			}
			last = name
			out.PartnerEventSources = append(out.PartnerEventSources, api.PartnerEventSource{Arn: new(sourceARN(scope.Region, name)), Name: &name})
			return true
		})
		return err
	})
}

func (s *Service) listPartnerSourceAccounts(ctx context.Context, in *api.ListPartnerEventSourceAccountsRequest) (*api.ListPartnerEventSourceAccountsResponse, error) {
	scope := scopeOf(ctx)
	p, err := newPage(nil, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListPartnerEventSourceAccountsResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.PartnerEventSourceAccounts = []api.PartnerEventSourceAccount{}
		out.NextToken, err = walk(ctx, r, offers, scope, []any{*in.EventSourceName}, p, func(account string, o *partnerSource) bool {
			out.PartnerEventSourceAccounts = append(out.PartnerEventSourceAccounts, api.PartnerEventSourceAccount{Account: &account, CreationTime: moment(o.Created), ExpirationTime: o.expires(), State: &o.State})
			return true
		})
		return err
	})
}

// setSourceState changes a source in the records of both accounts.
func (s *Service) setSourceState(ctx context.Context, tx store.Tx, scope store.Scope, name, state string) error {
	p, err := sources.Get(ctx, tx, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		if state == api.EventSourceStatePending {
			return nil
		}
		return noSource(name)
	}
	if err != nil {
		return err
	}
	if p.State == api.EventSourceStateDeleted {
		return api.InvalidStateException("Event source %s is deleted.", name)
	}
	p.State = state
	theirs := store.Scope{Account: p.Partner, Region: scope.Region}
	if has, err := offers.Has(ctx, tx, theirs, p.Name, p.Account); err != nil {
		return err
	} else if has {
		if err := offers.Put(tx, theirs, p, p.Name, p.Account); err != nil {
			return err
		}
	}
	return sources.Put(tx, scope, p, name)
}

func (s *Service) activateSource(ctx context.Context, in *api.ActivateEventSourceRequest) (*aws.Empty, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		return s.setSourceState(ctx, tx, scopeOf(ctx), *in.Name, api.EventSourceStateActive)
	})
}

func (s *Service) deactivateSource(ctx context.Context, in *api.DeactivateEventSourceRequest) (*aws.Empty, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		if has, err := sources.Has(ctx, tx, scopeOf(ctx), *in.Name); err != nil {
			return err
		} else if !has {
			return noSource(*in.Name)
		}
		return s.setSourceState(ctx, tx, scopeOf(ctx), *in.Name, api.EventSourceStatePending)
	})
}

func (s *Service) describeSource(ctx context.Context, in *api.DescribeEventSourceRequest) (*api.DescribeEventSourceResponse, error) {
	scope := scopeOf(ctx)
	var p partnerSource
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		p, err = sources.Get(ctx, r, scope, *in.Name)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = noSource(*in.Name)
	}
	if err != nil {
		return nil, err
	}
	return &api.DescribeEventSourceResponse{Arn: new(sourceARN(scope.Region, p.Name)), CreatedBy: new(p.partnerName()), CreationTime: moment(p.Created), ExpirationTime: p.expires(), Name: &p.Name, State: &p.State}, nil
}

func (s *Service) listSources(ctx context.Context, in *api.ListEventSourcesRequest) (*api.ListEventSourcesResponse, error) {
	scope := scopeOf(ctx)
	p, err := newPage(in.NamePrefix, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListEventSourcesResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.EventSources = []api.EventSource{}
		out.NextToken, err = walk(ctx, r, sources, scope, nil, p, func(name string, p *partnerSource) bool {
			out.EventSources = append(out.EventSources, api.EventSource{Arn: new(sourceARN(scope.Region, name)), CreatedBy: new(p.partnerName()), CreationTime: moment(p.Created), ExpirationTime: p.expires(), Name: &name, State: &p.State})
			return true
		})
		return err
	})
}

// offered are the accounts that take the events of the caller's source, whether
// they have a bus for it or not: without one, events are taken and lost.
func (s *Service) offered(ctx context.Context, name string) (accounts []string, err error) {
	scope := scopeOf(ctx)
	err = s.Store.View(ctx, func(r store.Reader) error {
		accounts = nil
		for e, err := range offers.List(ctx, r, scope, store.ListOptions{Prefix: []any{name}}) {
			if err != nil {
				return err
			}
			theirs, err := sources.Get(ctx, r, store.Scope{Account: e.Record.Account, Region: scope.Region}, name)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if theirs.Partner != scope.Account {
				continue // they have it of somebody else by now
			}
			accounts = append(accounts, e.Record.Account)
		}
		return nil
	})
	slices.Sort(accounts)
	return accounts, err
}
