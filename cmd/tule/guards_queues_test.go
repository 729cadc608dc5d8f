package main

import (
	"testing"

	sqsapi "github.com/tule-cloud/tule/api/sqs"
)

// furnishQueues makes a queue with a tag, and knows what leads to it.
func (w *walk) furnishQueues(t *testing.T) {
	t.Helper()
	made := call(t, w, &sqsapi.CreateQueue, &sqsapi.CreateQueueRequest{QueueName: ptr("example"), Tags: map[string]string{"team": "red"}})
	arn := "arn:aws:sqs:us-east-1:000000000000:example"
	w.known["sqs.QueueUrl"], w.known["sqs.SourceArn"], w.known["sqs.DestinationArn"] = *made.QueueUrl, arn, arn
	w.known["sqs.QueueOwnerAWSAccountId"] = "000000000000"
	w.known["sqs.TaskHandle"] = "eyJ0YXNrSWQiOiJ4Iiwic291cmNlQXJuIjoiYXJuOmF3czpzcXM6dXMtZWFzdC0xOjAwMDAwMDAwMDAwMDpleGFtcGxlIn0="
}
