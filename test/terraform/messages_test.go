package terraform

import "testing"

func TestMessages(t *testing.T) {
	s := start(t, "messages")
	s.applies(false)
	arn := func(service, name string) string {
		return "arn:aws:" + service + ":eu-west-1:" + s.account + ":" + name
	}
	s.reads(map[string]any{"queue": arn("sqs", "work"), "topic": arn("sns", "news"), "shards": 1.0})
	s.applies(true)
	s.reads(map[string]any{"queue": arn("sqs", "work"), "topic": arn("sns", "news"), "shards": 2.0})
	url := "https://sqs.eu-west-1.amazonaws.com/" + s.account // the provider takes no others, and keeps them
	s.imports(map[string]string{
		"aws_sqs_queue.orders":               url + "/orders.fifo",
		"aws_sqs_queue.work":                 url + "/work",
		"aws_sqs_queue_policy.work":          url + "/work",
		"aws_sns_topic.news":                 arn("sns", "news"),
		"aws_sns_topic_policy.news":          arn("sns", "news"),
		"aws_kinesis_stream.clicks":          "clicks",
		"aws_kinesis_resource_policy.clicks": arn("kinesis", "stream/clicks"),
	})
	s.destroys()
}
