package apigateway

import (
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
)

// headerOf is the header that an authorizer's scheme names: the one that callers are
// known by, or, as AWS writes it where a REQUEST authorizer looks elsewhere, "Unused".
func headerOf(a api.Authorizer) string {
	if sources, _ := identitySources(aws.Value(a.IdentitySource)); len(sources) == 1 && *a.Type != api.AuthorizerTypeRequest {
		return sources[0].name
	}
	return "Unused"
}

// authorizerObject is x-amazon-apigateway-authorizer. What callers are known by stands
// in it where the scheme's header does not say it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authorizer.html
func authorizerObject(a api.Authorizer) *ordered.Object {
	out := ordered.New()
	set := func(name string, v *string) {
		if text := aws.Value(v); text != "" {
			out.Set(name, text)
		}
	}
	if *a.Type == api.AuthorizerTypeRequest {
		set("identitySource", a.IdentitySource)
	}
	set("authorizerUri", a.AuthorizerUri)
	set("authorizerCredentials", a.AuthorizerCredentials)
	if a.AuthorizerResultTtlInSeconds != nil {
		out.Set("authorizerResultTtlInSeconds", int(*a.AuthorizerResultTtlInSeconds))
	}
	set("identityValidationExpression", a.IdentityValidationExpression)
	if len(a.ProviderARNs) > 0 {
		out.Set("providerARNs", list(a.ProviderARNs))
	}
	return out.Set("type", strings.ToLower(*a.Type))
}
