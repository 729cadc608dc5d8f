package test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// user makes an IAM user with a key and, unless it is empty, a policy.
func (c *cloud) user(name, policy string) *cloud {
	c.Helper()
	must(c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}))(c)
	if policy != "" {
		must(c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("own"), PolicyDocument: &policy}))(c)
	}
	key := must(c.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name}))(c).AccessKey
	return cloudAs(c, c.account, *key.AccessKeyId, *key.SecretAccessKey, "")
}

func (c *cloud) whoami() string {
	c.Helper()
	return *must(c.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(c).Arn
}

func TestSTSIdentities(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	equal(t, "the root", c.whoami(), "arn:aws:iam::"+c.account+":root")
	ann := c.user("ann", "")
	equal(t, "the user", ann.whoami(), c.arn("iam", "user/ann"))
	s := must(ann.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(900)}))(t).Credentials
	equal(t, "the user by a session", cloudAs(t, c.account, *s.AccessKeyId, *s.SecretAccessKey, *s.SessionToken).whoami(), c.arn("iam", "user/ann"))
	if left := time.Until(*s.Expiration); left < 13*time.Minute || left > 16*time.Minute {
		t.Errorf("the session ends in %v", left)
	}
	_, err := cloudAs(t, c.account, *s.AccessKeyId, *s.SecretAccessKey, "not the token").sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	refused(t, err, "InvalidClientTokenId", "The security token included in the request is invalid")
}

func TestSTSFederation(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.table("songs", false)
	ann := c.user("ann", statement("Allow", "*", "*", ""))
	out := must(ann.sts.GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("guest"), Policy: aws.String(statement("Allow", "dynamodb:GetItem", "*", ""))}))(t)
	guest := cloudAs(t, c.account, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	equal(t, "the guest", guest.whoami(), "arn:aws:sts::"+c.account+":federated-user/guest")
	guest.get("songs", item{"artist": text("a")})
	_, err := guest.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("songs"), Item: item{"artist": text("a")}})
	refused(t, err, "AccessDeniedException", "no session policy allows the dynamodb:PutItem action")
	key := must(ann.config.Credentials.Retrieve(ctx))(t).AccessKeyID
	equal(t, "the key's account", *must(c.sts.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: &key}))(t).Account, c.account)
}

func TestSTSAllowedAndDenied(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.table("songs", false)
	c.put("songs", item{"artist": text("a")})
	ann := c.user("ann", statement("Allow", "dynamodb:GetItem", c.arn("dynamodb", "table/songs"), ""))
	equal(t, "what the user reads", len(ann.get("songs", item{"artist": text("a")})), 1)
	_, err := ann.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("songs"), Item: item{"artist": text("b")}})
	refused(t, err, "AccessDeniedException", "User: "+c.arn("iam", "user/ann")+" is not authorized to perform: dynamodb:PutItem on resource: "+c.arn("dynamodb", "table/songs")+" because no identity-based policy allows the dynamodb:PutItem action")
	_, err = ann.iam.ListUsers(ctx, &iam.ListUsersInput{})
	refused(t, err, "AccessDenied", "is not authorized to perform: iam:ListUsers")
	must(c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("no"), PolicyDocument: aws.String(statement("Deny", "dynamodb:*", "*", ""))}))(t)
	_, err = ann.dynamo.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("songs"), Key: item{"artist": text("a")}})
	refused(t, err, "AccessDeniedException", "with an explicit deny in an identity-based policy")
}

