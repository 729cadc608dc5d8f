// aws-sdk v2 and v3 call every operation that stands (../every/steps.txt). That the
// steps are all of them test/python/test_every.py holds against the README.
"use strict";
const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { after, before, test } = require("node:test");
const AWS = require("aws-sdk");
const { start, zip } = require("./house.js");

const v2 = {
  apigateway: AWS.APIGateway, apigatewayv2: AWS.ApiGatewayV2, cloudformation: AWS.CloudFormation, cloudtrail: AWS.CloudTrail, cloudwatch: AWS.CloudWatch, dynamodb: AWS.DynamoDB, dynamodbstreams: AWS.DynamoDBStreams, ecr: AWS.ECR, events: AWS.EventBridge, firehose: AWS.Firehose, iam: AWS.IAM,
  kinesis: AWS.Kinesis, lambda: AWS.Lambda, logs: AWS.CloudWatchLogs, organizations: AWS.Organizations, s3: AWS.S3, scheduler: AWS.Scheduler, ses: AWS.SES, sesv2: AWS.SESV2,
  sns: AWS.SNS, sqs: AWS.SQS, ssm: AWS.SSM, sts: AWS.STS,
};
const v3 = {
  apigateway: [require("@aws-sdk/client-api-gateway"), "APIGatewayClient"],
  apigatewayv2: [require("@aws-sdk/client-apigatewayv2"), "ApiGatewayV2Client"],
  cloudformation: [require("@aws-sdk/client-cloudformation"), "CloudFormationClient"],
  cloudtrail: [require("@aws-sdk/client-cloudtrail"), "CloudTrailClient"],
  cloudwatch: [require("@aws-sdk/client-cloudwatch"), "CloudWatchClient"],
  dynamodb: [require("@aws-sdk/client-dynamodb"), "DynamoDBClient"],
  dynamodbstreams: [require("@aws-sdk/client-dynamodb-streams"), "DynamoDBStreamsClient"],
  ecr: [require("@aws-sdk/client-ecr"), "ECRClient"],
  events: [require("@aws-sdk/client-eventbridge"), "EventBridgeClient"],
  firehose: [require("@aws-sdk/client-firehose"), "FirehoseClient"],
  iam: [require("@aws-sdk/client-iam"), "IAMClient"],
  kinesis: [require("@aws-sdk/client-kinesis"), "KinesisClient"],
  lambda: [require("@aws-sdk/client-lambda"), "LambdaClient"],
  logs: [require("@aws-sdk/client-cloudwatch-logs"), "CloudWatchLogsClient"],
  organizations: [require("@aws-sdk/client-organizations"), "OrganizationsClient"],
  s3: [require("@aws-sdk/client-s3"), "S3Client"],
  scheduler: [require("@aws-sdk/client-scheduler"), "SchedulerClient"],
  ses: [require("@aws-sdk/client-ses"), "SESClient"],
  sesv2: [require("@aws-sdk/client-sesv2"), "SESv2Client"],
  sns: [require("@aws-sdk/client-sns"), "SNSClient"],
  sqs: [require("@aws-sdk/client-sqs"), "SQSClient"],
  ssm: [require("@aws-sdk/client-ssm"), "SSMClient"],
  sts: [require("@aws-sdk/client-sts"), "STSClient"],
};
const allow = (statement) => JSON.stringify({ Version: "2012-10-17", Statement: { Effect: "Allow", ...statement } });
const policy = allow({ Action: "logs:*", Resource: "*" });
const trust = allow({ Action: "sts:AssumeRole", Principal: { Service: "lambda.amazonaws.com", AWS: "*" } });

let house;
before(async () => { house = await start(); });
after(() => house.stop());

// parse reads a step: the service, the operation, its input, and what is kept of the answer.
function parse(line) {
  const [, service, operation, input, saves] = /^(\S+) (\S+) (\{.*\})(?: (\S+))?$/.exec(line);
  return { service, operation, input: JSON.parse(input), saves: (saves || "").split(",").filter(Boolean).map((s) => s.split("=")) };
}

function fill(value, known) {
  if (Array.isArray(value)) return value.map((v) => fill(v, known));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, fill(v, known)]));
  if (typeof value !== "string") return value;
  if (value === "@zip") return zip("index.js", "exports.handler = async (event) => event");
  if (value === "@now") return Date.now();
  if (value.startsWith("@bytes:")) return Buffer.from(value.slice("@bytes:".length));
  const text = value.replace(/\{(\w+)\}/g, (whole, name) => known[name] ?? whole);
  if (/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text)) return new Date(text);
  const code = /^@totp([+-]\d+)?:(.*)$/.exec(text);
  return code ? totp(code[2], Number(code[1] ?? 0)) : text;
}

