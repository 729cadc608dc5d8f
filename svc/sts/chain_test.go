package sts_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	iamapi "github.com/tule-cloud/tule/api/iam"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/wire/sigv4"
)

// owner is whom the credentials make their holder.
func (s someone) owner() aws.Caller {
	s.t.Helper()
	_, c, err := s.sts.Key(s.t.Context(), s.id, s.token)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// roles makes roles one, two … that trust the account to do actions.
func (s someone) roles(actions string, names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.role(name, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+prod+`:root"},"Action":[`+actions+`]}]}`, allow("*", "*"))
	}
}

func roleARN(name string) string { return "arn:aws:iam::" + prod + ":role/" + name }

func tag(n int, key, value string) []string {
	return []string{fmt.Sprintf("Tags.member.%d.Key", n), key, fmt.Sprintf("Tags.member.%d.Value", n), value}
}

// Tags that are transitive go from role to role, and nobody gives them another value.
func TestTransitiveTags(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	root.roles(`"sts:AssumeRole","sts:TagSession"`, "one", "two", "three")
	root.roles(`"sts:AssumeRole"`, "bare")
	first := root.assume(roleARN("one"), append(append(tag(1, "Star", "1"), tag(2, "Heart", "1")...), "TransitiveTagKeys.member.1", "Star")...)
	if c := first.owner(); !maps.Equal(c.Tags, map[string]string{"Star": "1", "Heart": "1"}) || fmt.Sprint(c.TransitiveTags) != "[Star]" {
		t.Errorf("%+v", c)
	}
	second := first.assume(roleARN("two"), append(tag(1, "Sun", "2"), "TransitiveTagKeys.member.1", "Sun")...)
	third := second.assume(roleARN("three"))
	for _, s := range []someone{second, third} {
		if c := s.owner(); !maps.Equal(c.Tags, map[string]string{"Star": "1", "Sun": "2"}) || fmt.Sprint(c.TransitiveTags) != "[Star Sun]" {
			t.Errorf("%+v", c)
		}
	}
	const conflict = "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."
	second.cannotAssume(roleARN("three"), conflict, tag(1, "Star", "3")...)
	second.cannotAssume(roleARN("three"), conflict, tag(1, "star", "1")...)
	second.cannotAssume(roleARN("bare"), "is not authorized to perform: sts:TagSession on resource: "+roleARN("bare"))
	root.cannotAssume(roleARN("one"), "must be included in the requested tags", "TransitiveTagKeys.member.1", "Star")

	// What is inherited is the principal's, from the first request on.
	root.must(iamapi.Service, "PutRolePolicy", "RoleName", "three", "PolicyName", "own", "PolicyDocument",
		strings.Replace(allow("logs:*", groups("*")), `"Effect"`, `"Condition":{"StringEquals":{"aws:PrincipalTag/Star":"1"}},"Effect"`, 1))
	third.writes("a", "")
	root.assume(roleARN("three")).writes("a", "no identity-based policy")
}

// A role's tags are its sessions' too, below those that are given, and go no further.
func TestRoleTags(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	root.roles(`"sts:AssumeRole","sts:TagSession"`, "one", "two")
	root.must(iamapi.Service, "TagRole", append([]string{"RoleName", "one"}, append(tag(1, "Team", "red"), tag(2, "Heart", "1")...)...)...)
	first := root.assume(roleARN("one"), append(tag(1, "team", "blue"), "TransitiveTagKeys.member.1", "team")...)
	if c := first.owner(); !maps.Equal(c.Tags, map[string]string{"team": "blue", "Heart": "1"}) {
		t.Errorf("%+v", c)
	}
	if c := first.assume(roleARN("two")).owner(); !maps.Equal(c.Tags, map[string]string{"team": "blue"}) {
		t.Errorf("%+v", c)
	}
	// Who may assume a role can be told by its tags.
	anna := root.user("anna", strings.Replace(allow("sts:AssumeRole", "*"), `"Effect"`, `"Condition":{"StringEquals":{"aws:ResourceTag/Team":"red"}},"Effect"`, 1))
	anna.assume(roleARN("one"))
	anna.cannotAssume(roleARN("two"), "no identity-based policy allows the sts:AssumeRole action")
}

