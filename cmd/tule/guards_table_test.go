package main

// What the walks of guards_test.go know beside the model and AWS's reference.

// free are the operations that AWS lets every caller use, and why.
var free = map[string]string{
	"sts GetCallerIdentity": "no permission is needed, and none can be denied",
	"sts GetSessionToken":   "every user may have a session of its own",
	"s3 DeleteObjects":      "each key is asked for by itself: one that may not be deleted is an error in the answer",
}

// An exception is something that differs from the reference: of the operations that op
// matches, with why. In what, | stands for /.
type exception struct{ op, what, why string }

// differentResources are actions, by operation, whose resource is of none of the
// reference's types.
var differentResources = []exception{
	{"logs *KmsKey", "logs:*KmsKey", "without a group, a group without a name, as above"},
	{"logs GetLog*", "logs:*", "without a group or with a pointer that leads nowhere, a group without a name, as above"},
	{"logs StartQuery", "logs:StartQuery", "without a group, a group without a name, as above"},
	{"logs GetQueryResults", "logs:GetQueryResults", "a query that is not there is of a group without a name, as above"},
	{"logs DeleteDeliverySource", "logs:DeleteDeliverySource", "the reference names the type of destinations, where it can only mean that of sources"},
	{"cloudwatch DescribeAlarmContributors", "cloudwatch:DescribeAlarmContributors", "the reference does not know the action yet; AWS's guide names alarms"},
	{"events *Source*", "events:*Source*", "a partner's name for it has slashes"},
	{"events CreateApiDestination", "events:CreateApiDestination", "the ARN of a connection ends with its id"},
	{"dynamodb ListTables", "dynamodb:ListTables", "AWS's refusals name table/*"},
	{"logs Describe*", "logs:Describe*", "AWS's refusals name log-group::log-stream:, a group without a name"},
	{"logs *LogEvents", "logs:*LogEvents", "without a group, a group without a name, as above"},
	{"dynamodb TransactWriteItems", "dynamodb:TransactWriteItems", "a transaction of nothing, which is refused"},
	{"iam GetServiceLinkedRoleDeletionStatus", "iam:GetServiceLinkedRoleDeletionStatus", "a task, whose role is not looked up"},
	{"organizations CreatePolicy", "organizations:*", "a policy to be made has no id"},
	{"organizations PutResourcePolicy", "organizations:PutResourcePolicy", "a resource policy to be made has no id"},
	{"iam GenerateOrganizationsAccessReport", "iam:GenerateOrganizationsAccessReport", "the path of an entity has slashes"},
	{"iam List*", "iam:List*", "AWS's refusals name the kind and no name: user/"},
	{"sts GetFederationToken", "sts:TagSession", "the tags are on the federated user, as AWS's guide to session tags has it"},
	{"kinesis UpdateStreamMode", "kinesis:UpdateStreamMode", "AWS's own examples of policies name the stream"},
	{"kinesis UpdateShardCount", "kinesis:UpdateShardCount", "AWS's own examples of policies name the stream"},
	{"kinesis *EnhancedMonitoring", "kinesis:*EnhancedMonitoring", "AWS's own examples of policies name the stream"},
	{"sns Publish", "sns:Publish", "a phone number is no resource"},
	{"ses SendRawEmail", "ses:SendRawEmail", "a message without From, which is refused"},
	{"sesv2 SendEmail", "ses:SendEmail", "a message without From, which is refused"},
	{"sesv2 SendBulkEmail", "ses:SendBulkEmail", "a message without From, which is refused"},
	{"apigateway *Usage", "apigateway:*", "the reference has no usage of plans, whose paths AWS's own policies name"},
	{"apigateway FlushStage*Cache", "apigateway:DELETE", "the reference names no path of a stage's caches"},
	{"apigateway GetExport", "apigateway:GET", "the reference names no path of exports"},
	{"apigateway GetSdkType*", "apigateway:GET", "the reference names no path of kinds of SDK"},
	{"apigatewaymanagementapi *", "execute-api:ManageConnections", "a host that names no API stands for any"},
	{"apigateway GetModelTemplate", "apigateway:GET", "the reference has /restapis/models/NAME/template, where no request goes"},
}

