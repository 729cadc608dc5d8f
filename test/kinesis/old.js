// A program of 2015: aws-sdk 2.2.19 on streams, logs and metrics (CloudWatch Events came
// a year later), with no endpoint of its own: it runs under `tule exec`.
"use strict";
var AWS = require("aws-sdk");
AWS.config.update({ region: "us-east-1", accessKeyId: process.argv[2], secretAccessKey: "any", maxRetries: 0 });
var kinesis = new AWS.Kinesis(), logs = new AWS.CloudWatchLogs(), metrics = new AWS.CloudWatch();
var firehose = new AWS.Firehose(), table = new AWS.DynamoDB(), changes = new AWS.DynamoDBStreams();
var now = new Date();

// steps are calls that follow one another; each reads what the ones before it said.
var had = {};
var steps = [
  ["made", kinesis, "createStream", function () { return { StreamName: "old", ShardCount: 2 }; }],
  ["there", kinesis, "describeStream", function () { return { StreamName: "old" }; }],
  ["put", kinesis, "putRecord", function () { return { StreamName: "old", PartitionKey: "a", Data: new Buffer([0, 255, 10]), ExplicitHashKey: "0" }; }],
  ["puts", kinesis, "putRecords", function () {
    return { StreamName: "old", Records: [{ PartitionKey: "b", Data: "b\u00e9", ExplicitHashKey: "0" }, { PartitionKey: "c", Data: "c", ExplicitHashKey: "340282366920938463463374607431768211455" }] };
  }],
  ["from", kinesis, "getShardIterator", function () { return { StreamName: "old", ShardId: "shardId-000000000000", ShardIteratorType: "AT_SEQUENCE_NUMBER", StartingSequenceNumber: had.put.SequenceNumber }; }],
  ["got", kinesis, "getRecords", function () { return { ShardIterator: had.from.ShardIterator, Limit: 10 }; }],
  ["tagged", kinesis, "addTagsToStream", function () { return { StreamName: "old", Tags: { age: "old" } }; }],
  ["merged", kinesis, "mergeShards", function () { return { StreamName: "old", ShardToMerge: "shardId-000000000000", AdjacentShardToMerge: "shardId-000000000001" }; }],
  ["wrong", kinesis, "getRecords", function () { return { ShardIterator: "none" }; }],

  ["group", logs, "createLogGroup", function () { return { logGroupName: "old" }; }],
  ["stream", logs, "createLogStream", function () { return { logGroupName: "old", logStreamName: "s" }; }],
  ["logged", logs, "putLogEvents", function () {
    return { logGroupName: "old", logStreamName: "s", logEvents: [{ timestamp: +now, message: "[error] 1" }, { timestamp: +now, message: "fine \u00e9" }] };
  }],
  ["more", logs, "putLogEvents", function () { return { logGroupName: "old", logStreamName: "s", sequenceToken: had.logged.nextSequenceToken, logEvents: [{ timestamp: +now, message: "[error] 2" }] }; }],
  ["read", logs, "getLogEvents", function () { return { logGroupName: "old", logStreamName: "s", startFromHead: true }; }],
  ["found", logs, "filterLogEvents", function () { return { logGroupName: "old", filterPattern: "[kind=*error*, n]", interleaved: true }; }],
  ["filter", logs, "putMetricFilter", function () {
    return { logGroupName: "old", filterName: "f", filterPattern: "error", metricTransformations: [{ metricName: "errors", metricNamespace: "old", metricValue: "1" }] };
  }],
  ["kept", logs, "putRetentionPolicy", function () { return { logGroupName: "old", retentionInDays: 7 }; }],

  ["measured", metrics, "putMetricData", function () { return { Namespace: "old", MetricData: [{ MetricName: "m", Timestamp: now, StatisticValues: { SampleCount: 2, Sum: 6, Minimum: 1, Maximum: 5 }, Unit: "Count" }] }; }],
  ["average", metrics, "getMetricStatistics", function () {
    return { Namespace: "old", MetricName: "m", Period: 3600, Statistics: ["Average", "Maximum"], StartTime: new Date(+now - 7200000), EndTime: new Date(+now + 7200000) };
  }],
  ["alarm", metrics, "putMetricAlarm", function () {
    return { AlarmName: "old", Namespace: "old", MetricName: "m", Statistic: "Sum", Period: 60, EvaluationPeriods: 1, Threshold: 1, ComparisonOperator: "GreaterThanThreshold" };
  }],
  ["alarms", metrics, "describeAlarms", function () { return { AlarmNames: ["old"] }; }],

  ["table", table, "createTable", function () {
    return {
      TableName: "old", AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }], KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
      ProvisionedThroughput: { ReadCapacityUnits: 5, WriteCapacityUnits: 5 }, StreamSpecification: { StreamEnabled: true, StreamViewType: "NEW_AND_OLD_IMAGES" },
    };
  }],
  ["item", table, "putItem", function () { return { TableName: "old", Item: { id: { S: "1" }, bytes: { B: new Buffer([1, 2]) } } }; }],
  ["shards", changes, "describeStream", function () { return { StreamArn: had.table.TableDescription.LatestStreamArn }; }],
  ["change", changes, "getShardIterator", function () {
    return { StreamArn: had.table.TableDescription.LatestStreamArn, ShardId: had.shards.StreamDescription.Shards[0].ShardId, ShardIteratorType: "TRIM_HORIZON" };
  }],
  ["changed", changes, "getRecords", function () { return { ShardIterator: had.change.ShardIterator }; }],
  ["nowhere", firehose, "putRecord", function () { return { DeliveryStreamName: "none", Record: { Data: "x" } }; }],
];

function next(i) {
  if (i === steps.length) return tell();
  var s = steps[i];
  s[1][s[2]](s[3](), function (err, data) {
    if (err && ["wrong", "nowhere"].indexOf(s[0]) < 0) throw new Error(s[0] + ": " + err.stack);
    had[s[0]] = err || data;
    next(i + 1);
  });
}
next(0);

function tell() {
  var d = had.changed.Records[0];
  console.log([
    AWS.VERSION, had.there.StreamDescription.Shards.length + " shards", had.put.ShardId, had.puts.FailedRecordCount + " failed",
    had.got.Records.map(function (r) { return r.PartitionKey + "=" + new Buffer(r.Data).toString("hex"); }).join(" "), had.got.MillisBehindLatest, had.wrong.code,
    had.read.events.map(function (e) { return e.message; }).join("|"), had.found.events.map(function (e) { return e.message; }).join("|"), had.found.nextToken === undefined,
    had.average.Datapoints[0].Average + " " + had.average.Datapoints[0].Maximum, had.alarms.MetricAlarms[0].StateValue,
    d.eventName + " " + new Buffer(d.dynamodb.NewImage.bytes.B).toString("hex"), had.nowhere.code,
  ].join("\n"));
}
