// A script as people wrote them: aws-sdk v2, a region, and nothing that says where.
"use strict";
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
const AWS = require("aws-sdk");
const { songs } = require("./house.js");

AWS.config.update({ region: "us-west-2" });
const db = new AWS.DynamoDB(), docs = new AWS.DynamoDB.DocumentClient();

async function main() {
  const me = await new AWS.STS().getCallerIdentity().promise();
  const made = await db.createTable(songs).promise();
  await docs.put({ TableName: "songs", Item: { artist: "Nina", year: 1964 } }).promise();
  const { Count } = await docs.scan({ TableName: "songs" }).promise();
  const error = await new AWS.IAM().getUser({ UserName: "nobody" }).promise().catch((e) => e);
  const functions = await new AWS.Lambda().listFunctions().promise();
  console.log(me.Account, made.TableDescription.TableName, Count, error.code, Array.isArray(functions.Functions));
}

main().catch((err) => {
  console.error(err);
  process.exitCode = 1;
});
