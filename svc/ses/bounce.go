package ses

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/ses"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// arrival is what is kept of received mail, for as long as it may be bounced.
type arrival struct {
	From string
	Head []byte // its headers
	Time time.Time
}

// arrivals are by the id that receipt rules tell of.
var arrivals = store.NewTable[arrival]("ses", "arrival")

// bounceAge is how long received mail may be bounced.
const bounceAge = 24 * time.Hour

// note keeps what a bounce of a message needs.
func (m *receivedMail) note(tx store.Tx, scope store.Scope) error {
	head, _, _ := bytes.Cut(m.Raw, []byte("\r\n\r\n"))
	if len(head) > maxHeaders {
		head = head[:bytes.LastIndexByte(head[:maxHeaders], '\n')+1]
	}
	return arrivals.PutExpiring(tx, scope, arrival{m.From, head, m.Time}, m.Time.Add(bounceAge), m.ID)
}

// dsn are the status and the words of a type of bounce.
// https://docs.aws.amazon.com/ses/latest/dg/receiving-email-action-bounce.html
var dsn = map[string][2]string{
	api.BounceTypeDoesNotExist:     {"5.1.1", "smtp; 550 5.1.1 mailbox does not exist"},
	api.BounceTypeMessageTooLarge:  {"5.3.4", "smtp; 552 5.3.4 message too large"},
	api.BounceTypeExceededQuota:    {"5.2.2", "smtp; 552 5.2.2 mailbox full"},
	api.BounceTypeContentRejected:  {"5.6.1", "smtp; 500 5.6.1 message content rejected"},
	api.BounceTypeTemporaryFailure: {"4.0.0", "smtp; 450 4.0.0 temporary failure"},
	api.BounceTypeUndefined:        {"5.0.0", "smtp; 550 5.0.0 undefined failure"},
}

// guardSendBounce asks for the identity that the bounce is from.
func (s *Service) guardSendBounce(ctx context.Context, in *api.SendBounceRequest) ([]aws.Access, error) {
	needs, err := s.sending(ctx, *in.BounceSender, in.BounceSenderArn, "", nil, nil)
	if err == nil {
		needs[0].Keys = map[string][]string{"ses:FromAddress": needs[0].Keys["ses:FromAddress"]}
	}
	return needs, err
}

// sendBounce tells who sent a message that it was not delivered (RFC 3464).
func (s *Service) sendBounce(ctx context.Context, in *api.SendBounceRequest) (*api.SendBounceResponse, error) {
	var got arrival
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		got, err = arrivals.Get(ctx, r, scopeOf(ctx), *in.OriginalMessageId)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && s.Clock.Now().Sub(got.Time) > bounceAge {
		return nil, api.MessageRejected("Invalid message id: <%s>", *in.OriginalMessageId)
	}
	if err != nil {
		return nil, err
	}
	if got.From == "" {
		return nil, api.MessageRejected("Message <%s> has no sender that a bounce could go to", *in.OriginalMessageId)
	}
	if len(in.BouncedRecipientInfoList) == 0 {
		return nil, invalid("Must specify at least one bounced recipient")
	}
	report, err := s.report(in, &got)
	if err != nil {
		return nil, err
	}
	id, err := s.send(ctx, &letter{operation: "SendBounce", source: *in.BounceSender, sourceARN: in.BounceSenderArn, to: []string{got.From}, raw: report})
	return &api.SendBounceResponse{MessageId: &id}, err
}

// report is a bounce as it is sent: for people, for programs, and what it is about.
func (s *Service) report(in *api.SendBounceRequest, got *arrival) ([]byte, error) {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			b.WriteString(name + ": " + oneLine(value) + "\r\n")
		}
	}
	boundary := "----=_Part_" + aws.RandomID(s.Random, aws.Hex, 24)
	part := func(kind string) { b.WriteString("\r\n--" + boundary + "\r\nContent-Type: " + kind + "\r\n\r\n") }
	line("Date", s.Clock.Now().Format(time.RFC1123Z))
	line("From", *in.BounceSender)
	line("To", got.From)
	line("Subject", "Delivery Status Notification (Failure)")
	line("Auto-Submitted", "auto-replied")
	line("MIME-Version", "1.0")
	line("Content-Type", `multipart/report; report-type=delivery-status; boundary="`+boundary+`"`)

	part("text/plain; charset=UTF-8")
	text := aws.Value(in.Explanation)
	if text == "" {
		text = "An error occurred while trying to deliver the mail to the following recipients:"
		for _, to := range in.BouncedRecipientInfoList {
			text += "\n" + oneLine(*to.Recipient)
		}
	}
	b.WriteString(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n") + "\r\n")

	part("message/delivery-status")
	if err := status(&b, line, in, got); err != nil {
		return nil, err
	}
	part("text/rfc822-headers")
	b.Write(got.Head)
	b.WriteString("\r\n--" + boundary + "--\r\n")
	return []byte(b.String()), nil
}

// status writes the part of a bounce that programs read.
func status(b *strings.Builder, line func(name, value string), in *api.SendBounceRequest, got *arrival) error {
	mta, arrived := "dns; amazonses.com", got.Time
	if d := in.MessageDsn; d != nil {
		if mta = *d.ReportingMta; d.ArrivalDate != nil {
			arrived = *d.ArrivalDate
		}
	}
	line("Reporting-MTA", mta)
	line("Arrival-Date", arrived.Format(time.RFC1123Z))
	if in.MessageDsn != nil {
		extend(line, in.MessageDsn.ExtensionFields)
	}
	for _, to := range in.BouncedRecipientInfoList {
		b.WriteString("\r\n")
		if to.RecipientDsnFields == nil && to.BounceType == nil {
			return invalid("Must specify either BounceType or RecipientDsnFields for recipient <%s>", *to.Recipient)
		}
		f := to.RecipientDsnFields
		if f == nil {
			d := dsn[*to.BounceType]
			f = &api.RecipientDsnFields{Action: new(api.DsnActionFailed), Status: &d[0], DiagnosticCode: &d[1]}
		}
		final := aws.Value(f.FinalRecipient)
		if final == "" {
			final = *to.Recipient
		}
		line("Final-Recipient", "rfc822; "+final)
		line("Action", *f.Action)
		line("Status", *f.Status)
		line("Remote-MTA", aws.Value(f.RemoteMta))
		line("Diagnostic-Code", aws.Value(f.DiagnosticCode))
		if f.LastAttemptDate != nil {
			line("Last-Attempt-Date", f.LastAttemptDate.Format(time.RFC1123Z))
		}
		extend(line, f.ExtensionFields)
	}
	return nil
}

func extend(line func(name, value string), fields []api.ExtensionField) {
	for _, f := range fields {
		line(oneLine(*f.Name), *f.Value)
	}
}
