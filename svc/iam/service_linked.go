package iam

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Service-linked roles belong to a service: it alone may assume them, and their
// owner can change nothing but descriptions and tags. Here they carry no policies,
// since no service of Tule acts under one.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html

// A linked service is one that has a role of its own, by what AWS calls it.
type linked struct {
	role   string // after "AWSServiceRoleFor"
	suffix bool   // may there be several, told apart by a suffix
}

// linkedServices are the services that people make the roles of, by principal.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
var linkedServices = map[string]linked{
	"acm.amazonaws.com":                               {"CertificateManager", false},
	"autoscaling.amazonaws.com":                       {"AutoScaling", true},
	"autoscaling-plans.amazonaws.com":                 {"AutoScalingPlans_EC2AutoScaling", false},
	"backup.amazonaws.com":                            {"Backup", false},
	"batch.amazonaws.com":                             {"Batch", false},
	"cassandra.application-autoscaling.amazonaws.com": {"ApplicationAutoScaling_CassandraTable", false},
	"cks.kms.amazonaws.com":                           {"KeyManagementServiceCustomKeyStores", false},
	"cloudtrail.amazonaws.com":                        {"CloudTrail", false},
	"config.amazonaws.com":                            {"Config", false},
	"connect.amazonaws.com":                           {"AmazonConnect", true},
	"dynamodb.application-autoscaling.amazonaws.com":  {"ApplicationAutoScaling_DynamoDBTable", false},
	"ec2.application-autoscaling.amazonaws.com":       {"ApplicationAutoScaling_EC2SpotFleetRequest", false},
	"ecs.amazonaws.com":                               {"ECS", false},
	"ecs.application-autoscaling.amazonaws.com":       {"ApplicationAutoScaling_ECSService", false},
	"eks.amazonaws.com":                               {"AmazonEKS", false},
	"eks-fargate.amazonaws.com":                       {"AmazonEKSForFargate", false},
	"eks-nodegroup.amazonaws.com":                     {"AmazonEKSNodegroup", false},
	"elasticache.amazonaws.com":                       {"ElastiCache", false},
	"elasticbeanstalk.amazonaws.com":                  {"ElasticBeanstalk", false},
	"elasticfilesystem.amazonaws.com":                 {"AmazonElasticFileSystem", false},
	"elasticloadbalancing.amazonaws.com":              {"ElasticLoadBalancing", false},
	"email.cognito-idp.amazonaws.com":                 {"AmazonCognitoIdpEmailService", false},
	"es.amazonaws.com":                                {"AmazonElasticsearchService", false},
	"fis.amazonaws.com":                               {"FIS", false},
	"grafana.amazonaws.com":                           {"AmazonGrafana", false},
	"guardduty.amazonaws.com":                         {"AmazonGuardDuty", false},
	"imagebuilder.amazonaws.com":                      {"ImageBuilder", false},
	"inspector2.amazonaws.com":                        {"AmazonInspector2", false},
	"kafka.amazonaws.com":                             {"Kafka", false},
	"kafkaconnect.amazonaws.com":                      {"KafkaConnect", false},
	"lakeformation.amazonaws.com":                     {"LakeFormationDataAccess", false},
	"lambda.application-autoscaling.amazonaws.com":    {"ApplicationAutoScaling_LambdaConcurrency", false},
	"lex.amazonaws.com":                               {"LexBots", false},
	"lexv2.amazonaws.com":                             {"LexV2Bots", true},
	"memorydb.amazonaws.com":                          {"MemoryDB", false},
	"mq.amazonaws.com":                                {"AmazonMQ", false},
	"mrk.kms.amazonaws.com":                           {"KeyManagementServiceMultiRegionKeys", false},
	"observability.aoss.amazonaws.com":                {"AmazonOpenSearchServerless", false},
	"opensearchservice.amazonaws.com":                 {"AmazonOpenSearchService", false},
	"ops.apigateway.amazonaws.com":                    {"APIGateway", false},
	"organizations.amazonaws.com":                     {"Organizations", false},
	"osis.amazonaws.com":                              {"AmazonOpenSearchIngestionService", false},
	"pullthroughcache.ecr.amazonaws.com":              {"ECRPullThroughCache", false},
	"ram.amazonaws.com":                               {"ResourceAccessManager", false},
	"rds.amazonaws.com":                               {"RDS", false},
	"rds.application-autoscaling.amazonaws.com":       {"ApplicationAutoScaling_RDSCluster", false},
	"redshift.amazonaws.com":                          {"Redshift", false},
	"replication.dynamodb.amazonaws.com":              {"DynamoDBReplication", false},
	"replication.ecr.amazonaws.com":                   {"ECRReplication", false},
	"replicator.lambda.amazonaws.com":                 {"LambdaReplicator", false},
	"resource-explorer-2.amazonaws.com":               {"ResourceExplorer", false},
	"rolesanywhere.amazonaws.com":                     {"RolesAnywhere", false},
	"securityhub.amazonaws.com":                       {"SecurityHub", false},
	"ses.amazonaws.com":                               {"AmazonSES", false},
	"shield.amazonaws.com":                            {"AWSShield", false},
	"spot.amazonaws.com":                              {"EC2Spot", false},
	"spotfleet.amazonaws.com":                         {"EC2SpotFleet", false},
	"ssm.amazonaws.com":                               {"AmazonSSM", false},
	"sso.amazonaws.com":                               {"SSO", false},
	"transitgateway.amazonaws.com":                    {"VPCTransitGateway", false},
	"waf.amazonaws.com":                               {"WAFLogging", false},
	"wafv2.amazonaws.com":                             {"WAFV2Logging", false},
}

