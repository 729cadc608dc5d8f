package ses

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/ses"
	snsapi "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// How mail is sent: so many at once, each try so long, and tried again after a minute,
// then twice as long each time up to an hour, until it is fourteen hours old.
const (
	sendersTogether = 16
	relayTimeout    = time.Minute
	firstPause      = time.Minute
	longestPause    = time.Hour
	mailAge         = 840 * time.Minute
	noticePause     = 10 * time.Second
	noticeAge       = 24 * time.Hour
)

// notice is a notification on its way to a topic.
type notice struct {
	Topic, Subject, Text, Identity string
	Made, Due                      time.Time

	// Of an event of a configuration set that goes elsewhere: to a bus, a delivery stream,
	// or else a metric.
	Kind, Set, Bus string                          `json:",omitempty"`
	Stream         *api.KinesisFirehoseDestination `json:",omitempty"`
	Dimensions     []string                        `json:",omitempty"`
}

// outboxWorker sends what is in the outbox, and tells what became of it. Its state is in
// the store.
type outboxWorker struct {
	s    *Service
	wake chan struct{}

	mu      sync.Mutex
	busy    map[string]bool // notices and receipts
	sending map[string]bool // messages, which a relay may keep waiting
}

func (w *outboxWorker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// task is a record that is due.
type task struct {
	scope    store.Scope
	key      []any
	id       string
	mail     *outgoing
	notice   *notice
	received *receivedMail
}

func (w *outboxWorker) run(ctx context.Context) error {
	w.busy, w.sending = map[string]bool{}, map[string]bool{}
	if err := w.adopt(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		due, next, err := w.look(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			w.s.Logger.Warn("ses: read the outbox; trying again", "error", err)
			next = w.s.Clock.Now().Add(noticePause)
		}
		for _, t := range due {
			wg.Go(func() { w.work(ctx, t) })
		}
		var c <-chan time.Time
		stop := func() {}
		if !next.IsZero() {
			c, stop = w.s.Clock.After(next.Sub(w.s.Clock.Now()))
		}
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-w.wake:
			stop()
		case <-c:
		}
	}
}

// adopt puts what older Tules have left in an outbox of each account into the one of all.
func (w *outboxWorker) adopt(ctx context.Context) error {
	var left []store.Entry[outgoing]
	find := func(r store.Reader) error {
		left = nil
		for e, err := range outbox.All(ctx, r) {
			if err != nil {
				return err
			}
			if e.Scope.Account != "" {
				left = append(left, e)
			}
		}
		return nil
	}
	if err := w.s.Store.View(ctx, find); err != nil {
		return err
	}
	for _, e := range left {
		if err := w.s.Store.Update(ctx, func(tx store.Tx) error {
			if err := outbox.Delete(tx, e.Scope, e.Key.Parts()...); err != nil {
				return err
			}
			if e.Record.Tries == 0 {
				return w.s.dispatch(ctx, tx, e.Scope, &e.Record)
			}
			return e.Record.put(tx, e.Scope, e.Record.To)
		}); err != nil {
			return err
		}
	}
	return nil
}

// look finds what is due and nobody works on, as much as may be worked on, and when to
// look again. What waits for the relay keeps nothing else waiting.
func (w *outboxWorker) look(ctx context.Context) (due []task, next time.Time, err error) {
	now := w.s.Clock.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	err = w.s.Store.View(ctx, func(r store.Reader) error {
		due, next = nil, time.Time{}
		take := func(t task, at time.Time) bool {
			if at.After(now) {
				if next.IsZero() || at.Before(next) {
					next = at
				}
			} else if !w.busy[t.id] {
				due = append(due, t)
			}
			return len(due)+len(w.busy) < sendersTogether
		}
		for e, err := range notices.All(ctx, r) {
			if err != nil {
				return err
			}
			if !take(task{scope: e.Scope, key: e.Key.Parts(), id: "n" + e.Key.String(1), notice: &e.Record}, e.Record.Due) {
				break
			}
		}
		for e, err := range receipts.All(ctx, r) {
			if err != nil {
				return err
			}
			if !take(task{scope: e.Scope, key: e.Key.Parts(), id: "r" + e.Scope.Account + e.Scope.Region + e.Key.String(1), received: &e.Record}, e.Record.Due) {
				break
			}
		}
		mail, at, err := w.lookForMail(ctx, r, now)
		if due = append(due, mail...); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
		return err
	})
	for _, t := range due {
		if t.mail != nil {
			w.sending[t.id] = true
		} else {
			w.busy[t.id] = true
		}
	}
	return due, next, err
}