func TestTagLimits(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	root.roles(`"sts:AssumeRole","sts:TagSession"`, "one")
	var many []string
	for n := range 50 {
		many = append(many, tag(n+1, fmt.Sprintf("key%d", n), "value")...)
	}
	if c := root.assume(roleARN("one"), many...).owner(); len(c.Tags) != 50 {
		t.Errorf("%d tags", len(c.Tags))
	}
	root.cannotAssume(roleARN("one"), "tags", append(many, tag(51, "last", "value")...)...)
	root.cannotAssume(roleARN("one"), "ValidationError", tag(1, strings.Repeat("k", 129), "v")...)
	root.cannotAssume(roleARN("one"), "ValidationError", tag(1, "k", strings.Repeat("v", 257))...)
	root.cannotAssume(roleARN("one"), "ValidationError", tag(1, "k<", "v")...)
	var full []string
	for n := range 30 {
		full = append(full, tag(n+1, aws.RandomID(rng{}, aws.Base62, 60), aws.RandomID(rng{}, aws.Base62, 60))...)
	}
	code, body := root.call(stsapi.Service, "AssumeRole", append([]string{"RoleArn", roleARN("one"), "RoleSessionName", "test"}, full...)...)
	if code != 400 || element(body, "Code") != "PackedPolicyTooLarge" || !strings.Contains(body, "Packed size of session tags consumes ") {
		t.Errorf("%d %s", code, body)
	}
}

// rng is chance that differs from call to call, for texts that do not pack.
type rng struct{}

var drawn uint64

func (rng) Read(b []byte) (int, error) {
	for i := range b {
		drawn = drawn*6364136223846793005 + 1442695040888963407
		b[i] = byte(drawn >> 56)
	}
	return len(b), nil
}

func TestPolicyLimits(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	root.roles(`"sts:AssumeRole"`, "one")
	long := func(n int) string {
		p := allow("logs:*", "*")
		return p + strings.Repeat(" ", n-len(p))
	}
	root.assume(roleARN("one"), "Policy", long(2048))
	root.cannotAssume(roleARN("one"), "Packed policy consumes 101% of allotted space, please use smaller policy.", "Policy", long(2049))
	root.cannotAssume(roleARN("one"), "Packed policy consumes", "Policy", long(2030), "PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess")
	var arns []string
	for n := range 11 {
		arns = append(arns, fmt.Sprintf("PolicyArns.member.%d.arn", n+1), "arn:aws:iam::aws:policy/ReadOnlyAccess")
	}
	root.assume(roleARN("one"), arns[:20]...)
	root.cannotAssume(roleARN("one"), "exceeds the limit of 10", arns...)
}

// Who is behind a session at first is behind all that follow.
func TestSourceIdentity(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	root.roles(`"sts:AssumeRole","sts:SetSourceIdentity"`, "one", "two")
	root.roles(`"sts:AssumeRole"`, "bare")
	root.cannotAssume(roleARN("bare"), "is not authorized to perform: sts:SetSourceIdentity on resource: "+roleARN("bare"), "SourceIdentity", "anna")
	first := root.assume(roleARN("one"), "SourceIdentity", "anna")
	second := first.assume(roleARN("two"))
	for _, s := range []someone{first, second, first.assume(roleARN("two"), "SourceIdentity", "anna")} {
		if got := s.owner().SourceIdentity; got != "anna" {
			t.Errorf("%q is behind the session", got)
		}
	}
	second.cannotAssume(roleARN("one"), "<Code>AccessDenied</Code>", "SourceIdentity", "otto")
	second.cannotAssume(roleARN("bare"), "sts:SetSourceIdentity")
	root.cannotAssume(roleARN("one"), "ValidationError", "SourceIdentity", "aws:me")

	// Trust policies see it as it is asked for, and permissions as it is.
	root.must(iamapi.Service, "PutRolePolicy", "RoleName", "two", "PolicyName", "own", "PolicyDocument",
		strings.Replace(allow("logs:*", groups("*")), `"Effect"`, `"Condition":{"StringEquals":{"aws:SourceIdentity":"anna"}},"Effect"`, 1))
	second.writes("a", "")
	root.assume(roleARN("two"), "SourceIdentity", "otto").writes("a", "no identity-based policy")
	root.must(iamapi.Service, "UpdateAssumeRolePolicy", "RoleName", "two", "PolicyDocument", strings.Replace(
		strings.Replace(trust("arn:aws:iam::"+prod+":root"), `"sts:AssumeRole"`, `"sts:*"`, 1), `"Action"`, `"Condition":{"StringEquals":{"sts:SourceIdentity":"anna"}},"Action"`, 1))
	first.assume(roleARN("two"))
	root.cannotAssume(roleARN("two"), "no role trust policy allows", "SourceIdentity", "otto")
	root.cannotAssume(roleARN("two"), "no role trust policy allows")
}

