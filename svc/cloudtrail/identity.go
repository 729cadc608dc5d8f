package cloudtrail

import (
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// userIdentity is who made a call.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
type userIdentity struct {
	Type             string          `json:"type"`
	PrincipalID      string          `json:"principalId,omitempty"`
	ARN              string          `json:"arn,omitempty"`
	AccountID        string          `json:"accountId,omitempty"`
	AccessKeyID      string          `json:"accessKeyId,omitempty"`
	UserName         string          `json:"userName,omitempty"`
	SessionContext   *sessionContext `json:"sessionContext,omitempty"`
	IdentityProvider string          `json:"identityProvider,omitempty"`
	InvokedBy        string          `json:"invokedBy,omitempty"`
}

type sessionContext struct {
	SessionIssuer  *sessionIssuer     `json:"sessionIssuer,omitempty"`
	WebID          *webID             `json:"webIdFederationData,omitempty"`
	Attributes     *sessionAttributes `json:"attributes,omitempty"`
	SourceIdentity string             `json:"sourceIdentity,omitempty"`
}

type sessionIssuer struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId,omitempty"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName,omitempty"`
}

type webID struct {
	FederatedProvider string   `json:"federatedProvider,omitempty"`
	Attributes        struct{} `json:"attributes"`
}

type sessionAttributes struct {
	CreationDate string `json:"creationDate,omitempty"`
	MFA          string `json:"mfaAuthenticated"`
}

// identityOf is who c is, to those of his own account.
func identityOf(c *aws.Caller) *userIdentity {
	u := &userIdentity{PrincipalID: c.UserID, ARN: c.ARN, AccountID: c.Account, AccessKeyID: c.AccessKeyID}
	switch c.Kind {
	case aws.Root:
		u.Type = "Root"
	case aws.User:
		u.Type, u.UserName = "IAMUser", lastPart(c.ARN)
	case aws.AssumedRole:
		u.Type = "AssumedRole"
	case aws.Federated:
		u.Type = "FederatedUser"
	case aws.WebIdentity:
		u.Type, u.UserName, u.IdentityProvider = "WebIdentityUser", afterColon(c.UserID), c.Provider
	case aws.SAMLUser:
		u.Type, u.UserName, u.IdentityProvider = "SAMLUser", afterColon(c.UserID), c.Provider
	case aws.ServiceSelf:
		return &userIdentity{Type: "AWSService", InvokedBy: c.ARN}
	default:
		return &userIdentity{Type: "AWSAccount", PrincipalID: "", AccountID: "anonymous"}
	}
	u.SessionContext = sessionOf(c)
	return u
}

// sessionOf is what is known of a session; nil for long-term credentials.
func sessionOf(c *aws.Caller) *sessionContext {
	s := &sessionContext{SourceIdentity: c.SourceIdentity}
	if c.Role != "" {
		s.SessionIssuer = issuerOf(c)
	}
	if !c.IssuedAt.IsZero() || s.SessionIssuer != nil {
		s.Attributes = &sessionAttributes{MFA: strconv.FormatBool(!c.MFAAt.IsZero())}
		if !c.IssuedAt.IsZero() {
			s.Attributes.CreationDate = c.IssuedAt.UTC().Format(time.RFC3339)
		}
	}
	if c.Kind == aws.AssumedRole && c.Provider != "" && !strings.Contains(c.Provider, ":saml-provider/") {
		s.WebID = &webID{FederatedProvider: c.Provider}
	}
	if s.SessionIssuer == nil && s.Attributes == nil && s.SourceIdentity == "" {
		return nil
	}
	return s
}

func issuerOf(c *aws.Caller) *sessionIssuer {
	role, _ := aws.ParseARN(c.Role)
	i := &sessionIssuer{Type: "Role", ARN: c.Role, AccountID: role.Account, UserName: lastPart(c.Role)}
	switch {
	case strings.HasPrefix(role.Resource, "user/"):
		i.Type = "IAMUser"
	case role.Resource == "root":
		i.Type, i.PrincipalID, i.UserName = "Root", role.Account, ""
	default:
		i.PrincipalID, _, _ = strings.Cut(c.UserID, ":")
	}
	return i
}

// strangerOf is who c is, to those of another account.
func strangerOf(c *aws.Caller) *userIdentity {
	if c.Kind == aws.ServiceSelf || c.Kind == aws.WebIdentity || c.Kind == aws.SAMLUser || c.Account == "" {
		return identityOf(c)
	}
	return &userIdentity{Type: "AWSAccount", PrincipalID: c.UserID, AccountID: c.Account}
}

// userName is by what name a lookup finds who made a call.
func userName(c *aws.Caller) string {
	switch c.Kind {
	case aws.Root:
		return "root"
	case aws.User, aws.AssumedRole, aws.Federated:
		return lastPart(c.ARN)
	case aws.WebIdentity, aws.SAMLUser:
		return afterColon(c.UserID)
	}
	return ""
}

// lastPart is what follows the last slash.
func lastPart(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// afterColon is what follows the last colon.
func afterColon(s string) string { return s[strings.LastIndexByte(s, ':')+1:] }
