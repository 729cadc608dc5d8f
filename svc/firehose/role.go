package firehose

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/firehose"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

const (
	// sessionName is what AWS calls the sessions of delivery roles.
	sessionName = "AWSFirehoseToS3"
	// sessionReserve is how long a session must still last to be used.
	sessionReserve = 5 * time.Minute
	// maxSessions is how many sessions are remembered.
	maxSessions = 4096
)

// roles keeps sessions, one for each stream and role.
type roles struct {
	s        *Service
	mu       sync.Mutex
	sessions map[roleKey]session
}

type roleKey struct {
	at   ref
	role string
}

// A session is a role that was assumed for a stream.
type session struct {
	caller aws.Caller
	until  time.Time
}

// acting is a context in which a session of a role acts for a stream.
func (r *roles) acting(ctx context.Context, at ref, role string) (context.Context, error) {
	key, now := roleKey{at, role}, r.s.Clock.Now()
	r.mu.Lock()
	have, ok := r.sessions[key]
	r.mu.Unlock()
	if !ok || !have.until.After(now.Add(sessionReserve)) {
		var err error
		if have, err = r.assume(ctx, at, role); err != nil {
			return nil, err
		}
		r.mu.Lock()
		if r.sessions == nil || len(r.sessions) >= maxSessions {
			r.sessions = map[roleKey]session{}
		}
		r.sessions[key] = have
		r.mu.Unlock()
	}
	return r.s.as(ctx, at, have.caller), nil
}

// assume makes a session. Trust policies may ask for the account as the external id.
func (r *roles) assume(ctx context.Context, at ref, role string) (session, error) {
	ctx = r.s.as(ctx, at, aws.ServiceCaller(principal, at.scope.Account, at.arn()))
	out, err := stsapi.AssumeRole.Do(ctx, r.s.Peers, &stsapi.AssumeRoleRequest{RoleArn: &role, RoleSessionName: new(sessionName), ExternalId: &at.scope.Account})
	if err != nil {
		return session{}, err
	}
	id, _, _ := strings.Cut(aws.Value(out.AssumedRoleUser.AssumedRoleId), ":")
	caller := aws.RoleSession(role, id, sessionName)
	caller.IssuedAt = r.s.Clock.Now()
	return session{caller, aws.Value(out.Credentials.Expiration)}, nil
}

// forget makes the next use of a role assume it again: it may be one of another making.
func (r *roles) forget(at ref, role string) {
	r.mu.Lock()
	delete(r.sessions, roleKey{at, role})
	r.mu.Unlock()
}

// as is a context in which caller acts for a stream.
func (s *Service) as(ctx context.Context, at ref, caller aws.Caller) context.Context {
	req := aws.Request{Region: at.scope.Region, Scheme: "https", Host: "firehose." + at.scope.Region + ".amazonaws.com", Secure: true}
	req.ID, req.Time = aws.RandomUUID(s.Random), s.Clock.Now()
	return aws.WithRequest(ctx, req.As(caller))
}

// checkRoles asks whether Firehose may assume the roles, by doing so.
func (s *Service) checkRoles(ctx context.Context, at ref, list []string) error {
	seen := map[string]bool{}
	for _, role := range list {
		if seen[role] {
			continue
		}
		seen[role] = true
		if a, ok := aws.ParseARN(role); ok && a.Account != at.scope.Account {
			return aws.AccessDenied("Cross-account pass role is not allowed.")
		}
		s.roles.forget(at, role)
		_, err := s.roles.acting(ctx, at, role)
		var e *aws.Error
		if errors.As(err, &e) && !e.Server() {
			return api.InvalidArgumentException("Firehose is unable to assume role %s. Please check the role provided.", role).Because(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
