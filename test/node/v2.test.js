// aws-sdk v2: callbacks and promises, DocumentClient, waiters; and, under tule exec,
// with no endpoint at all.
"use strict";
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const path = require("node:path");
const { after, before, test } = require("node:test");
const AWS = require("aws-sdk");
const { start, zip, trust, eventually, songs } = require("./house.js");

let house, options;
before(async () => {
  house = await start();
  options = { endpoint: house.url, region: "us-west-2", accessKeyId: "222222222222", secretAccessKey: "any", maxRetries: 0 };
});
after(() => house.stop());

test("DocumentClient", async () => {
  const db = new AWS.DynamoDB(options), docs = new AWS.DynamoDB.DocumentClient({ service: db });
  await db.createTable(songs).promise();
  await db.waitFor("tableExists", { TableName: "songs" }).promise();
  await docs.put({ TableName: "songs", Item: { artist: "Nina", year: 1964, tags: docs.createSet(["a", "b"]), info: { rating: 8.5, list: [1, null, "x", true] } } }).promise();
  const { Item } = await docs.get({ TableName: "songs", Key: { artist: "Nina", year: 1964 } }).promise();
  assert.deepEqual(Item.info, { rating: 8.5, list: [1, null, "x", true] });
  assert.deepEqual([...Item.tags.values].sort(), ["a", "b"]);
  const { Attributes } = await docs.update({
    TableName: "songs", Key: { artist: "Nina", year: 1964 }, UpdateExpression: "set info.rating = info.rating + :n", ConditionExpression: "info.rating < :most",
    ExpressionAttributeValues: { ":n": 1, ":most": 9 }, ReturnValues: "UPDATED_NEW",
  }).promise();
  assert.deepEqual(Attributes, { info: { rating: 9.5 } });
  await assert.rejects(docs.delete({ TableName: "songs", Key: { artist: "Nina", year: 1964 }, ConditionExpression: "info.rating < :n", ExpressionAttributeValues: { ":n": 1 } }).promise(),
    { code: "ConditionalCheckFailedException", statusCode: 400, retryable: false });
  await docs.batchWrite({ RequestItems: { songs: [1, 2, 3].map((year) => ({ PutRequest: { Item: { artist: "Ella", year } } })) } }).promise();
  const found = await new Promise((resolve, reject) => docs.query({
    TableName: "songs", KeyConditionExpression: "artist = :a and #y > :y", ExpressionAttributeNames: { "#y": "year" }, ExpressionAttributeValues: { ":a": "Ella", ":y": 1 }, ScanIndexForward: false,
  }, (err, data) => (err ? reject(err) : resolve(data))));
  assert.deepEqual(found.Items.map((i) => i.year), [3, 2]);
  const page = await docs.scan({ TableName: "songs", Limit: 2 }).promise();
  assert.equal(page.Items.length, 2);
  assert.ok(page.LastEvaluatedKey);
  await docs.transactWrite({ TransactItems: [{ Put: { TableName: "songs", Item: { artist: "T", year: 1 } } }, { Delete: { TableName: "songs", Key: { artist: "Ella", year: 1 } } }] }).promise();
  let pages = 0;
  await new Promise((resolve, reject) => db.scan({ TableName: "songs", Limit: 2 }).eachPage((err, data) => {
    if (err) reject(err); else if (data) pages++; else resolve();
    return true;
  }));
  assert.ok(pages >= 2);
  await db.deleteTable({ TableName: "songs" }).promise();
  await db.waitFor("tableNotExists", { TableName: "songs" }).promise();
  await assert.rejects(db.describeTable({ TableName: "songs" }).promise(), { code: "ResourceNotFoundException", message: "Requested resource not found: Table: songs not found" });
});

