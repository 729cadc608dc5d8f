package organizations

import (
	"context"
	"sync"
	"sync/atomic"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// A Place is where an account stands, for evaluation. The zero Place is that of an
// account in no organization.
type Place struct {
	ID   string // "o-…", empty in none
	Path string // "o-…/r-…/ou-…/", as aws:PrincipalOrgPaths has it
	// SCPs and RCPs bind the account, level by level from the root. Nil: none do, as
	// in the management account.
	SCPs, RCPs [][]policy.Source
}

// places are the answers of PlaceOf since the last change.
type places struct {
	of sync.Map // account to *Place
	n  atomic.Int64
}

// mostPlaces is how many answers are kept; anybody may name any account.
const mostPlaces = 50000

// Forget drops what is known of places. It is for who changes the store behind the
// service's back.
func (s *Service) Forget() { s.places.Store(new(places)) }

// PlaceOf is where an account stands. It is asked with every request. What it reads goes
// with what was known when it began to read: a change in between makes that be dropped.
func (s *Service) PlaceOf(ctx context.Context, account string) (Place, error) {
	known := s.places.Load()
	if p, ok := known.of.Load(account); ok {
		return *p.(*Place), nil
	}
	var p *Place
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		p, err = s.find(ctx, r, account)
		return err
	})
	if err != nil {
		return Place{}, err
	}
	if known.n.Add(1) > mostPlaces {
		s.places.CompareAndSwap(known, new(places))
	} else {
		known.of.Store(account, p)
	}
	return *p, nil
}

// find reads where an account stands.
func (s *Service) find(ctx context.Context, r store.Reader, account string) (*Place, error) {
	o, err := of(ctx, r, account)
	if err != nil || o == nil {
		return &Place{}, err
	}
	n, err := o.node(ctx, r, account, nil)
	if err != nil || n == nil {
		return &Place{}, err
	}
	chain, err := o.chain(ctx, r, account)
	if err != nil {
		return nil, err
	}
	p := &Place{ID: o.ID, Path: o.path(chain[:len(chain)-1])}
	if account == o.Management {
		return p, nil
	}
	if n.Member.Closed {
		p.SCPs, p.RCPs = [][]policy.Source{}, [][]policy.Source{} // no level allows
		return p, nil
	}
	if p.SCPs, err = s.levels(ctx, r, o, chain, api.PolicyTypeServiceControlPolicy); err != nil {
		return nil, err
	}
	p.RCPs, err = s.levels(ctx, r, o, chain, api.PolicyTypeResourceControlPolicy)
	return p, err
}

// levels are the policies of a type on the nodes of a chain; nil where the type is not
// enabled. One that was accepted and does not compile now denies everything.
func (s *Service) levels(ctx context.Context, r store.Reader, o *organization, chain []*node, policyType string) ([][]policy.Source, error) {
	if o.enabled(policyType) != nil {
		return nil, nil
	}
	out := make([][]policy.Source, len(chain))
	for i, n := range chain {
		have, err := o.attached(ctx, r, n, policyType)
		if err != nil {
			return nil, err
		}
		for _, d := range have {
			compiled, err := s.compiled.Get(d.Content)
			if err != nil {
				s.Logger.Error("a stored policy is unreadable and denies everything", "policy", d.arn(o), "err", err)
			}
			out[i] = append(out[i], policy.Source{ID: d.arn(o), Policy: compiled})
		}
	}
	return out, nil
}

// ManagerOf is the organization that an account is in, and the account that manages it;
// nothing for an account in none.
func (s *Service) ManagerOf(ctx context.Context, account string) (id, manager string, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		id, manager = "", ""
		o, err := of(ctx, r, account)
		if err != nil || o == nil {
			return err
		}
		n, err := o.node(ctx, r, account, nil)
		if err == nil && n != nil {
			id, manager = o.ID, o.Management
		}
		return err
	})
	return id, manager, err
}