// furtherKeys are condition keys that a guard gives, and the reference does not have.
var furtherKeys = []exception{
	{"sts AssumeRole*", "sts:*", "all the actions of a call see all that it says"},
	{"iam Create*", "iam:Tag* iam:PermissionsBoundary", "all the actions of a call see all that it says"},
	{"apigateway* *Authorizer", "apigateway:* apigateway:Request|AuthorizerUri", "its own list of keys has it with CreateAuthorizer and UpdateAuthorizer"},
	{"dynamodb TransactWriteItems", "dynamodb:ConditionCheckItem dynamodb:EnclosingOperation", "AWS's guide to transactions denies it by this key"},
}

// absentKeys are condition keys that the reference has, and no guard gives.
var absentKeys = []exception{
	{"cloudformation CreateChangeSet", "cloudformation:CreateChangeSet cloudformation:StackPolicyUrl", "a change set sets no policy"},
	{"cloudwatch *", "cloudwatch:* cloudwatch:HasAccessGrant", "there are no access grants"},
	{"cloudwatch PutInsightRule", "cloudwatch:PutInsightRule cloudwatch:requestInsightRuleLogGroups", "of definitions that name log groups alone"},
	{"ssm *Tag*", "ssm:*Tag* *", "of the tags of documents, which the walk asks for first, and there are none"},
	{"events *", "events:* events:ManagedBy", "of rules that a service manages, and here none stands"},
	{"events PutEvents", "events:PutEvents events:SystemMetadata|*", "of events that are put raw, which no API here takes"},
	{"iam EnableMFADevice", "iam:EnableMFADevice iam:*", "of security keys, which no API registers"},
	{"iam *", "iam:* iam:RoleTemplateARN", "there are no role templates"},
	{"iam AddRoleToInstanceProfile", "iam:PassRole iam:AssociatedResourceArn", "an instance profile is not the resource that has the role in the end"},
	{"iam *PrincipalPolicy", "iam:*PrincipalPolicy *ResourceTag*", "svc/iam does not look the principal up"},
	{"iam *ServiceSpecificCredential", "iam:* iam:ServiceSpecificCredentialServiceName", "svc/iam does not look up which service a credential is for"},
	{"organizations [CIP]*", "organizations:TagResource organizations:PolicyType", "what is made is no policy"},
	{"sts GetFederationToken", "sts:TagSession sts:TransitiveTagKeys", "a federated session assumes no role with its tags"},
	{"dynamodb *Item", "dynamodb:*Item dynamodb:EnclosingOperation", "of items within transactions alone"},
	{"dynamodb *ExecuteStatement", "dynamodb:PartiQL* dynamodb:EnclosingOperation", "of statements within transactions alone"},
	{"dynamodb Query", "dynamodb:Query dynamodb:ReturnValues", "a query has no such parameter"},
	{"dynamodb Scan", "dynamodb:Scan dynamodb:ReturnValues", "a scan has no such parameter"},
	{"lambda Invoke*", "lambda:InvokeFunction lambda:EventSourceToken", "of Alexa, which does not call here"},
	{"lambda *FunctionUrlConfig", "lambda:* lambda:FunctionUrlAuthType", "it is that of the address that stands, and here none does"},
	{"lambda *EventSourceMapping", "lambda:* lambda:FunctionArn", "it is that of the mapping that stands, and here none does"},
	{"apigateway GetRestApis", "apigateway:GET aws:ResourceTag*", "the list of APIs has no tags"},
	{"apigateway GetApiKeys", "apigateway:GET aws:ResourceTag*", "the list of keys has no tags"},
	{"apigateway GetUsagePlans", "apigateway:GET aws:ResourceTag*", "the list of plans has no tags"},
	{"apigateway CreateStage", "apigateway:POST apigateway:Request|AccessLogging*", "only UpdateStage takes settings of the access log"},
	{"apigateway DeleteRestApi", "apigateway:DELETE apigateway:Request|DisableExecuteApiEndpoint", "a deletion brings no settings"},
	{"apigateway GetDomainNames", "apigateway:GET aws:ResourceTag*", "the list of domain names has no tags"},
	{"apigateway GetVpcLinks", "apigateway:GET aws:ResourceTag*", "the list of links has no tags"},
	{"apigateway GetClientCertificates", "apigateway:GET aws:ResourceTag*", "the list of certificates has no tags"},
	{"apigateway* *Authorizer", "apigateway:* apigateway:Resource|AuthorizerType", "it is that of the authorizer that stands, and here none does"},
	{"apigateway PutRestApi", "apigateway:PUT apigateway:Resource|AuthorizerType", "it is that of the authorizer that stands, and here none does"},
	{"apigateway *DomainName", "apigateway:* apigateway:Resource|*", "it is that of the domain name that stands, and here none does"},
	{"apigateway GenerateClientCertificate", "apigateway:POST aws:ResourceTag*", "a certificate to be made has no tags that stand"},
	{"apigatewayv2 *Stage", "apigateway:* apigateway:Resource|AccessLogging*", "it is that of the stage that stands, and here none does"},
	{"apigatewayv2 GetApis", "apigateway:GET aws:ResourceTag*", "the list of APIs has no tags"},
	{"apigatewayv2 GetVpcLinks", "apigateway:GET aws:ResourceTag*", "the list of links has no tags"},
	{"ses *", "ses:* ses:FromDisplayName", "only where the sender has a display name"},
	{"sesv2 SendEmail", "ses:* ses:FromDisplayName", "only where the sender has a display name"},
	{"sesv2 SendCustomVerificationEmail", "ses:* ses:FromDisplayName", "only where the template's sender has a display name"},
	{"ses *", "ses:* ses:TenantName", "of the newer API's tenants"},
	{"ses *", "ses:* ses:MultiRegionEndpointId", "of the newer API's endpoints"},
	{"ses *", "ses:* *ResourceTag*", "this API tags nothing"},
	{"sesv2 *SuppressedDestination*", "ses:* *ResourceTag*", "of tenants, of whom there are none"},
	{"s3 *", "s3:* s3:AccessGrantsInstanceArn", "there are no access grants"},
	{"s3 ListMultipartUploads", "s3:ListBucketMultipartUploads s3:*AccessPoint*", "there are no access points"},
	{"s3 CreateBucket", "s3:* s3:BucketTag|*", "a bucket to be made has no tags that stand"},
	{"s3 HeadBucket", "s3:ListBucket s3:[dmp]*", "it lists nothing, by prefix, delimiter or max-keys"},
	{"s3 *BucketReplication", "s3:PutReplicationConfiguration s3:isReplicationPauseRequest", "of the Fault Injection Service"},
	{"s3 DeleteBucketInventoryConfiguration", "s3:PutInventoryConfiguration s3:InventoryAccessibleOptionalFields", "a deletion brings no fields"},
	{"s3 *", "s3:Put* s3:object-lock-event-hold*", "the model has no holds on events yet"},
	{"s3 *UploadPart*", "s3:PutObject s3:object-lock-*", "the upload has the lock, and its parts none"},
	{"s3 CompleteMultipartUpload", "s3:PutObject s3:object-lock-*", "the upload has had its lock since it was created"},
	{"s3 *UploadPart*", "s3:PutObject s3:RequestObjectTag*", "the upload has the tags, and its parts none"},
	{"s3 CompleteMultipartUpload", "s3:PutObject s3:RequestObjectTag*", "the upload has had its tags since it was created"},
	{"s3 RenameObject", "s3:PutObject s3:object-lock-*", "an object keeps its lock under a new name"},
	{"s3 RenameObject", "s3:PutObject s3:RequestObjectTag*", "an object keeps its tags under a new name"},
	{"s3 RenameObject", "s3:DeleteObject s3:if-match", "the condition is on the destination"},
	{"s3 *", "s3:BypassGovernanceRetention s3:RequestObjectTag*", "what passes over a lock tags nothing"},
	{"s3*", "s3:* s3:authType", "how a request was signed is the door's, and not told to services"},
	{"s3*", "s3:* s3:signatureversion", "how a request was signed is the door's, and not told to services"},
	{"s3*", "s3:* s3:signatureAge", "how a request was signed is the door's, and not told to services"},
	{"s3*", "s3:* s3:TlsVersion", "aws:SecureTransport says whether it came by TLS"},
	{"*", "iam:PassRole *ResourceTag*", "AWS says not to go by tags when roles are passed"},
}

