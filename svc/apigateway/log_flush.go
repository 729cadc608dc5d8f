package apigateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/courier"
	"github.com/tule-cloud/tule/store"
)

func newCourier(s *Service) *courier.Courier {
	return courier.New(courier.Options{Clock: s.Clock, Logger: s.Logger, Peers: s.Peers, As: s.asLogRole})
}

// asLogRole is ctx in the name of the role that an account names for its logs.
func (s *Service) asLogRole(ctx context.Context, to courier.Target) (context.Context, error) {
	ctx = aws.WithRequest(ctx, &aws.Request{ID: aws.RandomUUID(s.Random), Region: to.Region, Time: s.Clock.Now(),
		Caller: aws.ServiceCaller(principal, to.Account, "")})
	a, err := view(ctx, s, func(r store.Reader) (account, error) {
		return readAccount(ctx, r, store.Scope{Account: to.Account, Region: to.Region})
	})
	if err != nil {
		return nil, err
	}
	if a.LogRole == "" {
		return nil, courier.ErrNobody
	}
	caller, err := s.sessionFor(ctx, a.LogRole, "")
	if err != nil {
		return nil, err
	}
	return aws.WithRequest(ctx, aws.RequestOf(ctx).As(caller)), nil
}

// executionLog is where a stage's execution log goes.
func executionLog(owner store.Scope, apiID, stage string) courier.Target {
	return courier.Target{Account: owner.Account, Region: owner.Region, Create: true,
		Group: "API-Gateway-Execution-Logs_" + apiID + "/" + stage, Stream: streamOf(owner, apiID, stage)}
}

// streamOf names the stream of a stage: 32 hexadecimal digits.
func streamOf(owner store.Scope, apiID, stage string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{owner.Account, owner.Region, apiID, stage}, "/")))
	return hex.EncodeToString(sum[:16])
}
