package test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// A user of the management account unlocks a bucket of a member, as its root and for that
// task alone, once the organization lets it.
func TestSTSAssumeRoot(t *testing.T) {
	t.Parallel()
	o := newCompany(t)
	dev := o.member("dev")
	warden := o.user("warden", statement("Allow", "sts:AssumeRoot", "arn:aws:iam::"+dev.account+":root", ""))
	assume := func() (*sts.AssumeRootOutput, error) {
		return warden.sts.AssumeRoot(ctx, &sts.AssumeRootInput{TargetPrincipal: &dev.account,
			TaskPolicyArn: &ststypes.PolicyDescriptorType{Arn: aws.String("arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy")}})
	}
	_, err := assume()
	refused(t, err, "AccessDenied", "sts:AssumeRoot on resource: arn:aws:iam::"+dev.account+":root")
	must(o.EnableAWSServiceAccess(ctx, &organizations.EnableAWSServiceAccessInput{ServicePrincipal: aws.String("iam.amazonaws.com")}))(t)
	must(o.iam.EnableOrganizationsRootSessions(ctx, &iam.EnableOrganizationsRootSessionsInput{}))(t)

	bucket := aws.String("locked-" + dev.account)
	objects := func(c *cloud) *s3.Client {
		return s3.NewFromConfig(c.config, func(o *s3.Options) { o.UsePathStyle = true })
	}
	must(objects(dev).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))(t)
	lock := statement("Deny", "s3:*", "arn:aws:s3:::"+*bucket, `,"Principal":"*"`)
	must(objects(dev).PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &lock}))(t)
	key := must(assume())(t).Credentials
	root := cloudAs(t, dev.account, *key.AccessKeyId, *key.SecretAccessKey, *key.SessionToken)
	equal(t, "who it is", root.whoami(), "arn:aws:iam::"+dev.account+":root")
	_, err = root.iam.ListUsers(ctx, &iam.ListUsersInput{})
	refused(t, err, "AccessDenied", "explicit deny in a session policy")
	must(objects(root).DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: bucket}))(t)
	must(objects(dev).ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket}))(t)
}

// A token is verified by the keys that its issuer publishes.
func TestSTSWebIdentityToken(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	issuer := *must(c.iam.EnableOutboundWebIdentityFederation(ctx, &iam.EnableOutboundWebIdentityFederationInput{}))(t).IssuerIdentifier
	ann := c.user("ann", statement("Allow", "sts:GetWebIdentityToken", "*", ""))
	out := must(ann.sts.GetWebIdentityToken(ctx, &sts.GetWebIdentityTokenInput{Audience: []string{"https://api.example.com"}, SigningAlgorithm: aws.String("RS256")}))(t)
	id := strings.TrimSuffix(strings.TrimPrefix(issuer, "https://"), ".tokens.sts.global.api.aws")
	status, text := fetch(t, "GET", house.URL()+"/_tule/issuers/"+id+"/.well-known/jwks.json")
	var keys struct {
		Keys []struct{ Kid, Alg, N, E string }
	}
	if err := json.Unmarshal([]byte(text), &keys); err != nil || status != 200 || len(keys.Keys) != 2 || keys.Keys[0].Alg != "RS256" {
		t.Fatalf("%d %s %v", status, text, err)
	}
	decode := func(s string) []byte { return must(base64.RawURLEncoding.DecodeString(s))(t) }
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(decode(keys.Keys[0].N)), E: int(new(big.Int).SetBytes(decode(keys.Keys[0].E)).Int64())}
	parts := strings.Split(*out.WebIdentityToken, ".")
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], decode(parts[2])); err != nil {
		t.Fatal(err)
	}
	var said struct{ Iss, Sub, Aud string }
	if err := json.Unmarshal(decode(parts[1]), &said); err != nil {
		t.Fatal(err)
	}
	equal(t, "what it says", said.Iss+" "+said.Sub+" "+said.Aud, issuer+" "+c.arn("iam", "user/ann")+" https://api.example.com")
	bob := c.user("bob", "")
	_, err := bob.sts.GetWebIdentityToken(ctx, &sts.GetWebIdentityTokenInput{Audience: []string{"x"}, SigningAlgorithm: aws.String("RS256")})
	refused(t, err, "AccessDenied", "sts:GetWebIdentityToken")
}
