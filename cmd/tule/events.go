package main

import (
	"github.com/tule-cloud/tule/svc/events"
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