// readTokens are operations whose guards must read a token to know who asks, and
// refuse what the walk can write.
var readTokens = []exception{
	{"sts AssumeRoleWith*", "", "an identity provider signs it"},
}

// keptRoles are operations that name a role and hand it to nobody.
var keptRoles = []exception{
	{"sts AssumeRole*", "", "the caller takes the role on"},
}

// knownMembers are values of members that must be more than of the right form.
var knownMembers = map[string]string{
	"cloudwatch.ResourceARN":                  "arn:aws:cloudwatch:us-east-1:000000000000:alarm:example",
	"events.ConnectionArn":                    "arn:aws:events:us-east-1:000000000000:connection/example/0a",
	"events.EventSourceArn":                   "arn:aws:events:us-east-1:000000000000:archive/example",
	"events.EventPattern":                     `{"source":["a"],"detail-type":["a"],"detail":{"service":["a"],"eventTypeCode":["a"],"userIdentity":{"principalId":["a"]}}}`,
	"HttpMethod":                              "GET",
	"StatusCode":                              "200",
	"dynamodbstreams.StreamArn":               "arn:aws:dynamodb:us-east-1:000000000000:table/example/stream/2026-01-02T03:04:05.000",
	"dynamodbstreams.ShardIterator":           "arn:aws:dynamodb:us-east-1:000000000000:table/example/stream/2026-01-02T03:04:05.000|1|eyJTaGFyZCI6InNoYXJkIiwiTmV4dCI6MSwiTWFkZSI6Mn08owhN",
	"dynamodbstreams.ExclusiveStartStreamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/example/stream/2026-01-02T03:04:05.000",
	"dynamodb.ResourceArn":                    "arn:aws:dynamodb:us-east-1:000000000000:table/example",
	"dynamodb.Statement":                      "SELECT id FROM example WHERE id = ?",
	"dynamodb.TableArn":                       "arn:aws:dynamodb:us-east-1:000000000000:table/example",
	"lambda.Resource":                         "arn:aws:lambda:us-east-1:000000000000:function:example",
	"lambda.Layers":                           "arn:aws:lambda:us-east-1:000000000000:layer:example:1",
	"lambda.CodeSigningConfigArn":             "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0",
	"logs.ResourceArn":                        "arn:aws:logs:us-east-1:000000000000:log-group:example",
	"apigateway.Body": `{"swagger": "2.0", "info": {"title": "example"}, "securityDefinitions": {"a": {"type": "apiKey", "x-amazon-apigateway-authorizer": {"type": "token"}}},
		"paths": {"/": {"get": {"security": [{"a": []}], "x-amazon-apigateway-integration": {"type": "aws", "credentials": "` + exampleRole + `"}}}}}`,
	"ecr.ResourceArn": "arn:aws:ecr:us-east-1:000000000000:repository/example", "ssm.ResourceId": "example", "ssm.Policies": `[{"Type": "NoChangeNotification"}]`,
	"apigateway.ResourceArn":       "arn:aws:apigateway:us-east-1::/restapis/example",
	"iam.PolicyArn":                "arn:aws:iam::000000000000:policy/example",
	"iam.PermissionsBoundary":      "arn:aws:iam::000000000000:policy/example",
	"iam.PolicySourceArn":          "arn:aws:iam::000000000000:user/example",
	"iam.OpenIDConnectProviderArn": "arn:aws:iam::000000000000:oidc-provider/example.com",
	"iam.SAMLProviderArn":          "arn:aws:iam::000000000000:saml-provider/example",
	"iam.SerialNumber":             "arn:aws:iam::000000000000:mfa/example",
}

