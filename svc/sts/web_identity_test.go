package sts_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/front"
	"github.com/tule-cloud/tule/gateway/jwt"
	"github.com/tule-cloud/tule/svc/sts"
)

const (
	issuer  = "https://token.example.com/tenant"
	webRole = "arn:aws:iam::" + prod + ":role/web"
	webProv = "arn:aws:iam::" + prod + ":oidc-provider/token.example.com/tenant"
)

// federatedTrust trusts a provider, under conditions.
func federatedTrust(provider, action, condition string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + provider + `"},"Action":[` + action + `],"Condition":{` + condition + `}}]}`
}

// web is a world with an issuer that an account trusts with a role.
type web struct {
	*world
	key *rsa.PrivateKey
	c   claims
}

func newWeb(t testing.TB, condition string) *web {
	w := &web{world: newWorld(t), key: rsaKey(0)}
	w.providers.publish(t, issuer, w.key.Public(), rsaKey(1).Public())
	w.providers.openID[prod+" token.example.com/tenant"] = &openIDRecord{clients: []string{"sts.amazonaws.com", "app"}, thumbprints: []string{"aa", "bb"}}
	w.root(prod).role("web", federatedTrust(webProv, `"sts:AssumeRoleWithWebIdentity","sts:TagSession","sts:SetSourceIdentity"`, condition), allow("logs:*", groups("a")))
	now := w.clock.Now().Unix()
	w.c = claims{"iss": issuer, "sub": "repo:me/it:ref:main", "aud": "app", "iat": now, "exp": now + 600}
	return w
}

func (w *web) token(others claims) string {
	return mint(w.t, jose.RS256, w.key, "id0", w.c.with(others))
}

// with assumes the role by a token.
func (w *web) with(token string, params ...string) (int, string) {
	return w.stranger().call(stsapi.Service, "AssumeRoleWithWebIdentity", append([]string{"RoleArn", webRole, "RoleSessionName", "it", "WebIdentityToken", token}, params...)...)
}

func (w *web) must(token string, params ...string) string {
	w.t.Helper()
	code, body := w.with(token, params...)
	if code != 200 {
		w.t.Fatalf("%d %s", code, body)
	}
	return body
}

// refuses checks that a token is refused, with what words.
func (w *web) refuses(name, token, code, want string, params ...string) {
	w.t.Helper()
	status, body := w.with(token, params...)
	if status == 200 || element(body, "Code") != code || !strings.Contains(body, want) {
		w.t.Errorf("%s: %d %s; want %s: %s", name, status, body, code, want)
	}
}

