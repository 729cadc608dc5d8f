// Package sts is the Security Token Service: it lends credentials that expire. A
// session's token is sealed and holds all that there is to know of the session, so
// that giving one out writes nothing, and one is good on any Tule that has the key.
// https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html
//
// What differs from AWS on purpose:
//   - Whether root may assume a role is for the role's trust policy to say; AWS never
//     lets it.
//   - A session ends with the role or user behind it.
//   - Federation by web identity and SAML is not here yet.
package sts

import (
	"context"
	"io"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/store"
)

// Roles is what STS needs of IAM; with AWS they are one system.
type Roles interface {
	// Role is the trust policy, the unique id and the longest session of the role
	// with an ARN; the id is "" if there is none.
	Role(ctx context.Context, arn string) (trust, id string, most time.Duration, err error)
	// CheckSessionPolicy refuses what cannot narrow a session in an account: a
	// document that is malformed, or the ARN of a policy that is not there.
	CheckSessionPolicy(ctx context.Context, account, policy string) error
}

// Options furnish a Service. All are required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader  // of the sealing key, of ids and of nonces
	Keys   *seal.Keys // seals tokens, and opens the messages of denials
	Roles  Roles
}

// A Service answers STS's operations and knows the keys of sessions.
type Service struct {
	store  store.Store
	clock  aws.Clock
	random io.Reader
	roles  Roles

	mu     sync.RWMutex
	seal   *sealer
	opened map[string]*session // by token; a cache
}

// New returns a Service whose sealing key is kept in o.Store.
func New(o Options) *Service {
	return &Service{store: o.Store, clock: o.Clock, random: o.Random, roles: o.Roles, opened: map[string]*session{}}
}

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.GetCallerIdentity.To(s.getCallerIdentity, aws.Nothing),
		api.GetAccessKeyInfo.To(s.getAccessKeyInfo, aws.Anywhere),
		api.AssumeRole.To(s.assumeRole, s.guardAssumeRole),
		api.GetSessionToken.To(s.getSessionToken, aws.Nothing),
		api.GetFederationToken.To(s.getFederationToken, s.guardFederation),
	}
}
