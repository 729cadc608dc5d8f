package iam

import (
	"reflect"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
)

func build(_ *testing.T, h *script.House) []aws.Route {
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Keys: seal.New([32]byte{1}, h.Random)})
	return withCodes(s, s.Routes())
}

func TestScripts(t *testing.T) { script.Run(t, "testdata", build) }

// Every route is IAM's, is there once, and asks for a permission of its own name on
// a resource of the caller's account, for whatever name it is called with.
func TestRoutes(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	seen := map[string]bool{}
	for _, r := range build(t, h) {
		if r.Op.Service != api.Service || seen[r.Op.Name] {
			t.Errorf("%s: twice, or of another service", r.Op.Name)
		}
		seen[r.Op.Name] = true
		in := r.New()
		for i, v := 0, reflect.ValueOf(in).Elem(); i < v.NumField(); i++ {
			if f := v.Field(i); f.Type() == reflect.TypeFor[*string]() {
				text := "x"
				switch name := v.Type().Field(i).Name; {
				case strings.HasSuffix(name, "Arn") || name == "PermissionsBoundary":
					text = "arn:aws:iam::000000000000:policy/x"
				case strings.HasSuffix(name, "Path"):
					text = "/x/"
				}
				f.Set(reflect.ValueOf(&text))
			}
		}
		needs, err := r.Guard(h.Context(t.Context()), in)
		if err != nil || len(needs) == 0 {
			t.Errorf("%s: %v, %v", r.Op.Name, needs, err)
			continue
		}
		if needs[0].Action != "iam:"+r.Op.Name {
			t.Errorf("%s asks for %s", r.Op.Name, needs[0].Action)
		}
		for _, n := range needs {
			if n.Resource != "*" && !strings.HasPrefix(n.Resource, "arn:aws:iam::000000000000:") {
				t.Errorf("%s asks for %s", r.Op.Name, n.Resource)
			}
		}
	}
	if len(seen) < 140 {
		t.Errorf("%d routes", len(seen))
	}
}

// AWS's managed policies are policies, and managed ones.
func TestCatalog(t *testing.T) {
	c := newCatalog()
	for arn, p := range c {
		doc, err := policy.Parse(p.inForce().Document)
		if err != nil {
			t.Errorf("%s: %v", arn, err)
			continue
		}
		if err := doc.Validate(policy.Rules{Kind: policy.Identity, MaxSize: maxManaged, IgnoreSpace: true, Require2012: true}); err != nil {
			t.Errorf("%s: %v", arn, err)
		}
	}
	for _, arn := range strings.Fields(catalogued) {
		if c["arn:aws:iam::aws:policy/"+arn] == nil {
			t.Errorf("there is no %s", arn)
		}
	}
}

// catalogued are policies that people name, with their paths.
const catalogued = `
	AdministratorAccess PowerUserAccess ReadOnlyAccess SecurityAudit job-function/ViewOnlyAccess
	IAMFullAccess IAMReadOnlyAccess IAMUserChangePassword IAMUserSSHKeys IAMSelfManageServiceSpecificCredentials
	AWSLambdaFullAccess AWSLambda_FullAccess AWSLambda_ReadOnlyAccess AWSLambdaExecute AWSLambdaInvocation-DynamoDB
	service-role/AWSLambdaBasicExecutionRole service-role/AWSLambdaDynamoDBExecutionRole service-role/AWSLambdaKinesisExecutionRole
	service-role/AWSLambdaVPCAccessExecutionRole service-role/AWSLambdaSQSQueueExecutionRole service-role/AWSLambdaRole
	service-role/AWSLambdaENIManagementAccess service-role/AWSLambdaMSKExecutionRole service-role/AWSLambdaBasicDurableExecutionRolePolicy
	service-role/AmazonAPIGatewayPushToCloudWatchLogs service-role/AWSConfigRulesExecutionRole service-role/AmazonSNSRole
	service-role/AWSIoTRuleActions service-role/AWSIoTLogging service-role/AWSIoTThingsRegistration
	AmazonS3FullAccess AmazonS3ReadOnlyAccess AmazonDynamoDBFullAccess AmazonDynamoDBFullAccess_v2 AmazonDynamoDBReadOnlyAccess
	AmazonKinesisFullAccess AmazonKinesisReadOnlyAccess AmazonKinesisFirehoseFullAccess AmazonKinesisFirehoseReadOnlyAccess
	AmazonSQSFullAccess AmazonSQSReadOnlyAccess AmazonSNSFullAccess AmazonSNSReadOnlyAccess
	AmazonAPIGatewayAdministrator AmazonAPIGatewayInvokeFullAccess AWSCloudFormationFullAccess AWSCloudFormationReadOnlyAccess
	CloudWatchFullAccess CloudWatchFullAccessV2 CloudWatchReadOnlyAccess CloudWatchLogsFullAccess CloudWatchLogsReadOnlyAccess
	CloudWatchEventsFullAccess CloudWatchEventsReadOnlyAccess AmazonEventBridgeFullAccess AmazonEventBridgeReadOnlyAccess
	AmazonEventBridgeSchedulerFullAccess AmazonEventBridgeSchedulerReadOnlyAccess AmazonEventBridgePipesFullAccess
	AmazonRoute53FullAccess AmazonRoute53ReadOnlyAccess AWSKeyManagementServicePowerUser AmazonCognitoPowerUser AmazonCognitoReadOnly
	AmazonSESFullAccess AmazonSESReadOnlyAccess AWSIoTFullAccess AWSIoTDataAccess AWSIoTConfigAccess AWSIoTConfigReadOnlyAccess
	AWSStepFunctionsFullAccess AWSStepFunctionsReadOnlyAccess AmazonSSMFullAccess AmazonSSMReadOnlyAccess AmazonSSMManagedInstanceCore
	SecretsManagerReadWrite AmazonEC2FullAccess AmazonEC2ReadOnlyAccess AWSXRayDaemonWriteAccess
	root-task/IAMAuditRootUserCredentials root-task/IAMCreateRootUserPassword root-task/IAMDeleteRootUserCredentials
	root-task/S3UnlockBucketPolicy root-task/SQSUnlockQueuePolicy`