// totp is the code of a device, some steps of 30 seconds ahead.
func totp(t testing.TB, seed string, at time.Time) string {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(seed, "="))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1e6)
}

// device gives a user an MFA device, and is its serial number and seed.
func (s someone) device(user string) (serial, seed string) {
	s.t.Helper()
	body := s.must(iamapi.Service, "CreateVirtualMFADevice", "VirtualMFADeviceName", user)
	raw, err := base64.StdEncoding.DecodeString(element(body, "Base32StringSeed"))
	if err != nil {
		s.t.Fatal(err)
	}
	serial, seed = element(body, "SerialNumber"), string(raw)
	now := s.clock.Now()
	s.must(iamapi.Service, "EnableMFADevice", "UserName", user, "SerialNumber", serial, "AuthenticationCode1", totp(s.t, seed, now.Add(-30*time.Second)), "AuthenticationCode2", totp(s.t, seed, now))
	s.clock.Advance(30 * time.Second)
	return serial, seed
}

// whenMFA allows all where an MFA condition holds.
func whenMFA(condition string) string {
	return strings.Replace(allow("*", "*"), `"Effect"`, `"Condition":{`+condition+`},"Effect"`, 1)
}

// A session that began with a code knows so, and for how long.
func TestGetSessionTokenMFA(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	anna := root.user("anna", whenMFA(`"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"600"}`))
	serial, seed := root.device("anna")
	plain := anna.holder(anna.must(stsapi.Service, "GetSessionToken"))
	code := totp(t, seed, w.clock.Now())
	session := anna.holder(anna.must(stsapi.Service, "GetSessionToken", "SerialNumber", serial, "TokenCode", code))
	for _, s := range []someone{anna, plain} {
		s.writes("a", "no identity-based policy")
	}
	session.writes("a", "")
	w.clock.Advance(599 * time.Second)
	session.writes("a", "")
	w.clock.Advance(time.Second)
	session.writes("a", "no identity-based policy")

	const wrong = "MultiFactorAuthentication failed"
	for name, params := range map[string][]string{
		"a code again":     {"SerialNumber", serial, "TokenCode", code},
		"no code":          {"SerialNumber", serial},
		"no serial number": {"TokenCode", totp(t, seed, w.clock.Now())},
		"another's device": {"SerialNumber", serial + "2", "TokenCode", totp(t, seed, w.clock.Now())},
	} {
		if status, body := anna.call(stsapi.Service, "GetSessionToken", params...); status != 403 || !strings.Contains(body, wrong) || element(body, "Code") != "AccessDenied" {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// A role may ask for a code; the session that begins does not know of it.
func TestAssumeRoleMFA(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	anna := root.user("anna", allow("sts:AssumeRole", "*"))
	root.role("r", strings.Replace(trust("arn:aws:iam::"+prod+":user/anna"), `"Action"`, `"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"60"}},"Action"`, 1), allow("logs:*", groups("a")))
	serial, seed := root.device("anna")
	anna.cannotAssume(roleARN("r"), "no role trust policy allows")
	anna.cannotAssume(roleARN("r"), "MultiFactorAuthentication failed", "SerialNumber", serial, "TokenCode", "000000")
	session := anna.assume(roleARN("r"), "SerialNumber", serial, "TokenCode", totp(t, seed, w.clock.Now()))
	session.writes("a", "")
	if c := session.owner(); !c.MFAAt.IsZero() {
		t.Errorf("%+v", c)
	}
	// An explicit deny of the caller's own still counts.
	root.must(iamapi.Service, "PutUserPolicy", "UserName", "anna", "PolicyName", "no", "PolicyDocument", strings.Replace(allow("sts:AssumeRole", "*"), "Allow", "Deny", 1))
	w.clock.Advance(30 * time.Second)
	anna.cannotAssume(roleARN("r"), "explicit deny", "SerialNumber", serial, "TokenCode", totp(t, seed, w.clock.Now()))
}

// Credentials die when they were to, by Tule's clock.
func TestCredentialsDie(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	root.roles(`"sts:AssumeRole"`, "one", "two")
	anna := root.user("anna", allow("*", "*"))
	first := root.assume(roleARN("one"), "DurationSeconds", "900")
	all := map[string]someone{
		"a role":       first,
		"a chain":      first.assume(roleARN("two"), "DurationSeconds", "900"),
		"a user":       anna.holder(anna.must(stsapi.Service, "GetSessionToken", "DurationSeconds", "900")),
		"a federation": anna.holder(anna.must(stsapi.Service, "GetFederationToken", "Name", "guest", "Policy", allow("*", "*"), "DurationSeconds", "900")),
		"root":         root.holder(root.must(stsapi.Service, "GetSessionToken", "DurationSeconds", "900")),
	}
	w.clock.Advance(899 * time.Second)
	for name, s := range all {
		if got := s.write("a"); got != "" {
			t.Errorf("%s, a second before: %s", name, got)
		}
	}
	w.clock.Advance(time.Second)
	for name, s := range all {
		if got := s.write("a"); !strings.Contains(got, "ExpiredTokenException") || !strings.Contains(got, "The security token included in the request is expired") {
			t.Errorf("%s: %s", name, got)
		}
		if code, body := s.call(stsapi.Service, "GetCallerIdentity"); code != 403 || element(body, "Code") != "ExpiredToken" {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
}

func TestDurations(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	root.roles(`"sts:AssumeRole"`, "one", "two")
	root.must(iamapi.Service, "UpdateRole", "RoleName", "two", "MaxSessionDuration", "43200")
	anna := root.user("anna", allow("*", "*"))
	one := root.assume(roleARN("one"))
	for _, c := range []struct {
		who          someone
		op, seconds  string
		want, params string // how long, or what is said
	}{
		{root, "AssumeRole", "899", "greater than or equal to 900", "one"},
		{root, "AssumeRole", "", "1h0m0s", "one"},
		{root, "AssumeRole", "3601", "exceeds the MaxSessionDuration set for this role", "one"},
		{root, "AssumeRole", "43200", "12h0m0s", "two"},
		{root, "AssumeRole", "43201", "less than or equal to 43200", "two"},
		{one, "AssumeRole", "3600", "1h0m0s", "two"},
		{one, "AssumeRole", "3601", "exceeds the 1 hour session limit for roles assumed by role chaining", "two"},
		{anna, "GetSessionToken", "", "12h0m0s", ""},
		{anna, "GetSessionToken", "129600", "36h0m0s", ""},
		{anna, "GetSessionToken", "129601", "less than or equal to 129600", ""},
		{root, "GetSessionToken", "", "1h0m0s", ""},
		{root, "GetSessionToken", "129600", "1h0m0s", ""},
		{anna, "GetFederationToken", "129600", "36h0m0s", "guest"},
		{root, "GetFederationToken", "", "1h0m0s", "guest"},
	} {
		params := []string{"Name", c.params}
		if c.op == "AssumeRole" {
			params = []string{"RoleArn", roleARN(c.params), "RoleSessionName", "test"}
		} else if c.params == "" {
			params = nil
		}
		if c.seconds != "" {
			params = append(params, "DurationSeconds", c.seconds)
		}
		_, body := c.who.call(stsapi.Service, c.op, params...)
		got := body
		if end, err := time.Parse(time.RFC3339, element(body, "Expiration")); err == nil {
			got = end.Sub(w.clock.Now()).String()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s for %s s: %s; want %s", c.op, c.seconds, got, c.want)
		}
	}
}

// Sessions that began before a time are over where a policy says so, and later ones not.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
func TestSessionsRevoked(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	root.roles(`"sts:AssumeRole"`, "one")
	before := root.assume(roleARN("one"))
	before.writes("a", "")
	w.clock.Advance(time.Minute)
	root.must(iamapi.Service, "PutRolePolicy", "RoleName", "one", "PolicyName", "AWSRevokeOlderSessions", "PolicyDocument",
		strings.NewReplacer("Allow", "Deny", `"Effect"`, `"Condition":{"DateLessThan":{"aws:TokenIssueTime":"`+w.clock.Now().Format(time.RFC3339)+`"}},"Effect"`).Replace(allow("*", "*")))
	before.writes("a", "explicit deny")
	root.assume(roleARN("one")).writes("a", "")
}

func TestSessionOfDeletedRole(t *testing.T) {
	const invalid = "UnrecognizedClientException"
	w := newWorld(t)
	root := w.root(prod)
	root.roles(`"sts:AssumeRole"`, "one")
	session := root.assume(roleARN("one"))
	session.writes("a", "")
	root.must(iamapi.Service, "DeleteRolePolicy", "RoleName", "one", "PolicyName", "own")
	root.must(iamapi.Service, "DeleteRole", "RoleName", "one")
	session.writes("a", invalid)
	root.roles(`"sts:AssumeRole"`, "one") // another of the same name
	session.writes("a", invalid)
	root.assume(roleARN("one")).writes("a", "")
}

// A denial carries its reasons, sealed for who was denied and may ask.
func TestDecodeAuthorizationMessage(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	anna := root.user("anna", allow("sts:DecodeAuthorizationMessage", "*"))
	message := func(s someone) string {
		form := url.Values{"Action": {"ListUsers"}, "Version": {iamapi.Service.APIVersion}}.Encode()
		r := httptest.NewRequest("GET", "http://localhost:4566/?"+form, nil)
		sigv4.Sign(r, sigv4.Credentials{AccessKeyID: s.id, Secret: s.secret, Token: s.token}, "us-east-1", "iam", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", w.clock.Now())
		rec := httptest.NewRecorder()
		w.front.ServeHTTP(rec, r)
		if rec.Code != 403 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		return rec.Header().Get("X-Amzn-Encoded-Authorization-Message")
	}
	encoded := message(anna)
	decoded := html.UnescapeString(element(anna.must(stsapi.Service, "DecodeAuthorizationMessage", "EncodedMessage", encoded), "DecodedMessage"))
	var said struct {
		Allowed, ExplicitDeny bool
		Context               struct {
			Principal        struct{ ID, ARN string }
			Action, Resource string
		}
	}
	if err := json.Unmarshal([]byte(decoded), &said); err != nil || said.Allowed || said.ExplicitDeny || said.Context.Action != "iam:ListUsers" ||
		said.Context.Principal.ARN != "arn:aws:iam::"+prod+":user/anna" {
		t.Errorf("%v: %s", err, decoded)
	}
	root.must(stsapi.Service, "DecodeAuthorizationMessage", "EncodedMessage", encoded)
	const refused = "InvalidAuthorizationMessageException"
	for name, s := range map[string]someone{"another account": w.root(poc), "a changed message": root} {
		text := encoded
		if s == root {
			text = encoded[:20] + strings.Map(func(r rune) rune { return r ^ 1 }, encoded[20:21]) + encoded[21:]
		}
		if code, body := s.call(stsapi.Service, "DecodeAuthorizationMessage", "EncodedMessage", text); code != 400 || element(body, "Code") != refused {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	otto := root.user("otto", "")
	if code, body := otto.call(stsapi.Service, "DecodeAuthorizationMessage", "EncodedMessage", encoded); code != 403 || !strings.Contains(body, "sts:DecodeAuthorizationMessage") {
		t.Errorf("%d %s", code, body)
	}
}
