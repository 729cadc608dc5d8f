package ses

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/ses"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An Envelope is from whom a message comes, and to whom.
type Envelope struct {
	From   string // "" for a bounce
	To     []string
	Source netip.Addr
	Secure bool // it came by TLS
}

// receivedMail is a message that rules have yet to be done for: those of the account's
// active set when it came. It is one account's; Rule and Action are what comes next.
type receivedMail struct {
	ID, From, SourceIP string
	To                 []string
	Raw                []byte
	Time, Due          time.Time
	Tries              int
	Set                string
	Rules              []api.ReceiptRule
	Rule, Action       int
}

// receipts are messages on their way through rules, by when they came and their id.
var receipts = store.NewTable[receivedMail]("ses", "received")

const (
	// maxReceived is the most bytes of a message.
	maxReceived = 40 << 20
	// receiptAge is how long an action is tried.
	receiptAge = 4 * time.Hour
)

// Takes reports whether somebody here receives mail for an address from where it comes.
func (s *Service) Takes(ctx context.Context, e Envelope, to string) (takes bool, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		found, err := s.receivers(ctx, r, e, to)
		takes = len(found) > 0
		return err
	})
	return takes, err
}

// A receiver is an account that takes mail, and by which rules.
type receiver struct {
	scope store.Scope
	set   *receiptSet
}

// receivers are the accounts in whose active rules an address is, that it is an identity
// of, and that do not block where the mail comes from.
func (s *Service) receivers(ctx context.Context, r store.Reader, e Envelope, to string) (out []receiver, err error) {
	for a, err := range accounts.All(ctx, r) {
		if err != nil {
			return nil, err
		}
		set, err := activeReceiptSet(ctx, r, a.Scope)
		if err != nil || set == nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		if !slices.ContainsFunc(set.Rules, func(rule api.ReceiptRule) bool { return meant(&rule, to, e.Secure) }) {
			continue
		}
		known := false
		for _, name := range candidates(to) {
			if known, err = identities.Has(ctx, r, a.Scope, name); err != nil || known {
				break
			}
		}
		if err != nil {
			return nil, err
		}
		block, err := blocked(ctx, r, a.Scope, e.Source)
		if err != nil {
			return nil, err
		}
		if known && !block {
			out = append(out, receiver{a.Scope, set})
		}
	}
	return out, nil
}

// meant reports whether a rule is for mail to an address. A recipient of a rule is an
// address, with all its labels; a domain; or with a dot before it all domains below.
func meant(rule *api.ReceiptRule, to string, secure bool) bool {
	if !aws.Value(rule.Enabled) || aws.Value(rule.TlsPolicy) == api.TlsPolicyRequire && !secure {
		return false
	}
	local, domain, _ := strings.Cut(to, "@")
	unlabelled, _, _ := strings.Cut(local, "+")
	return len(rule.Recipients) == 0 || slices.ContainsFunc(rule.Recipients, func(r string) bool {
		switch {
		case strings.Contains(r, "@"):
			return strings.EqualFold(r, to) || strings.EqualFold(r, unlabelled+"@"+domain)
		case strings.HasPrefix(r, "."):
			return len(domain) > len(r) && strings.EqualFold(domain[len(domain)-len(r):], r)
		}
		return strings.EqualFold(r, domain)
	})
}