// What the SDKs of 2016 and dynamodb-doc send, on indexes.
test("legacy parameters", async () => {
  const db = new AWS.DynamoDB(options), five = { ReadCapacityUnits: 5, WriteCapacityUnits: 5 };
  const eq = (value) => ({ ComparisonOperator: "EQ", AttributeValueList: [value] });
  await db.createTable({
    TableName: "old", ProvisionedThroughput: five, AttributeDefinitions: [{ AttributeName: "h", AttributeType: "S" }, { AttributeName: "r", AttributeType: "N" }, { AttributeName: "g", AttributeType: "S" }],
    KeySchema: [{ AttributeName: "h", KeyType: "HASH" }, { AttributeName: "r", KeyType: "RANGE" }],
    GlobalSecondaryIndexes: [{ IndexName: "byg", KeySchema: [{ AttributeName: "g", KeyType: "HASH" }, { AttributeName: "r", KeyType: "RANGE" }], Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["x"] }, ProvisionedThroughput: five }],
    LocalSecondaryIndexes: [{ IndexName: "local", KeySchema: [{ AttributeName: "h", KeyType: "HASH" }, { AttributeName: "g", KeyType: "RANGE" }], Projection: { ProjectionType: "KEYS_ONLY" } }],
  }).promise();
  await db.waitFor("tableExists", { TableName: "old" }).promise();
  for (let i = 0; i < 6; i++) {
    await db.putItem({ TableName: "old", Item: { h: { S: "a" }, r: { N: `${i}` }, g: { S: i % 2 ? "odd" : "even" }, x: { S: `x${i}` }, y: { N: `${i}` } }, Expected: { h: { Exists: false } } }).promise();
  }
  await assert.rejects(db.putItem({ TableName: "old", Item: { h: { S: "a" }, r: { N: "1" } }, Expected: { h: { Exists: false } } }).promise(), { code: "ConditionalCheckFailedException" });
  const byg = await db.query({
    TableName: "old", IndexName: "byg", KeyConditions: { g: eq({ S: "odd" }), r: { ComparisonOperator: "GT", AttributeValueList: [{ N: "1" }] } },
    QueryFilter: { x: { ComparisonOperator: "NE", AttributeValueList: [{ S: "x3" }] } }, AttributesToGet: ["r", "x"], ScanIndexForward: false,
  }).promise();
  assert.deepEqual([byg.Items, byg.Count, byg.ScannedCount], [[{ r: { N: "5" }, x: { S: "x5" } }], 1, 2]);
  const local = await db.query({ TableName: "old", IndexName: "local", ConsistentRead: true, Select: "ALL_ATTRIBUTES", KeyConditions: { h: eq({ S: "a" }), g: { ComparisonOperator: "BEGINS_WITH", AttributeValueList: [{ S: "ev" }] } } }).promise();
  assert.deepEqual(local.Items.map((i) => i.y.N), ["0", "2", "4"]);
  const { Attributes } = await db.updateItem({
    TableName: "old", Key: { h: { S: "a" }, r: { N: "1" } }, AttributeUpdates: { g: { Action: "PUT", Value: { S: "even" } }, y: { Action: "ADD", Value: { N: "5" } }, x: { Action: "DELETE" } },
    Expected: { y: { ComparisonOperator: "LT", AttributeValueList: [{ N: "0" }] }, x: { Value: { S: "x1" } } }, ConditionalOperator: "OR", ReturnValues: "ALL_NEW",
  }).promise();
  assert.deepEqual(Attributes, { h: { S: "a" }, r: { N: "1" }, g: { S: "even" }, y: { N: "6" } });
  const scanned = await db.scan({ TableName: "old", IndexName: "byg", ScanFilter: { g: eq({ S: "even" }), x: { ComparisonOperator: "NOT_NULL" } }, ConditionalOperator: "AND", AttributesToGet: ["r"] }).promise();
  assert.deepEqual(scanned.Items.map((i) => +i.r.N).sort(), [0, 2, 4]);
  assert.equal((await db.query({ TableName: "old", IndexName: "byg", KeyConditions: { g: eq({ S: "even" }) }, Select: "COUNT" }).promise()).Count, 4);
  await assert.rejects(db.updateItem({ TableName: "old", Key: { h: { S: "a" }, r: { N: "1" } }, AttributeUpdates: { g: { Value: { N: "1" } } } }).promise(), { code: "ValidationException", message: /Type mismatch for Index Key g/ });
  await db.deleteTable({ TableName: "old" }).promise();
});

