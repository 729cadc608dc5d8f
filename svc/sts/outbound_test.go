package sts_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	iamapi "github.com/tule-cloud/tule/api/iam"
	stsapi "github.com/tule-cloud/tule/api/sts"
)

// get asks the door as somebody who knows nothing but an address.
func (w *world) get(host, path string) (int, string) {
	r := httptest.NewRequest("GET", "http://"+host+path, nil)
	rec := httptest.NewRecorder()
	w.front.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// A token says who its caller is, and whoever finds the issuer's keys by OpenID Connect
// Discovery verifies it.
func TestWebIdentityToken(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	issuer := element(root.must(iamapi.Service, "EnableOutboundWebIdentityFederation"), "IssuerIdentifier")
	host := strings.TrimPrefix(issuer, "https://")
	root.role("web", trust("arn:aws:iam::"+prod+":root"), allow("sts:*", "*"))
	root.must(iamapi.Service, "TagRole", "RoleName", "web", "Tags.member.1.Key", "team", "Tags.member.1.Value", "data")
	session := root.assume("arn:aws:iam::" + prod + ":role/web")

	code, text := w.get(host, "/.well-known/openid-configuration")
	var found struct {
		Issuer     string
		JWKS       string   `json:"jwks_uri"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := json.Unmarshal([]byte(text), &found); code != 200 || err != nil || found.Issuer != issuer || found.JWKS != issuer+"/.well-known/jwks.json" || len(found.Algorithms) != 2 {
		t.Fatalf("%d %s", code, text)
	}
	code, text = w.get(host, "/.well-known/jwks.json")
	if _, again := w.get("localhost:4566", "/_tule/issuers/"+strings.TrimSuffix(host, ".tokens.sts.global.api.aws")+"/.well-known/jwks.json"); code != 200 || again != text {
		t.Errorf("%d %s, and by path %s", code, text, again)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(text), &keys); err != nil || strings.Contains(text, `"d"`) {
		t.Fatalf("%v %s", err, text)
	}
	for _, algorithm := range []string{"RS256", "ES384"} {
		body := session.must(stsapi.Service, "GetWebIdentityToken", "Audience.member.1", "https://api.example.com", "SigningAlgorithm", algorithm, "Tags.member.1.Key", "job", "Tags.member.1.Value", "7")
		parsed, err := jwt.ParseSigned(element(body, "WebIdentityToken"), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
		if err != nil {
			t.Fatal(err)
		}
		var said jwt.Claims
		var own map[string]any
		if err := parsed.Claims(keys, &said, &own); err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		if err := said.Validate(jwt.Expected{Issuer: issuer, Subject: "arn:aws:iam::" + prod + ":role/web", AnyAudience: jwt.Audience{"https://api.example.com"}, Time: w.clock.Now()}); err != nil {
			t.Error(err)
		}
		if length := said.Expiry.Time().Sub(said.IssuedAt.Time()); length != 5*time.Minute || said.ID == "" || own["aud"] != "https://api.example.com" {
			t.Errorf("%v, %v", length, own)
		}
		text, _ := json.Marshal(own["https://sts.amazonaws.com/"])
		if want := `{"aws_account":"` + prod + `","org_id":"o-example","ou_path":"o-example/r-root/","principal_tags":{"team":"data"},"request_tags":{"job":"7"},"source_region":"us-east-1"}`; string(text) != want {
			t.Errorf("%s", text)
		}
		// It opens nothing here.
		if code, body := w.stranger().call(stsapi.Service, "AssumeRoleWithWebIdentity", "RoleArn", "arn:aws:iam::"+prod+":role/web", "RoleSessionName", "x1", "WebIdentityToken", element(body, "WebIdentityToken")); code == 200 {
			t.Errorf("%d %s", code, body)
		}
	}
	// Switched off, the issuer is nobody.
	root.must(iamapi.Service, "DisableOutboundWebIdentityFederation")
	if code, _ := w.get(host, "/.well-known/jwks.json"); code != 404 {
		t.Errorf("an issuer that is none answers %d", code)
	}
}

func TestWebIdentityTokenRefused(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	ask := func(who someone, want string, more ...string) {
		t.Helper()
		params := append([]string{"Audience.member.1", "a", "SigningAlgorithm", "RS256"}, more...)
		if code, body := who.call(stsapi.Service, "GetWebIdentityToken", params...); code == 200 || !strings.Contains(body, want) {
			t.Errorf("%d %s, want %s", code, body, want)
		}
	}
	ask(root, "OutboundWebIdentityFederationDisabled")
	root.must(iamapi.Service, "EnableOutboundWebIdentityFederation")
	ask(root, "must be RS256 or ES384", "SigningAlgorithm", "HS256")
	ask(root, "durationSeconds", "DurationSeconds", "3601")
	ask(root, "audience", "Audience.member.1", "")
	ask(root.user("anna", allow("sts:AssumeRole", "*")), "not authorized to perform: sts:GetWebIdentityToken")
	limited := root.user("bob", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:GetWebIdentityToken","Resource":"*",
		"Condition":{"ForAllValues:StringEquals":{"sts:IdentityTokenAudience":"a"},"NumericLessThanEquals":{"sts:DurationSeconds":"300"},"StringEquals":{"sts:SigningAlgorithm":"RS256"}}}}`)
	limited.must(stsapi.Service, "GetWebIdentityToken", "Audience.member.1", "a", "SigningAlgorithm", "RS256")
	ask(limited, "not authorized", "DurationSeconds", "301")
	ask(limited, "not authorized", "Audience.member.2", "b")
	ask(limited, "not authorized", "SigningAlgorithm", "ES384")
	ask(limited, "sts:TagGetWebIdentityToken", "Tags.member.1.Key", "k", "Tags.member.1.Value", "v")
	root.role("web", trust("arn:aws:iam::"+prod+":root"), allow("sts:*", "*"))
	session := root.assume("arn:aws:iam::"+prod+":role/web", "DurationSeconds", "900")
	ask(session, "SessionDurationEscalation", "DurationSeconds", "901")
}
