package ses

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/ses"
	snsapi "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// topics are a double of SNS that keeps what is published.
type topics struct{ published chan *snsapi.PublishInput }

func newTopics() *topics { return &topics{make(chan *snsapi.PublishInput, 100)} }

func (q *topics) routes() []aws.Route {
	return []aws.Route{snsapi.Publish.To(func(ctx context.Context, in *snsapi.PublishInput) (*snsapi.PublishResponse, error) {
		if !strings.HasSuffix(*in.TopicArn, ":t") {
			return nil, snsapi.NotFoundException("Topic does not exist")
		}
		if c := aws.RequestOf(ctx).Caller; c.ARN != principal || c.SourceAccount != "000000000000" {
			return nil, snsapi.AuthorizationErrorException("%+v", c)
		}
		q.published <- in
		return nil, nil
	}, aws.Nothing)}
}

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(_ *testing.T, h *script.House) []aws.Route {
		s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h})
		return slices.Concat(s.Routes(), s.Version2(), newTopics().routes(), (&desk{}).routes())
	})
}

// A rig is a running SES.
type rig struct {
	*testing.T
	*script.House
	s      *Service
	topics *topics
	ctx    context.Context
}

func newRig(t *testing.T, relay Relay) *rig {
	h := script.New()
	r := &rig{T: t, House: h, topics: newTopics(), s: New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Relay: relay})}
	h.Add(r.topics.routes())
	r.ctx = h.Context(t.Context())
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = r.s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; h.Store.Close() })
	if _, err := r.s.verifyEmailIdentity(r.ctx, &api.VerifyEmailIdentityRequest{EmailAddress: new("me@example.com")}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{bounceKind, complaintKind, deliveryKind} {
		if _, err := r.s.setNotificationTopic(r.ctx, &api.SetIdentityNotificationTopicRequest{Identity: new("me@example.com"), NotificationType: &kind, SnsTopic: new("arn:aws:sns:us-east-1:000000000000:t")}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *rig) send(to ...string) string {
	r.Helper()
	out, err := r.s.sendEmail(r.ctx, &api.SendEmailRequest{Source: new("me@example.com"), Destination: &api.Destination{ToAddresses: to},
		Message: &api.Message{Subject: &api.Content{Data: new("Grüße")}, Body: &api.Body{Text: &api.Content{Data: new("t")}, Html: &api.Content{Data: new("<b>h</b>")}}}})
	if err != nil {
		r.Fatal(err)
	}
	return *out.MessageId
}

// notified is the next notification.
func (r *rig) notified() map[string]any {
	r.Helper()
	select {
	case in := <-r.topics.published:
		var m map[string]any
		if err := json.Unmarshal([]byte(*in.Message), &m); err != nil {
			r.Fatal(err)
		}
		return m
	case <-time.After(10 * time.Second):
		r.Fatal("nobody was told")
		return nil
	}
}

func TestSimulator(t *testing.T) {
	r := newRig(t, nil)
	for _, c := range []struct{ to, kind, want string }{
		{"bounce+label@simulator.amazonses.com", bounceKind, `"bounceSubType":"General","bounceType":"Permanent","bouncedRecipients":[{"action":"failed","diagnosticCode":"smtp; 550 5.1.1 user unknown","emailAddress":"bounce+label@simulator.amazonses.com","status":"5.1.1"}]`},
		{"suppressionlist@simulator.amazonses.com", bounceKind, `"bounceSubType":"Suppressed"`},
		{"success@simulator.amazonses.com", deliveryKind, `"recipients":["success@simulator.amazonses.com"]`},
		{"ooto@simulator.amazonses.com", deliveryKind, `"processingTimeMillis":0`},
		{"someone@example.org", deliveryKind, `"recipients":["someone@example.org"]`},
	} {
		id := r.send(c.to)
		got := r.notified()
		text, _ := json.Marshal(got)
		mail := got["mail"].(map[string]any)
		if got["notificationType"] != c.kind || !strings.Contains(string(text), c.want) || mail["messageId"] != id || mail["sourceArn"] != "arn:aws:ses:us-east-1:000000000000:identity/me@example.com" || mail["headers"] != nil {
			t.Errorf("%s: %s", c.to, text)
		}
	}
	r.send("complaint@simulator.amazonses.com")
	kinds := map[any]bool{r.notified()["notificationType"]: true, r.notified()["notificationType"]: true}
	if !kinds[deliveryKind] || !kinds[complaintKind] {
		t.Errorf("a complaint gave %v", kinds)
	}
	if _, err := r.s.setHeaders(r.ctx, &api.SetIdentityHeadersInNotificationsEnabledRequest{Identity: new("me@example.com"), NotificationType: new(bounceKind), Enabled: new(true)}); err != nil {
		t.Fatal(err)
	}
	r.send("bounce@simulator.amazonses.com")
	about := r.notified()["mail"].(map[string]any)
	if about["headersTruncated"] != false || about["commonHeaders"].(map[string]any)["subject"] != "Grüße" {
		t.Errorf("with headers: %v", about)
	}
	stats, err := r.s.getSendStatistics(r.ctx, nil)
	if err != nil || len(stats.SendDataPoints) != 1 || *stats.SendDataPoints[0].Bounces != 3 || *stats.SendDataPoints[0].Complaints != 1 || *stats.SendDataPoints[0].DeliveryAttempts != 7 {
		t.Errorf("statistics: %+v, %v", stats.SendDataPoints, err)
	}
}

// relayDouble answers as told, and keeps what it took.
type relayDouble struct {
	mu    sync.Mutex
	err   error
	hang  bool
	taken []string
	raw   []byte
}

func (d *relayDouble) set(hang bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hang, d.err = hang, err
}

func (d *relayDouble) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.taken)
}

