package policy

import (
	"slices"
	"strings"
)

// PrincipalType says what kind of caller a principal is.
type PrincipalType uint8

const (
	// Anonymous callers signed nothing. The zero type, since it may do least.
	Anonymous PrincipalType = iota
	// Root is an account's root user.
	Root
	// User is an IAM user, also with a session token of GetSessionToken.
	User
	// AssumedRole is a session of a role.
	AssumedRole
	// FederatedUser is a session of GetFederationToken, arn:…:federated-user/name.
	FederatedUser
	// Federated is somebody an identity provider vouches for, who has no AWS
	// identity yet: the caller of AssumeRoleWithWebIdentity and -WithSAML.
	Federated
	// Service is an AWS service that calls for itself, e.g. events.amazonaws.com.
	Service
)

// String is the type as aws:PrincipalType has it; the last two are not AWS's.
func (t PrincipalType) String() string {
	return [...]string{"Anonymous", "Account", "User", "AssumedRole", "FederatedUser", "Federated", "Service"}[t]
}

// Principal is who asks.
type Principal struct {
	Type PrincipalType
	// ARN is the caller's own: of a user its user ARN, of a role session
	// arn:aws:sts::A:assumed-role/R/S, of a root user arn:aws:iam::A:root. Empty for
	// Anonymous, Federated and Service.
	ARN string
	// AccountID is the caller's account, twelve digits; empty for the same three.
	AccountID string
	// Issuer is the ARN behind a session: of AssumedRole the role, with its path
	// (arn:aws:iam::A:role/p/R); of FederatedUser the user, or root.
	Issuer string
	// UserID is aws:userid: AIDA… of a user, AROA…:session of a role session,
	// account:name of a federated user, the account of a root user.
	UserID string
	// UserName is aws:username; of users only.
	UserName string
	// Service is the service's names, first the one it calls by.
	Service []string
	// Provider is the identity provider of a Federated caller, as a trust policy
	// names it: an ARN, or "cognito-identity.amazonaws.com".
	Provider string
	// CanonicalUserID is the account's canonical id; S3's policies may name it.
	CanonicalUserID string
	// Tags are the caller's tags and session tags.
	Tags []Tag
}

// Tag is a key and a value. Keys compare without case.
type Tag struct{ Key, Value string }

const principalTagPrefix = "aws:principaltag/"

// lookup is the value of a condition key that the principal itself decides.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func (p *Principal) lookup(key string) values {
	if !strings.HasPrefix(key, "aws:") {
		return values{}
	}
	if name, ok := strings.CutPrefix(key, principalTagPrefix); ok {
		for i := range p.Tags {
			if strings.EqualFold(p.Tags[i].Key, name) {
				return single(p.Tags[i].Value)
			}
		}
		return values{}
	}
	switch key {
	case "aws:principalarn":
		return nonEmpty(p.principalARN())
	case "aws:principalaccount":
		return nonEmpty(p.AccountID)
	case "aws:userid":
		return nonEmpty(p.UserID)
	case "aws:username":
		return nonEmpty(p.UserName)
	case "aws:principaltype":
		if p.Type == Federated || p.Type == Service {
			return values{}
		}
		return single(p.Type.String())
	case "aws:principalisawsservice":
		if p.Type == Service {
			return single("true")
		}
		return single("false")
	case "aws:principalservicename":
		if p.Type == Service && len(p.Service) > 0 {
			return single(p.Service[0])
		}
	case "aws:principalservicenameslist":
		if p.Type == Service {
			return values{list: p.Service}
		}
	}
	return values{}
}

// principalARN is aws:PrincipalArn: of a role session, the role's.
func (p *Principal) principalARN() string {
	if p.Type == AssumedRole {
		return p.Issuer
	}
	return p.ARN
}

func nonEmpty(s string) values {
	if s == "" {
		return values{}
	}
	return single(s)
}

// grant is how directly a policy's Principal element names a caller. What a
// resource policy allows is worth more the more directly it does.
type grant uint8

