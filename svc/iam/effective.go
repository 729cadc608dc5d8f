package iam

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// Session credentials of users may not change identities nor beget others, and
// those of federation may have nothing to do with either.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_request.html
const (
	userSessionLimits = `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}},` +
		`{"Effect":"Deny","Action":["sts:GetFederationToken","sts:GetSessionToken"],"Resource":"*"}]}`
	// What the account's password policy allows its users, and no policy of theirs need:
	// ChangePassword is only ever about its caller.
	mayChangePassword = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ChangePassword","Resource":"*"}}`
	federationLimits  = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":["iam:*","sts:*"],"Resource":"*"}}`
)

// cache has the policies of principals and the owners of keys, account by account.
type cache struct {
	mu       *sync.RWMutex
	accounts map[string]*known
}

// known is what was read of an account while its stamp was stamp.
type known struct {
	stamp string
	sets  map[string]grants     // by the unique id of the principal, or a user's ARN
	keys  map[string]credential // by the id of the access key
}

// grants are the policies of a principal, and since when it is there.
type grants struct {
	set   policy.Set
	since time.Time
}

// most is how many entries an account has in the cache before it is emptied.
const most = 20000

func newCache() cache { return cache{new(sync.RWMutex), map[string]*known{}} }

// at is what is known of an account as of stamp; nil if that is nothing.
func (c *cache) at(account string, stamp []byte) *known {
	if k := c.accounts[account]; k != nil && k.stamp == string(stamp) {
		return k
	}
	return nil
}

// room is at, for writing; c.mu is held.
func (c *cache) room(account string, stamp []byte) *known {
	k := c.at(account, stamp)
	if k == nil || len(k.sets)+len(k.keys) > most {
		k = &known{string(stamp), map[string]grants{}, map[string]credential{}}
		c.accounts[account] = k
	}
	return k
}

// Policies is every policy that bears on what a caller does, but for those on the
// resource: the identity policies of a user and its groups or of a role, its
// boundary, and what its session was narrowed to. A principal that is gone gives an
// error: what was once given out in its name is over.
//
// A session policy that begins with "arn:" is the managed policy of that name.
func (s *Service) Policies(ctx context.Context, c *aws.Caller) (policy.Set, error) {
	var set policy.Set
	var err error
	limits := userSessionLimits
	switch c.Kind {
	case aws.User, aws.AssumedRole:
		id, _, _ := strings.Cut(c.UserID, ":")
		set, err = s.policiesOf(ctx, c, id)
	case aws.Federated:
		limits = federationLimits
		if !strings.HasSuffix(c.Role, ":root") {
			set, err = s.policiesOf(ctx, c, c.Role)
		}
	case aws.Root:
	default: // services and strangers have nothing of their own
		return policy.Set{}, nil
	}
	if err != nil {
		return policy.Set{}, err
	}
	if onTask(c) {
		set.Session, err = s.taskLimits(ctx, c)
		return set, err
	}
	if c.SessionPolicies != nil {
		if set.Session, err = s.session(ctx, c); err != nil {
			return policy.Set{}, err
		}
	}
	if c.Kind != aws.AssumedRole && !c.IssuedAt.IsZero() {
		set.Identity = append(slices.Clip(set.Identity), s.compile("session", limits))
	}
	return set, nil
}

func (s *Service) policiesOf(ctx context.Context, c *aws.Caller, id string) (policy.Set, error) {
	var g grants
	err := s.store.View(ctx, func(r store.Reader) error {
		stamp, err := stamps.Get(ctx, r, scope(c.Account))
		if ignoreMissing(err) != nil {
			return err
		}
		s.cache.mu.RLock()
		var ok bool
		if k := s.cache.at(c.Account, stamp); k != nil {
			g, ok = k.sets[id]
		}
		s.cache.mu.RUnlock()
		if ok {
			return nil
		}
		if g, err = s.gather(ctx, r, c.Account, id); err != nil {
			return err
		}
		s.cache.mu.Lock()
		s.cache.room(c.Account, stamp).sets[id] = g
		s.cache.mu.Unlock()
		return nil
	})
	if err != nil {
		return policy.Set{}, err
	}
	if !c.IssuedAt.IsZero() && g.since.After(c.IssuedAt) {
		return policy.Set{}, errGone() // another of the same name
	}
	if c.Kind == aws.AssumedRole {
		s.uses.mark(c.Account, id, s.use(ctx))
	}
	return g.set, nil
}

