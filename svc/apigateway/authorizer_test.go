package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/jwt"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// authorize gives all methods of the API an authorizer, and deploys them. The text is
// CreateAuthorizer's, with a member Scopes for the methods and KeySource for the API.
func (st *stand) authorize(t testing.TB, stage, text string) error {
	ctx := st.house.Context(t.Context())
	var in struct {
		api.CreateAuthorizerRequest
		Scopes    []string
		KeySource string
	}
	st.must(t, json.Unmarshal([]byte(text), &in))
	in.RestApiId = &st.apiID
	if in.Name == nil {
		in.Name = ptr("authorizer")
	}
	a, err := api.CreateAuthorizer.Do(ctx, st.house, &in.CreateAuthorizerRequest)
	if err != nil {
		return err
	}
	st.masks = append(st.masks, *a.Id, "{{authorizer}}")
	if in.KeySource != "" {
		if _, err := api.UpdateRestApi.Do(ctx, st.house, &api.UpdateRestApiRequest{RestApiId: &st.apiID, PatchOperations: []api.PatchOperation{
			{Op: ptr("replace"), Path: ptr("/apiKeySource"), Value: &in.KeySource}}}); err != nil {
			return err
		}
	}
	kind := authCustom
	if *a.Type == api.AuthorizerTypeCognitoUserPools {
		kind = authCognito
	}
	all, err := api.GetResources.Do(ctx, st.house, &api.GetResourcesRequest{RestApiId: &st.apiID})
	if err != nil {
		return err
	}
	for _, r := range all.Items {
		for verb := range r.ResourceMethods {
			ops := []api.PatchOperation{{Op: ptr("replace"), Path: ptr("/authorizationType"), Value: &kind}, {Op: ptr("replace"), Path: ptr("/authorizerId"), Value: a.Id}}
			for _, s := range in.Scopes {
				ops = append(ops, api.PatchOperation{Op: ptr("add"), Path: ptr("/authorizationScopes"), Value: &s})
			}
			if _, err := api.UpdateMethod.Do(ctx, st.house, &api.UpdateMethodRequest{RestApiId: &st.apiID, ResourceId: r.Id, HttpMethod: &verb, PatchOperations: ops}); err != nil {
				return err
			}
		}
	}
	_, err = api.CreateDeployment.Do(ctx, st.house, &api.CreateDeploymentRequest{RestApiId: &st.apiID, StageName: &stage})
	return err
}

const open = `swagger: "2.0"
info: {title: open}
paths:
  /pets:
    get:
      responses: {}
      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: "{statusCode: 200}"}, responses: {default: {statusCode: 200, responseTemplates: {application/json: '$context.authorizer.principalId $context.authorizer.claims.sub $context.authorizer.claims.exp $context.authorizer.claims.get("cognito:groups")'}}}}
`

// evaluate is the stand's Allow by the policy language itself, with identity policies by
// the name of the user.
func (st *stand) evaluate(t testing.TB, identity map[string]string) {
	st.Allow = func(ctx context.Context, needs ...aws.Access) error {
		c := aws.RequestOf(ctx).Caller
		p := policy.Principal{}
		if c.Kind == aws.User {
			p = policy.Principal{Type: policy.User, ARN: c.ARN, AccountID: c.Account, UserID: c.UserID}
		}
		for _, n := range needs {
			var set policy.Set
			if text := identity[c.UserID]; text != "" {
				one, err := policy.ParseAndCompile(text)
				st.must(t, err)
				set.Identity = []policy.Source{{ID: "identity", Policy: one}}
			}
			if n.Policy != nil {
				text, err := n.Policy(ctx)
				st.must(t, err)
				one, err := policy.ParseAndCompile(text)
				st.must(t, err)
				set.Resource = []policy.Source{{ID: "resource", Policy: one}}
			}
			req := &policy.Request{Principal: p, Action: n.Action, Resource: n.Resource, Context: policy.ContextFunc(func(string) []string { return nil })}
			if d := policy.Evaluate(req, &set); !d.Allowed {
				return aws.AccessDenied("%s", d.Message(req))
			}
		}
		return nil
	}
}

