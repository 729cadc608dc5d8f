// Package iam is Identity and Access Management: users, groups, roles, access keys
// and policies, and what they add up to for a caller. It is also what the front
// door knows of identity: Key finds the owner of an access key, Policies all that
// bears on what a caller does.
// https://docs.aws.amazon.com/IAM/latest/APIReference/welcome.html
//
// What differs from AWS on purpose:
//   - Nothing is eventually consistent: a change holds for every request that
//     begins after its answer.
//   - The managed policies of AWS are those that people name (see managed/), at one
//     version each. What AWS lists at length, as in ReadOnlyAccess or SecurityAudit, they
//     say for the services that Tule has.
//   - MFA devices are virtual ones. Root's is enabled like a user's, by root, under the
//     serial number arn:aws:iam::ACCOUNT:mfa/root-account-mfa-device. After five wrong
//     codes a device takes none until the next is due.
//   - The last use of a key or role is kept to the minute, and in memory for as long. A
//     request that needs no permission, such as GetCallerIdentity, changes its time and
//     not its place.
//   - The URL of an OpenID Connect provider may have a port, and nobody looks up the
//     thumbprint of one that was given none.
//   - Service-linked roles are those of the services that people name (see
//     linkedServices), without policies, and gone as soon as they are deleted.
//   - Reports are made when they are asked for: nobody sees one under way. The access
//     advisor knows as far back as who keeps account of activity does, tells of every
//     action that was used, and of none that was not.
//   - Nobody asks for delegation: AWS takes such requests from partners that it knows, by
//     templates that they have registered there. So there is nothing to summarize either,
//     and STS has no token to trade in.
//
// Users, groups and roles are one kind of record, the principal, since most of what
// can be done to one can be done to each. A principal carries its inline policies
// and the ARNs of its managed ones. Every change of an account writes the account's
// stamp anew, a random text; a cache is good for as long as the stamp that it was
// filled under stands in the store.
package iam

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/store"
)

// Options furnish a Service. All are required but Logger, Peers and Activity.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader  // of ids and secrets
	Keys   *seal.Keys // keeps secrets from who reads the disk
	Logger *slog.Logger
	// Peers answer what Organizations knows. Without them no account is in one.
	Peers aws.Peers
	// Activity tells what principals have used. Without it nobody used anything.
	Activity Activity
}

// A Service answers IAM's operations and knows what callers may do.
type Service struct {
	store    store.Store
	clock    aws.Clock
	random   io.Reader
	logger   *slog.Logger
	secrets  *seal.Box // of access keys
	seeds    *seal.Box // of MFA devices
	services *seal.Box // passwords for one service
	compiled *policy.Cache
	cache    cache
	uses     uses
	hashing  chan struct{} // has those who hash a password just now
	catalog  catalog
	privates *seal.Box // of private keys
	peers    aws.Peers
	activity Activity
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{store: o.Store, clock: o.Clock, random: o.Random, logger: o.Logger,
		secrets: o.Keys.For("access keys"), seeds: o.Keys.For("MFA seeds"), services: o.Keys.For("service credentials"),
		compiled: policy.NewCache(0), cache: newCache(), uses: newUses(), catalog: newCatalog(), hashing: make(chan struct{}, maxHashing),
		privates: o.Keys.For("private keys"), peers: o.Peers, activity: o.Activity}
}

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	var all []aws.Route
	for _, of := range [][]aws.Route{
		s.userRoutes(), s.groupRoutes(), s.roleRoutes(), s.keyRoutes(),
		s.samlRoutes(), s.oidcRoutes(), s.serverCertificateRoutes(), s.linkedRoutes(), s.reportRoutes(),
		s.outboundRoutes(), s.orgRootRoutes(), s.advisorRoutes(), s.orgReportRoutes(),
		s.inlineRoutes(), s.policyRoutes(), s.versionRoutes(), s.attachRoutes(),
		s.boundaryRoutes(), s.tagRoutes(), s.accountRoutes(), s.profileRoutes(), s.simulateRoutes(), s.detailRoutes(),
		s.mfaRoutes(), s.loginRoutes(), s.passwordPolicyRoutes(), s.sshKeyRoutes(), s.certificateRoutes(), s.serviceCredentialRoutes(), s.contextKeyRoutes(), s.preferenceRoutes(),
	} {
		all = append(all, of...)
	}
	return s.protect(all)
}

// stamps hold a text for each account that is another after every change.
var stamps = store.NewTable[[]byte]("iam", "stamp")

// scope is where an account's identities are: IAM knows no regions.
func scope(account string) store.Scope { return store.Scope{Account: account} }

// change runs fn in a transaction on the state of an account, and stamps it.
func (s *Service) change(ctx context.Context, account string, fn func(tx store.Tx) error) error {
	stamp := []byte(aws.RandomID(s.random, aws.Hex, 32))
	return s.store.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return stamps.Put(tx, scope(account), stamp)
	})
}

// now is the time as IAM tells it: to the second.
func (s *Service) now() time.Time { return s.clock.Now().UTC().Truncate(time.Second) }

func account(ctx context.Context) string { return aws.RequestOf(ctx).Account() }
