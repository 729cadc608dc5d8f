package sts

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// Providers are the identity providers of accounts, which IAM keeps.
type Providers interface {
	// OIDCProvider is an account's provider for an issuer, an address without
	// "https://": its ARN, "" if there is none, the client ids that it has, and the
	// thumbprints to trust its server by, in lower-case hex.
	OIDCProvider(ctx context.Context, account, issuer string) (arn string, clients, thumbprints []string, err error)
	// SAMLProvider is the metadata of the provider with an ARN, "" if there is none,
	// the id in its own addresses, and until when it is good; zero for ever.
	SAMLProvider(ctx context.Context, arn string) (metadata, id string, validUntil time.Time, err error)
	// SAMLKeys are the RSA keys, in PEM, for which assertions may be encrypted, the
	// newest last, and whether they must be.
	SAMLKeys(ctx context.Context, arn string) (keys []string, required bool, err error)
}

// A vouched is somebody an identity provider vouches for, and the session of a role
// that is to be his.
type vouched struct {
	caller aws.Caller // as a role's trust policy is asked about him
	beginning
	audience, subject string
	keep              map[string][]string // condition keys that stay with the session
	bad               string              // why the token asks for what cannot be
}

// addTag gives the session a tag that a token names.
func (v *vouched) addTag(key string, values []string) {
	if len(values) != 1 {
		v.bad = "Session tag " + key + " must have exactly one value"
		return
	}
	v.tags = append(v.tags, api.Tag{Key: &key, Value: &values[0]})
}

// What a model holds inputs to holds for what comes in tokens as well.
var (
	nameForm = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	tagKey   = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$`)
	tagValue = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$`)
)

const maxTags = 50

// check refuses what a session cannot have.
func (v *vouched) check() error {
	slices.SortFunc(v.tags, func(a, b api.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	if v.bad != "" {
		return invalidToken("%s", v.bad)
	}
	if len(v.tags) > maxTags {
		return invalidToken("The number of session tags exceeds the limit of %d", maxTags)
	}
	for _, t := range v.tags {
		if !tagKey.MatchString(*t.Key) || !tagValue.MatchString(*t.Value) {
			return invalidToken("Session tag %.128q has a key or a value that is not valid", *t.Key)
		}
	}
	if v.source != "" && !nameForm.MatchString(v.source) {
		return invalidToken("Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with \"aws:\"")
	}
	_, _, err := inherit(&aws.Caller{}, v.tags, v.transitive)
	return err
}

// session is what a session begins with for whom a provider vouches.
func (v *vouched) session() aws.Caller {
	return aws.Caller{Tags: tagMap(v.tags), TransitiveTags: v.transitive, SourceIdentity: v.source, Provider: v.caller.Provider, Keys: v.keep}
}