// lookForMail finds messages for the relay, which lie by when they are due: the first that
// is not due yet ends them, however many wait behind it.
func (w *outboxWorker) lookForMail(ctx context.Context, r store.Reader, now time.Time) (due []task, next time.Time, err error) {
	for e, err := range outbox.List(ctx, r, store.Scope{}, store.ListOptions{Limit: 2 * sendersTogether}) {
		if err != nil {
			return nil, next, err
		}
		if at := e.Key.Time(0); at.After(now) {
			return due, at, nil
		}
		if len(due)+len(w.sending) == sendersTogether {
			break
		}
		if id := e.Key.String(1); !w.sending[id] {
			m := e.Record
			due = append(due, task{scope: store.Scope{Account: m.Account, Region: m.Region}, key: e.Key.Parts(), id: id, mail: &m})
		}
	}
	return due, next, nil
}

func (w *outboxWorker) work(ctx context.Context, t task) {
	var err error
	switch {
	case t.notice != nil:
		err = w.tell(ctx, t)
	case t.received != nil:
		err = w.receipt(ctx, t)
	default:
		err = w.mail(ctx, t)
	}
	if err != nil && ctx.Err() == nil {
		w.s.Logger.Warn("ses: settle what was sent; it is sent again", "id", t.id, "error", err)
	}
	w.mu.Lock()
	if t.mail != nil {
		delete(w.sending, t.id)
	} else {
		delete(w.busy, t.id)
	}
	w.mu.Unlock()
	w.poke()
}

// dispatch settles a message, in the transaction that accepts it, as far as nobody else is
// asked: for the simulator's recipients, for those on the suppression list and, where there
// is no relay, for all. The others' is put into the outbox.
func (s *Service) dispatch(ctx context.Context, tx store.Tx, scope store.Scope, m *outgoing) error {
	var real []string
	results := []result{{kind: sendKind}}
	for _, to := range m.To {
		if simulated, ok := simulate(to); ok {
			results = append(results, simulated...)
		} else {
			real = append(real, to)
		}
	}
	hold, real, err := held(ctx, tx, scope, m.Mail.Set, real)
	if err != nil {
		return err
	}
	if len(hold) > 0 {
		results = append(results, onSuppressionList(hold))
	}
	if s.Relay == nil && len(real) > 0 {
		results = append(results, delivered(real, "250 2.6.0 Message kept for inspection", "tule"))
	}
	if err := s.putNotices(ctx, tx, scope, m, results); err != nil || s.Relay == nil || len(real) == 0 {
		return err
	}
	return m.put(tx, scope, real)
}

// put puts a message for some recipients into the outbox, to be sent when it is due.
func (m *outgoing) put(tx store.Tx, scope store.Scope, to []string) error {
	next := *m
	next.To, next.Account, next.Region = to, scope.Account, scope.Region
	return outbox.Put(tx, store.Scope{}, next, next.Due, next.Mail.ID)
}

