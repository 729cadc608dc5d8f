package cloudtrail

import (
	"context"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	"github.com/tule-cloud/tule/store"
)

// A status is what became of a trail's deliveries: each time zero for never. One that is
// saved changes what it says something of.
type status struct {
	Attempt, Delivered      time.Time
	Error                   string
	Digested                time.Time
	DigestError             string
	NotifyAttempt, Notified time.Time
	NotifyError             string
	Logged                  time.Time
	LogError                string
	digest                  *digested
}

// statuses are kept by home region and name of trails.
var statuses = store.NewTable[status]("cloudtrail", "status")

// failed reports whether something is still to be delivered.
func (st *status) failed() bool { return st.Error != "" || st.DigestError != "" }

// save adds what was done to what is known.
func (st *status) save(ctx context.Context, tx store.Tx, t *trail) error {
	have, err := statuses.Get(ctx, tx, t.scope(), t.Region, t.Name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	later := func(to *time.Time, from time.Time) {
		if !from.IsZero() {
			*to = from
		}
	}
	if !st.Attempt.IsZero() {
		have.Error = st.Error
	}
	if !st.Digested.IsZero() || st.DigestError != "" {
		have.DigestError = st.DigestError
	}
	if !st.NotifyAttempt.IsZero() {
		have.NotifyError = st.NotifyError
	}
	if !st.Logged.IsZero() || st.LogError != "" {
		have.LogError = st.LogError
	}
	later(&have.Attempt, st.Attempt)
	later(&have.Delivered, st.Delivered)
	later(&have.Digested, st.Digested)
	later(&have.NotifyAttempt, st.NotifyAttempt)
	later(&have.Notified, st.Notified)
	later(&have.Logged, st.Logged)
	return statuses.Put(tx, t.scope(), have, t.Region, t.Name)
}

// startLogging has a trail keep what happens from now on.
func (s *Service) startLogging(ctx context.Context, in *api.StartLoggingRequest) (*api.StartLoggingResponse, error) {
	now := s.Clock.Now()
	_, err := s.change(ctx, in.Name, func(tx store.Tx, t *trail) error {
		if t.Logging {
			return nil
		}
		t.Logging, t.Started = true, now
		st := stream{t.Account, t.Region, t.Name, t.Account, t.Region}
		have, err := streams.Has(ctx, tx, st.scope(), st.key()...)
		if err == nil && !have {
			err = streams.Put(tx, st.scope(), progress{DigestFrom: now.Truncate(time.Second)}, st.key()...)
		}
		return errors.Join(err, t.put(tx))
	})
	return nil, err
}

// stopLogging has a trail keep nothing more. What it has kept is delivered.
func (s *Service) stopLogging(ctx context.Context, in *api.StopLoggingRequest) (*api.StopLoggingResponse, error) {
	if err := s.write(ctx); err != nil { // what was recorded before belongs to the trail
		return nil, err
	}
	now := s.Clock.Now()
	_, err := s.change(ctx, in.Name, func(tx store.Tx, t *trail) error {
		if !t.Logging {
			return nil
		}
		t.Logging, t.Stopped = false, now
		return t.put(tx)
	})
	return nil, err
}

// getTrailStatus answers whether a trail logs, and how its deliveries went.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrailStatus.html
func (s *Service) getTrailStatus(ctx context.Context, in *api.GetTrailStatusRequest) (*api.GetTrailStatusResponse, error) {
	t, err := s.look(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	var st status
	err = s.Store.View(ctx, func(r store.Reader) (err error) {
		st, err = statuses.Get(ctx, r, t.scope(), t.Region, t.Name)
		return missing(err)
	})
	if err != nil {
		return nil, err
	}
	text := func(at time.Time) *string {
		if at.IsZero() {
			return new("")
		}
		return new(second(at))
	}
	out := &api.GetTrailStatusResponse{IsLogging: &t.Logging, StartLoggingTime: when(t.Started), StopLoggingTime: when(t.Stopped),
		TimeLoggingStarted: text(t.Started), TimeLoggingStopped: text(t.Stopped),
		LatestDeliveryTime: when(st.Delivered), LatestDeliveryError: said(st.Error), LatestDeliveryAttemptTime: text(st.Attempt),
		LatestDeliveryAttemptSucceeded: text(succeeded(st.Attempt, st.Error)), LatestDigestDeliveryTime: when(st.Digested), LatestDigestDeliveryError: said(st.DigestError),
		LatestNotificationTime: when(st.Notified), LatestNotificationError: said(st.NotifyError), LatestNotificationAttemptTime: text(st.NotifyAttempt),
		LatestNotificationAttemptSucceeded: text(succeeded(st.NotifyAttempt, st.NotifyError)),
		LatestCloudWatchLogsDeliveryTime:   when(st.Logged), LatestCloudWatchLogsDeliveryError: said(st.LogError)}
	return out, nil
}

// when is a time, nil for never.
func when(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return new(at.Truncate(time.Second))
}

// said is a code, nil for none.
func said(code string) *string {
	if code == "" {
		return nil
	}
	return &code
}

// succeeded is the time of an attempt, if nothing went wrong in it.
func succeeded(attempt time.Time, code string) time.Time {
	if code != "" {
		return time.Time{}
	}
	return attempt
}