// totp is the code of an MFA device, some steps of 30 seconds ahead (RFC 6238).
function totp(seed, ahead) {
  const bits = [...seed].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + ahead));
  const mac = crypto.createHmac("sha1", key).update(step).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, "0");
}

async function walk(account, call) {
  const known = { account, policy, trust };
  const text = fs.readFileSync(path.join(__dirname, "../every/steps.txt"), "utf8");
  for (const line of text.split("\n").filter((l) => l && !l.startsWith("#"))) {
    const step = parse(line);
    let answer;
    try {
      answer = await call(step.service, step.operation, fill(step.input, known));
    } catch (err) {
      throw new Error(`${step.service} ${step.operation}: ${err.message}`, { cause: err });
    }
    for (const [name, at] of step.saves) {
      const part = at.split(".").reduce((whole, key) => whole[key], answer);
      known[name] = part instanceof Uint8Array ? Buffer.from(part).toString() : part;
    }
  }
}

// younger are the operations that came after the last aws-sdk v2.
const younger = `
  iam EnableOutboundWebIdentityFederation
  iam GetOutboundWebIdentityFederationInfo
  sts GetWebIdentityToken
  iam DisableOutboundWebIdentityFederation
  lambda CreateCapacityProvider
  lambda GetCapacityProvider
  lambda UpdateCapacityProvider
  lambda ListCapacityProviders
  lambda PutFunctionScalingConfig
  lambda GetFunctionScalingConfig
  lambda ListFunctionVersionsByCapacityProvider
  lambda DeleteCapacityProvider
  logs PutLogGroupDeletionProtection
  logs ListLogGroups
  logs PutIndexPolicy
  logs DescribeIndexPolicies
  logs DescribeFieldIndexes
  logs DeleteIndexPolicy
  logs ListLogGroupsForQuery
  cloudwatch DescribeAlarmContributors
  cloudwatch PutAlarmMuteRule
  cloudwatch GetAlarmMuteRule
  cloudwatch ListAlarmMuteRules
  cloudwatch DeleteAlarmMuteRule
  cloudwatch StartOTelEnrichment
  cloudwatch GetOTelEnrichment
  cloudwatch StopOTelEnrichment
  iam EnableOrganizationsRootCredentialsManagement
  iam EnableOrganizationsRootSessions
  iam ListOrganizationsFeatures
  sts AssumeRoot
  iam DisableOrganizationsRootSessions
  iam DisableOrganizationsRootCredentialsManagement
  kinesis DescribeAccountSettings
  kinesis UpdateAccountSettings
  kinesis UpdateMaxRecordSize
  kinesis UpdateStreamWarmThroughput
  kinesis TagResource
  kinesis ListTagsForResource
  kinesis UntagResource
  sesv2 PutConfigurationSetArchivingOptions
  s3 RenameObject
  s3 PutBucketAbac
  s3 GetBucketAbac
  s3 CreateBucketMetadataConfiguration
  s3 GetBucketMetadataConfiguration
  s3 UpdateBucketMetadataInventoryTableConfiguration
  s3 UpdateBucketMetadataJournalTableConfiguration
  s3 DeleteBucketMetadataConfiguration
  s3 CreateBucketMetadataTableConfiguration
  s3 GetBucketMetadataTableConfiguration
  s3 DeleteBucketMetadataTableConfiguration
`.split("\n").map((line) => line.trim()).filter(Boolean);

test("aws-sdk v2 calls every operation", async () => {
  const account = "220000000001", clients = {}, unknown = [];
  await walk(account, (service, operation, input) => {
    const { "@as": who = `${account} any`, ...params } = input;
    const [accessKeyId, secretAccessKey] = who.split(" ");
    const client = clients[service + who] ??= new v2[service]({ endpoint: house.url, region: "us-east-1", accessKeyId, secretAccessKey, maxRetries: 0, s3ForcePathStyle: true,
      paramValidation: false }); // what is younger than it, it leaves out
    const method = operation[0].toLowerCase() + operation.slice(1);
    if (!(method in client)) return unknown.push(`${service} ${operation}`);
    return client[method](params).promise();
  });
  assert.deepEqual(unknown, younger);
});

test("aws-sdk v3 calls every operation", async () => {
  const account = "220000000002", clients = {};
  await walk(account, (service, operation, input) => {
    const [library, name] = v3[service];
    const { "@as": who = `${account} any`, ...params } = input;
    const [accessKeyId, secretAccessKey] = who.split(" ");
    const client = clients[service + who] ??= new library[name]({ endpoint: house.url, region: "us-east-1", credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 });
    return client.send(new library[`${operation}Command`](params));
  });
});
