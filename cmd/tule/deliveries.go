package main

import (
	"net/http"

	"github.com/tule-cloud/tule/svc/firehose"
)

// deliveries is what Firehose needs. It reaches endpoints as topics do.
func (h *house) deliveries() firehose.Options {
	o := firehose.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Meter: h.metrics, Secrets: h.keys.For("firehose destinations")}
	var err error
	if o.HTTP, err = h.outward(); err != nil {
		h.log.Error("firehose delivers to S3 alone", "error", err)
	}
	if t, ok := o.HTTP.(*http.Transport); ok {
		o.Dial = t.DialContext
	}
	return o
}