// errGone ends what a principal that is no more has left behind.
func errGone() error {
	return aws.Errorf(403, "UnrecognizedClientException", "The security token included in the request is invalid")
}

// find reads the principal with a unique id, or the user with an ARN.
func find(ctx context.Context, r store.Reader, account, id string) (*principal, error) {
	e := entry{user, id[strings.LastIndexByte(id, '/')+1:]}
	if !strings.HasPrefix(id, "arn:") {
		var err error
		if e, err = byID.Get(ctx, r, scope(account), id); err != nil {
			if errors.Is(err, store.ErrNotFound) {
				return nil, errGone()
			}
			return nil, err
		}
	}
	p, err := load(ctx, r, account, e.Kind, e.Name)
	if aws.CodeOf(err) == "NoSuchEntity" {
		return nil, errGone()
	}
	return p, err
}

// gather reads and compiles what a principal has.
func (s *Service) gather(ctx context.Context, r store.Reader, account, id string) (g grants, err error) {
	p, err := find(ctx, r, account, id)
	if err != nil {
		return g, err
	}
	g.since = p.Created
	if g.set.Identity, err = s.own(ctx, r, account, p); err != nil {
		return g, err
	}
	for _, name := range p.Groups {
		of, err := load(ctx, r, account, group, name)
		if err != nil {
			return g, err
		}
		more, err := s.own(ctx, r, account, of)
		if err != nil {
			return g, err
		}
		g.set.Identity = append(g.set.Identity, more...)
	}
	if p.Kind == user {
		rules, err := passwordPolicyOf(ctx, r, account)
		if err != nil {
			return g, err
		}
		if rules != nil && rules.Change {
			g.set.Identity = append(g.set.Identity, s.compile("account password policy", mayChangePassword))
		}
	}
	if p.Boundary != "" {
		b, err := s.source(ctx, r, account, p.Boundary)
		if err != nil {
			return g, err
		}
		g.set.Boundary = []policy.Source{b}
	}
	return g, nil
}

// own are the inline and managed policies of one principal.
func (s *Service) own(ctx context.Context, r store.Reader, account string, p *principal) ([]policy.Source, error) {
	var out []policy.Source
	for _, name := range slices.Sorted(maps.Keys(p.Inline)) {
		out = append(out, s.compile(string(p.Kind)+"_"+p.Name+"_"+name, p.Inline[name]))
	}
	for _, arn := range p.Attached {
		src, err := s.source(ctx, r, account, arn)
		if err != nil {
			return nil, err
		}
		out = append(out, src)
	}
	return out, nil
}

// source is a managed policy in force. One that is not there denies everything.
func (s *Service) source(ctx context.Context, r store.Reader, account, arn string) (policy.Source, error) {
	p, err := s.managed(ctx, r, account, arn)
	if code := aws.CodeOf(err); code != "" {
		return policy.Source{ID: arn}, nil
	}
	if err != nil {
		return policy.Source{}, err
	}
	v := p.inForce()
	if v == nil {
		return policy.Source{ID: arn}, nil
	}
	return s.compile(arn, v.Document), nil
}

// compile makes a document a source. What was validated when it was stored and does
// not compile now denies everything.
func (s *Service) compile(id, document string) policy.Source {
	p, err := s.compiled.Get(document)
	if err != nil {
		s.logger.Error("a stored policy is unreadable and denies everything", "policy", id, "err", err)
		return policy.Source{ID: id}
	}
	return policy.Source{ID: id, Policy: p}
}

// session compiles what a session was narrowed to; never nil.
func (s *Service) session(ctx context.Context, c *aws.Caller) ([]policy.Source, error) {
	out := make([]policy.Source, 0, len(c.SessionPolicies))
	for _, text := range c.SessionPolicies {
		if !strings.HasPrefix(text, "arn:") {
			out = append(out, s.compile("session policy", text))
			continue
		}
		err := s.store.View(ctx, func(r store.Reader) error {
			src, err := s.source(ctx, r, c.Account, text)
			out = append(out, src)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// CheckSessionPolicy holds a policy, given with AssumeRole or its like, to the rules:
// a document, or the ARN of a managed policy of the account or of AWS.
func (s *Service) CheckSessionPolicy(ctx context.Context, account, document string) error {
	if !strings.HasPrefix(document, "arn:") {
		return checkDocument(document, policy.Rules{Kind: policy.Session, MaxSize: 2048})
	}
	return s.store.View(ctx, func(r store.Reader) error {
		_, err := s.managed(ctx, r, account, document)
		return err
	})
}