// A role in 999999999999 is assumed from 111111111111, with an external id.
func TestSTSAssumeRoleAcrossAccounts(t *testing.T) {
	t.Parallel()
	for _, account := range []string{"111111111111", "999999999999"} {
		must(http.Post(house.URL()+"/_localstack/state/reset?account="+account, "", nil))(t).Body.Close()
	}
	prod, poc := cloudAs(t, "111111111111", "", "", ""), cloudAs(t, "999999999999", "", "", "")
	poc.table("replica", false)
	role := aws.String("arn:aws:iam::999999999999:role/poc")
	must(poc.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("poc"), AssumeRolePolicyDocument: aws.String(statement("Allow", "sts:AssumeRole", "",
		`,"Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Condition":{"StringEquals":{"sts:ExternalId":"fan"}}`))}))(t)
	must(poc.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("poc"), PolicyName: aws.String("write"), PolicyDocument: aws.String(statement("Allow", "dynamodb:PutItem", poc.arn("dynamodb", "table/replica"), ""))}))(t)
	lambda := prod.user("replicator", statement("Allow", "sts:AssumeRole", *role, ""))
	stranger := prod.user("stranger", "")

	in := &sts.AssumeRoleInput{RoleArn: role, RoleSessionName: aws.String("AssumePocRole"), DurationSeconds: aws.Int32(900), ExternalId: aws.String("fan")}
	out := must(lambda.sts.AssumeRole(ctx, in))(t)
	equal(t, "the session", *out.AssumedRoleUser.Arn, "arn:aws:sts::999999999999:assumed-role/poc/AssumePocRole")
	config := lambda.config
	config.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(lambda.sts, *role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.ExternalID = "AssumePocRole", aws.String("fan")
	}))
	session := cloudOf(t, "999999999999", config)
	equal(t, "who the session is", session.whoami(), *out.AssumedRoleUser.Arn)
	session.put("replica", item{"artist": text("from prod")})
	_, err := session.dynamo.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String("replica"), Key: item{"artist": text("from prod")}})
	refused(t, err, "AccessDeniedException", "User: "+*out.AssumedRoleUser.Arn+" is not authorized to perform: dynamodb:DeleteItem")

	_, err = stranger.sts.AssumeRole(ctx, in)
	refused(t, err, "AccessDenied", "User: arn:aws:iam::111111111111:user/stranger is not authorized to perform: sts:AssumeRole on resource: "+*role)
	in.ExternalId = aws.String("wrong")
	_, err = lambda.sts.AssumeRole(ctx, in)
	refused(t, err, "AccessDenied", "sts:AssumeRole")
	in.DurationSeconds = aws.Int32(50_000)
	_, err = lambda.sts.AssumeRole(ctx, in)
	refused(t, err, "ValidationError", "durationSeconds")
}

func TestSTSSignatures(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	ann := c.user("ann", "")
	key := must(ann.config.Credentials.Retrieve(ctx))(t)
	_, err := cloudAs(t, c.account, key.AccessKeyID, "not the secret", "").sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	refused(t, err, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
	_, err = cloudAs(t, c.account, "AKIAIOSFODNN7EXAMPLE", "x", "").sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	refused(t, err, "InvalidClientTokenId", "")
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		late := sts.NewFromConfig(ann.config, func(o *sts.Options) { o.HTTPSignerV4 = skewed{v4.NewSigner(), off} })
		_, err = late.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		refused(t, err, "SignatureDoesNotMatch", "Signature ")
	}
}

// skewed signs with a clock that is wrong.
type skewed struct {
	*v4.Signer
	off time.Duration
}

func (s skewed) SignHTTP(ctx context.Context, creds aws.Credentials, r *http.Request, hash, service, region string, at time.Time, o ...func(*v4.SignerOptions)) error {
	return s.Signer.SignHTTP(ctx, creds, r, hash, service, region, at.Add(s.off), o...)
}

func TestSTSPresigned(t *testing.T) {
	t.Parallel()
	ann := newCloud(t).user("ann", "")
	signed := must(sts.NewPresignClient(ann.sts).PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	status, body := fetch(t, signed.Method, signed.URL)
	if status != 200 || !strings.Contains(body, "user/ann</Arn>") {
		t.Errorf("%d %s", status, body)
	}
	status, body = fetch(t, signed.Method, strings.Replace(signed.URL, "Action=GetCallerIdentity", "Action=GetSessionToken", 1))
	if status != 403 || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("changed: %d %s", status, body)
	}
	r := must(http.NewRequest("GET", house.URL()+"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil))(t)
	empty := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	old, _, err := v4.NewSigner().PresignHTTP(ctx, must(ann.config.Credentials.Retrieve(ctx))(t), r, empty, "sts", region, time.Now().Add(-2*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	status, body = fetch(t, "GET", old)
	if status != 403 || !strings.Contains(body, "<Code>SignatureDoesNotMatch</Code>") || !strings.Contains(body, "Signature expired") {
		t.Errorf("expired: %d %s", status, body)
	}
}

// fetch asks without a signature of its own.
func fetch(t testing.TB, method, url string) (int, string) {
	t.Helper()
	r := must(http.NewRequest(method, url, nil))(t)
	res := must(http.DefaultClient.Do(r))(t)
	defer res.Body.Close()
	return res.StatusCode, string(must(io.ReadAll(res.Body))(t))
}
