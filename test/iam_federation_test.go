package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/csv"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// selfSigned is a certificate that holds now, and its key, in PEM.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "www"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der := must(x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k))(t)
	secret := must(x509.MarshalPKCS8PrivateKey(k))(t)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func TestIAMSAMLProviders(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	certificate, _ := selfSigned(t)
	block, _ := pem.Decode([]byte(certificate))
	document := aws.String(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com">` +
		`<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing">` +
		`<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` + base64.StdEncoding.EncodeToString(block.Bytes) +
		`</X509Certificate></X509Data></KeyInfo></KeyDescriptor></IDPSSODescriptor>` + strings.Repeat(" ", 1000) + `</EntityDescriptor>`)
	made := must(c.iam.CreateSAMLProvider(ctx, &iam.CreateSAMLProviderInput{Name: aws.String("corp"), SAMLMetadataDocument: document}))(t)
	equal(t, "the ARN", *made.SAMLProviderArn, c.arn("iam", "saml-provider/corp"))
	got := must(c.iam.GetSAMLProvider(ctx, &iam.GetSAMLProviderInput{SAMLProviderArn: made.SAMLProviderArn}))(t)
	equal(t, "the metadata", *got.SAMLMetadataDocument, *document)
	_, err := c.iam.UpdateSAMLProvider(ctx, &iam.UpdateSAMLProviderInput{SAMLProviderArn: made.SAMLProviderArn, SAMLMetadataDocument: aws.String(strings.Repeat("x", 1000))})
	fails[*types.InvalidInputException](t, err, "Could not parse metadata")
	must(c.iam.TagSAMLProvider(ctx, &iam.TagSAMLProviderInput{SAMLProviderArn: made.SAMLProviderArn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}}))(t)
	must(c.iam.UntagSAMLProvider(ctx, &iam.UntagSAMLProviderInput{SAMLProviderArn: made.SAMLProviderArn, TagKeys: []string{"a"}}))(t)
	equal(t, "the number of tags", len(must(c.iam.ListSAMLProviderTags(ctx, &iam.ListSAMLProviderTagsInput{SAMLProviderArn: made.SAMLProviderArn}))(t).Tags), 0)
	must(c.iam.UpdateSAMLProvider(ctx, &iam.UpdateSAMLProviderInput{SAMLProviderArn: made.SAMLProviderArn, SAMLMetadataDocument: document}))(t)
	equal(t, "the number of providers", len(must(c.iam.ListSAMLProviders(ctx, &iam.ListSAMLProvidersInput{}))(t).SAMLProviderList), 1)
	must(c.iam.DeleteSAMLProvider(ctx, &iam.DeleteSAMLProviderInput{SAMLProviderArn: made.SAMLProviderArn}))(t)
	_, err = c.iam.GetSAMLProvider(ctx, &iam.GetSAMLProviderInput{SAMLProviderArn: made.SAMLProviderArn})
	fails[*types.NoSuchEntityException](t, err, "Manifest not found for arn "+*made.SAMLProviderArn)
}

func TestIAMOpenIDConnectProviders(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	url := aws.String("https://token.actions.githubusercontent.com")
	made := must(c.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: url, ClientIDList: []string{"sts.amazonaws.com"}}))(t)
	arn := made.OpenIDConnectProviderArn
	equal(t, "the ARN", *arn, c.arn("iam", "oidc-provider/token.actions.githubusercontent.com"))
	_, err := c.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: url})
	fails[*types.EntityAlreadyExistsException](t, err, "Provider with url https://token.actions.githubusercontent.com already exists.")
	must(c.iam.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("app")}))(t)
	must(c.iam.RemoveClientIDFromOpenIDConnectProvider(ctx, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("sts.amazonaws.com")}))(t)
	must(c.iam.UpdateOpenIDConnectProviderThumbprint(ctx, &iam.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: arn, ThumbprintList: []string{strings.Repeat("ab", 20)}}))(t)
	must(c.iam.TagOpenIDConnectProvider(ctx, &iam.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}}))(t)
	got := must(c.iam.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))(t)
	if *got.Url != "token.actions.githubusercontent.com" || len(got.ClientIDList) != 1 || got.ClientIDList[0] != "app" || len(got.ThumbprintList) != 1 || len(got.Tags) != 1 {
		t.Errorf("the provider is %+v", got)
	}
	must(c.iam.UntagOpenIDConnectProvider(ctx, &iam.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, TagKeys: []string{"a"}}))(t)
	equal(t, "the number of tags", len(must(c.iam.ListOpenIDConnectProviderTags(ctx, &iam.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: arn}))(t).Tags), 0)
	equal(t, "the number of providers", len(must(c.iam.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{}))(t).OpenIDConnectProviderList), 1)
	must(c.iam.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))(t)
	_, err = c.iam.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn})
	fails[*types.NoSuchEntityException](t, err, *arn)
}

