package test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// signer signs as an identity provider does.
type signer struct {
	testing.TB
	key *rsa.PrivateKey
}

func newSigner(t testing.TB) signer {
	return signer{t, must(rsa.GenerateKey(rand.Reader, 2048))(t)}
}

func (s signer) sign(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return must(s.key.Sign(rand.Reader, sum[:], crypto.SHA256))(s)
}

// token is a JWT of what is claimed.
func (s signer) token(claims map[string]any) string {
	raw := base64.RawURLEncoding
	text := raw.EncodeToString([]byte(`{"alg":"RS256","kid":"one","typ":"JWT"}`)) + "." + raw.EncodeToString(must(json.Marshal(claims))(s))
	return text + "." + raw.EncodeToString(s.sign(text))
}

// keys is the JWKS of the key.
func (s signer) keys() []byte {
	raw := base64.RawURLEncoding
	return fmt.Appendf(nil, `{"keys":[{"kty":"RSA","use":"sig","kid":"one","n":%q,"e":%q}]}`,
		raw.EncodeToString(s.key.N.Bytes()), raw.EncodeToString(big.NewInt(int64(s.key.E)).Bytes()))
}

func (s signer) metadata(entity string) string {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert := must(x509.CreateCertificate(rand.Reader, template, template, s.key.Public(), s.key))(s)
	return `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + entity + `"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` +
		`<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` + base64.StdEncoding.EncodeToString(cert) + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor>` +
		`<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="` + entity + `/sso"></SingleSignOnService></IDPSSODescriptor></EntityDescriptor>`
}

// response is a SAML response about somebody, written in the form that canonical XML
// has, so that what is signed is the text itself.
func (s signer) response(entity, subject string, attributes map[string]string) string {
	now := time.Now().UTC()
	end := now.Add(5 * time.Minute).Format(time.RFC3339)
	const open = `<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a" IssueInstant="%s" Version="2.0"><Issuer>%s</Issuer>`
	head := fmt.Sprintf(open, now.Format(time.RFC3339), entity)
	rest := `<Subject><NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient">` + subject + `</NameID><SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">` +
		`<SubjectConfirmationData NotOnOrAfter="` + end + `" Recipient="https://signin.aws.amazon.com/saml"></SubjectConfirmationData></SubjectConfirmation></Subject>` +
		`<Conditions NotOnOrAfter="` + end + `"><AudienceRestriction><Audience>urn:amazon:webservices</Audience></AudienceRestriction></Conditions><AttributeStatement>`
	for name, value := range attributes {
		rest += `<Attribute Name="https://aws.amazon.com/SAML/Attributes/` + name + `"><AttributeValue>` + value + `</AttributeValue></Attribute>`
	}
	rest += `</AttributeStatement></Assertion>`
	sum := sha256.Sum256([]byte(head + rest))
	const c14n = `http://www.w3.org/2001/10/xml-exc-c14n#`
	info := `<SignedInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><CanonicalizationMethod Algorithm="` + c14n + `"></CanonicalizationMethod>` +
		`<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></SignatureMethod><Reference URI="#_a"><Transforms>` +
		`<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></Transform><Transform Algorithm="` + c14n + `"></Transform></Transforms>` +
		`<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></DigestMethod><DigestValue>` + base64.StdEncoding.EncodeToString(sum[:]) + `</DigestValue></Reference></SignedInfo>`
	signature := `<Signature xmlns="http://www.w3.org/2000/09/xmldsig#">` + strings.Replace(info, ` xmlns="http://www.w3.org/2000/09/xmldsig#"`, "", 1) +
		`<SignatureValue>` + base64.StdEncoding.EncodeToString(s.sign(info)) + `</SignatureValue></Signature>`
	return base64.StdEncoding.EncodeToString([]byte(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r" Version="2.0"><samlp:Status>` +
		`<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>` + head + signature + rest + `</samlp:Response>`))
}

// federated makes a role that trusts a provider, and may write to a table.
func (c *cloud) federated(name, provider, action, condition string) *string {
	c.Helper()
	out := must(c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
		statement("Allow", action, "", `,"Principal":{"Federated":"`+provider+`"},"Condition":{"StringEquals":{`+condition+`}}`))}))(c)
	must(c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("own"), PolicyDocument: aws.String(statement("Allow", "dynamodb:*", "*", ""))}))(c)
	return out.Role.Arn
}

