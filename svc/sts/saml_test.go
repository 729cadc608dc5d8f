package sts_test

import (
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/sts"
)

const (
	samlRole = "arn:aws:iam::" + prod + ":role/saml"
	samlProv = "arn:aws:iam::" + prod + ":saml-provider/Corp"
)

// corp is a world with a SAML provider that an account trusts with a role.
type corp struct {
	*world
	idp *samlIdP
	say saying
}

func newCorp(t testing.TB, condition string) *corp {
	c := &corp{world: newWorld(t), idp: newSAMLIdP(t, 0)}
	c.providers.saml[samlProv] = &samlRecord{metadata: c.idp.metadata(), id: "SAMLSPABC"}
	c.root(prod).role("saml", federatedTrust(samlProv, `"sts:AssumeRoleWithSAML","sts:TagSession","sts:SetSourceIdentity"`, condition), allow("logs:*", groups("a")))
	c.say = saying{issued: c.clock.Now(), attributes: map[string][]string{"Role": {samlRole + "," + samlProv}, "RoleSessionName": {"anna@example.com"}}}
	return c
}

// says is what the provider says with other attributes; nil takes one away.
func (c *corp) says(others map[string][]string, replace ...string) saying {
	s := saying{c.say.issued, maps.Clone(c.say.attributes), replace}
	for k, v := range others {
		if s.attributes[k] = v; v == nil {
			delete(s.attributes, k)
		}
	}
	return s
}

// response is a response with a signed assertion.
func (c *corp) response(s saying) string { return envelope(c.idp.sign(s.assertion())) }

func (c *corp) with(response string, params ...string) (int, string) {
	return c.stranger().call(stsapi.Service, "AssumeRoleWithSAML", append([]string{"RoleArn", samlRole, "PrincipalArn", samlProv, "SAMLAssertion", b64(response)}, params...)...)
}

func (c *corp) must(response string, params ...string) string {
	c.t.Helper()
	code, body := c.with(response, params...)
	if code != 200 {
		c.t.Fatalf("%d %s", code, body)
	}
	return body
}

func (c *corp) refuses(name, response, code, want string, params ...string) {
	c.t.Helper()
	status, body := c.with(response, params...)
	if status == 200 || element(body, "Code") != code || !strings.Contains(body, want) {
		c.t.Errorf("%s: %d %s; want %s: %s", name, status, body, code, want)
	}
}

