package cloudformation

import (
	"context"
	"errors"
	"sync"
	"time"

	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// poke wakes Run. It never waits.
func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run works on stacks until ctx ends, those first that were under way when Tule stopped.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for ctx.Err() == nil {
		keys, err := s.pending(ctx)
		for _, k := range keys {
			if s.claim(k) {
				wg.Go(func() { s.work(ctx, k) })
			}
		}
		var come <-chan time.Time
		stop := func() {}
		if err != nil && ctx.Err() == nil {
			s.Logger.Warn("cloudformation: look for work; trying again", "error", err)
			come, stop = s.Clock.After(time.Second)
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-come:
		}
		stop()
	}
	return nil
}

// pending are the stacks that something is under way on.
func (s *Service) pending(ctx context.Context) (keys []workKey, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range work.List(ctx, r, store.Scope{}, store.ListOptions{}) {
			if err != nil {
				return err
			}
			keys = append(keys, workKey{store.Scope{Account: e.Key.String(0), Region: e.Key.String(1)}, e.Key.String(2)})
		}
		return nil
	})
	return keys, err
}

// claim takes a stack to work on; false if somebody does.
func (s *Service) claim(k workKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[k] {
		return false
	}
	s.running[k] = true
	return true
}

func (s *Service) release(k workKey) {
	s.mu.Lock()
	delete(s.running, k)
	s.mu.Unlock()
	s.poke()
}

// work does what is under way on one stack, whatever it takes.
func (s *Service) work(ctx context.Context, k workKey) {
	defer s.release(k)
	err := s.drive(ctx, k)
	for wait := time.Second; err != nil && !errors.Is(err, errOvertaken) && ctx.Err() == nil; wait = min(2*wait, time.Minute) {
		s.Logger.Warn("cloudformation: work on a stack; trying again", "stack", k.UUID, "error", err)
		come, stop := s.Clock.After(wait)
		select {
		case <-ctx.Done():
		case <-come:
			err = s.drive(ctx, k)
		}
		stop()
	}
}

// errOvertaken says that another operation has taken the place of the one being worked on.
var errOvertaken = errors.New("cloudformation: another operation is under way on the stack")

// acting is a context in which a stack's operation acts: as its role, or as whoever asked.
func (s *Service) acting(ctx context.Context, k workKey, st *stack) (context.Context, error) {
	op := st.Operation
	req := aws.Request{Region: k.Region, Scheme: op.Scheme, Host: op.Host, ID: aws.RandomUUID(s.Random), Time: s.Clock.Now(), Secure: true,
		Caller: op.Caller, Via: []string{principal}}
	if st.RoleARN == "" {
		return aws.WithRequest(ctx, &req), nil
	}
	own := aws.WithRequest(ctx, req.As(aws.ServiceCaller(principal, k.Account, st.ID)))
	got, err := stsapi.AssumeRole.Do(own, s.Peers, &stsapi.AssumeRoleRequest{RoleArn: &st.RoleARN, RoleSessionName: new("AWSCloudFormation")})
	if err != nil {
		return ctx, err
	}
	id := aws.Value(got.AssumedRoleUser.AssumedRoleId)
	for i := range id {
		if id[i] == ':' {
			id = id[:i]
			break
		}
	}
	return aws.WithRequest(ctx, req.As(aws.RoleSession(st.RoleARN, id, "AWSCloudFormation"))), nil
}