// mail has the relay send a message.
func (w *outboxWorker) mail(ctx context.Context, t task) error {
	s := w.s
	results, wait := w.relay(ctx, t.mail, t.mail.To)
	if ctx.Err() != nil {
		return nil // the next process has it
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		if has, err := outbox.Has(ctx, tx, store.Scope{}, t.key...); err != nil || !has {
			return err // the state was reset
		}
		if err := outbox.Delete(tx, store.Scope{}, t.key...); err != nil {
			return err
		}
		if wait == 0 {
			return s.putNotices(ctx, tx, t.scope, t.mail, results)
		}
		later := *t.mail
		later.Tries, later.Due = later.Tries+1, s.Clock.Now().Add(wait)
		return later.put(tx, t.scope, later.To)
	})
}

// relay sends to real recipients; wait is when to try again.
func (w *outboxWorker) relay(ctx context.Context, m *outgoing, to []string) (out []result, wait time.Duration) {
	if w.s.Relay == nil { // there was one when it was accepted
		return []result{delivered(to, "250 2.6.0 Message kept for inspection", "tule")}, 0
	}
	late, stop := w.s.Clock.After(relayTimeout)
	defer stop()
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-late:
			cancel()
		case <-sending.Done():
		}
	}()
	err := w.s.Relay.Send(sending, m.From, to, m.Raw)
	if err == nil {
		return []result{delivered(to, "250 2.6.0 Message received", "relay")}, 0
	}
	var code *textproto.Error
	if errors.As(err, &code) && code.Code >= 500 {
		return []result{bounced(to, "Permanent", "General", "5.0.0", fmt.Sprintf("smtp; %d %s", code.Code, code.Msg))}, 0
	}
	if w.s.Clock.Now().Sub(m.Accepted) > mailAge {
		return []result{bounced(to, "Transient", "General", "4.4.7", "smtp; 550 4.4.7 Message expired: unable to deliver in 840 minutes. <"+err.Error()+">")}, 0
	}
	w.s.Logger.Info("ses: the relay did not take a message; trying again", "message", m.Mail.ID, "tries", m.Tries+1, "error", err)
	return nil, min(firstPause<<min(m.Tries, 10), longestPause)
}

// tell publishes a notification as SES, for the identity that sent.
func (w *outboxWorker) tell(ctx context.Context, t task) error {
	s, n := w.s, t.notice
	err := s.notify(ctx, t.scope, n)
	if ctx.Err() != nil {
		return nil // the next process has it
	}
	var e *aws.Error
	now := s.Clock.Now()
	if err != nil && !(errors.As(err, &e) && !e.Server()) && now.Sub(n.Made) < noticeAge {
		n.Due = now.Add(noticePause)
		return s.Store.Update(ctx, func(tx store.Tx) error { return notices.Put(tx, t.scope, *n, t.key...) })
	}
	if err != nil {
		s.Logger.Warn("ses: nobody takes a notification", "topic", n.Topic, "set", n.Set, "identity", n.Identity, "error", err)
	}
	return s.Store.Update(ctx, func(tx store.Tx) error { return notices.Delete(tx, t.scope, t.key...) })
}

// notify hands a notification to its topic, or an event to where it goes.
func (s *Service) notify(ctx context.Context, scope store.Scope, n *notice) error {
	if n.Topic == "" {
		return s.publish(ctx, scope, n)
	}
	topic, ok := aws.ParseARN(n.Topic)
	if !ok {
		return invalid("Invalid SNS topic ARN <%s>.", n.Topic)
	}
	in := &snsapi.PublishInput{TopicArn: &n.Topic, Message: &n.Text}
	if n.Subject != "" {
		in.Subject = &n.Subject
	}
	_, err := snsapi.Publish.Do(s.acting(ctx, scope, topic.Region, n.Identity), s.Peers, in)
	return err
}

// acting is a context in which SES calls another service for an identity.
func (s *Service) acting(ctx context.Context, scope store.Scope, region, identity string) context.Context {
	req := aws.Request{Region: region, Scheme: "https", Host: "email." + scope.Region + ".amazonaws.com", ID: aws.RandomUUID(s.Random), Time: s.Clock.Now(), Secure: true}
	return aws.WithRequest(ctx, req.As(aws.ServiceCaller(principal, scope.Account, identityARN(scope, identity))))
}