// A workload with a token in a file works as a role, as in Kubernetes or in a pipeline.
func TestSTSWebIdentity(t *testing.T) {
	t.Parallel()
	c, s := newCloud(t), newSigner(t)
	c.table("songs", false)
	issuer := "id-" + c.account + ".example.com/tenant"
	dir := filepath.Join(house.Data, "issuers")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, url.PathEscape(issuer)+".json"), s.keys(), 0o644)); err != nil {
		t.Fatal(err)
	}
	provider := *must(c.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://" + issuer), ClientIDList: []string{"sts.amazonaws.com"},
		ThumbprintList: []string{strings.Repeat("a", 40)}}))(t).OpenIDConnectProviderArn
	role := c.federated("pipeline", provider, "sts:AssumeRoleWithWebIdentity", `"`+issuer+`:sub":"repo:me/it"`)
	now := time.Now().Unix()
	claims := map[string]any{"iss": "https://" + issuer, "sub": "repo:me/it", "aud": "sts.amazonaws.com", "iat": now, "exp": now + 600}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(s.token(claims)), 0o600); err != nil {
		t.Fatal(err)
	}
	config := c.config
	config.Credentials = aws.NewCredentialsCache(stscreds.NewWebIdentityRoleProvider(c.sts, *role, stscreds.IdentityTokenFile(file), func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = "it" }))
	workload := cloudOf(t, c.account, config)
	equal(t, "the workload", workload.whoami(), "arn:aws:sts::"+c.account+":assumed-role/pipeline/it")
	workload.put("songs", item{"artist": text("a")})

	in := &sts.AssumeRoleWithWebIdentityInput{RoleArn: role, RoleSessionName: aws.String("it"), WebIdentityToken: aws.String(s.token(claims)), DurationSeconds: aws.Int32(900)}
	out := must(c.sts.AssumeRoleWithWebIdentity(ctx, in))(t)
	equal(t, "the provider", *out.Provider, provider)
	equal(t, "the audience", *out.Audience, "sts.amazonaws.com")
	equal(t, "the subject", *out.SubjectFromWebIdentityToken, "repo:me/it")
	try := func(change string, to any) error {
		changed := maps.Clone(claims)
		changed[change] = to
		in.WebIdentityToken = aws.String(s.token(changed))
		_, err := c.sts.AssumeRoleWithWebIdentity(ctx, in)
		return err
	}
	refused(t, try("sub", "repo:me/other"), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	fails[*types.InvalidIdentityTokenException](t, try("aud", "other"), "Incorrect token audience")
	fails[*types.ExpiredTokenException](t, try("exp", now-301), "Token expired: current date/time")
	fails[*types.InvalidIdentityTokenException](t, try("iss", "https://other.example.com"), "No OpenIDConnect provider found in your account for https://other.example.com")
	in.WebIdentityToken = aws.String(newSigner(t).token(claims))
	_, err := c.sts.AssumeRoleWithWebIdentity(ctx, in)
	fails[*types.InvalidIdentityTokenException](t, err, "signature")
}

func TestSTSSAML(t *testing.T) {
	t.Parallel()
	c, s := newCloud(t), newSigner(t)
	c.table("songs", false)
	const entity = "https://idp.example.com"
	metadata := s.metadata(entity)
	provider := *must(c.iam.CreateSAMLProvider(ctx, &iam.CreateSAMLProviderInput{Name: aws.String("Corp"), SAMLMetadataDocument: &metadata}))(t).SAMLProviderArn
	role := c.federated("staff", provider, "sts:AssumeRoleWithSAML", `"saml:aud":"https://signin.aws.amazon.com/saml"`)
	attributes := map[string]string{"Role": *role + "," + provider, "RoleSessionName": "anna", "SessionDuration": "1800"}
	in := &sts.AssumeRoleWithSAMLInput{RoleArn: role, PrincipalArn: &provider, SAMLAssertion: aws.String(s.response(entity, "anna", attributes))}
	out := must(c.sts.AssumeRoleWithSAML(ctx, in))(t)
	sum := sha1.Sum([]byte(entity + c.account + "/Corp"))
	equal(t, "the issuer", *out.Issuer, entity)
	equal(t, "the subject", *out.Subject+" "+*out.SubjectType, "anna transient")
	equal(t, "the audience", *out.Audience, "https://signin.aws.amazon.com/saml")
	equal(t, "the name qualifier", *out.NameQualifier, base64.StdEncoding.EncodeToString(sum[:]))
	if left := time.Until(*out.Credentials.Expiration); left > 30*time.Minute || left < 25*time.Minute {
		t.Errorf("the session ends in %v", left)
	}
	anna := cloudAs(t, c.account, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	equal(t, "who anna is", anna.whoami(), "arn:aws:sts::"+c.account+":assumed-role/staff/anna")
	anna.put("songs", item{"artist": text("a")})

	in.SAMLAssertion = aws.String(newSigner(t).response(entity, "anna", attributes))
	_, err := c.sts.AssumeRoleWithSAML(ctx, in)
	fails[*types.InvalidIdentityTokenException](t, err, "Response signature invalid")
	attributes["Role"] = c.arn("iam", "role/other") + "," + provider
	in.SAMLAssertion = aws.String(s.response(entity, "anna", attributes))
	_, err = c.sts.AssumeRoleWithSAML(ctx, in)
	refused(t, err, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML")
}

// A user who showed a code may what others may not.
func TestSTSSecondFactor(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.table("songs", false)
	ann := c.user("ann", statement("Allow", "dynamodb:*", "*", `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`))
	device := must(c.iam.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("phone")}))(t).VirtualMFADevice
	seed := must(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(string(device.Base32StringSeed), "=")))(t)
	code := func(ahead int64) *string {
		mac := hmac.New(sha1.New, seed)
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(time.Now().Unix()/30+ahead)))
		sum := mac.Sum(nil)
		return aws.String(fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1e6))
	}
	must(c.iam.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{UserName: aws.String("ann"), SerialNumber: device.SerialNumber, AuthenticationCode1: code(-1), AuthenticationCode2: code(0)}))(t)
	get := func(by *sts.GetSessionTokenInput) *cloud {
		s := must(ann.sts.GetSessionToken(ctx, by))(t).Credentials
		return cloudAs(t, c.account, *s.AccessKeyId, *s.SecretAccessKey, *s.SessionToken)
	}
	get(&sts.GetSessionTokenInput{SerialNumber: device.SerialNumber, TokenCode: code(1)}).put("songs", item{"artist": text("a")})
	plain := get(&sts.GetSessionTokenInput{})
	_, err := plain.dynamo.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("songs"), Key: item{"artist": text("a")}})
	refused(t, err, "AccessDeniedException", "no identity-based policy allows")
	_, err = ann.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{SerialNumber: device.SerialNumber, TokenCode: aws.String("000000")})
	refused(t, err, "AccessDenied", "MultiFactorAuthentication failed")
}