func TestWebIdentity(t *testing.T) {
	w := newWeb(t, `"StringEquals":{"token.example.com/tenant:aud":"app"},"StringLike":{"token.example.com/tenant:sub":"repo:me/it:*"}`)
	body := w.must(w.token(nil), "DurationSeconds", "900")
	for name, want := range map[string]string{"Provider": webProv, "Audience": "app", "SubjectFromWebIdentityToken": "repo:me/it:ref:main",
		"Arn": "arn:aws:sts::" + prod + ":assumed-role/web/it", "Expiration": "2026-01-02T03:19:05Z"} {
		if got := element(body, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	who := w.holder(body)
	who.writes("a", "")
	who.writes("b", "no identity-based policy")
	if got, want := w.providers.asked, []string{issuer + "/.well-known/openid-configuration aa bb", issuer + "/keys aa bb"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("fetched %q, want %q", got, want)
	}
	w.refuses("another subject", w.token(claims{"sub": "repo:other/it:ref:main"}), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	w.refuses("another audience", w.token(claims{"aud": "sts.amazonaws.com"}), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	w.must(w.token(claims{"aud": []string{"x", "app"}}))
	narrow := w.holder(w.must(w.token(nil), "Policy", allow("logs:*", groups("b"))))
	narrow.writes("a", "no session policy")
	w.refuses("too long", w.token(nil), "ValidationError", "MaxSessionDuration", "DurationSeconds", "3601")
	w.refuses("no role", w.token(nil), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", "RoleArn", webRole+"x")
	w.refuses("no ARN", w.token(nil), "ValidationError", "Request ARN is invalid", "RoleArn", "the role of that name")
	w.refuses("a provider's own token", "Atza|text", "NotImplemented", "ProviderId", "ProviderId", "www.amazon.com")
	w.clock.Advance(15 * time.Minute)
	who.writes("a", "ExpiredTokenException")
}

func TestWebIdentityRefused(t *testing.T) {
	const invalid, notJWT = "InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
	w := newWeb(t, "")
	now := w.clock.Now().Unix()
	good := w.token(nil)
	w.must(good)
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	raw := base64.RawURLEncoding
	body, _ := json.Marshal(map[string]any(w.c.with(claims{"sub": "root"})))
	none := raw.EncodeToString([]byte(`{"alg":"none","kid":"id0"}`)) + "." + payload + "."
	hmacKey := []byte(keySet(t, w.key.Public()))
	byHMAC := mint(t, jose.HS256, hmacKey, "id0", w.c)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, token, code, message string }{
		{"no JWT", "text", invalid, notJWT},
		{"two parts", head + "." + payload, invalid, notJWT},
		{"no signature", head + "." + payload + ".", invalid, "signature"},
		{"algorithm none", none, invalid, notJWT},
		{"a public key as a secret", byHMAC, invalid, notJWT},
		{"another payload", head + "." + raw.EncodeToString(body) + "." + signature, invalid, "signature"},
		{"another key", mint(t, jose.RS256, stranger, "id0", w.c), invalid, "signature"},
		{"another key of the issuer's", mint(t, jose.RS256, rsaKey(1), "id0", w.c), invalid, "signature"},
		{"an unknown key", mint(t, jose.RS256, w.key, "id7", w.c), invalid, "Couldn't retrieve verification key from your identity provider,  please reference"},
		{"PSS", mint(t, jose.PS256, w.key, "id0", w.c), invalid, notJWT},
		{"no issuer", w.token(claims{"iss": nil}), invalid, notJWT},
		{"an issuer that is a number", w.token(claims{"iss": 1}), invalid, notJWT},
		{"another issuer", w.token(claims{"iss": "https://other.example.com"}), invalid, "No OpenIDConnect provider found in your account for https://other.example.com"},
		{"the issuer with a slash", w.token(claims{"iss": issuer + "/"}), invalid, "No OpenIDConnect provider found"},
		{"the issuer without TLS", w.token(claims{"iss": "http://token.example.com/tenant"}), invalid, "No OpenIDConnect provider found"},
		{"no subject", w.token(claims{"sub": nil}), invalid, "Missing a required claim: sub"},
		{"no audience", w.token(claims{"aud": nil}), invalid, "Missing a required claim: aud"},
		{"no end", w.token(claims{"exp": nil}), invalid, "Missing a required claim: exp"},
		{"no date", w.token(claims{"iat": nil}), invalid, "Missing a required claim: iat"},
		{"another audience", w.token(claims{"aud": "other"}), invalid, "Incorrect token audience"},
		{"issued to another", w.token(claims{"azp": "other"}), invalid, "Incorrect token audience"},
		{"over", w.token(claims{"exp": now - 300}), "ExpiredTokenException", fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time %d", now, now-300)},
		{"of the future", w.token(claims{"iat": now + 301}), invalid, "not valid yet"},
		{"not yet", w.token(claims{"nbf": now + 301}), invalid, "not valid yet"},
		{"a tag of two values", w.token(claims{"https://aws.amazon.com/tags": claims{"principal_tags": claims{"a": []string{"1", "2"}}}}), invalid, "exactly one value"},
		{"a tag that cannot be", w.token(claims{"https://aws.amazon.com/tags": claims{"principal_tags": claims{"a;": "1"}}}), invalid, "not valid"},
		{"a reserved tag", w.token(claims{"https://aws.amazon.com/tags": claims{"principal_tags": claims{"aws:a": "1"}}}), "InvalidParameterValue", "reserved"},
		{"a transitive tag that is not there", w.token(claims{"https://aws.amazon.com/tags": claims{"transitive_tag_keys": []string{"a"}}}), "InvalidParameterValue", "must be included"},
		{"a source identity that cannot be", w.token(claims{"https://aws.amazon.com/source_identity": "a b"}), invalid, "Source Identity must match"},
	} {
		w.refuses(c.name, c.token, c.code, c.message)
	}
	// Clocks may be off by five minutes.
	w.must(w.token(claims{"exp": now - 299, "iat": now + 300, "nbf": now + 300}))
	// It is for the account that registered the issuer.
	if code, body := w.stranger().call(stsapi.Service, "AssumeRoleWithWebIdentity", "RoleArn", strings.Replace(webRole, prod, poc, 1), "RoleSessionName", "it",
		"WebIdentityToken", good); code != 400 || !strings.Contains(body, "No OpenIDConnect provider found") {
		t.Errorf("%d %s", code, body)
	}
	delete(w.providers.openID, prod+" token.example.com/tenant")
	w.refuses("the provider is gone", good, invalid, "No OpenIDConnect provider found")
}

func TestWebIdentityAlgorithms(t *testing.T) {
	w := newWeb(t, "")
	sign := map[jose.SignatureAlgorithm]crypto.Signer{jose.RS256: rsaKey(0), jose.RS384: rsaKey(0), jose.RS512: rsaKey(0)}
	for alg, curve := range map[jose.SignatureAlgorithm]elliptic.Curve{jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		sign[alg] = k
	}
	for alg, key := range sign {
		w.clock.Advance(2 * time.Hour) // the keys are fetched anew
		now := w.clock.Now().Unix()
		w.providers.publish(t, issuer, key.Public())
		for _, kid := range []string{"id0", ""} {
			w.must(mint(t, alg, key, kid, w.c.with(claims{"iat": now, "exp": now + 60})))
		}
	}
}

// Keys are fetched once, and anew for a key that is not known, but not at any rate.
func TestWebIdentityKeys(t *testing.T) {
	const again, unreachable = "Couldn't retrieve verification key", "could not be reached"
	w := newWeb(t, "")
	fetched := func(want int) {
		t.Helper()
		if len(w.providers.asked) != want {
			t.Errorf("fetched %d documents, want %d", len(w.providers.asked), want)
		}
	}
	w.must(w.token(nil))
	w.must(w.token(nil))
	fetched(2)
	fresh := mint(t, jose.RS256, rsaKey(1), "id2", w.c)
	w.refuses("unknown, too soon", fresh, "InvalidIdentityToken", again)
	fetched(2)
	w.clock.Advance(31 * time.Second)
	w.refuses("unknown", fresh, "InvalidIdentityToken", again)
	w.refuses("unknown again", fresh, "InvalidIdentityToken", again)
	fetched(4)
	w.must(w.token(nil)) // others are good all the while
	w.providers.publish(t, issuer, w.key.Public(), w.key.Public(), rsaKey(1).Public())
	w.clock.Advance(31 * time.Second)
	w.must(fresh)
	fetched(6)

	w.clock.Advance(5 * time.Minute)
	w.providers.fails = errors.New("connection refused")
	w.must(w.token(nil)) // the keys are still good
	w.clock.Advance(time.Hour)
	now := w.clock.Now().Unix()
	later := w.token(claims{"iat": now, "exp": now + 600})
	w.refuses("out of reach", later, "IDPCommunicationError", unreachable)
	w.refuses("still", later, "IDPCommunicationError", unreachable)
	fetched(7)
	w.clock.Advance(31 * time.Second)
	w.providers.fails = fmt.Errorf("TLS: %w", jwt.ErrThumbprint)
	w.refuses("another server", later, "InvalidIdentityToken", "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint")
	w.providers.fails = nil
	w.clock.Advance(31 * time.Second)
	w.must(later)

	for name, change := range map[string][2]string{
		"another issuer":       {issuer + "/.well-known/openid-configuration", `{"issuer":"https://other","jwks_uri":"` + issuer + `/keys"}`},
		"keys without TLS":     {issuer + "/.well-known/openid-configuration", `{"issuer":"` + issuer + `","jwks_uri":"http://token.example.com/keys"}`},
		"keys of a file":       {issuer + "/.well-known/openid-configuration", `{"issuer":"` + issuer + `","jwks_uri":"file:///etc/passwd"}`},
		"no configuration":     {issuer + "/.well-known/openid-configuration", `<html>`},
		"no keys":              {issuer + "/keys", `{}`},
		"keys that are no set": {issuer + "/keys", `[]`},
	} {
		w.providers.publish(t, issuer, w.key.Public())
		w.providers.web[change[0]] = change[1]
		w.clock.Advance(61 * time.Minute)
		now := w.clock.Now().Unix()
		w.refuses(name, w.token(claims{"iat": now, "exp": now + 600}), "InvalidIdentityToken", again)
	}
}

// Keys that the operator registered are used, and nothing is fetched.
func TestWebIdentityRegisteredKeys(t *testing.T) {
	w := newWeb(t, "")
	w.providers.jwks[issuer] = keySet(t, rsaKey(1).Public())
	w.must(mint(t, jose.RS256, rsaKey(1), "id0", w.c))
	w.refuses("the key on the web", w.token(nil), "InvalidIdentityToken", "signature")
	w.providers.jwks[issuer] = "{"
	w.refuses("a file that is broken", w.token(nil), "InvalidIdentityToken", "Couldn't retrieve verification key")
	if len(w.providers.asked) != 0 {
		t.Errorf("fetched %q", w.providers.asked)
	}
}

// Google and Cognito are trusted by every account that names them in a role.
func TestWebIdentityWellKnown(t *testing.T) {
	w := newWeb(t, "")
	now := w.clock.Now().Unix()
	root := w.root(prod)
	root.role("google", federatedTrust("accounts.google.com", `"sts:AssumeRoleWithWebIdentity"`, `"StringEquals":{"accounts.google.com:aud":"party","accounts.google.com:oaud":"aud","accounts.google.com:sub":"1"}`), allow("logs:*", groups("a")))
	root.role("cognito", federatedTrust("cognito-identity.amazonaws.com", `"sts:AssumeRoleWithWebIdentity"`,
		`"StringEquals":{"cognito-identity.amazonaws.com:aud":"us-east-1:pool"},"ForAnyValue:StringLike":{"cognito-identity.amazonaws.com:amr":"authenticated"}`), allow("logs:*", groups("a")))
	google := claims{"iss": "https://accounts.google.com", "sub": "1", "aud": "aud", "azp": "party", "iat": now, "exp": now + 60}
	cognito := claims{"iss": "https://cognito-identity.amazonaws.com", "sub": "us-east-1:id", "aud": "us-east-1:pool", "amr": []string{"authenticated", "graph.facebook.com"}, "iat": now, "exp": now + 60}
	call := func(role string, c claims) (int, string) {
		w.providers.publish(t, c["iss"].(string), w.key.Public())
		return w.stranger().call(stsapi.Service, "AssumeRoleWithWebIdentity", "RoleArn", "arn:aws:iam::"+prod+":role/"+role, "RoleSessionName", "it",
			"WebIdentityToken", mint(t, jose.RS256, w.key, "id0", c))
	}
	if code, body := call("google", google); code != 200 || element(body, "Provider") != "accounts.google.com" || element(body, "Audience") != "party" {
		t.Errorf("%d %s", code, body)
	}
	if code, body := call("cognito", cognito); code != 200 || element(body, "Provider") != "cognito-identity.amazonaws.com" {
		t.Errorf("%d %s", code, body)
	}
	for name, c := range map[string]claims{"google": google.with(claims{"azp": nil}), "cognito": cognito.with(claims{"amr": []string{"unauthenticated"}})} {
		if code, body := call(name, c); code != 403 || !strings.Contains(body, "Not authorized to perform sts:AssumeRoleWithWebIdentity") {
			t.Errorf("%d %s", code, body)
		}
	}
	// One does not stand for the other.
	if code, body := call("cognito", google); code != 403 {
		t.Errorf("%d %s", code, body)
	}
}

// A token's tags are the session's; the role must let them, and they go on from it.
func TestWebIdentityTags(t *testing.T) {
	w := newWeb(t, `"StringEquals":{"aws:RequestTag/Project":"tule"}`)
	tags := claims{"https://aws.amazon.com/tags": claims{"principal_tags": claims{"Project": []string{"tule"}, "Team": []string{"blue"}}, "transitive_tag_keys": []string{"Project"}},
		"https://aws.amazon.com/source_identity": "anna"}
	flat := claims{"https://aws.amazon.com/tags/principal_tags/Project": "tule", "https://aws.amazon.com/tags/principal_tags/Team": "blue",
		"https://aws.amazon.com/tags/transitive_tag_keys": []string{"Project"}, "https://aws.amazon.com/source_identity": "anna"}
	for _, c := range []claims{tags, flat} {
		body := w.must(w.token(c))
		if element(body, "SourceIdentity") != "anna" || element(body, "PackedPolicySize") == "" {
			t.Error(body)
		}
		who := w.holder(body)
		_, owner, err := w.sts.Key(t.Context(), who.id, who.token)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]string{"Project": "tule", "Team": "blue"}; !maps.Equal(owner.Tags, want) || fmt.Sprint(owner.TransitiveTags) != "[Project]" ||
			owner.SourceIdentity != "anna" || owner.Provider != webProv || fmt.Sprint(owner.Keys["token.example.com/tenant:sub"]) != "[repo:me/it:ref:main]" {
			t.Errorf("%+v", owner)
		}
	}
	w.refuses("without a tag", w.token(nil), "AccessDenied", "Not authorized")
	w2 := newWeb(t, "")
	w2.root(prod).role("bare", federatedTrust(webProv, `"sts:AssumeRoleWithWebIdentity"`, ""), "")
	for _, c := range []claims{{"https://aws.amazon.com/source_identity": "anna"}, {"https://aws.amazon.com/tags/principal_tags/Project": "tule"}} {
		w2.refuses("where the role does not let them", w2.token(c), "AccessDenied", "Not authorized to perform sts:", "RoleArn", "arn:aws:iam::"+prod+":role/bare")
	}
}

// What tells who may be told apart in permissions, too: by keys that stay with a session.
func TestWebIdentitySessionKeys(t *testing.T) {
	w := newWeb(t, "")
	w.root(prod).role("keys", federatedTrust(webProv, `"sts:AssumeRoleWithWebIdentity"`, ""), strings.Replace(allow("logs:*", groups("a")), `"Effect"`,
		`"Condition":{"StringEquals":{"token.example.com/tenant:sub":"repo:me/it:ref:main","aws:FederatedProvider":"`+webProv+`"}},"Effect"`, 1))
	in := []string{"RoleArn", "arn:aws:iam::" + prod + ":role/keys"}
	w.holder(w.must(w.token(nil), in...)).writes("a", "")
	w.holder(w.must(w.token(claims{"sub": "other"}), in...)).writes("a", "no identity-based policy")
}

// With policies off, roles are for everybody whom a provider vouches for, and for
// nobody else.
func TestFederationWithoutPolicies(t *testing.T) {
	w := newWeb(t, `"StringEquals":{"token.example.com/tenant:sub":"nobody"}`)
	w.refuses("with policies", w.token(nil), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	w.front.Mode = front.Off
	w.must(w.token(nil))
	w.refuses("another audience", w.token(claims{"aud": "other"}), "InvalidIdentityToken", "Incorrect token audience")
	w.refuses("another key", mint(t, jose.RS256, rsaKey(1), "id0", w.c), "InvalidIdentityToken", "signature")
	w.refuses("no role", w.token(nil), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", "RoleArn", webRole+"x")

	c := newCorp(t, `"StringEquals":{"saml:sub":"nobody"}`)
	c.refuses("with policies", c.response(c.say), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML")
	c.front.Mode = front.Off
	c.must(c.response(c.say))
	c.refuses("not signed", envelope(c.say.assertion()), "InvalidIdentityToken", "Response signature invalid")
}

func TestParseKeys(t *testing.T) {
	one, err := json.Marshal(jose.JSONWebKey{Key: rsaKey(0).Public(), KeyID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	private, err := json.Marshal(jose.JSONWebKey{Key: rsaKey(0), KeyID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	list := func(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }
	for _, c := range []struct {
		set   string
		want  int
		wrong bool
	}{
		{list(), 0, false},
		{list(string(one)), 1, false},
		{list(string(one), `{"kty":"later"}`, `{"kty":"RSA","n":"","e":""}`, `1`, string(private), `{"kty":"oct","k":"AAAA"}`), 1, false},
		{list(strings.Replace(string(one), "{", `{"use":"enc",`, 1)), 0, false},
		{list(strings.Split(strings.Repeat(string(one)+" ", 100), " ")[:100]...), 100, false},
		{list(strings.Split(strings.Repeat(string(one)+" ", 101), " ")[:101]...), 0, true},
		{list(strings.Split(strings.Repeat("1 ", 201), " ")[:201]...), 0, true},
		{"", 0, true},
	} {
		if got, err := sts.ParseKeys([]byte(c.set)); got != c.want || (err != nil) != c.wrong {
			t.Errorf("%.100s: %d, %v; want %d", c.set, got, err, c.want)
		}
	}
}

func FuzzWebToken(f *testing.F) {
	c := claims{"iss": issuer, "sub": "s", "aud": "app", "iat": 1, "exp": 2, "https://aws.amazon.com/tags": claims{"principal_tags": claims{"a": "b"}}}
	token := mint(f, jose.RS256, rsaKey(0), "id0", c)
	raw := base64.RawURLEncoding
	for _, s := range []string{token, "", "..", token[:100], strings.Repeat("a.", 50),
		raw.EncodeToString([]byte(`{"alg":"none"}`)) + "." + raw.EncodeToString([]byte(`{"iss":"a"}`)) + ".",
		raw.EncodeToString([]byte(`{"alg":"RS256","crit":["b64"],"b64":false}`)) + ".e30.AA",
		raw.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + raw.EncodeToString([]byte(`{"iss":"a","exp":1e400,"aud":[1],"amr":{}}`)) + ".AA"} {
		f.Add(s)
	}
	w := newWeb(f, "")
	ctx := aws.WithRequest(f.Context(), &aws.Request{})
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := sts.ParseWebToken(text); err == nil && got == "" {
			t.Errorf("%q has no issuer", text)
		}
		role, name := webRole, "it"
		out, err := stsapi.AssumeRoleWithWebIdentity.Do(ctx, w.front, &stsapi.AssumeRoleWithWebIdentityRequest{RoleArn: &role, RoleSessionName: &name, WebIdentityToken: &text})
		if err == nil || out != nil {
			t.Errorf("%q is a token", text)
		}
	})
}
