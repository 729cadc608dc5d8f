package lambda

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// principal is who assumes functions' roles.
const principal = "lambda.amazonaws.com"

// sessionReserve is how long a role's session must still last to be given to a new
// environment.
const sessionReserve = 30 * time.Minute

// A session is a role assumed for a function: credentials for its environments, and
// the caller as which Lambda itself writes its logs.
type session struct {
	caller             aws.Caller
	key, secret, token string
	until              time.Time
}

// roles keeps sessions, one for each function and role.
type roles struct {
	s        *Service
	mu       sync.Mutex
	sessions map[roleKey]*session
}

type roleKey struct {
	at   ref
	role string
}

// maxSessions is how many sessions are kept.
const maxSessions = 4096

// session returns a session that lasts a while yet, assuming the role if need be. The
// error is that of AssumeRole.
func (r *roles) session(ctx context.Context, at ref, role string) (*session, error) {
	key := roleKey{at, role}
	now := r.s.Clock.Now()
	r.mu.Lock()
	have := r.sessions[key]
	r.mu.Unlock()
	if have != nil && have.until.After(now.Add(sessionReserve)) {
		return have, nil
	}
	return r.renew(ctx, at, role)
}

// renew assumes the role, whatever session there is: it may be a role of another
// making by now.
func (r *roles) renew(ctx context.Context, at ref, role string) (*session, error) {
	got, err := r.assume(ctx, at, role)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sessions) >= maxSessions {
		clear(r.sessions)
	}
	r.sessions[roleKey{at, role}] = got
	return got, nil
}

func (r *roles) assume(ctx context.Context, at ref, role string) (*session, error) {
	name := at.name
	if len(name) < 2 {
		name += "-" // the least that STS takes
	}
	ctx = r.s.acting(ctx, at, aws.ServiceCaller(principal, at.scope.Account, at.arn("")))
	out, err := stsapi.AssumeRole.Do(ctx, r.s.Peers, &stsapi.AssumeRoleRequest{RoleArn: &role, RoleSessionName: &name})
	if err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(aws.Value(out.AssumedRoleUser.AssumedRoleId), ":")
	caller := aws.RoleSession(role, id, name)
	c := out.Credentials
	caller.IssuedAt = r.s.Clock.Now()
	return &session{caller: caller, key: aws.Value(c.AccessKeyId), secret: aws.Value(c.SecretAccessKey),
		token: aws.Value(c.SessionToken), until: aws.Value(c.Expiration)}, nil
}

// acting is a context in which caller acts for a function.
func (s *Service) acting(ctx context.Context, at ref, caller aws.Caller) context.Context {
	req := aws.Request{Region: at.scope.Region, Scheme: "https", Host: "lambda." + at.scope.Region + ".amazonaws.com"}
	req.ID, req.Time = aws.RandomUUID(s.Random), s.Clock.Now()
	return aws.WithRequest(context.WithoutCancel(ctx), req.As(caller))
}

// unassumable is what the invoker of a function hears whose role is not Lambda's to
// assume any more.
func unassumable(err error) error {
	var e *aws.Error
	if errors.As(err, &e) && !e.Server() {
		return aws.AccessDenied("The role defined for the function cannot be assumed by Lambda.").Because(err)
	}
	return err
}
