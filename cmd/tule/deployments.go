package main

import (
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/sam"
	"github.com/tule-cloud/tule/svc/cloudformation"
)

// deployments is what CloudFormation needs.
func (h *house) deployments() cloudformation.Options {
	return cloudformation.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front,
		SAM: func(t *ordered.Object, region string, parameters map[string]any) (*ordered.Object, error) {
			return sam.Transform(t, sam.Options{Region: region, Parameters: parameters, ManagedPolicy: h.iam.ManagedPolicy, Now: h.clock.Now})
		}}
}
