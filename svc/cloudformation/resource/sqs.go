package resource

import (
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// queueAttributes are the properties of queues that SQS keeps as attributes of these names.
var queueAttributes = []string{"ContentBasedDeduplication", "DeduplicationScope", "DelaySeconds", "FifoQueue", "FifoThroughputLimit",
	"KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds",
	"RedriveAllowPolicy", "RedrivePolicy", "SqsManagedSseEnabled", "VisibilityTimeout"}

var sqsTypes = []*Type{
	{
		Name:  "AWS::SQS::Queue",
		Named: "QueueName", Length: 80,
		Suffix: func(c *Call) string {
			if template.Text(c.Properties.Get("FifoQueue")) == "true" {
				return ".fifo"
			}
			return ""
		},
		Defaults: map[string]any{"DelaySeconds": "0", "MaximumMessageSize": "262144", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
			"VisibilityTimeout": "30", "RedrivePolicy": "", "RedriveAllowPolicy": "", "KmsMasterKeyId": "", "ContentBasedDeduplication": "false"},
		Create: func(c *Call) error {
			out, err := Do(c, &sqsapi.CreateQueue, func(in *sqsapi.CreateQueueRequest) {
				in.Attributes = c.Texts(queueAttributes...)
				if in.Attributes["FifoQueue"] == "false" {
					delete(in.Attributes, "FifoQueue") // which SQS takes only as true
				}
			})
			if err != nil {
				return err
			}
			c.ID = *out.QueueUrl
			return nil
		},
		Update: func(c *Call) error {
			attributes := c.Texts(queueAttributes...)
			delete(attributes, "FifoQueue")
			if len(attributes) > 0 {
				if _, err := sqsapi.SetQueueAttributes.Do(c, c.Peers, &sqsapi.SetQueueAttributesRequest{QueueUrl: &c.ID, Attributes: attributes}); err != nil {
					return err
				}
			}
			return Retag(c, &sqsapi.TagQueue, &sqsapi.UntagQueue,
				func(in *sqsapi.TagQueueRequest) { in.QueueUrl = &c.ID }, func(in *sqsapi.UntagQueueRequest) { in.QueueUrl = &c.ID })
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := sqsapi.GetQueueAttributes.Do(c, c.Peers, &sqsapi.GetQueueAttributesRequest{QueueUrl: &c.ID, AttributeNames: []string{"All"}})
			if err != nil {
				return nil, err
			}
			got := map[string]any{"QueueUrl": c.ID, "Arn": out.Attributes["QueueArn"], "QueueName": lastPart(c.ID, "/")}
			for _, name := range queueAttributes {
				if v, ok := out.Attributes[name]; ok {
					got[name] = v
				}
			}
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := sqsapi.DeleteQueue.Do(c, c.Peers, &sqsapi.DeleteQueueRequest{QueueUrl: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::SQS::QueuePolicy",
		Create: func(c *Call) error { c.ID = c.RandomName(); return setQueuePolicies(c, nil) },
		Update: func(c *Call) error { return setQueuePolicies(c, c.Old) },
		Delete: func(c *Call) error { return setQueuePolicy(c, texts(c.Properties.Get("Queues")), "") },
	},
}

// setQueuePolicies gives the queues their policy, and takes it from those that had it.
func setQueuePolicies(c *Call, old *ordered.Object) error {
	queues := texts(c.Get("Queues"))
	if old != nil {
		if err := setQueuePolicy(c, without(texts(old.Get("Queues")), queues), ""); err != nil {
			return err
		}
	}
	return setQueuePolicy(c, queues, Texted(c.Get("PolicyDocument")))
}

func setQueuePolicy(c *Call, queues []string, policy string) error {
	for _, url := range queues {
		_, err := sqsapi.SetQueueAttributes.Do(c, c.Peers, &sqsapi.SetQueueAttributesRequest{QueueUrl: &url, Attributes: map[string]string{"Policy": policy}})
		if err != nil && (policy != "" || !Gone(err)) {
			return err
		}
	}
	return nil
}