// What a denial was for can be read by those who may.
func TestSTSDecodeAuthorizationMessage(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	ann := c.user("ann", "")
	_, err := ann.iam.ListUsers(ctx, &iam.ListUsersInput{})
	var denied *smithyhttp.ResponseError
	if !errors.As(err, &denied) {
		t.Fatal(err)
	}
	encoded := denied.Response.Header.Get("X-Amzn-Encoded-Authorization-Message")
	out := must(c.sts.DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &encoded}))(t)
	if err := has(*out.DecodedMessage, `"allowed":false`, `"action":"iam:ListUsers"`, c.arn("iam", "user/ann")); err != nil {
		t.Error(err)
	}
	_, err = newCloud(t).sts.DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &encoded})
	fails[*types.InvalidAuthorizationMessageException](t, err, "")
	_, err = ann.sts.DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &encoded})
	refused(t, err, "AccessDenied", "sts:DecodeAuthorizationMessage")
}

// Tags and the source identity go along a chain of roles.
func TestSTSChain(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.table("songs", false)
	trust := statement("Allow", "sts:*", "", `,"Principal":{"AWS":"`+c.arn("iam", "root")+`"}`)
	for _, name := range []string{"one", "two"} {
		must(c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))(t)
		must(c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("own"), PolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"},{"Effect":"Allow","Action":"dynamodb:*","Resource":"*",
			"Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue","aws:SourceIdentity":"ann"}}}]}`)}))(t)
	}
	one, two := aws.String(c.arn("iam", "role/one")), aws.String(c.arn("iam", "role/two"))
	first := must(c.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: one, RoleSessionName: aws.String("first"), SourceIdentity: aws.String("ann"),
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("blue")}}, TransitiveTagKeys: []string{"team"}}))(t)
	equal(t, "the source identity", *first.SourceIdentity, "ann")
	as := func(k *types.Credentials) *cloud {
		return cloudAs(t, c.account, *k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken)
	}
	second := must(as(first.Credentials).sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: two, RoleSessionName: aws.String("second")}))(t)
	as(second.Credentials).put("songs", item{"artist": text("a")})
	_, err := as(first.Credentials).sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: two, RoleSessionName: aws.String("second"), SourceIdentity: aws.String("otto")})
	refused(t, err, "AccessDenied", "")
	_, err = as(first.Credentials).sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: two, RoleSessionName: aws.String("second"), DurationSeconds: aws.Int32(3601)})
	refused(t, err, "ValidationError", "1 hour session limit for roles assumed by role chaining")
}

// STS is at its global host and at those of regions.
func TestSTSHosts(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	var dialer net.Dialer
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", house.Addr)
	}}
	for host, region := range map[string]string{"sts.amazonaws.com": "us-east-1", "sts.us-east-1.amazonaws.com": "us-east-1", "sts.ap-southeast-2.amazonaws.com": "ap-southeast-2",
		"sts.localhost.localstack.cloud:4566": region, "localhost:4566": region} {
		config := c.config
		config.Region, config.BaseEndpoint, config.HTTPClient = region, aws.String("http://"+host), &http.Client{Transport: transport}
		there := cloudOf(t, c.account, config)
		equal(t, "who calls "+host, there.whoami(), c.arn("iam", "root"))
		_, err := there.sts.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{RoleArn: aws.String(c.arn("iam", "role/none")), RoleSessionName: aws.String("it"), WebIdentityToken: aws.String("text")})
		fails[*types.InvalidIdentityTokenException](t, err, "not a valid JWT")
	}
}
