// Package sts is the Security Token Service: it lends credentials that expire. A
// session's token is sealed and holds all that there is to know of the session, so
// that giving one out writes nothing, and one is good on any Tule that has the key.
// https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html
//
// What differs from AWS on purpose:
//   - Whether root may assume a role is for the role's trust policy to say; AWS never
//     lets it. Who works on his own machine does so as root.
//   - A session ends with the role or user behind it, and has its role's tags as they
//     were when it began.
//   - How full a session is (PackedPolicySize) is told by deflating what it carries;
//     AWS packs by a method that it does not tell.
//   - Where an issuer of web identities cannot be reached, the operator registers its
//     keys: nobody else may, since who can name the keys of an issuer is the issuer.
//   - AssumeRoot and GetWebIdentityToken answer on the global host, too.
//   - The tokens that GetWebIdentityToken gives name their issuer as AWS does, whose host
//     leads to Tule where names are steered; its keys are also at /_tule/issuers/ID/.
//   - Tokens of Facebook and of Login with Amazon, which only those can verify, are
//     refused, and so are SAML responses that are signed by SHA-1.
package sts

import (
	"context"
	"io"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	issuers "github.com/tule-cloud/tule/gateway/jwt"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/store"
)

// Roles is what STS needs of IAM; with AWS they are one system.
type Roles interface {
	// Role is the trust policy, the unique id and the longest session of the role
	// with an ARN; the id is "" if there is none.
	Role(ctx context.Context, arn string) (trust, id string, most time.Duration, err error)
	// RoleTags are the tags of the role with an ARN; none if there is no such role.
	RoleTags(ctx context.Context, arn string) (tags map[string]string, err error)
	// CheckSessionPolicy refuses what cannot narrow a session in an account: a
	// document that is malformed, or the ARN of a policy that is not there.
	CheckSessionPolicy(ctx context.Context, account, policy string) error
	// VerifyMFA holds a code to the caller's MFA device with a serial number, and
	// refuses in STS's words. A code is good for one use.
	VerifyMFA(ctx context.Context, caller *aws.Caller, serial, code string) error
	// RootSessions reports whether the principals of an account may, where their own
	// policies let them, have sessions of the root of another.
	RootSessions(ctx context.Context, account, member string) (bool, error)
}

// Options furnish a Service. Those without a word on nil are required.
type Options struct {
	Clock  aws.Clock
	Random io.Reader  // of ids
	Keys   *seal.Keys // seals tokens, and opens the messages of denials
	Roles  Roles
	// Providers has the identity providers of accounts; nil: none has any.
	Providers Providers
	// IssuerKeys is the JWKS that the operator has registered for an issuer, an https
	// address; nil: for none.
	IssuerKeys func(issuer string) (jwks []byte, ok bool, err error)
	// Fetch gets the keys of other issuers; nil: their tokens are refused.
	Fetch issuers.Fetch
	// Outbound has accounts as issuers of tokens, and Store their keys; nil: none issues any.
	Outbound Outbound
	Store    store.Store
	// Place is the organization that an account is in, and the path of its place there;
	// nil: no account is in one.
	Place func(ctx context.Context, account string) (organization, path string, err error)
}

// A Service answers STS's operations and knows the keys of sessions.
type Service struct {
	clock    aws.Clock
	random   io.Reader
	roles    Roles
	sealer   *sealer
	messages *seal.Box // of the front door, for who was denied

	providers Providers // may be nil
	issuers   *issuers.Issuers

	outbound    Outbound    // may be nil
	store       store.Store // likewise
	outboundBox *seal.Box
	place       func(ctx context.Context, account string) (organization, path string, err error) // likewise

	mu     sync.RWMutex
	opened map[string]*session // by token; a cache
}

// New returns a Service that keeps no state but the keys of accounts' own tokens.
func New(o Options) *Service {
	return &Service{clock: o.Clock, random: o.Random, roles: o.Roles, sealer: newSealer(o.Keys),
		messages: o.Keys.For("authorization messages"), providers: o.Providers,
		outbound: o.Outbound, store: o.Store, outboundBox: o.Keys.For("outbound tokens"), place: o.Place, opened: map[string]*session{},
		issuers: issuers.New(issuers.Options{Clock: o.Clock, Fetch: o.Fetch, Registered: o.IssuerKeys})}
}

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.GetCallerIdentity.To(s.getCallerIdentity, aws.Nothing),
		api.GetAccessKeyInfo.To(s.getAccessKeyInfo, aws.Anywhere),
		api.AssumeRole.To(s.assumeRole, s.guardAssumeRole),
		api.AssumeRoleWithWebIdentity.To(s.assumeRoleWithWebIdentity, s.guardWebIdentity),
		api.AssumeRoleWithSAML.To(s.assumeRoleWithSAML, s.guardSAML),
		api.AssumeRoot.To(s.assumeRoot, s.guardAssumeRoot),
		api.GetWebIdentityToken.To(s.getWebIdentityToken, s.guardWebIdentityToken),
		api.GetSessionToken.To(s.getSessionToken, aws.Nothing),
		api.GetFederationToken.To(s.getFederationToken, s.guardFederation),
		api.DecodeAuthorizationMessage.To(s.decodeAuthorizationMessage, aws.Anywhere),
	}
}