// Send implements Relay.
func (d *relayDouble) Send(ctx context.Context, from string, to []string, raw []byte) error {
	d.mu.Lock()
	hang, err := d.hang, d.err
	if !hang && err == nil {
		d.taken, d.raw = append(d.taken, to...), raw
	}
	d.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// TestRelay: what is refused for now is tried again, a relay that hangs holds nobody up
// for longer than its time, and what is refused for good bounces.
func TestRelay(t *testing.T) {
	d := &relayDouble{err: &textproto.Error{Code: 451, Msg: "later"}}
	r := newRig(t, d)
	r.send("a@example.org", "bounce@simulator.amazonses.com")
	if got := r.notified(); got["notificationType"] != bounceKind {
		t.Errorf("%v", got)
	}
	d.set(true, nil)
	r.advance(2 * firstPause)
	d.set(false, nil)
	for range 300 {
		r.advance(10 * time.Second)
		if len(r.topics.published) > 0 {
			break
		}
	}
	if got := r.notified(); got["notificationType"] != deliveryKind || strings.Join(d.taken, " ") != "a@example.org" {
		t.Errorf("%v took %v", got, d.taken)
	}
	text := string(d.raw)
	for _, want := range []string{"From: me@example.com\r\n", "To: a@example.org, bounce@simulator.amazonses.com\r\n", "Subject: =?UTF-8?q?Gr=C3=BC=C3=9Fe?=\r\n", "multipart/alternative", "<b>h</b>"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	d.set(false, &textproto.Error{Code: 550, Msg: "no such user"})
	r.send("b@example.org")
	if got := r.notified(); got["notificationType"] != bounceKind || !strings.Contains(got["bounce"].(map[string]any)["bouncedRecipients"].([]any)[0].(map[string]any)["diagnosticCode"].(string), "550 no such user") {
		t.Errorf("%v", got)
	}
	d.set(false, errors.New("down"))
	r.send("c@example.org")
	for range 40 {
		r.advance(time.Hour)
	}
	if got := r.notified(); got["bounce"].(map[string]any)["bounceType"] != "Transient" {
		t.Errorf("%v", got)
	}
	left := 0
	if err := r.Store.View(r.ctx, func(rd store.Reader) error {
		for range outbox.All(r.ctx, rd) {
			left++
		}
		return nil
	}); err != nil || left != 0 {
		t.Errorf("%d messages are left, %v", left, err)
	}
}

// TestRelayThatHangs: however many messages wait for a relay, what the relay has no part
// in does not, and they go out when it answers again.
func TestRelayThatHangs(t *testing.T) {
	d := &relayDouble{}
	r := newRig(t, d)
	d.set(true, nil)
	const many = 5 * sendersTogether
	for i := range many {
		r.send(fmt.Sprintf("a%d@example.org", i))
	}
	for range 3 {
		r.send("bounce@simulator.amazonses.com")
		if got := r.notified(); got["notificationType"] != bounceKind {
			t.Fatalf("%v", got)
		}
		r.advance(relayTimeout + time.Second)
	}
	d.set(false, nil)
	seen := map[string]bool{}
	for len(seen) < many {
		r.advance(10 * time.Second)
		for len(r.topics.published) > 0 {
			got := r.notified()
			to := got["mail"].(map[string]any)["destination"].([]any)[0].(string)
			if got["notificationType"] != deliveryKind || seen[to] {
				t.Fatalf("%s: %v, again: %v", to, got["notificationType"], seen[to])
			}
			seen[to] = true
		}
	}
}

// TestAdopt: what an older Tule has left in an account's outbox is sent, and settled, too.
func TestAdopt(t *testing.T) {
	h := script.New()
	defer h.Store.Close()
	scope := store.Scope{Account: "000000000000", Region: "us-east-1"}
	now := h.Clock.Now()
	if err := h.Store.Update(t.Context(), func(tx store.Tx) error {
		for i, m := range []outgoing{{To: []string{"bounce@simulator.amazonses.com", "new@example.org"}}, {To: []string{"again@example.org"}, Tries: 1}} {
			m.Mail, m.Due, m.Accepted = mailFacts{ID: fmt.Sprint(i), Identity: "me@example.com"}, now, now
			if err := outbox.Put(tx, scope, m, now, m.Mail.ID); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	d := &relayDouble{}
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Relay: d})
	ctx, cancel := context.WithCancel(h.Context(t.Context()))
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	for range 1000 {
		if d.count() == 2 {
			break
		}
		<-time.After(time.Millisecond)
	}
	cancel()
	<-done
	slices.Sort(d.taken)
	if got := strings.Join(d.taken, " "); got != "again@example.org new@example.org" {
		t.Errorf("the relay took %s", got)
	}
}

// advance moves the clock when the outbox has come to rest.
func (r *rig) advance(d time.Duration) {
	for range 200 {
		if r.Clock.Timers() > 0 {
			break
		}
		<-time.After(time.Millisecond)
	}
	r.Clock.Advance(d)
	<-time.After(3 * time.Millisecond)
}

func TestBcc(t *testing.T) {
	got := string(withoutBcc([]byte("From: a\r\nBcc: x,\r\n y\r\nbcc: z\r\nTo: b\r\n\r\nBcc: body\r\n")))
	if got != "From: a\r\nTo: b\r\n\r\nBcc: body\r\n" {
		t.Errorf("%q", got)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"a {{b}}", "{{#each x}}{{this}}{{else}}none{{/each}}", "{{{a.b}}}", "{{#if", "{{/if}}", "{{! note}}"} {
		f.Add(s, `{"b": 1, "x": [1, "2"], "a": {"b": "<"}}`)
	}
	f.Fuzz(func(t *testing.T, text, data string) {
		tmpl := emailTemplate{Subject: text, HTML: text}
		if _, err := tmpl.render(data); err != nil {
			var e *aws.Error
			if !errors.As(err, &e) {
				t.Errorf("%T: %v", err, err)
			}
		}
	})
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte("From: a\r\n b\r\nBcc: c\r\n\r\nbody"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, _ := headersOf(raw)
		commonHeaders(list, "id")
		withoutBcc(raw)
	})
}