// needed are members without which an input says nothing, though the model lets it.
var needed = map[string]bool{"kinesis.StreamARN": true, "kinesis.ConsumerARN": true}

// adjust are third inputs, for guards that everything at once would contradict.
var adjust = map[string]func(in any){
	"kinesis ListShards":          without("NextToken", "ExclusiveStartShardId", "ShardFilter"),
	"sts AssumeRole":              without("SerialNumber", "TokenCode"),
	"dynamodb Query":              without("KeyConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues"),
	"apigateway UpdateRestApi":    patching("/name", "x", "/disableExecuteApiEndpoint", "true", "/endpointConfiguration/types/0", "EDGE", "/securityPolicy", "TLS_1_2", "/policy", "{}"),
	"apigateway UpdateAuthorizer": patching("/type", "TOKEN", "/authorizerUri", "example"),
	"apigateway UpdateDomainName": patching("/endpointConfiguration/types/0", "REGIONAL", "/mutualTlsAuthentication/truststoreUri", "s3://example/example",
		"/mutualTlsAuthentication/truststoreVersion", "1"),
	"apigateway UpdateMethod":      patching("/apiKeyRequired", "true", "/authorizationType", "NONE"),
	"apigateway UpdateStage":       patching("/accessLogSettings/destinationArn", "arn:aws:logs:us-east-1:000000000000:log-group:a", "/accessLogSettings/format", "$context.status"),
	"apigateway UpdateIntegration": patching("/credentials", "arn:aws:iam::000000000000:role/example"),
	"apigateway UpdateAccount":     patching("/cloudwatchRoleArn", "arn:aws:iam::000000000000:role/example"),
}
