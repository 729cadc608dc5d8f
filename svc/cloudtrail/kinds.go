package cloudtrail

import (
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// globalRegion is the region of what has none.
const globalRegion = "us-east-1"

// dataOperations are the data events, by service: what works on the things within a
// resource. A service that is not here has none.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html
var dataOperations = map[string]map[string]bool{
	"dynamodb": set("GetItem PutItem UpdateItem DeleteItem Query Scan BatchGetItem BatchWriteItem TransactGetItems TransactWriteItems " +
		"ExecuteStatement BatchExecuteStatement ExecuteTransaction"),
	"dynamodbstreams": set("GetRecords GetShardIterator"),
	"lambda":          set("Invoke InvokeAsync InvokeWithResponseStream"),
	"logs":            set("PutLogEvents GetLogEvents FilterLogEvents GetLogRecord GetLogObject StartLiveTail"),
	"sqs":             set("SendMessage SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch ChangeMessageVisibility ChangeMessageVisibilityBatch"),
	"sns":             set("Publish PublishBatch"),
	"kinesis":         set("PutRecord PutRecords GetRecords GetShardIterator SubscribeToShard"),
	"firehose":        set("PutRecord PutRecordBatch"),
	"eventbridge":     set("PutEvents"),
	"cloudwatch":      set("PutMetricData GetMetricData GetMetricStatistics"),
	"iotdataplane":    set("Publish GetThingShadow UpdateThingShadow DeleteThingShadow GetRetainedMessage"),
	"sesv2":           set("SendEmail SendBulkEmail"),
	"ses":             set("SendEmail SendRawEmail SendTemplatedEmail SendBulkTemplatedEmail"),
	"stepfunctions":   set("StartSyncExecution SendTaskHeartbeat GetActivityTask"),
	"s3": set("AbortMultipartUpload CompleteMultipartUpload CopyObject CreateMultipartUpload DeleteObject DeleteObjects DeleteObjectTagging " +
		"GetObject GetObjectAcl GetObjectAttributes GetObjectTagging GetObjectTorrent HeadObject ListObjects ListObjectsV2 ListObjectVersions " +
		"ListParts ListMultipartUploads PutObject PutObjectAcl PutObjectTagging RestoreObject SelectObjectContent UploadPart UploadPartCopy"),
}

func set(words string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		out[w] = true
	}
	return out
}

// isData reports whether calls of an operation are data events.
func isData(op *aws.Operation) bool { return dataOperations[op.Service.Package][op.Name] }

// readers begin the names of operations that change nothing.
var readers = []string{"Get", "List", "Describe", "Lookup", "BatchGet", "Head", "Query", "Scan", "Search", "Select", "Filter", "Simulate", "Decode", "Preview", "Validate", "AssumeRole"}

// isRead reports whether an operation changes nothing. The models of few services say.
func isRead(op *aws.Operation) bool {
	if op.ReadOnly {
		return true
	}
	for _, r := range readers {
		if strings.HasPrefix(op.Name, r) {
			return true
		}
	}
	return false
}

// issues reports whether a read gives out credentials: then its answer says which.
func issues(op *aws.Operation) bool {
	return op.Service.Package == "sts" && (strings.HasPrefix(op.Name, "AssumeRole") || op.Name == "GetSessionToken" || op.Name == "GetFederationToken")
}

// sourceOf is the event source of a service: the last label of its host names' first
// part, "dynamodb.amazonaws.com" of streams.dynamodb, too.
func sourceOf(s *aws.Service) string {
	return s.EndpointPrefix[strings.LastIndexByte(s.EndpointPrefix, '.')+1:] + ".amazonaws.com"
}

// serviceNames are the services in the names of CloudFormation's resource types.
var serviceNames = map[string]string{
	"apigateway": "ApiGateway", "cloudformation": "CloudFormation", "cloudtrail": "CloudTrail", "cloudwatch": "CloudWatch", "cognito-idp": "Cognito",
	"dynamodb": "DynamoDB", "events": "Events", "execute-api": "ApiGateway", "firehose": "KinesisFirehose", "iam": "IAM", "iot": "IoT", "kinesis": "Kinesis", "kms": "KMS",
	"lambda": "Lambda", "logs": "Logs", "organizations": "Organizations", "route53": "Route53", "s3": "S3", "secretsmanager": "SecretsManager",
	"ses": "SES", "sns": "SNS", "sqs": "SQS", "ssm": "SSM", "states": "StepFunctions", "sts": "STS",
}

// onlyKinds are the types of resources whose ARNs do not say theirs.
var onlyKinds = map[string]string{"sns": "Topic", "sqs": "Queue", "s3": "Bucket"}

// kindNames are those whose ARNs say it otherwise.
var kindNames = map[string]string{
	"mfa": "VirtualMFADevice", "policy": "ManagedPolicy", "oidc-provider": "OIDCProvider", "saml-provider": "SAMLProvider",
	"restapis": "RestApi", "apis": "Api", "statemachine": "StateMachine", "deliverystream": "DeliveryStream", "userpool": "UserPool",
}

// resourceOf is the type and the name of what an ARN names: "AWS::IAM::Role", "web".
// The type is empty where nobody would know it.
func resourceOf(arn string) (kind, name string) {
	a, ok := aws.ParseARN(arn)
	if !ok {
		return "", arn
	}
	service := serviceNames[a.Service]
	kind, rest := "", a.Resource
	if only := onlyKinds[a.Service]; only != "" {
		kind = only
		if a.Service == "s3" && strings.Contains(rest, "/") {
			kind = "Object"
		}
	} else if cut := strings.IndexAny(strings.TrimPrefix(rest, "/"), "/:"); cut >= 0 {
		rest = strings.TrimPrefix(rest, "/")
		kind, rest = rest[:cut], rest[cut+1:]
		if kindNames[kind] != "" {
			kind = kindNames[kind]
		} else {
			kind = camel(kind)
		}
	}
	switch a.Service {
	case "iam":
		rest = rest[strings.LastIndexByte(rest, '/')+1:] // what is before it is the path
	case "logs":
		rest, _, _ = strings.Cut(rest, ":log-stream:")
	case "dynamodb":
		rest, _, _ = strings.Cut(rest, "/")
	case "lambda":
		rest, _, _ = strings.Cut(rest, ":")
	}
	if service == "" || kind == "" {
		return "", rest
	}
	return "AWS::" + service + "::" + kind, rest
}

// camel makes "log-group" "LogGroup".
func camel(s string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(s, "-") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