// Receive takes a message for all of its recipients that somebody receives for. It is
// kept when Receive returns; what rules say is done behind that. A message for nobody is
// an error.
func (s *Service) Receive(ctx context.Context, e Envelope, raw []byte) error {
	if len(raw) > maxReceived {
		return invalid("Message length is more than %d bytes long: '%d'.", maxReceived, len(raw))
	}
	now := s.Clock.Now().Truncate(time.Millisecond)
	id := aws.RandomID(s.Random, aws.LowerAlnm, 40)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		by := map[store.Scope]*receivedMail{}
		for _, to := range e.To {
			found, err := s.receivers(ctx, tx, e, to)
			if err != nil {
				return err
			}
			for _, f := range found {
				m := by[f.scope]
				if m == nil {
					m = &receivedMail{ID: id, From: e.From, SourceIP: e.Source.String(), Raw: raw, Time: now, Due: now, Set: f.set.Name, Rules: f.set.Rules}
					by[f.scope] = m
				}
				m.To = append(m.To, to)
			}
		}
		if len(by) == 0 {
			return invalid("Nobody receives mail for %s.", strings.Join(e.To, ", "))
		}
		for scope, m := range by {
			m.Rules = slices.DeleteFunc(slices.Clone(m.Rules), func(r api.ReceiptRule) bool {
				return !slices.ContainsFunc(m.To, func(to string) bool { return meant(&r, to, e.Secure) })
			})
			if err := receipts.Put(tx, scope, *m, now, id); err != nil {
				return err
			}
			if err := m.note(tx, scope); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.outbox.poke()
	}
	return err
}

// receipt does the next action for a message, and notes that.
func (w *outboxWorker) receipt(ctx context.Context, t task) error {
	s, m := w.s, t.received
	var answer *outgoing
	done := m.Rule >= len(m.Rules)
	if !done {
		rule := &m.Rules[m.Rule]
		if m.Action >= len(rule.Actions) {
			m.Rule, m.Action = m.Rule+1, 0
		} else {
			act := &receiptAction{s: s, scope: t.scope, mail: m, rule: rule, action: &rule.Actions[m.Action]}
			stop, err := act.do(ctx)
			if ctx.Err() != nil {
				return nil // the next process has it
			}
			if err != nil && !refused(err) && s.Clock.Now().Sub(m.Time) < receiptAge {
				m.Due = s.Clock.Now().Add(min(noticePause<<min(m.Tries, 8), longestPause))
				m.Tries++
				return s.putReceipt(ctx, t, m, nil)
			}
			if err != nil {
				s.Logger.Warn("ses: an action of a receipt rule failed", "set", m.Set, "rule", *rule.Name, "message", m.ID, "error", err)
			}
			answer = act.answer
			m.Tries, m.Action = 0, m.Action+1
			switch stop {
			case stopRule:
				m.Rule, m.Action = m.Rule+1, 0
			case stopSet:
				m.Rule = len(m.Rules)
			}
		}
		done = m.Rule >= len(m.Rules)
	}
	if !done {
		return s.putReceipt(ctx, t, m, answer)
	}
	return s.putReceipt(ctx, t, nil, answer)
}

// putReceipt notes how far a message has come, nil for the end, and with it what it is
// answered.
func (s *Service) putReceipt(ctx context.Context, t task, m *receivedMail, answer *outgoing) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		if has, err := receipts.Has(ctx, tx, t.scope, t.key...); err != nil || !has {
			return err // the state was reset
		}
		if answer != nil {
			if err := s.dispatch(ctx, tx, t.scope, answer); err != nil {
				return err
			}
		}
		if m == nil {
			return receipts.Delete(tx, t.scope, t.key...)
		}
		return receipts.Put(tx, t.scope, *m, t.key...)
	})
}

// actingRule is a context in which SES calls another service for a receipt rule.
func (s *Service) actingRule(ctx context.Context, scope store.Scope, region, set, rule string) context.Context {
	req := aws.Request{Region: region, Scheme: "https", Host: "email." + scope.Region + ".amazonaws.com", ID: aws.RandomUUID(s.Random), Time: s.Clock.Now(), Secure: true}
	return aws.WithRequest(ctx, req.As(aws.ServiceCaller(principal, scope.Account, ruleARN(scope, set, rule))))
}

// assume is a context in which SES acts under a role that was handed to it.
func (s *Service) assume(ctx context.Context, role string) (context.Context, error) {
	const session = "ses"
	got, err := stsapi.AssumeRole.Do(ctx, s.Peers, &stsapi.AssumeRoleRequest{RoleArn: &role, RoleSessionName: new(session)})
	if err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(aws.Value(got.AssumedRoleUser.AssumedRoleId), ":")
	return aws.WithRequest(ctx, aws.RequestOf(ctx).As(aws.RoleSession(role, id, session))), nil
}
