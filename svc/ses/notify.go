package ses

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Types of notifications.
// https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
const (
	bounceKind    = "Bounce"
	complaintKind = "Complaint"
	deliveryKind  = "Delivery"
	sendKind      = "Send"
)

// A result is what became of a message, for some of its recipients.
type result struct {
	kind       string
	recipients []string
	detail     map[string]any // of its kind, but for times and recipients
}

const simulatorDomain = "simulator.amazonses.com"

// simulate is what becomes of mail to an address of the mailbox simulator; labels, as in
// bounce+label, are of no effect.
// https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html
func simulate(to string) ([]result, bool) {
	local, domain, _ := strings.Cut(strings.ToLower(to), "@")
	if domain != simulatorDomain {
		return nil, false
	}
	local, _, _ = strings.Cut(local, "+")
	one := []string{to}
	ok := delivered(one, "250 2.6.0 Message received", "simulator")
	switch local {
	case "bounce":
		return []result{bounced(one, "Permanent", "General", "5.1.1", "smtp; 550 5.1.1 user unknown")}, true
	case "suppressionlist":
		return []result{bounced(one, "Permanent", "Suppressed", "5.1.1", "Amazon SES has suppressed sending to this address because it has a recent history of bouncing as an invalid address. "+
			"For more information about how to remove an address from the suppression list, see the Amazon SES Developer Guide: http://docs.aws.amazon.com/ses/latest/DeveloperGuide/remove-from-suppressionlist.html ")}, true
	case "complaint":
		return []result{ok, {complaintKind, one, map[string]any{"complaintSubType": nil, "userAgent": "Amazon SES Mailbox Simulator", "complaintFeedbackType": "abuse"}}}, true
	}
	return []result{ok}, true
}

func delivered(to []string, response, by string) result {
	return result{deliveryKind, to, map[string]any{"smtpResponse": response, "reportingMTA": by + ".smtp-out.amazonses.com", "remoteMtaIp": "127.0.0.1"}}
}

func bounced(to []string, kind, sub, status, diagnostic string) result {
	return result{bounceKind, to, map[string]any{"bounceType": kind, "bounceSubType": sub, "status": status, "diagnosticCode": diagnostic}}
}

// onSuppressionList is what becomes of mail to addresses on the account's suppression list.
func onSuppressionList(to []string) result {
	return bounced(to, "Permanent", "OnAccountSuppressionList", "5.1.1", "Amazon SES did not send the message to this address because it is on the suppression list for your account. "+
		"For more information about removing addresses from the suppression list, see the Amazon SES Developer Guide at https://docs.aws.amazon.com/ses/latest/DeveloperGuide/sending-email-suppression-list.html")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// mailObject is what every notification says of the message.
func (s *Service) mailObject(m *outgoing, scope store.Scope, withHeaders bool) map[string]any {
	f := &m.Mail
	out := map[string]any{"timestamp": stamp(f.Time), "source": f.Source, "sourceArn": identityARN(scope, f.Identity), "sourceIp": f.SourceIP,
		"callerIdentity": f.Caller, "sendingAccountId": scope.Account, "messageId": f.ID, "destination": f.Destination}
	if withHeaders {
		list, truncated := headersOf(m.Raw)
		out["headersTruncated"], out["headers"], out["commonHeaders"] = truncated, list, commonHeaders(list, f.ID)
	}
	return out
}

// object is the part of a notification that is of its kind.
func (s *Service) object(m *outgoing, r *result, now time.Time) (name string, out map[string]any) {
	feedback := func() string {
		return "01000" + aws.RandomID(s.Random, aws.Hex, 11) + "-" + aws.RandomUUID(s.Random) + "-000000"
	}
	switch r.kind {
	case bounceKind:
		var list []map[string]any
		for _, to := range r.recipients {
			list = append(list, map[string]any{"emailAddress": to, "action": "failed", "status": r.detail["status"], "diagnosticCode": r.detail["diagnosticCode"]})
		}
		out = map[string]any{"feedbackId": feedback(), "bounceType": r.detail["bounceType"], "bounceSubType": r.detail["bounceSubType"], "bouncedRecipients": list, "timestamp": stamp(now)}
		if sub := r.detail["bounceSubType"]; sub == "Suppressed" || sub == "OnAccountSuppressionList" {
			out["reportingMTA"] = "dns; amazonses.com"
		} else {
			out["reportingMTA"], out["remoteMtaIp"] = "dsn; a1.smtp-out.amazonses.com", "127.0.0.1"
		}
		return "bounce", out
	case complaintKind:
		var list []map[string]any
		for _, to := range r.recipients {
			list = append(list, map[string]any{"emailAddress": to})
		}
		out = map[string]any{"feedbackId": feedback(), "complainedRecipients": list, "timestamp": stamp(now), "arrivalDate": stamp(now)}
	case deliveryKind:
		out = map[string]any{"timestamp": stamp(now), "processingTimeMillis": now.Sub(m.Mail.Time).Milliseconds(), "recipients": r.recipients}
	default:
		return "send", map[string]any{}
	}
	for k, v := range r.detail {
		out[k] = v
	}
	return strings.ToLower(r.kind), out
}

// putNotices writes down who is to be told of what became of a message, and counts it.
func (s *Service) putNotices(ctx context.Context, tx store.Tx, scope store.Scope, m *outgoing, results []result) error {
	now := s.Clock.Now().Truncate(time.Millisecond)
	id, err := identities.Get(ctx, tx, scope, m.Mail.Identity)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	set, err := sets.Get(ctx, tx, scope, m.Mail.Set)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	for i := range results {
		r := &results[i]
		if err := count(ctx, tx, scope, now, func(p *point) { p.add(r) }); err != nil {
			return err
		}
		name, object := s.object(m, r, now)
		if topic := id.Topics[r.kind]; topic != "" {
			text, err := json.Marshal(map[string]any{"notificationType": r.kind, name: object, "mail": s.mailObject(m, scope, id.Headers[r.kind])})
			if err != nil {
				return err
			}
			if err := s.putNotice(tx, scope, notice{Topic: topic, Text: string(text), Identity: id.Name, Made: now, Due: now}); err != nil {
				return err
			}
		}
		if err := suppress(ctx, tx, scope, m, &set, r, now); err != nil {
			return err
		}
		if err := s.putEvents(tx, scope, m, &set, r, name, object, now); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) putNotice(tx store.Tx, scope store.Scope, n notice) error {
	return notices.Put(tx, scope, n, n.Made, aws.RandomUUID(s.Random))
}
