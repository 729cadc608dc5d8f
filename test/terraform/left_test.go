package terraform

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// iam calls Tule as the root of the scenario's account.
func (s *scenario) iam() *iam.Client {
	return iam.NewFromConfig(aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String(s.house.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(s.account, "test", "")})
}

// left are the names of what an account still holds, by kind.
func left(s *scenario) map[string][]string {
	client := s.iam()
	all := map[string][]string{}
	details, err := client.GetAccountAuthorizationDetails(s.Context(), &iam.GetAccountAuthorizationDetailsInput{
		Filter: []types.EntityType{types.EntityTypeUser, types.EntityTypeGroup, types.EntityTypeRole, types.EntityTypeLocalManagedPolicy}})
	try(s.T, err)
	for _, u := range details.UserDetailList {
		all["users"] = append(all["users"], *u.Arn)
	}
	for _, g := range details.GroupDetailList {
		all["groups"] = append(all["groups"], *g.Arn)
	}
	for _, r := range details.RoleDetailList {
		all["roles"] = append(all["roles"], *r.Arn)
	}
	for _, p := range details.Policies {
		all["policies"] = append(all["policies"], *p.Arn)
	}
	profiles, err := client.ListInstanceProfiles(s.Context(), &iam.ListInstanceProfilesInput{})
	try(s.T, err)
	for _, p := range profiles.InstanceProfiles {
		all["instance profiles"] = append(all["instance profiles"], *p.Arn)
	}
	aliases, err := client.ListAccountAliases(s.Context(), &iam.ListAccountAliasesInput{})
	try(s.T, err)
	all["aliases"] = aliases.AccountAliases
	believed(s, client, all)
	messages(s, all)
	scheduled(s, all)
	return all
}

// messages adds what an account holds of buckets, queues, topics and streams.
func messages(s *scenario, all map[string][]string) {
	c := aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String(s.house.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(s.account, "test", "")}
	buckets, err := s3.NewFromConfig(c).ListBuckets(s.Context(), &s3.ListBucketsInput{})
	try(s.T, err)
	for _, b := range buckets.Buckets {
		all["buckets"] = append(all["buckets"], *b.Name)
	}
	queues, err := sqs.NewFromConfig(c).ListQueues(s.Context(), &sqs.ListQueuesInput{})
	try(s.T, err)
	all["queues"] = queues.QueueUrls
	topics, err := sns.NewFromConfig(c).ListTopics(s.Context(), &sns.ListTopicsInput{})
	try(s.T, err)
	for _, t := range topics.Topics {
		all["topics"] = append(all["topics"], *t.TopicArn)
	}
	streams, err := kinesis.NewFromConfig(c).ListStreams(s.Context(), &kinesis.ListStreamsInput{})
	try(s.T, err)
	all["streams"] = streams.StreamNames
}

// believed adds the names of what an account believes others by.
func believed(s *scenario, client *iam.Client, all map[string][]string) {
	connect, err := client.ListOpenIDConnectProviders(s.Context(), &iam.ListOpenIDConnectProvidersInput{})
	try(s.T, err)
	for _, p := range connect.OpenIDConnectProviderList {
		all["OpenID Connect providers"] = append(all["OpenID Connect providers"], *p.Arn)
	}
	saml, err := client.ListSAMLProviders(s.Context(), &iam.ListSAMLProvidersInput{})
	try(s.T, err)
	for _, p := range saml.SAMLProviderList {
		all["SAML providers"] = append(all["SAML providers"], *p.Arn)
	}
	certificates, err := client.ListServerCertificates(s.Context(), &iam.ListServerCertificatesInput{})
	try(s.T, err)
	for _, c := range certificates.ServerCertificateMetadataList {
		all["server certificates"] = append(all["server certificates"], *c.Arn)
	}
	devices, err := client.ListVirtualMFADevices(s.Context(), &iam.ListVirtualMFADevicesInput{})
	try(s.T, err)
	for _, d := range devices.VirtualMFADevices {
		all["MFA devices"] = append(all["MFA devices"], *d.SerialNumber)
	}
	_, err = client.GetAccountPasswordPolicy(s.Context(), &iam.GetAccountPasswordPolicyInput{})
	if none := (*types.NoSuchEntityException)(nil); !errors.As(err, &none) {
		all["password policy"] = []string{fmt.Sprint("its own: ", err)}
	}
}
