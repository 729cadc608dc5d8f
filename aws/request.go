package aws

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// ErrUnknownKey says that an access key was never issued here. It is for those who
// look keys up; callers get their service's words.
var ErrUnknownKey = errors.New("the access key was not issued here")

// A PrincipalKind says what sort of identity a caller is.
type PrincipalKind string

// The kinds, by the names that aws:PrincipalType gives them.
const (
	Root        PrincipalKind = "Account"
	User        PrincipalKind = "User"
	AssumedRole PrincipalKind = "AssumedRole"
	Federated   PrincipalKind = "FederatedUser"
	// Who an identity provider vouches for, before it has become a role's session.
	WebIdentity PrincipalKind = "WebIdentityUser"
	SAMLUser    PrincipalKind = "SAMLUser"
	ServiceSelf PrincipalKind = "Service" // a service of the cloud, on somebody's behalf
	Anonymous   PrincipalKind = "Anonymous"
)

// A Caller is a principal: who makes a request.
type Caller struct {
	Kind    PrincipalKind
	Account string // twelve digits; of the principal
	ARN     string // as GetCallerIdentity prints it; "apigateway.amazonaws.com" for a service
	UserID  string // "AIDA…", "AROA…:session", the account for root
	// AccessKeyID is the key that signed the request, empty for calls within.
	AccessKeyID string
	// Role is the ARN of the role behind an assumed-role session, or of the user or
	// root behind a federated one.
	Role string
	// SessionPolicies narrow a session; nil means that there are none.
	SessionPolicies []string
	Tags            map[string]string
	// TransitiveTags are the keys of those tags that go along when the session
	// assumes another role.
	TransitiveTags []string
	// SourceIdentity is who was behind a session at first, and stays so from role to
	// role.
	SourceIdentity string
	// Provider is who vouched for a federated session, as a trust policy names it: the
	// ARN of a provider, or "cognito-identity.amazonaws.com".
	Provider string
	// Keys are condition keys that came with the session: "saml:aud".
	Keys     map[string][]string
	IssuedAt time.Time // of the session's credentials; zero for long-term keys
	MFAAt    time.Time // when a code of an MFA device was shown; zero for never
	// SourceARN and SourceAccount are for whom a service calls.
	SourceARN, SourceAccount string
}

// ServiceCaller is the principal of a service, such as
// "apigateway.amazonaws.com", that acts for the resource sourceARN of an account.
func ServiceCaller(principal, account, sourceARN string) Caller {
	return Caller{Kind: ServiceSelf, Account: account, ARN: principal, UserID: principal,
		SourceARN: sourceARN, SourceAccount: account}
}

// RoleSession is the principal of a session of a role: what AssumeRole's answer
// names, for a service that goes on to act under the role.
func RoleSession(roleARN, roleID, sessionName string) Caller {
	role, _ := ParseARN(roleARN)
	name := role.Resource[strings.LastIndexByte(role.Resource, '/')+1:]
	session := NewARN("sts", "", role.Account, "assumed-role/"+name+"/"+sessionName)
	return Caller{Kind: AssumedRole, Account: role.Account, ARN: session.String(), UserID: roleID + ":" + sessionName, Role: roleARN}
}

// A Request is what is known of a call beside its input.
type Request struct {
	ID     string // x-amzn-RequestId
	Caller Caller
	Region string
	Time   time.Time
	// Scheme and Host are how the caller reached Tule, so that an answer can carry
	// an address that leads back: "http", "localhost:4566".
	Scheme, Host string
	SourceIP     string
	UserAgent    string
	Referer      string
	Origin       string   // of the web page that calls, if one does
	Trace        string   // X-Amzn-Trace-Id, as the caller sent it
	Service      string   // signing name of the service called: "dynamodb"
	Secure       bool     // came by TLS
	Via          []string // services that forwarded the call, the first first
	// Wait is how long a service that reads a stream would rather wait for something to
	// read than have an empty answer. From outside it is always 0.
	Wait time.Duration
}

// Account is the caller's account, in which a name without an account is looked up.
func (r *Request) Account() string { return r.Caller.Account }

// ARN is the ARN of a resource of service in the request's account and region.
func (r *Request) ARN(service, resource string) string {
	return NewARN(service, r.Region, r.Caller.Account, resource).String()
}

// As is the request by which caller calls on in another's stead; services use it
// to act under a role or as themselves.
func (r *Request) As(caller Caller) *Request {
	c := *r
	c.Caller = caller
	if caller.Kind == ServiceSelf {
		c.Via = append(slices.Clone(r.Via), caller.ARN)
	}
	return &c
}

type requestKey struct{}

// WithRequest returns a context that carries r.
func WithRequest(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestOf is the request that ctx carries. Every handler's context has one;
// without one it is an anonymous request, which nothing is allowed.
func RequestOf(ctx context.Context) *Request {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		return r
	}
	return &Request{Caller: Caller{Kind: Anonymous}}
}

// ValidAccount reports whether s is an account id: twelve digits.
func ValidAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// ValidRegion reports whether s has the form of a region's name: "eu-west-1".
func ValidRegion(s string) bool {
	if len(s) < 5 || len(s) > 32 || strings.Count(s, "-") < 2 {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[0] >= 'a' && s[len(s)-1] <= '9'
}
