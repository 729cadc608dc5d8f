package main

import (
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/svc/sqs"
)

// queues is what SQS needs. Who signs nothing may look into queues where strangers are
// trusted at all.
func (h *house) queues() sqs.Options {
	return sqs.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Meter: h.metrics, CheckPolicy: isPolicy, Allow: h.front.Allow, Inspect: h.loopback(),
		Strategy: h.queueURLs, Host: h.host}
}

// isPolicy says why a text is no policy.
func isPolicy(document string) error {
	_, err := policy.ParseAndCompile(document)
	return err
}
