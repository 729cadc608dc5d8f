// aws-sdk v3: one client for each service, commands, waiters and paginators.
"use strict";
const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const gateway = require("@aws-sdk/client-api-gateway");
const logs = require("@aws-sdk/client-cloudwatch-logs");
const dynamo = require("@aws-sdk/client-dynamodb");
const iam = require("@aws-sdk/client-iam");
const lambda = require("@aws-sdk/client-lambda");
const sts = require("@aws-sdk/client-sts");
const docs = require("@aws-sdk/lib-dynamodb");
const { start, zip, trust, eventually, songs } = require("./house.js");

let house, options;
before(async () => {
  house = await start();
  options = { endpoint: house.url, region: "eu-west-1", credentials: { accessKeyId: "444444444444", secretAccessKey: "any" }, maxAttempts: 1 };
});
after(() => house.stop());

test("DynamoDB and its document client", async () => {
  const client = new dynamo.DynamoDBClient(options), db = docs.DynamoDBDocumentClient.from(client);
  await client.send(new dynamo.CreateTableCommand(songs));
  await dynamo.waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 1 }, { TableName: "songs" });
  for (let year = 0; year < 12; year++) {
    await db.send(new docs.PutCommand({ TableName: "songs", Item: { artist: "Nina", year, nested: { set: new Set(["a"]), list: [1, { deep: true }] } } }));
  }
  const { Item } = await db.send(new docs.GetCommand({ TableName: "songs", Key: { artist: "Nina", year: 3 } }));
  assert.deepEqual(Item, { artist: "Nina", year: 3, nested: { set: new Set(["a"]), list: [1, { deep: true }] } });
  const years = [];
  for await (const page of docs.paginateQuery({ client: db, pageSize: 5 }, { TableName: "songs", KeyConditionExpression: "artist = :a", ExpressionAttributeValues: { ":a": "Nina" } })) {
    years.push(...page.Items.map((i) => i.year));
  }
  assert.deepEqual(years, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  await assert.rejects(db.send(new docs.PutCommand({ TableName: "songs", Item: { artist: "Nina", year: 3 }, ConditionExpression: "attribute_not_exists(artist)", ReturnValuesOnConditionCheckFailure: "ALL_OLD" })),
    (err) => err instanceof dynamo.ConditionalCheckFailedException && err.Item.year.N === "3");
  await assert.rejects(db.send(new docs.TransactWriteCommand({ TransactItems: [
    { Put: { TableName: "songs", Item: { artist: "T", year: 1 } } },
    { Update: { TableName: "songs", Key: { artist: "none", year: 1 }, UpdateExpression: "set n = :n", ConditionExpression: "attribute_exists(artist)", ExpressionAttributeValues: { ":n": 1 } } },
  ] })), (err) => err instanceof dynamo.TransactionCanceledException && err.CancellationReasons[1].Code === "ConditionalCheckFailed");
  assert.equal((await db.send(new docs.GetCommand({ TableName: "songs", Key: { artist: "T", year: 1 } }))).Item, undefined);
  await assert.rejects(client.send(new dynamo.DescribeTableReplicaAutoScalingCommand({ TableName: "songs" })), (err) => err.$metadata.httpStatusCode === 501 && /DescribeTableReplicaAutoScaling/.test(err.message));
});

test("DynamoDB's indexes", async () => {
  const client = new dynamo.DynamoDBClient(options), db = docs.DynamoDBDocumentClient.from(client);
  await client.send(new dynamo.CreateTableCommand({
    TableName: "games", BillingMode: "PAY_PER_REQUEST", AttributeDefinitions: [{ AttributeName: "user", AttributeType: "S" }, { AttributeName: "game", AttributeType: "S" }, { AttributeName: "score", AttributeType: "N" }],
    KeySchema: [{ AttributeName: "user", KeyType: "HASH" }, { AttributeName: "game", KeyType: "RANGE" }],
    LocalSecondaryIndexes: [{ IndexName: "scores", KeySchema: [{ AttributeName: "user", KeyType: "HASH" }, { AttributeName: "score", KeyType: "RANGE" }], Projection: { ProjectionType: "KEYS_ONLY" } }],
  }));
  for (let n = 0; n < 12; n++) await db.send(new docs.PutCommand({ TableName: "games", Item: { user: `u${n % 3}`, game: `g${n % 4}`, score: n, when: `t${n}` } }));
  await client.send(new dynamo.UpdateTableCommand({
    TableName: "games", AttributeDefinitions: [{ AttributeName: "game", AttributeType: "S" }, { AttributeName: "score", AttributeType: "N" }],
    GlobalSecondaryIndexUpdates: [{ Create: { IndexName: "best", KeySchema: [{ AttributeName: "game", KeyType: "HASH" }, { AttributeName: "score", KeyType: "RANGE" }], Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["when"] } } }],
  }));
  await dynamo.waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 1 }, { TableName: "games" });
  const found = [];
  for await (const page of docs.paginateQuery({ client: db, pageSize: 1 }, { TableName: "games", IndexName: "best", ScanIndexForward: false, KeyConditionExpression: "game = :g", ExpressionAttributeValues: { ":g": "g1" } })) found.push(...page.Items);
  assert.deepEqual(found, [9, 5, 1].map((n) => ({ user: `u${n % 3}`, game: "g1", score: n, when: `t${n}` })));
  const { Items } = await db.send(new docs.QueryCommand({ TableName: "games", IndexName: "scores", ConsistentRead: true, KeyConditionExpression: "#u = :u and score < :s", ProjectionExpression: "#w", ExpressionAttributeNames: { "#u": "user", "#w": "when" }, ExpressionAttributeValues: { ":u": "u0", ":s": 7 } }));
  assert.deepEqual(Items, [{ when: "t0" }, { when: "t3" }, { when: "t6" }]);
  const said = await db.send(new docs.ExecuteStatementCommand({ Statement: "SELECT score FROM games.best WHERE game = ? AND score > ?", Parameters: ["g1", 5] }));
  assert.deepEqual(said.Items, [{ score: 9 }]);
  await assert.rejects(db.send(new docs.ScanCommand({ TableName: "games", IndexName: "best", ConsistentRead: true })), { name: "ValidationException" });
  await client.send(new dynamo.DeleteTableCommand({ TableName: "games" }));
});

