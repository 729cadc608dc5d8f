// Package organizations is AWS Organizations in the small: the accounts of an
// installation by name, the organization that holds them, its units, and the policies
// that limit what accounts may do whatever their own policies say.
// https://docs.aws.amazon.com/organizations/latest/APIReference/Welcome.html
//
// An account of a Tule needs no organization: it is there as soon as somebody has a
// key to it. Any such account may found an organization and invite others; accounts
// made by CreateAccount are members from the start. Names, addresses and membership
// are all that is kept of an account here; its keys and roles are IAM's.
//
// What differs from AWS on purpose:
//   - CreateAccount has done its work when it answers, and says so in its status. What
//     a crash interrupted is finished at the next start.
//   - The tag _custom_id_ chooses a new account's id, where that endangers nobody (see
//     Options.Pin).
//   - A closed account is SUSPENDED at once and for good. It stays a member, shows its
//     state, and nobody gets in: its place has policy levels that allow nothing, for
//     its own principals, root included, and for others at its resources. Its keys
//     are IAM's and stay; all that they sign is refused.
//   - No account has to be billable to leave, and nothing limits the number of accounts.
//   - Policy types are those that are evaluated: service control and resource control
//     policies. Others are refused as not available, and not stored without effect.
//   - An account that joins with no name or address of its own is named by its id, with
//     an address below the domain account.invalid.
//   - What an account has by the organization's resource policy is decided by the
//     policies alone; where those are not asked (--iam off) it may do all that a
//     resource policy could give.
//
// # Places
//
// PlaceOf is asked with every request, and its answers are kept in memory until the next
// change. This process owns the store and every change goes through one function, which
// drops all that was kept after its commit and before its answer: a request that begins
// after the answer reads the store anew. On a store that other processes write to, the
// same drop belongs to a watch on the tables, with a lease to bound what a lost watch
// costs, or to a stamp as svc/iam reads it; a stamp costs a read of the store, some ten
// times what an answer from memory does.
package organizations

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// Options furnish a Service. All are required but Logger and Pin.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader // of ids
	Peers  aws.Peers // a new account's role is IAM's to make
	Logger *slog.Logger
	// Pin lets CreateAccount be told the new account's id, by the tag _custom_id_. It
	// must not where accounts are kept apart: who names an account that is there
	// already would get a role in it.
	Pin bool
}

// A Service answers Organizations' operations and knows where accounts stand.
type Service struct {
	Options
	compiled *policy.Cache
	places   atomic.Pointer[places]
	started  time.Time
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{Options: o, compiled: policy.NewCache(0), started: o.Clock.Now()}
	s.Forget()
	return s
}

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	var all []aws.Route
	for _, of := range [][]aws.Route{
		s.organizationRoutes(), s.rootRoutes(), s.unitRoutes(), s.treeRoutes(), s.accountRoutes(), s.createRoutes(),
		s.handshakeRoutes(), s.policyRoutes(), s.attachRoutes(), s.delegateRoutes(), s.trustRoutes(), s.resourcePolicyRoutes(), s.tagRoutes(),
	} {
		all = append(all, of...)
	}
	return all
}

// scope is where the organization that an account manages is kept, and what is known
// of the account itself.
func scope(account string) store.Scope { return store.Scope{Account: account} }

// view runs fn on the organization of the caller, who must be of that standing.
func (s *Service) view(ctx context.Context, who standing, fn func(r store.Reader, o *organization) error) error {
	return s.Store.View(ctx, func(r store.Reader) error {
		o, err := admitted(ctx, r, who)
		if err != nil {
			return err
		}
		return fn(r, o)
	})
}

// change is view in a transaction that may write.
func (s *Service) change(ctx context.Context, who standing, fn func(tx store.Tx, o *organization) error) error {
	return s.update(ctx, func(tx store.Tx) error {
		o, err := admitted(ctx, tx, who)
		if err != nil {
			return err
		}
		return fn(tx, o)
	})
}

// update runs a transaction, and forgets where accounts stood. It is not given up
// halfway: a change whose outcome nobody waits for would be known too late.
func (s *Service) update(ctx context.Context, fn func(tx store.Tx) error) error {
	defer s.Forget()
	return s.Store.Update(context.WithoutCancel(ctx), fn)
}

// now is the time as Organizations tells it: to the millisecond.
func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

func account(ctx context.Context) string { return aws.RequestOf(ctx).Account() }

func missing(err error) bool { return errors.Is(err, store.ErrNotFound) }

func ignoreMissing(err error) error {
	if missing(err) {
		return nil
	}
	return err
}

func ptr[T any](v T) *T { return &v }