// linkedPath begins the paths of service-linked roles, and of no others.
const linkedPath = "/aws-service-role/"

// A deletion is what became of a service-linked role that was to go.
type deletion struct{ Role string } // ARN

// deletions are kept for a day, by the id of the task.
var deletions = store.NewTable[deletion]("iam", "role-deletion")

const deletionKept = 24 * time.Hour

func (s *Service) linkedRoutes() []aws.Route {
	return []aws.Route{
		api.CreateServiceLinkedRole.To(s.createServiceLinkedRole, guardCreateLinked),
		api.DeleteServiceLinkedRole.To(s.deleteServiceLinkedRole, on(s, role, func(in *api.DeleteServiceLinkedRoleRequest) *string { return in.RoleName })),
		api.GetServiceLinkedRoleDeletionStatus.To(s.getServiceLinkedRoleDeletionStatus, guardDeletion),
	}
}

// linkedRole is the role that a service is to have, by principal and suffix.
func linkedRole(service, suffix string) *principal {
	name := "AWSServiceRoleFor" + linkedServices[service].role
	if suffix != "" {
		name += "_" + suffix
	}
	return &principal{Kind: role, Name: name, Path: linkedPath + service + "/", MaxSession: defaultMaxSession,
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`}
}

func guardCreateLinked(ctx context.Context, in *api.CreateServiceLinkedRoleRequest) ([]aws.Access, error) {
	arn := linkedRole(*in.AWSServiceName, aws.Value(in.CustomSuffix)).arn(account(ctx))
	return []aws.Access{{Resource: arn, Keys: map[string][]string{"iam:AWSServiceName": {*in.AWSServiceName}}}}, nil
}

// guardDeletion asks for the role that the task is about, which the task's id names.
func guardDeletion(ctx context.Context, in *api.GetServiceLinkedRoleDeletionStatusRequest) ([]aws.Access, error) {
	resource := "*"
	if rest, ok := strings.CutPrefix(*in.DeletionTaskId, "task/"); ok {
		if i := strings.LastIndexByte(rest, '/'); i > 0 {
			resource = aws.NewARN("iam", "", account(ctx), "role/"+rest[:i]).String()
		}
	}
	return []aws.Access{{Resource: resource}}, nil
}

func (s *Service) createServiceLinkedRole(ctx context.Context, in *api.CreateServiceLinkedRoleRequest) (*api.CreateServiceLinkedRoleResponse, error) {
	of, ok := linkedServices[*in.AWSServiceName]
	if !ok {
		return nil, api.InvalidInputException("%s is not a service that has a service-linked role.", *in.AWSServiceName)
	}
	if in.CustomSuffix != nil && !of.suffix {
		return nil, api.InvalidInputException("Custom suffix is not allowed for %s", *in.AWSServiceName)
	}
	p := linkedRole(*in.AWSServiceName, aws.Value(in.CustomSuffix))
	if len(p.Name) > 64 {
		return nil, api.InvalidInputException("Service role name %s is longer than 64 characters, please try a different suffix.", p.Name)
	}
	p.Description = aws.Value(in.Description)
	err := s.create(ctx, p)
	if errors.Is(err, api.EntityAlreadyExistsException("")) {
		return nil, api.InvalidInputException("Service role name %s has been taken in this account, please try a different suffix.", p.Name)
	}
	if err != nil {
		return nil, err
	}
	return &api.CreateServiceLinkedRoleResponse{Role: p.role(account(ctx))}, nil
}

// deleteServiceLinkedRole deletes at once: no service of Tule uses such a role, so
// there is nothing to wait for.
func (s *Service) deleteServiceLinkedRole(ctx context.Context, in *api.DeleteServiceLinkedRoleRequest) (*api.DeleteServiceLinkedRoleResponse, error) {
	a := account(ctx)
	p, err := s.view(ctx, role, *in.RoleName)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(p.Path, linkedPath) {
		return nil, api.InvalidInputException("%s is not a service-linked role.", p.Name)
	}
	if err := s.remove(ctx, role, p.Name); err != nil {
		return nil, err
	}
	task := "task" + p.Path + p.Name + "/" + aws.RandomUUID(s.random)
	err = s.store.Update(ctx, func(tx store.Tx) error {
		return deletions.PutExpiring(tx, scope(a), deletion{p.arn(a)}, s.now().Add(deletionKept), task)
	})
	return &api.DeleteServiceLinkedRoleResponse{DeletionTaskId: &task}, err
}

func (s *Service) getServiceLinkedRoleDeletionStatus(ctx context.Context, in *api.GetServiceLinkedRoleDeletionStatusRequest) (*api.GetServiceLinkedRoleDeletionStatusResponse, error) {
	err := s.store.View(ctx, func(r store.Reader) error {
		has, err := deletions.Has(ctx, r, scope(account(ctx)), *in.DeletionTaskId)
		if err == nil && !has {
			return api.NoSuchEntityException("Deletion task %s cannot be found.", *in.DeletionTaskId)
		}
		return err
	})
	done := api.DeletionTaskStatusTypeSucceeded
	return &api.GetServiceLinkedRoleDeletionStatusResponse{Status: &done}, err
}

// protect makes routes refuse to do to a service-linked role what AWS alone may.
func (s *Service) protect(routes []aws.Route) []aws.Route {
	for i := range routes {
		call := routes[i].Call
		routes[i].Call = func(ctx context.Context, in any) (any, error) {
			if err := s.protected(ctx, in); err != nil {
				return nil, err
			}
			return call(ctx, in)
		}
	}
	return routes
}

// protected refuses inputs that would change a service-linked role, or make what
// looks like one. A role does not become one or cease to be one while it is there,
// so it is enough to look before.
func (s *Service) protected(ctx context.Context, in any) error {
	if in, ok := in.(*api.CreateRoleRequest); ok && strings.HasPrefix(aws.Value(in.Path), linkedPath) {
		return api.InvalidInputException("The path %s is reserved for service-linked roles.", linkedPath)
	}
	name := edited(in)
	if name == nil {
		return nil
	}
	p, err := s.view(ctx, role, *name)
	if aws.CodeOf(err) != "" {
		return nil // the operation says so
	}
	if err != nil || !strings.HasPrefix(p.Path, linkedPath) {
		return err
	}
	if _, ok := in.(*api.UpdateRoleRequest); ok {
		return api.UnmodifiableEntityException("%s is an AWS service linked role, max session duration cannot be changed.", p.Name)
	}
	return api.UnmodifiableEntityException("Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", p.Name)
}

// edited is the role that an input would change; nil if it changes none, or only
// what the owner of a service-linked role may change, too.
func edited(in any) *string {
	switch in := in.(type) {
	case *api.AttachRolePolicyRequest:
		return in.RoleName
	case *api.DetachRolePolicyRequest:
		return in.RoleName
	case *api.PutRolePolicyRequest:
		return in.RoleName
	case *api.DeleteRolePolicyRequest:
		return in.RoleName
	case *api.PutRolePermissionsBoundaryRequest:
		return in.RoleName
	case *api.DeleteRolePermissionsBoundaryRequest:
		return in.RoleName
	case *api.UpdateAssumeRolePolicyRequest:
		return in.RoleName
	case *api.AddRoleToInstanceProfileRequest:
		return in.RoleName
	case *api.RemoveRoleFromInstanceProfileRequest:
		return in.RoleName
	case *api.DeleteRoleRequest:
		return in.RoleName
	case *api.UpdateRoleRequest:
		if in.MaxSessionDuration != nil {
			return in.RoleName
		}
	}
	return nil
}