func TestIAMServerCertificates(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	certificate, key := selfSigned(t)
	_, foreign := selfSigned(t)
	name := aws.String("www")
	_, err := c.iam.UploadServerCertificate(ctx, &iam.UploadServerCertificateInput{ServerCertificateName: name, CertificateBody: &certificate, PrivateKey: &foreign})
	fails[*types.KeyPairMismatchException](t, err, "")
	_, err = c.iam.UploadServerCertificate(ctx, &iam.UploadServerCertificateInput{ServerCertificateName: name, CertificateBody: &key, PrivateKey: &key})
	fails[*types.MalformedCertificateException](t, err, "Unable to parse certificate.")
	must(c.iam.UploadServerCertificate(ctx, &iam.UploadServerCertificateInput{ServerCertificateName: name, CertificateBody: &certificate, PrivateKey: &key, Path: aws.String("/web/")}))(t)
	must(c.iam.TagServerCertificate(ctx, &iam.TagServerCertificateInput{ServerCertificateName: name, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}}))(t)
	must(c.iam.UntagServerCertificate(ctx, &iam.UntagServerCertificateInput{ServerCertificateName: name, TagKeys: []string{"a"}}))(t)
	equal(t, "the number of tags", len(must(c.iam.ListServerCertificateTags(ctx, &iam.ListServerCertificateTagsInput{ServerCertificateName: name}))(t).Tags), 0)
	must(c.iam.UpdateServerCertificate(ctx, &iam.UpdateServerCertificateInput{ServerCertificateName: name, NewServerCertificateName: aws.String("new")}))(t)
	got := must(c.iam.GetServerCertificate(ctx, &iam.GetServerCertificateInput{ServerCertificateName: aws.String("new")}))(t).ServerCertificate
	equal(t, "the ARN", *got.ServerCertificateMetadata.Arn, c.arn("iam", "server-certificate/web/new"))
	equal(t, "the certificate", *got.CertificateBody, strings.TrimSpace(certificate))
	list := must(c.iam.ListServerCertificates(ctx, &iam.ListServerCertificatesInput{PathPrefix: aws.String("/web/")}))(t)
	equal(t, "the number of certificates", len(list.ServerCertificateMetadataList), 1)
	must(c.iam.DeleteServerCertificate(ctx, &iam.DeleteServerCertificateInput{ServerCertificateName: aws.String("new")}))(t)
	_, err = c.iam.GetServerCertificate(ctx, &iam.GetServerCertificateInput{ServerCertificateName: name})
	fails[*types.NoSuchEntityException](t, err, "The Server Certificate with name www cannot be found.")
}

func TestIAMServiceLinkedRoles(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	service := aws.String("dynamodb.application-autoscaling.amazonaws.com")
	made := must(c.iam.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: service}))(t).Role
	equal(t, "the ARN", *made.Arn, c.arn("iam", "role/aws-service-role/"+*service+"/AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"))
	_, err := c.iam.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: service})
	fails[*types.InvalidInputException](t, err, "has been taken in this account, please try a different suffix.")
	_, err = c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: made.RoleName, PolicyArn: aws.String(readonly)})
	fails[*types.UnmodifiableEntityException](t, err, "this role is only modifiable by AWS")
	_, err = c.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: made.RoleName})
	fails[*types.UnmodifiableEntityException](t, err, "this role is only modifiable by AWS")
	task := must(c.iam.DeleteServiceLinkedRole(ctx, &iam.DeleteServiceLinkedRoleInput{RoleName: made.RoleName}))(t).DeletionTaskId
	equal(t, "the status", must(c.iam.GetServiceLinkedRoleDeletionStatus(ctx, &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task}))(t).Status, types.DeletionTaskStatusTypeSucceeded)
	_, err = c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: made.RoleName})
	fails[*types.NoSuchEntityException](t, err, "")
}

