package ses

import (
	"context"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/ses"
	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// accountState is what is kept of an account.
type accountState struct {
	Paused  bool
	Receipt string `json:",omitempty"` // the active set of receipt rules

	Suppress *[]string             `json:",omitempty"` // reasons for which addresses are suppressed; nil: both
	Details  *apiv2.AccountDetails `json:",omitempty"`

	Deliverability *apiv2.VdmAttributes `json:",omitempty"`
}

// point counts what became of mail in a quarter of an hour.
type point struct {
	Time                                   time.Time
	Attempts, Bounces, Complaints, Rejects int64
}

func (p *point) add(r *result) {
	n := int64(len(r.recipients))
	switch r.kind {
	case bounceKind:
		p.Bounces += n
	case complaintKind:
		p.Complaints += n
	}
}

const (
	pointEvery = 15 * time.Minute
	pointLife  = 14 * 24 * time.Hour
	// Of accounts out of the sandbox.
	dailyQuota = 50000
	sendRate   = 14
)

func count(ctx context.Context, tx store.Tx, scope store.Scope, now time.Time, change func(*point)) error {
	at := now.Truncate(pointEvery)
	p, err := points.Get(ctx, tx, scope, at)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	p.Time = at
	before := p
	if change(&p); p == before {
		return nil
	}
	return points.PutExpiring(tx, scope, p, at.Add(pointLife), at)
}

// maySend refuses for an account, or a configuration set, that is paused.
func (s *Service) maySend(ctx context.Context, r store.Reader, scope store.Scope, set string) error {
	a, err := accounts.Get(ctx, r, scope, "")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if a.Paused {
		return api.AccountSendingPausedException("Email sending is disabled for your account.")
	}
	if set == "" {
		return nil
	}
	c, err := getSet(ctx, r, scope, set)
	if err == nil && c.Paused {
		err = api.ConfigurationSetSendingPausedException("Email sending is disabled for configuration set <%s>.", set).With(&api.ConfigurationSetSendingPausedExceptionDetail{ConfigurationSetName: &set})
	}
	return err
}

func (s *Service) eachPoint(ctx context.Context, since time.Time, f func(point)) error {
	return s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range points.List(ctx, r, scopeOf(ctx), store.ListOptions{From: []any{since}}) {
			if err != nil {
				return err
			}
			f(e.Record)
		}
		return nil
	})
}

func (s *Service) getSendQuota(ctx context.Context, _ *aws.Empty) (*api.GetSendQuotaResponse, error) {
	var sent float64
	err := s.eachPoint(ctx, s.Clock.Now().Add(-24*time.Hour), func(p point) { sent += float64(p.Attempts) })
	return &api.GetSendQuotaResponse{Max24HourSend: new(float64(dailyQuota)), MaxSendRate: new(float64(sendRate)), SentLast24Hours: &sent}, err
}

func (s *Service) getSendStatistics(ctx context.Context, _ *aws.Empty) (*api.GetSendStatisticsResponse, error) {
	out := &api.GetSendStatisticsResponse{SendDataPoints: []api.SendDataPoint{}}
	return out, s.eachPoint(ctx, s.Clock.Now().Add(-pointLife), func(p point) {
		out.SendDataPoints = append(out.SendDataPoints, api.SendDataPoint{Timestamp: &p.Time, DeliveryAttempts: &p.Attempts, Bounces: &p.Bounces, Complaints: &p.Complaints, Rejects: &p.Rejects})
	})
}

func (s *Service) getAccountSendingEnabled(ctx context.Context, _ *aws.Empty) (*api.GetAccountSendingEnabledResponse, error) {
	out := &api.GetAccountSendingEnabledResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		a, err := accounts.Get(ctx, r, scopeOf(ctx), "")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		out.Enabled = new(!a.Paused)
		return nil
	})
}

func (s *Service) updateAccountSendingEnabled(ctx context.Context, in *api.UpdateAccountSendingEnabledRequest) (*aws.Empty, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		a, err := accounts.Get(ctx, tx, scopeOf(ctx), "")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		a.Paused = !aws.Value(in.Enabled)
		return accounts.Put(tx, scopeOf(ctx), a, "")
	})
}