const (
	grantNone    grant = iota
	grantAccount       // names the account: it may delegate to its identities
	grantIssuer        // names the role or user behind the session
	grantDirect        // names the caller itself, or everybody
)

// principalName is one compiled name of a Principal element.
type principalName struct {
	kind    principalKind
	value   string
	account string // of nameAccount
}

type principalKind uint8

const (
	nameEverybody principalKind = iota
	nameAccount
	nameARN
	nameUniqueID
	nameService
	nameFederated
	nameCanonical
)

func compilePrincipal(e PrincipalEntry) principalName {
	switch e.Type {
	case "Service":
		return principalName{kind: nameService, value: e.Value}
	case "Federated":
		return principalName{kind: nameFederated, value: e.Value}
	case "CanonicalUser":
		return principalName{kind: nameCanonical, value: e.Value}
	}
	if e.Value == "*" {
		return principalName{kind: nameEverybody}
	}
	if isAccountID(e.Value) {
		return principalName{kind: nameAccount, account: e.Value}
	}
	if a, ok := splitARN(e.Value); ok {
		if a[2] == "iam" && a[5] == "root" {
			return principalName{kind: nameAccount, account: a[4]}
		}
		return principalName{kind: nameARN, value: e.Value}
	}
	return principalName{kind: nameUniqueID, value: e.Value}
}

// names says how directly the name names the principal.
func (n *principalName) names(p *Principal) grant {
	switch n.kind {
	case nameEverybody:
		return grantDirect
	case nameAccount:
		return p.accountIf(p.AccountID != "" && p.AccountID == n.account)
	case nameARN:
		switch {
		case p.ARN == "":
			return grantNone
		case n.value == p.Issuer: // first: a simulated role is its own issuer, and no session
			return grantIssuer
		case n.value == p.ARN:
			return grantDirect
		}
	case nameUniqueID:
		return n.namesID(p)
	case nameService:
		return directIf(p.Type == Service && (n.value == "*" || slices.Contains(p.Service, n.value)))
	case nameFederated:
		return directIf(p.Type == Federated && p.Provider != "" && n.value == p.Provider)
	case nameCanonical:
		return p.accountIf(p.CanonicalUserID != "" && p.CanonicalUserID == n.value)
	}
	return grantNone
}

// namesID compares a unique id (AIDA…, AROA…): AWS stores principals so, and a
// user made again under an old name is not the one that was trusted.
func (n *principalName) namesID(p *Principal) grant {
	switch {
	case p.UserID == "":
	case n.value == p.UserID:
		return grantDirect
	case p.Type == AssumedRole && strings.HasPrefix(p.UserID, n.value) && p.UserID[len(n.value):][0] == ':':
		return grantIssuer
	}
	return grantNone
}

// accountIf is what naming the account grants: to its root user, who is the
// account, all; to others what their own policies allow.
func (p *Principal) accountIf(ok bool) grant {
	switch {
	case !ok:
		return grantNone
	case p.Type == Root:
		return grantDirect
	}
	return grantAccount
}

func directIf(ok bool) grant {
	if ok {
		return grantDirect
	}
	return grantNone
}

// namedBy is the most direct of the names that a Principal element holds.
func (p *Principal) namedBy(names []principalName) grant {
	best := grantNone
	for i := range names {
		best = max(best, names[i].names(p))
	}
	return best
}

// exempt reports whether a NotPrincipal element lists all that the caller is: its
// account, the role or user behind it, and itself. AWS evaluates each of them.
func (p *Principal) exempt(names []principalName) bool {
	var account, issuer, direct bool
	for i := range names {
		if names[i].kind == nameEverybody {
			return true
		}
		switch names[i].names(p) {
		case grantAccount:
			account = true
		case grantIssuer:
			issuer = true
		case grantDirect:
			direct = true
		}
	}
	switch p.Type {
	case User:
		return direct && account
	case AssumedRole, FederatedUser:
		return direct && issuer && account
	}
	return direct
}