// The class that the SDK had for EventBridge before there was that name.
test("CloudWatch Events", async () => {
  const events = new AWS.CloudWatchEvents(options), queues = new AWS.SQS(options);
  const arn = "arn:aws:sqs:us-west-2:222222222222:scheduled";
  const policy = { Version: "2012-10-17", Statement: { Effect: "Allow", Principal: { Service: "events.amazonaws.com" }, Action: "sqs:SendMessage", Resource: arn } };
  const { QueueUrl } = await queues.createQueue({ QueueName: "scheduled", Attributes: { Policy: JSON.stringify(policy) } }).promise();
  for (const rule of [{ Name: "hourly", ScheduleExpression: "cron(0 * * * ? *)" }, { Name: "old", EventPattern: JSON.stringify({ source: ["old"] }) }]) {
    const { RuleArn } = await events.putRule(rule).promise();
    assert.equal(RuleArn, `arn:aws:events:us-west-2:222222222222:rule/${rule.Name}`);
    const { FailedEntryCount } = await events.putTargets({ Rule: rule.Name, Targets: [{ Id: "q", Arn: arn, InputPath: "$.detail" }] }).promise();
    assert.equal(FailedEntryCount, 0);
  }
  assert.deepEqual((await events.listRuleNamesByTarget({ TargetArn: arn }).promise()).RuleNames, ["hourly", "old"]);
  const { Entries } = await events.putEvents({ Entries: [{ Source: "old", DetailType: "t", Detail: '{"n": 1}', Time: new Date() }, { Source: "old" }] }).promise();
  assert.ok(Entries[0].EventId);
  assert.equal(Entries[1].ErrorCode, "InvalidArgument");
  const { Messages } = await queues.receiveMessage({ QueueUrl, WaitTimeSeconds: 20 }).promise();
  assert.deepEqual(JSON.parse(Messages[0].Body), { n: 1 });
  await events.disableRule({ Name: "hourly" }).promise();
  assert.equal((await events.describeRule({ Name: "hourly" }).promise()).State, "DISABLED");
  await assert.rejects(events.putRule({ Name: "bad", ScheduleExpression: "cron(* * * * *)" }).promise(), { code: "ValidationException", message: "Parameter ScheduleExpression is not valid." });
  await assert.rejects(events.deleteRule({ Name: "old" }).promise(), { code: "ValidationException", message: /Rule can't be deleted since it has targets/ });
});

test("IAM, STS, Lambda, API Gateway and Logs", async () => {
  const iam = new AWS.IAM(options), sts = new AWS.STS(options), lambda = new AWS.Lambda(options), gateway = new AWS.APIGateway(options), logs = new AWS.CloudWatchLogs(options);
  assert.equal((await sts.getCallerIdentity().promise()).Account, "222222222222");
  const { Role } = await iam.createRole({ RoleName: "fn", AssumeRolePolicyDocument: trust("lambda.amazonaws.com") }).promise();
  await iam.attachRolePolicy({ RoleName: "fn", PolicyArn: "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole" }).promise();
  await assert.rejects(iam.getRole({ RoleName: "none" }).promise(), { code: "NoSuchEntity", statusCode: 404 });
  const fn = await lambda.createFunction({
    FunctionName: "add", Runtime: "nodejs18.x", Handler: "index.handler", Role: Role.Arn,
    Code: { ZipFile: zip("index.js", "exports.handler = (event, context, callback) => { console.log('adding', event.id); callback(null, { sum: event.a + event.b, id: event.id }) }") },
  }).promise();
  const answer = await lambda.invoke({ FunctionName: "add", Payload: '{"a": 1, "b": 2}' }).promise();
  assert.deepEqual(JSON.parse(answer.Payload), { sum: 3 });
  await assert.rejects(lambda.invoke({ FunctionName: "none" }).promise(), { code: "ResourceNotFoundException", statusCode: 404 });
  assert.equal((await lambda.getFunction({ FunctionName: "add" }).promise()).Configuration.FunctionArn, fn.FunctionArn);

  const api = await gateway.createRestApi({ name: "add" }).promise();
  const at = { restApiId: api.id, resourceId: (await gateway.getResources({ restApiId: api.id }).promise()).items[0].id, httpMethod: "POST" };
  await gateway.putMethod({ ...at, authorizationType: "NONE" }).promise();
  await gateway.putIntegration({
    ...at, type: "AWS", integrationHttpMethod: "POST", uri: `arn:aws:apigateway:us-west-2:lambda:path/2015-03-31/functions/${fn.FunctionArn}/invocations`,
    requestTemplates: { "application/json": '{"a": $input.json("$.a"), "b": 40, "id": "$context.requestId"}' },
  }).promise();
  await gateway.putMethodResponse({ ...at, statusCode: "200" }).promise();
  await gateway.putIntegrationResponse({ ...at, statusCode: "200" }).promise();
  await lambda.addPermission({ FunctionName: "add", StatementId: "api", Action: "lambda:InvokeFunction", Principal: "apigateway.amazonaws.com", SourceArn: `arn:aws:execute-api:us-west-2:222222222222:${api.id}/*` }).promise();
  await gateway.createDeployment({ restApiId: api.id, stageName: "prod" }).promise();
  const res = await fetch(`${house.url}/_aws/execute-api/${api.id}/prod`, { method: "POST", body: '{"a": 2}', headers: { "content-type": "application/json" } });
  assert.deepEqual(await res.json(), { sum: 42, id: res.headers.get("x-amzn-requestid") });
  await eventually(async () => {
    // The group is made with the first line, which comes after the answer.
    const said = logs.filterLogEvents({ logGroupName: "/aws/lambda/add", filterPattern: `"adding ${res.headers.get("x-amzn-requestid")}"` }).promise();
    const { events } = await said.catch((err) => { if (err.code !== "ResourceNotFoundException") throw err; return { events: [] }; });
    return events.length === 1;
  });
  await assert.rejects(logs.listLogAnomalyDetectors({}).promise(), { statusCode: 501, message: /ListLogAnomalyDetectors/ });
});

test("a script that knows no endpoint, under tule exec", async () => {
  const child = spawn(house.tule, ["exec", "--data", house.data, "--", process.execPath, path.join(__dirname, "script.js")],
    { env: { ...process.env, AWS_ACCESS_KEY_ID: "333333333333", AWS_SECRET_ACCESS_KEY: "any" } });
  let out = "", errors = "";
  child.stdout.on("data", (b) => { out += b; });
  child.stderr.on("data", (b) => { errors += b; });
  const status = await new Promise((resolve) => child.on("exit", resolve));
  assert.equal(status, 0, errors);
  assert.equal(out, "333333333333 songs 1 NoSuchEntity true\n", errors);
});
