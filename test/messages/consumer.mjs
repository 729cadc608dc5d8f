// npm's sqs-consumer: takes messages in batches, fails the first try at "twice", and
// stops when everything was handled.
import { createRequire } from "node:module";
import { SQSClient } from "@aws-sdk/client-sqs";

const { Consumer } = createRequire(import.meta.url)("sqs-consumer");
const [endpoint, account, queueUrl, wanted] = process.argv.slice(2);
const tried = {}, handled = [];

const consumer = Consumer.create({
  queueUrl, batchSize: 10, waitTimeSeconds: 5, terminateVisibilityTimeout: true, messageSystemAttributeNames: ["ApproximateReceiveCount"],
  sqs: new SQSClient({ endpoint, region: "us-east-1", credentials: { accessKeyId: account, secretAccessKey: "any" } }),
  handleMessage: async (message) => {
    tried[message.Body] = Number(message.Attributes.ApproximateReceiveCount);
    if (message.Body === "twice" && tried.twice === 1) throw new Error("not yet");
    handled.push(message.Body);
    return message;
  },
});
consumer.on("error", (err) => { throw err; });
consumer.on("message_processed", () => { if (handled.length === Number(wanted)) consumer.stop(); });
consumer.on("stopped", () => console.log(`${handled.length} handled, twice after ${tried.twice} tries`));
consumer.start();