// The tables of "How API Gateway resource policies affect authorization workflow", row by
// row: who calls, what the policy of the API says, what IAM or the authorizer says.
func TestAuthorizationTable(t *testing.T) {
	const (
		allow = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}]}`
		deny  = `{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}]}`
		quiet = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:*/other/*"}]}`
	)
	own := func(text string) string { return strings.ReplaceAll(text, `"Principal": "*", `, "") }
	const allowed, explicit, implicit = "200", "explicit deny", "403"
	says := map[string]string{"allow": allow, "deny": deny, "quiet": quiet, "none": ""}
	for _, row := range []struct{ kind, resource, own, want string }{
		{"NONE", "none", "", allowed}, {"NONE", "allow", "", allowed}, {"NONE", "quiet", "", implicit}, {"NONE", "deny", "", explicit},
		// Table A: the same account
		{"AWS_IAM", "none", "allow", allowed}, {"AWS_IAM", "none", "quiet", implicit}, {"AWS_IAM", "none", "deny", explicit},
		{"AWS_IAM", "allow", "allow", allowed}, {"AWS_IAM", "quiet", "allow", allowed}, {"AWS_IAM", "deny", "allow", explicit},
		{"AWS_IAM", "allow", "quiet", allowed}, {"AWS_IAM", "quiet", "quiet", implicit}, {"AWS_IAM", "deny", "quiet", explicit},
		{"AWS_IAM", "allow", "deny", explicit}, {"AWS_IAM", "quiet", "deny", explicit}, {"AWS_IAM", "deny", "deny", explicit},
		{"CUSTOM", "none", "allow", allowed}, {"CUSTOM", "none", "quiet", implicit}, {"CUSTOM", "none", "deny", explicit},
		{"CUSTOM", "allow", "allow", allowed}, {"CUSTOM", "quiet", "allow", allowed}, {"CUSTOM", "deny", "allow", explicit},
		{"CUSTOM", "allow", "quiet", allowed}, {"CUSTOM", "quiet", "quiet", implicit}, {"CUSTOM", "deny", "quiet", explicit},
		{"CUSTOM", "allow", "deny", explicit}, {"CUSTOM", "quiet", "deny", explicit}, {"CUSTOM", "deny", "deny", explicit},
		// Table B: another account
		{"FOREIGN", "none", "allow", implicit}, {"FOREIGN", "allow", "allow", allowed}, {"FOREIGN", "quiet", "allow", implicit}, {"FOREIGN", "deny", "allow", explicit},
		{"FOREIGN", "allow", "quiet", implicit}, {"FOREIGN", "quiet", "quiet", implicit}, {"FOREIGN", "deny", "quiet", explicit},
		{"FOREIGN", "allow", "deny", explicit}, {"FOREIGN", "quiet", "deny", explicit}, {"FOREIGN", "deny", "deny", explicit},
	} {
		st := newStand(t)
		document := open
		if text := says[row.resource]; text != "" {
			document = "x-amazon-apigateway-policy: " + text + "\n" + open
		}
		if row.kind == "AWS_IAM" || row.kind == "FOREIGN" {
			document = strings.Replace(document, "responses: {}", "responses: {}\n      x-amazon-apigateway-auth: {type: aws_iam}", 1)
			account := map[string]string{"AWS_IAM": "000000000000", "FOREIGN": "999999999999"}[row.kind]
			st.caller = aws.Caller{Kind: aws.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/ann", UserID: "AIDAann"}
		}
		st.evaluate(t, map[string]string{"AIDAann": own(says[row.own])})
		st.must(t, st.deploy(t, document, "prod"))
		if row.kind == "CUSTOM" {
			st.lambda.functions["authorizer"] = `{"principalId": "ann", "policyDocument": ` + own(says[row.own]) + `}`
			st.must(t, st.authorize(t, "prod", lambdaAuthorizer))
		}
		w := httptest.NewRecorder()
		st.handler.ServeHTTP(w, st.request(t, "GET", "/prod/pets", "Authorization: ann\n"))
		got := implicit
		if w.Code == 200 {
			got = allowed
		} else if strings.Contains(w.Body.String(), "explicit deny") {
			got = explicit
		}
		if got != row.want || w.Code != 200 && w.Code != 403 {
			t.Errorf("%v: %d %s", row, w.Code, w.Body)
		}
		if row.kind == "CUSTOM" && row.resource == "deny" && len(st.lambda.calls) > 0 {
			t.Errorf("%v: the function was asked about whom the policy denies", row)
		}
	}
}

const lambdaAuthorizer = `{"Type": "TOKEN", "IdentitySource": "method.request.header.Authorization",
	"AuthorizerUri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:authorizer/invocations"}`

const pool = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_pool"

// tokens is a stand whose API takes tokens of a user pool, and what signs them.
func tokens(t testing.TB, more string) (st *stand, sign func(claims string) string) {
	st = newStand(t)
	key, err := os.ReadFile(filepath.Join("testdata", "pool.jwk"))
	st.must(t, err)
	var jwk jose.JSONWebKey
	st.must(t, json.Unmarshal(key, &jwk))
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}})
	st.must(t, err)
	st.Issuers = jwt.New(jwt.Options{Clock: st.house.Clock, Registered: func(issuer string) ([]byte, bool, error) { return set, issuer == pool, nil }})
	st.must(t, st.deploy(t, open, "prod"))
	st.must(t, st.authorize(t, "prod", `{"Type": "COGNITO_USER_POOLS", "IdentitySource": "method.request.header.Authorization",
		"ProviderARNs": ["arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_pool"]`+more+`}`))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jwk}, nil)
	st.must(t, err)
	return st, func(claims string) string {
		signed, err := signer.Sign([]byte(claims))
		st.must(t, err)
		out, err := signed.CompactSerialize()
		st.must(t, err)
		return out
	}
}

