package main

import (
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/events"
	"github.com/tule-cloud/tule/svc/events/cron"
	"github.com/tule-cloud/tule/svc/scheduler"
)

// bus is what EventBridge needs. It reaches API destinations as topics reach endpoints.
func (h *house) bus() events.Options {
	o := events.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Meter: h.metrics,
		Allow: h.front.Allow, Secrets: h.keys.For("events connections")}
	var err error
	if o.HTTP, err = h.outward(); err != nil {
		h.log.Error("events go to no API destinations", "error", err)
		o.HTTP = nil
	}
	return o
}

// schedules is what EventBridge's scheduler needs.
func (h *house) schedules() scheduler.Options {
	return scheduler.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Meter: h.metrics,
		Parse: func(expression string) (scheduler.Plan, bool) {
			e, ok := cron.Parse(expression)
			return e, ok
		},
		Operation: h.operation}
}

// operation finds what universal targets call: an operation by AWS's name of its service,
// as SDKs write it, and its own, the first letter in lower case.
func (h *house) operation(service, action string) (op *aws.Operation, input any, ok bool) {
	for _, r := range h.front.Routes() {
		id := strings.ReplaceAll(r.Op.Service.ID, " ", "")
		if strings.EqualFold(id, service) && strings.EqualFold(r.Op.Name, action) && !r.Op.StreamsIn && !r.Op.StreamsOut {
			return r.Op, r.New(), true
		}
	}
	return nil, nil, false
}
