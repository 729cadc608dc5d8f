package apigateway

import (
	"context"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// The extensions of a security scheme that make it an authorizer.
const (
	authTypeKey   = "x-amazon-apigateway-authtype"
	authorizerKey = "x-amazon-apigateway-authorizer"
)

func (d *document) securitySchemes() tree {
	if d.openAPI {
		return d.root.get("components", "securitySchemes")
	}
	return d.root.get("securityDefinitions")
}

// authorizerType is a scheme's as API Gateway has it; TOKEN where none is given.
func authorizerType(scheme tree) string {
	kind := scheme.get(authorizerKey, "type").upper()
	switch {
	case kind != nil:
		return *kind
	case strings.EqualFold(scheme.get(authTypeKey).text(), "cognito_user_pools"):
		return api.AuthorizerTypeCognitoUserPools
	}
	return api.AuthorizerTypeToken
}

// authorizers reads the schemes that an authorizer stands behind. Where none names what
// callers are known by, it is the header of the scheme, but for REQUEST authorizers.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authorizer.html
func (d *document) authorizers() {
	schemes := d.securitySchemes()
	for _, name := range schemes.keys() {
		scheme := schemes.get(name).follow(d.root)
		in := scheme.get(authorizerKey)
		if !in.truthy() {
			continue
		}
		a := api.Authorizer{Name: &name, Type: ptr(authorizerType(scheme)), AuthType: scheme.get(authTypeKey).optional(), ProviderARNs: in.get("providerARNs").texts(),
			AuthorizerUri: in.get("authorizerUri").optional(), AuthorizerCredentials: in.get("authorizerCredentials").optional(),
			IdentitySource: in.get("identitySource").optional(), IdentityValidationExpression: in.get("identityValidationExpression").optional()}
		if header := scheme.get("name").text(); a.IdentitySource == nil && *a.Type != api.AuthorizerTypeRequest && header != "" {
			a.IdentitySource = ptr(methodRequest + "header." + header)
		}
		if in.has("authorizerResultTtlInSeconds") {
			n, err := strconv.ParseInt(in.get("authorizerResultTtlInSeconds").text(), 10, 32)
			if err != nil {
				n = -1 // which is none, and refused as such
			}
			a.AuthorizerResultTtlInSeconds = ptr(int32(n))
		}
		furnish(&a)
		d.Authorizers = append(d.Authorizers, a)
	}
}

// putAuthorizers writes a document's, in place of those that have their names.
func (b *builder) putAuthorizers(ctx context.Context, d *document) error {
	for e, err := range authorizers.List(ctx, b.tx, scope(ctx), store.ListOptions{Prefix: []any{b.apiID}}) {
		if err != nil {
			return err
		}
		b.authorizers[*e.Record.Name] = *e.Record.Id
	}
	for _, a := range d.Authorizers {
		id, ok := b.authorizers[*a.Name]
		if !ok {
			id = aws.RandomID(b.s.Random, aws.LowerAlnm, 6)
		}
		a.Id, b.authorizers[*a.Name] = &id, id
		if err := putAuthorizer(ctx, b.tx, b.apiID, a); err != nil {
			if err = b.fault(err, "Unable to create authorizer '"+*a.Name+"'"); err != nil {
				return err
			}
		}
	}
	return nil
}