func TestSAML(t *testing.T) {
	c := newCorp(t, `"StringEquals":{"saml:aud":"https://signin.aws.amazon.com/saml","saml:iss":"`+entity+`","saml:doc":"`+prod+`/Corp","saml:sub":"anna","saml:sub_type":"persistent"}`)
	sum := sha1.Sum([]byte(entity + prod + "/Corp"))
	want := map[string]string{"Audience": "https://signin.aws.amazon.com/saml", "Issuer": entity, "Subject": "anna", "SubjectType": "persistent",
		"NameQualifier": base64.StdEncoding.EncodeToString(sum[:]), "Arn": "arn:aws:sts::" + prod + ":assumed-role/saml/anna@example.com", "Expiration": "2026-01-02T04:04:05Z"}
	for name, response := range map[string]string{
		"assertion": c.response(c.say),
		"response":  c.idp.sign(envelope(c.say.assertion())),
		"both":      c.idp.sign(envelope(c.idp.sign(c.say.assertion()))),
	} {
		body := c.must(response)
		for field, want := range want {
			if got := element(body, field); got != want {
				t.Errorf("signed %s: %s: %q, want %q", name, field, got, want)
			}
		}
		who := c.holder(body)
		who.writes("a", "")
		who.writes("b", "no identity-based policy")
	}
	// A role's other provider may come first, and the pair may.
	c.must(c.response(c.says(map[string][]string{"Role": {"arn:aws:iam::" + poc + ":role/x," + samlProv, " " + samlProv + " , " + samlRole}})))
	c.refuses("a role that is not given", c.response(c.says(map[string][]string{"Role": {samlRole + "x," + samlProv}})), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML")
	c.refuses("another subject", c.response(c.says(nil, ">anna<", ">otto<")), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML")
	c.refuses("a role that is not there", c.response(c.says(map[string][]string{"Role": {samlRole + "x," + samlProv}})), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML", "RoleArn", samlRole+"x")
}

func TestSAMLDuration(t *testing.T) {
	c := newCorp(t, "")
	ends := func(want string, s saying, params ...string) {
		t.Helper()
		if got := element(c.must(c.response(s), params...), "Expiration"); got != want {
			t.Errorf("ends at %s, want %s", got, want)
		}
	}
	ends("2026-01-02T03:19:05Z", c.say, "DurationSeconds", "900")
	ends("2026-01-02T03:34:05Z", c.says(map[string][]string{"SessionDuration": {"1800"}}))
	ends("2026-01-02T04:04:05Z", c.says(map[string][]string{"SessionDuration": {"43200"}}))
	ends("2026-01-02T03:24:05Z", c.says(map[string][]string{"SessionDuration": {"1800"}}, `AuthnInstant="`, `SessionNotOnOrAfter="2026-01-02T03:24:05Z" AuthnInstant="`))
	c.refuses("a session that is over", c.response(c.says(nil, `AuthnInstant="`, `SessionNotOnOrAfter="2026-01-02T03:04:05Z" AuthnInstant="`)), "ExpiredTokenException", "")
	c.refuses("too long", c.response(c.say), "ValidationError", "MaxSessionDuration", "DurationSeconds", "3601")
	for _, v := range [][]string{{"1"}, {"text"}, {"900", "901"}, {"43201"}, {"-900"}} {
		c.refuses("a duration of "+fmt.Sprint(v), c.response(c.says(map[string][]string{"SessionDuration": v})), "InvalidIdentityToken", "SessionDuration")
	}
	response := c.response(c.say)
	c.clock.Advance(5*time.Minute - time.Second)
	who := c.holder(c.must(response, "DurationSeconds", "900"))
	c.clock.Advance(time.Second)
	c.refuses("late", response, "ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance")
	c.clock.Advance(15*time.Minute - 2*time.Second)
	who.writes("a", "")
	c.clock.Advance(time.Second)
	who.writes("a", "ExpiredTokenException")
}

func TestSAMLRefused(t *testing.T) {
	const invalid, signature, broken = "InvalidIdentityToken", "Response signature invalid", "Your request included an invalid SAML response."
	c := newCorp(t, "")
	c.must(c.response(c.say))
	other := newSAMLIdP(t, 1)
	for _, x := range []struct{ name, response, code, message string }{
		{"no signature", envelope(c.say.assertion()), invalid, signature},
		{"another's signature", envelope(other.sign(c.say.assertion())), invalid, signature},
		{"another's signature around", other.sign(envelope(c.idp.sign(c.say.assertion()))), invalid, signature},
		{"SHA-1", envelope(c.idp.signBy(c.say.assertion(), crypto.SHA1)), invalid, signature},
		{"a changed subject", strings.Replace(c.response(c.say), ">anna<", ">root<", 1), invalid, signature},
		{"a changed role", strings.Replace(c.response(c.say), samlRole+",", samlRole+"2,", 1), invalid, signature},
		{"no response", c.idp.sign(c.say.assertion()), invalid, broken},
		{"no assertion", c.idp.sign(envelope("")), invalid, broken},
		{"no XML", "text", invalid, broken},
		{"a document type", `<!DOCTYPE a [<!ENTITY b "c">]>` + c.response(c.say), invalid, broken},
		{"deep", strings.Repeat("<a>", 9000) + strings.Repeat("</a>", 9000), invalid, broken},
		{"failure", strings.Replace(c.response(c.say), ":Success", ":Requester", 1), invalid, broken},
		{"no status", strings.Replace(c.response(c.say), "samlp:Status>", "samlp:State>", 2), invalid, broken},
		{"another issuer", c.response(c.says(nil, "Issuer>"+entity, "Issuer>https://other")), invalid, "Issuer not present in specified provider"},
		{"no subject", c.response(c.says(nil, ">anna<", "><")), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML"},
		{"another recipient", c.response(c.says(nil, `Recipient="https://signin.aws.amazon.com/saml"`, `Recipient="https://signin.aws.amazon.com.example.com/saml"`)), invalid, broken},
		{"no recipient", c.response(c.says(nil, `Recipient="https://signin.aws.amazon.com/saml"`, "")), invalid, broken},
		{"another's endpoint", c.response(c.says(nil, `amazon.com/saml"`, `amazon.com/saml/acs/SAMLSPXYZ"`)), invalid, broken},
		{"another method", c.response(c.says(nil, "cm:bearer", "cm:sender-vouches")), invalid, broken},
		{"another audience", c.response(c.says(nil, "urn:amazon:webservices", "urn:example")), invalid, "Response does not contain the required audience."},
		{"a second audience", c.response(c.says(nil, "</saml:Conditions>", "<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction></saml:Conditions>")), invalid, "required audience"},
		{"no audience", c.response(c.says(nil, "AudienceRestriction>", "OneTimeUse>")), invalid, "required audience"},
		{"over", c.response(c.says(nil, `<saml:Conditions NotOnOrAfter="2026-01-02T03:09:05Z"`, `<saml:Conditions NotOnOrAfter="2026-01-02T03:04:05Z"`)), "ExpiredTokenException", "Token must be redeemed"},
		{"the confirmation is over", c.response(c.says(nil, `Data NotOnOrAfter="2026-01-02T03:09:05Z"`, `Data NotOnOrAfter="2026-01-02T03:04:05Z"`)), "ExpiredTokenException", "Token must be redeemed"},
		{"no end", c.response(c.says(nil, `Data NotOnOrAfter="2026-01-02T03:09:05Z"`, `Data`)), invalid, broken},
		{"of the future", c.response(c.says(nil, `IssueInstant="2026-01-02T03:04:05Z"`, `IssueInstant="2026-01-02T03:09:06Z"`)), invalid, "not valid yet"},
		{"not yet", c.response(c.says(nil, `<saml:Conditions`, `<saml:Conditions NotBefore="2026-01-02T03:09:06Z"`)), invalid, "not valid yet"},
		{"a time that is none", c.response(c.says(nil, `IssueInstant="2026-01-02T03:04:05Z"`, `IssueInstant="soon"`)), invalid, broken},
		{"no session name", c.response(c.says(map[string][]string{"RoleSessionName": nil})), invalid, "RoleSessionName is required in AuthnResponse"},
		{"a bad session name", c.response(c.says(map[string][]string{"RoleSessionName": {"white space"}})), invalid, "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}"},
		{"a bad source identity", c.response(c.says(map[string][]string{"SourceIdentity": {"aws:me"}})), invalid, `Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"`},
		{"a tag of two values", c.response(c.says(map[string][]string{"PrincipalTag.a": {"1", "2"}})), invalid, "exactly one value"},
		{"no role", c.response(c.says(map[string][]string{"Role": nil})), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML"},
	} {
		c.refuses(x.name, x.response, x.code, x.message)
	}
	good := c.response(c.say)
	c.must(c.response(c.says(nil, `amazon.com/saml"`, `amazon.com/saml/acs/SAMLSPABC"`)))
	c.must(c.response(c.says(nil, `https://signin.aws.amazon.com/saml"`, `https://eu-west-1.signin.aws.amazon.com/saml"`)))
	c.must(c.response(c.says(nil, "urn:amazon:webservices", "https://signin.aws.amazon.com/saml")))
	c.refuses("no base64", "", invalid, "Invalid base64 SAMLResponse", "SAMLAssertion", "<not base64>")
	c.refuses("no provider", good, invalid, "Specified provider doesn't exist", "PrincipalArn", samlProv+"2")
	c.refuses("a role as the provider", good, "ValidationError", "Request ARN is invalid", "PrincipalArn", samlRole)
	c.providers.saml[samlProv].until = c.clock.Now()
	c.refuses("a provider that is over", good, invalid, "expired")
	c.providers.saml[samlProv] = &samlRecord{metadata: other.metadata()}
	c.refuses("metadata with another certificate", good, invalid, signature)
	c.providers.saml[samlProv] = &samlRecord{metadata: "<a/>"}
	c.refuses("metadata that are none", good, invalid, "Could not parse metadata")
}

// Signature wrapping: what was signed is somewhere, and what is to be believed is
// somewhere else.
// https://www.usenix.org/system/files/conference/usenixsecurity12/sec12-final91.pdf
func TestSAMLSignatureWrapping(t *testing.T) {
	c := newCorp(t, "")
	signed := c.idp.sign(c.say.assertion())
	evil := strings.Replace(c.say.assertion(), ">anna<", ">root<", 1)
	evil2 := strings.Replace(evil, `ID="_a1"`, `ID="_evil"`, 1)
	i, j := strings.Index(signed, "<ds:Signature"), strings.Index(signed, "</ds:Signature>")+len("</ds:Signature>")
	signature, bare := signed[i:j], signed[:i]+signed[j:]
	inside := func(s, what string) string {
		return strings.Replace(s, "</saml:Assertion>", what+"</saml:Assertion>", 1)
	}
	object := strings.Replace(signature, "</ds:Signature>", "<ds:Object>"+bare+"</ds:Object></ds:Signature>", 1)
	ext := "<samlp:Extensions>" + signed + "</samlp:Extensions>"
	whole := c.idp.sign(envelope(c.say.assertion()))
	for name, response := range map[string]string{
		"evil first":                  envelope(evil2 + signed),
		"evil last":                   envelope(signed + evil2),
		"evil with the same id first": envelope(evil + signed),
		"evil with the same id last":  envelope(signed + evil),
		"signed within evil":          envelope(inside(evil2, signed)),
		"signed within evil, same id": envelope(inside(evil, signed)),
		"signature moved to evil":     envelope(inside(evil2, signature) + bare),
		"signed in the signature":     envelope(inside(evil2, object)),
		"signed in extensions":        envelope(ext + evil2),
		"signature around evil":       envelope(inside(evil, signature)),
		"evil with the signature":     envelope(strings.Replace(evil2, "</saml:Issuer>", "</saml:Issuer>"+signature, 1)),
		"signature of the response":   strings.Replace(envelope(evil2+bare), "</samlp:Response>", signature+"</samlp:Response>", 1),
		"response within a response":  envelope(evil2 + "<samlp:Extensions>" + whole + "</samlp:Extensions>"),
		"response in its signature": strings.Replace(strings.Replace(envelope(evil2), `ID="_r1"`, `ID="_r2"`, 1), "</samlp:Response>",
			strings.Replace(whole[strings.Index(whole, "<ds:Signature"):strings.Index(whole, "</ds:Signature>")], "<ds:KeyInfo", "<ds:Object>"+whole+"</ds:Object><ds:KeyInfo", 1)+"</ds:Signature></samlp:Response>", 1),
		"an assertion of no namespace": envelope(signed + strings.NewReplacer("saml:", "", ` xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"`, "").Replace(evil2)),
		"two responses":                whole + strings.Replace(whole, ">anna<", ">root<", 1),
		"a reference to nothing":       envelope(strings.Replace(signed, `URI="#_a1"`, `URI=""`, 1)),
		"a reference to another":       envelope(strings.Replace(signed, `URI="#_a1"`, `URI="#_r1"`, 1)),
		"an empty reference":           envelope(strings.Replace(signed, `URI="#_a1"`, `URI="#"`, 1)),
	} {
		if code, body := c.with(response); code == 200 || element(body, "Code") != "InvalidIdentityToken" {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	// A comment does not cut a text short.
	commented := strings.Replace(signed, ">anna<", ">an<!-- x -->na<", 1)
	if code, body := c.with(envelope(commented)); code == 200 && element(body, "Subject") != "anna" {
		t.Errorf("%d %s", code, body)
	}
}

func TestSAMLEncrypted(t *testing.T) {
	c := newCorp(t, "")
	sp := newSAMLIdP(t, 1)
	key := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(sp.key)}))
	old := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(c.idp.key)}))
	signed := c.idp.encrypt(c.idp.sign(c.say.assertion()), sp.cert)
	around := c.idp.sign(envelope(c.idp.encrypt(c.say.assertion(), sp.cert)))
	c.refuses("no key", envelope(signed), "InvalidIdentityToken", "Response signature invalid")
	for _, keys := range [][]string{{key}, {key, old}, {old, key}} {
		c.providers.saml[samlProv] = &samlRecord{metadata: c.idp.metadata(), keys: keys, required: true}
		for _, response := range []string{envelope(signed), around} {
			if got := element(c.must(response), "Subject"); got != "anna" {
				t.Error(got)
			}
		}
	}
	c.refuses("in plain text", c.response(c.say), "InvalidIdentityToken", "must be encrypted")
	c.refuses("not signed", envelope(c.idp.encrypt(c.say.assertion(), sp.cert)), "InvalidIdentityToken", "Response signature invalid")
	c.refuses("two", envelope(signed+signed), "InvalidIdentityToken", "invalid SAML response")
	c.refuses("no assertion within", envelope(c.idp.encrypt("<a/>", sp.cert)), "InvalidIdentityToken", "Response signature invalid")
	c.providers.saml[samlProv].keys = []string{old}
	c.refuses("another key", envelope(signed), "InvalidIdentityToken", "Response signature invalid")
}

func TestSAMLTags(t *testing.T) {
	c := newCorp(t, `"StringEquals":{"saml:edupersonaffiliation":"staff","saml:mail":"anna@example.com"}`)
	attributes := map[string][]string{"PrincipalTag.Project": {"tule"}, "PrincipalTag.Team": {"blue"}, "TransitiveTagKeys": {"Project"}, "SourceIdentity": {"anna"},
		"urn:oid:1.3.6.1.4.1.5923.1.1.1.1": {"staff"}, "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress": {"anna@example.com"}}
	body := c.must(c.response(c.says(attributes)))
	if element(body, "SourceIdentity") != "anna" {
		t.Error(body)
	}
	who := c.holder(body)
	_, owner, err := c.sts.Key(t.Context(), who.id, who.token)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(owner.Tags, map[string]string{"Project": "tule", "Team": "blue"}) || fmt.Sprint(owner.TransitiveTags) != "[Project]" ||
		owner.SourceIdentity != "anna" || owner.Provider != samlProv || fmt.Sprint(owner.Keys["saml:sub"], owner.Keys["saml:sub_type"]) != "[anna] [persistent]" || owner.Keys["saml:mail"] != nil {
		t.Errorf("%+v", owner)
	}
	c.refuses("without what the role wants", c.response(c.say), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML")
	attributes["TransitiveTagKeys"] = []string{"Other"}
	c.refuses("a transitive tag that is not there", c.response(c.says(attributes)), "InvalidParameterValue", "must be included")
}

func FuzzSAML(f *testing.F) {
	c := newCorp(f, "")
	signed := c.idp.sign(c.say.assertion())
	good, whole := envelope(signed), c.idp.sign(envelope(c.say.assertion()))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(c.idp.key)}))
	sealed := envelope(c.idp.encrypt(signed, c.idp.cert))
	for _, s := range []string{good, whole, sealed, envelope(""), envelope(c.say.assertion()), envelope(signed + signed), "", "<a", "<a/>", "<!DOCTYPE a>",
		strings.Replace(good, "ds:", "x:", -1), strings.Replace(good, `URI="#_a1"`, `URI=""`, 1), strings.Replace(sealed, "CipherValue>", "CipherValue>A", 2)} {
		f.Add([]byte(s))
	}
	metadata := c.idp.metadata()
	f.Fuzz(func(t *testing.T, response []byte) {
		if who, err := sts.ReadSAML(metadata, response, key); err == nil && who != "anna" {
			t.Errorf("%q in %s", who, response)
		}
	})
}

func FuzzSAMLMetadata(f *testing.F) {
	c := newCorp(f, "")
	response := []byte(envelope(c.idp.sign(c.say.assertion())))
	metadata := c.idp.metadata()
	for _, s := range []string{metadata, "", "<a/>", strings.Replace(metadata, "MII", "", 1), strings.Replace(metadata, "signing", "encryption", 1)} {
		f.Add(s)
	}
	ctx := aws.WithRequest(f.Context(), &aws.Request{})
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = sts.ReadSAML(text, response)
		c.providers.saml[samlProv] = &samlRecord{metadata: text}
		arn, role, none := samlProv, samlRole, b64("text")
		if out, err := stsapi.AssumeRoleWithSAML.Do(ctx, c.front, &stsapi.AssumeRoleWithSAMLRequest{PrincipalArn: &arn, RoleArn: &role, SAMLAssertion: &none}); err == nil {
			t.Errorf("%+v", out)
		}
	})
}
