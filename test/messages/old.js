// A program of 2015: aws-sdk 2.2.19, which speaks SQS's query protocol at the host of
// the queue's URL, with no endpoint of its own (it runs under `tule exec`).
"use strict";
var AWS = require("aws-sdk");
var sqs = new AWS.SQS({ region: "us-east-1", accessKeyId: process.argv[2], secretAccessKey: "any", maxRetries: 0 });

var url, said = [];
function then(next) {
  return function (err, data) {
    if (err) throw err;
    next(data);
  };
}

sqs.createQueue({ QueueName: "old", Attributes: { VisibilityTimeout: "7" } }, then(function (made) {
  url = made.QueueUrl;
  said.push("sdk " + AWS.VERSION, url);
  var attributes = { color: { DataType: "String", StringValue: "r\u00f8d" }, bytes: { DataType: "Binary", BinaryValue: new Buffer([0, 255]) } };
  var send = sqs.sendMessage({ QueueUrl: url, MessageBody: "<a> & \u00e9", MessageAttributes: attributes });
  send.on("send", function () {
    said.push("at " + send.httpRequest.endpoint.hostname, send.httpRequest.headers["Content-Type"].split(";")[0]);
  });
  send.send(then(receive));
}));

function receive(sent) {
  sqs.receiveMessage({ QueueUrl: url, WaitTimeSeconds: 5, MessageAttributeNames: ["All"], AttributeNames: ["All"] }, then(function (got) {
    var m = got.Messages[0];
    said.push(m.Body, m.MessageAttributes.color.StringValue, m.MessageAttributes.bytes.BinaryValue.length, m.Attributes.ApproximateReceiveCount, String(m.MessageId === sent.MessageId));
    sqs.deleteMessageBatch({ QueueUrl: url, Entries: [{ Id: "a", ReceiptHandle: m.ReceiptHandle }] }, then(function (gone) {
      said.push("deleted " + gone.Successful[0].Id);
      sqs.getQueueAttributes({ QueueUrl: url, AttributeNames: ["VisibilityTimeout"] }, then(refused));
    }));
  }));
}

function refused(of) {
  said.push("visibility " + of.Attributes.VisibilityTimeout);
  sqs.getQueueUrl({ QueueName: "none" }, function (err) {
    said.push(err.code, err.statusCode);
    console.log(said.join("\n"));
  });
}