func TestIAMCredentialReport(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	_, err := c.iam.GetCredentialReport(ctx, &iam.GetCredentialReportInput{})
	fails[*types.CredentialReportNotPresentException](t, err, "")
	ann := c.user("ann", statement("Allow", "dynamodb:ListTables", "*", ""))
	must(ann.dynamo.ListTables(ctx, &dynamodb.ListTablesInput{}))(t)
	equal(t, "the state", must(c.iam.GenerateCredentialReport(ctx, &iam.GenerateCredentialReportInput{}))(t).State, types.ReportStateTypeStarted)
	equal(t, "the state", must(c.iam.GenerateCredentialReport(ctx, &iam.GenerateCredentialReportInput{}))(t).State, types.ReportStateTypeComplete)
	rows := must(csv.NewReader(strings.NewReader(string(must(c.iam.GetCredentialReport(ctx, &iam.GetCredentialReportInput{}))(t).Content))).ReadAll())(t)
	if len(rows) != 3 || rows[1][0] != "<root_account>" || rows[2][0] != "ann" {
		t.Fatalf("rows %q", rows)
	}
	row := map[string]string{}
	for i, name := range rows[0] {
		row[name] = rows[2][i]
	}
	equal(t, "the ARN", row["arn"], c.arn("iam", "user/ann"))
	equal(t, "the first key", row["access_key_1_active"], "true")
	equal(t, "where it was used", row["access_key_1_last_used_service"]+" in "+row["access_key_1_last_used_region"], "dynamodb in "+region)
	equal(t, "the second key", row["access_key_2_active"], "false")
}

func TestIAMAccessAdvisor(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	ann := c.user("ann", statement("Allow", "dynamodb:ListTables", "*", ""))
	must(c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("queues"), PolicyDocument: aws.String(statement("Allow", "sqs:*", "*", ""))}))(t)
	must(ann.dynamo.ListTables(ctx, &dynamodb.ListTablesInput{}))(t)
	arn := aws.String(c.arn("iam", "user/ann"))
	job := must(c.iam.GenerateServiceLastAccessedDetails(ctx, &iam.GenerateServiceLastAccessedDetailsInput{Arn: arn}))(t).JobId
	got := must(c.iam.GetServiceLastAccessedDetails(ctx, &iam.GetServiceLastAccessedDetailsInput{JobId: job}))(t)
	if got.JobStatus != types.JobStatusTypeCompleted || len(got.ServicesLastAccessed) != 2 {
		t.Fatalf("the advice is %+v", got)
	}
	dynamo, sqs := got.ServicesLastAccessed[0], got.ServicesLastAccessed[1]
	equal(t, "the service", *dynamo.ServiceName, "Amazon DynamoDB")
	if dynamo.LastAuthenticated == nil || sqs.LastAuthenticated != nil {
		t.Errorf("uses: %v of DynamoDB, %v of SQS", dynamo.LastAuthenticated, sqs.LastAuthenticated)
	}
	with := must(c.iam.GetServiceLastAccessedDetailsWithEntities(ctx, &iam.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: job, ServiceNamespace: aws.String("dynamodb")}))(t)
	if len(with.EntityDetailsList) != 1 || *with.EntityDetailsList[0].EntityInfo.Arn != *arn {
		t.Errorf("entities %+v", with.EntityDetailsList)
	}
	list := must(c.iam.ListPoliciesGrantingServiceAccess(ctx, &iam.ListPoliciesGrantingServiceAccessInput{Arn: arn, ServiceNamespaces: []string{"sqs"}}))(t).PoliciesGrantingServiceAccess
	if len(list) != 1 || len(list[0].Policies) != 1 || *list[0].Policies[0].PolicyName != "queues" {
		t.Errorf("policies %+v", list)
	}
}

func TestIAMOutboundFederation(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	_, err := c.iam.GetOutboundWebIdentityFederationInfo(ctx, &iam.GetOutboundWebIdentityFederationInfoInput{})
	fails[*types.FeatureDisabledException](t, err, "")
	made := must(c.iam.EnableOutboundWebIdentityFederation(ctx, &iam.EnableOutboundWebIdentityFederationInput{}))(t)
	got := must(c.iam.GetOutboundWebIdentityFederationInfo(ctx, &iam.GetOutboundWebIdentityFederationInfoInput{}))(t)
	equal(t, "the issuer", *got.IssuerIdentifier, *made.IssuerIdentifier)
	must(c.iam.DisableOutboundWebIdentityFederation(ctx, &iam.DisableOutboundWebIdentityFederationInput{}))(t)
}
