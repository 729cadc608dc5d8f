package terraform

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestFederation(t *testing.T) {
	one, two := company(t), company(t)
	s := start(t, "federation", "metadata="+one.metadata, "metadata_later="+two.metadata)
	s.applies(false)
	read := map[string]any{
		"forge": s.arn("oidc-provider/token.actions.githubusercontent.com"), "clients": []any{"one", "sts.amazonaws.com"}, "thumbs": 2.0,
		"company": s.arn("saml-provider/company"), "metadata": true, "issuer": true,
	}
	s.reads(read)

	s.applies(true)
	read["clients"], read["thumbs"] = []any{"another", "sts.amazonaws.com"}, 1.0
	s.reads(read)
	s.imports(map[string]string{
		"aws_iam_openid_connect_provider.forge": s.arn("oidc-provider/token.actions.githubusercontent.com"),
		"aws_iam_saml_provider.company":         s.arn("saml-provider/company"),
	})
	s.destroys()
}

func TestLinkedRoles(t *testing.T) {
	s := start(t, "linked")
	s.applies(false)
	read := map[string]any{
		"scaling": "AWSServiceRoleForAutoScaling_songs", "path": "/aws-service-role/autoscaling.amazonaws.com/",
		"beanstalk": s.arn("role/aws-service-role/elasticbeanstalk.amazonaws.com/AWSServiceRoleForElasticBeanstalk"),
	}
	s.reads(read)
	s.applies(true)
	s.reads(read)
	s.destroys()
}

func TestCredentials(t *testing.T) {
	s := start(t, "credentials")
	s.applies(false)
	read := map[string]any{"password": 24.0, "seed": 64.0, "device": s.arn("mfa/people/ann")}
	s.reads(read)
	s.applies(true)
	s.reads(read)
	s.imports(map[string]string{"aws_iam_account_password_policy.rules": "iam-account-password-policy"})
	s.destroys()
}

func TestDevelopers(t *testing.T) {
	s := start(t, "developers", "certificate="+company(t).certificate)
	s.applies(false)
	s.reads(map[string]any{"ssh": "Active"})
	s.applies(true)
	s.reads(map[string]any{"ssh": "Inactive"})

	// What ann has beside goes with her.
	name, client := aws.String("ann"), s.iam()
	_, err := client.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: name})
	try(t, err)
	_, err = client.CreateLoginProfile(t.Context(), &iam.CreateLoginProfileInput{UserName: name, Password: aws.String("Correct-Horse-1")})
	try(t, err)
	_, err = client.AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
	try(t, err)
	s.destroys()
}