test("IAM and STS", async () => {
  const people = new iam.IAMClient(options);
  await people.send(new iam.CreateUserCommand({ UserName: "ann" }));
  await assert.rejects(people.send(new iam.CreateUserCommand({ UserName: "ann" })), iam.EntityAlreadyExistsException);
  const { AccessKey } = await people.send(new iam.CreateAccessKeyCommand({ UserName: "ann" }));
  const ann = { ...options, credentials: { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey } };
  assert.equal((await new sts.STSClient(ann).send(new sts.GetCallerIdentityCommand({}))).Arn, "arn:aws:iam::444444444444:user/ann");
  await assert.rejects(new dynamo.DynamoDBClient(ann).send(new dynamo.ListTablesCommand({})), { name: "AccessDeniedException", message: /is not authorized to perform: dynamodb:ListTables on resource: / });
  const users = [];
  for await (const page of iam.paginateListUsers({ client: people, pageSize: 1 }, {})) users.push(...page.Users);
  assert.equal(users.length, 1);
});

test("Lambda, API Gateway and Logs", async () => {
  const people = new iam.IAMClient(options), functions = new lambda.LambdaClient(options), apis = new gateway.APIGatewayClient(options), lines = new logs.CloudWatchLogsClient(options);
  const { Role } = await people.send(new iam.CreateRoleCommand({ RoleName: "fn", AssumeRolePolicyDocument: trust("lambda.amazonaws.com") }));
  await people.send(new iam.AttachRolePolicyCommand({ RoleName: "fn", PolicyArn: "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole" }));
  const fn = await functions.send(new lambda.CreateFunctionCommand({
    FunctionName: "hello", Runtime: "nodejs22.x", Handler: "index.handler", Role: Role.Arn,
    Code: { ZipFile: zip("index.mjs", "export const handler = async (event) => { console.log('hello', event.path); return { statusCode: 200, body: event.path } }") },
  }));
  await lambda.waitUntilFunctionActiveV2({ client: functions, maxWaitTime: 30, minDelay: 1 }, { FunctionName: "hello" });
  const { Payload } = await functions.send(new lambda.InvokeCommand({ FunctionName: "hello", Payload: '{"path": "/x"}' }));
  assert.equal(Payload.transformToString(), '{"statusCode":200,"body":"/x"}');
  await assert.rejects(functions.send(new lambda.GetFunctionCommand({ FunctionName: "none" })), lambda.ResourceNotFoundException);

  const { id: restApiId, rootResourceId: resourceId } = await apis.send(new gateway.CreateRestApiCommand({ name: "hello" }));
  await apis.send(new gateway.PutMethodCommand({ restApiId, resourceId, httpMethod: "ANY", authorizationType: "NONE" }));
  await apis.send(new gateway.PutIntegrationCommand({ restApiId, resourceId, httpMethod: "ANY", type: "AWS_PROXY", integrationHttpMethod: "POST",
    uri: `arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${fn.FunctionArn}/invocations` }));
  await functions.send(new lambda.AddPermissionCommand({ FunctionName: "hello", StatementId: "api", Action: "lambda:InvokeFunction", Principal: "apigateway.amazonaws.com", SourceArn: `arn:aws:execute-api:eu-west-1:444444444444:${restApiId}/*` }));
  await apis.send(new gateway.CreateDeploymentCommand({ restApiId, stageName: "prod" }));
  const res = await fetch(`${house.url}/_aws/execute-api/${restApiId}/prod/`);
  assert.equal(`${res.status} ${await res.text()}`, "200 /");
  await assert.rejects(apis.send(new gateway.GetRestApiCommand({ restApiId: "none" })), gateway.NotFoundException);

  await eventually(async () => {
    const found = [];
    try {
      for await (const page of logs.paginateFilterLogEvents({ client: lines }, { logGroupName: "/aws/lambda/hello", filterPattern: "hello" })) found.push(...page.events);
    } catch (err) {
      if (!(err instanceof logs.ResourceNotFoundException)) throw err; // the group comes with the first line
    }
    return found.length === 2;
  });
  await assert.rejects(lines.send(new logs.FilterLogEventsCommand({ logGroupName: "none" })), logs.ResourceNotFoundException);
});
