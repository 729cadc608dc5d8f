package main

import (
	"context"
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/front"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/svc/iam"
	"github.com/tule-cloud/tule/svc/organizations"
	"github.com/tule-cloud/tule/svc/sts"
)

// identity is what the front door knows people by: long-term keys are IAM's,
// session keys STS's, and policies IAM's.
type identity struct {
	iam *iam.Service
	sts *sts.Service
}

var _ front.Identity = identity{}

func (i identity) Key(ctx context.Context, id, token string) (string, aws.Caller, error) {
	if strings.HasPrefix(id, "ASIA") || token != "" && !strings.HasPrefix(id, "AKIA") {
		return i.sts.Key(ctx, id, token)
	}
	return i.iam.Key(ctx, id, token)
}

func (i identity) Policies(ctx context.Context, c *aws.Caller) (policy.Set, error) {
	return i.iam.Policies(ctx, c)
}

// records tells several of every call, in turn.
type records []front.Auditor

var _ front.Auditor = records{}

func (all records) Record(ctx context.Context, e *aws.Event) {
	for _, a := range all {
		a.Record(ctx, e)
	}
}

// places has Organizations say where accounts stand.
type places struct{ *organizations.Service }

var _ front.Organizations = places{}

func (p places) PlaceOf(ctx context.Context, account string) (front.Place, error) {
	at, err := p.Service.PlaceOf(ctx, account)
	return front.Place(at), err
}

// peers are the front door's, for parts that the door itself needs to be built.
type peers struct{ h *house }

func (p peers) Call(ctx context.Context, op *aws.Operation, in any) (any, error) {
	return p.h.front.Call(ctx, op, in)
}
