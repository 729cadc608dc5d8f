package apigateway

import (
	"regexp"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
)

// An authorizer is one made ready to be asked. It does not change.
type authorizer struct {
	id, kind         string
	uri, credentials string
	ttl              time.Duration
	identity         string // as it is written
	sources          []source
	pattern          *regexp.Regexp // nil: any token
	issuers          []string
}

func compileAuthorizers(all map[string]api.Authorizer) map[string]*authorizer {
	out := make(map[string]*authorizer, len(all))
	for id, a := range all {
		out[id] = compileAuthorizer(a)
	}
	return out
}

func compileAuthorizer(a api.Authorizer) *authorizer {
	out := &authorizer{id: aws.Value(a.Id), kind: aws.Value(a.Type), uri: aws.Value(a.AuthorizerUri), credentials: aws.Value(a.AuthorizerCredentials),
		ttl: time.Duration(aws.Value(a.AuthorizerResultTtlInSeconds)) * time.Second, identity: aws.Value(a.IdentitySource)}
	out.sources, _ = identitySources(out.identity)
	out.pattern, _ = selection(aws.Value(a.IdentityValidationExpression))
	for _, arn := range a.ProviderARNs {
		out.issuers = append(out.issuers, issuerOf(arn))
	}
	return out
}

// issuerOf is who signs the tokens of a provider: of a user pool,
// arn:aws:cognito-idp:REGION:ACCOUNT:userpool/ID, the issuer that Cognito names; of an
// OpenID Connect provider of IAM, arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH, the
// issuer that it stands for. "" for anything else.
func issuerOf(text string) string {
	arn, ok := aws.ParseARN(text)
	if !ok {
		return ""
	}
	if pool, ok := strings.CutPrefix(arn.Resource, "userpool/"); ok && arn.Service == "cognito-idp" && pool != "" && arn.Region != "" {
		return "https://cognito-idp." + arn.Region + ".amazonaws.com/" + pool
	}
	if host, ok := strings.CutPrefix(arn.Resource, "oidc-provider/"); ok && arn.Service == "iam" && host != "" {
		return "https://" + host
	}
	return ""
}