func TestUserPools(t *testing.T) {
	for _, c := range []struct{ name, more, claims, want string }{
		{"an identity token", "", `{"token_use": "id"}`, `200  ann Fri Jan 02 04:04:05 UTC 2026 admins,users`},
		{"of an issuer that does not say what it is", "", `{}`, `200  ann`},
		{"an access token where no scope is asked", "", `{"token_use": "access"}`, `401 {"message":"Unauthorized"}`},
		{"an access token", `, "Scopes": ["pets/read", "pets/all"]`, `{"token_use": "access", "scope": "openid pets/read"}`, `200  ann`},
		{"one for something else", `, "Scopes": ["pets/read"]`, `{"token_use": "access", "scope": "openid pets/reader"}`, `401 {"message":"Unauthorized"}`},
		{"an identity token where a scope is asked", `, "Scopes": ["pets/read"]`, `{"token_use": "id", "scope": "pets/read"}`, `401 {"message":"Unauthorized"}`},
		{"expired", "", `{"exp": 1767323044}`, `401 {"message":"The incoming token has expired"}`},
		{"another issuer", "", `{"iss": "https://evil.example.com"}`, `401 {"message":"Unauthorized"}`},
		{"an audience", `, "IdentityValidationExpression": "app.*"`, `{"aud": "app1"}`, `200  ann`},
		{"another audience", `, "IdentityValidationExpression": "app.*"`, `{"aud": "my app1"}`, `401 {"message":"Unauthorized"}`},
	} {
		st, sign := tokens(t, c.more)
		claims := map[string]any{"iss": pool, "sub": "ann", "exp": 1767326645, "cognito:groups": []string{"admins", "users"}}
		st.must(t, json.Unmarshal([]byte(c.claims), &claims))
		text, err := json.Marshal(claims)
		st.must(t, err)
		for _, before := range []string{"", "Bearer "} {
			w := httptest.NewRecorder()
			st.handler.ServeHTTP(w, st.request(t, "GET", "/prod/pets", "Authorization: "+before+sign(string(text))+"\n"))
			if got := w.Result().Status[:3] + " " + w.Body.String(); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s: %s", c.name, got)
			}
		}
	}
}

// A token's keys that are not to be had are the owner's to mend, and open nothing.
func TestUserPoolWithoutKeys(t *testing.T) {
	st, sign := tokens(t, "")
	st.Issuers = jwt.New(jwt.Options{Clock: st.house.Clock})
	for header, want := range map[string]string{"Authorization: " + sign(`{"iss": "`+pool+`", "exp": 1767326645}`): `500 {"message":null}`, "X: y": `401 {"message":"Unauthorized"}`,
		"Authorization: nonsense": `401 {"message":"Unauthorized"}`} {
		w := httptest.NewRecorder()
		st.handler.ServeHTTP(w, st.request(t, "GET", "/prod/pets", header+"\n"))
		if got := w.Result().Status[:3] + " " + w.Body.String(); got != want {
			t.Errorf("%s: %s", header, got)
		}
	}
}

// A function that hangs is not waited for for ever.
func TestAuthorizerTimesOut(t *testing.T) {
	st := newStand(t)
	st.must(t, st.deploy(t, open, "prod"))
	st.must(t, st.authorize(t, "prod", strings.Replace(lambdaAuthorizer, "function:authorizer", "function:hang", 1)))
	done := make(chan *httptest.ResponseRecorder)
	r := st.request(t, "GET", "/prod/pets", "Authorization: ann\n")
	go func() {
		w := httptest.NewRecorder()
		st.handler.ServeHTTP(w, r)
		done <- w
	}()
	for {
		st.house.Clock.Advance(time.Second)
		select {
		case w := <-done:
			if w.Code != 500 || w.Body.String() != `{"message":null}` {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			return
		default:
		}
	}
}

// With an API go its authorizers.
func TestAuthorizersGoWithTheirAPI(t *testing.T) {
	st := newStand(t)
	st.must(t, st.deploy(t, open, "prod"))
	st.must(t, st.authorize(t, "prod", lambdaAuthorizer))
	ctx := st.house.Context(t.Context())
	_, err := api.DeleteRestApi.Do(ctx, st.house, &api.DeleteRestApiRequest{RestApiId: &st.apiID})
	st.must(t, err)
	st.must(t, st.Store.View(ctx, func(r store.Reader) error {
		left, err := authorizersOf(ctx, r, st.apiID)
		if len(left) > 0 {
			return errors.New("authorizers are left")
		}
		return err
	}))
}