// What a policy of AWS's is called is what it does: who may read changes nothing, and
// who may look sees nothing that is kept.
func TestCatalogKeepsItsWord(t *testing.T) {
	s, _, _ := house(t)
	may := func(arn, action string) bool {
		set := policy.Set{Identity: []policy.Source{s.compile(arn, s.catalog[arn].inForce().Document)}}
		return policy.Evaluate(&policy.Request{Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::000000000000:user/anna", AccountID: "000000000000", UserName: "anna"},
			Action: action, Resource: "*", ResourceAccount: "000000000000"}, &set).Allowed
	}
	services := strings.Fields("acm apigateway cloudformation cloudtrail cloudwatch cognito-idp dynamodb ec2 events firehose iam iot kinesis kms lambda logs organizations pipes rds route53 s3 scheduler secretsmanager ses sns sqs ssm states sts xray")
	changes := strings.Fields("Create Delete Put Update Attach Detach Add Remove Set Send Publish Invoke Disable Enable PassRole")
	kept := strings.Fields("s3:GetObject dynamodb:GetItem dynamodb:Query dynamodb:Scan kinesis:GetRecords sqs:ReceiveMessage secretsmanager:GetSecretValue ssm:GetParameter logs:GetLogEvents logs:FilterLogEvents lambda:GetFunction lambda:InvokeFunction kms:Decrypt ec2:GetPasswordData states:GetExecutionHistory sts:AssumeRole iot:GetThingShadow")
	for arn, p := range s.catalog {
		if strings.Contains(p.Name, "ReadOnly") || p.Name == "ViewOnlyAccess" || p.Name == "SecurityAudit" {
			for _, service := range services {
				for _, change := range changes {
					if may(arn, service+":"+change+"Thing") || may(arn, service+":"+change) {
						t.Errorf("%s allows %s:%s", p.Name, service, change)
					}
				}
			}
		}
		if p.Name == "ViewOnlyAccess" || p.Name == "SecurityAudit" {
			for _, action := range kept {
				if may(arn, action) {
					t.Errorf("%s allows %s", p.Name, action)
				}
			}
		}
	}
	for name, action := range map[string]string{
		"AWSCloudFormationFullAccess": "cloudformation:CreateStack", "AmazonSESFullAccess": "ses:SendEmail", "AmazonEC2FullAccess": "ec2:RunInstances",
		"AmazonRoute53FullAccess": "route53:ChangeResourceRecordSets", "AmazonSSMFullAccess": "ssm:PutParameter", "SecretsManagerReadWrite": "secretsmanager:PutSecretValue",
		"AWSStepFunctionsFullAccess": "states:StartExecution", "AmazonEventBridgeFullAccess": "events:PutEvents", "CloudWatchFullAccess": "cloudwatch:PutMetricData",
		"AWSIoTFullAccess": "iot:Publish", "AmazonCognitoPowerUser": "cognito-idp:AdminCreateUser", "AWSKeyManagementServicePowerUser": "kms:CreateKey",
		"SecurityAudit": "iam:GetRolePolicy", "job-function/ViewOnlyAccess": "dynamodb:ListTables", "AWSXRayDaemonWriteAccess": "xray:PutTraceSegments",
		"root-task/S3UnlockBucketPolicy": "s3:DeleteBucketPolicy",
	} {
		if !may("arn:aws:iam::aws:policy/"+name, action) {
			t.Errorf("%s does not allow %s", name, action)
		}
	}
}
