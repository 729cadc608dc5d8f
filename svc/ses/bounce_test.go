package ses

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/ses"
	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	"github.com/tule-cloud/tule/aws"
)

// TestSendBounce: who received mail tells its sender, for a day, that it was not delivered.
func TestSendBounce(t *testing.T) {
	d := &relayDouble{}
	r, _ := receiving(t, d, api.ReceiptRule{Name: new("tell"), Actions: []api.ReceiptAction{{SNSAction: &api.SNSAction{TopicArn: topicT()}}}})
	if err := r.s.Receive(r.ctx, from("me@example.com"), []byte("From: bob@example.org\r\nSubject: hello\r\n\r\nsecret")); err != nil {
		t.Fatal(err)
	}
	id := r.notified()["mail"].(map[string]any)["messageId"].(string)
	bounce := func(id string, of ...api.BouncedRecipientInfo) error {
		return second(r.s.sendBounce(r.ctx, &api.SendBounceRequest{OriginalMessageId: &id, BounceSender: new("me@example.com"), Explanation: new("No.\nNever."), BouncedRecipientInfoList: of,
			MessageDsn: &api.MessageDsn{ReportingMta: new("dns; mx.example.com\r\nBcc: eve@example.org")}}))
	}
	if err := bounce("none", api.BouncedRecipientInfo{Recipient: new("me@example.com"), BounceType: new(api.BounceTypeDoesNotExist)}); aws.CodeOf(err) != "MessageRejected" {
		t.Error(err)
	}
	if err := bounce(id); aws.CodeOf(err) != "InvalidParameterValue" {
		t.Error(err)
	}
	if err := bounce(id, api.BouncedRecipientInfo{Recipient: new("me@example.com")}); aws.CodeOf(err) != "InvalidParameterValue" {
		t.Error(err)
	}
	if err := bounce(id, api.BouncedRecipientInfo{Recipient: new("me@example.com"), BounceType: new(api.BounceTypeExceededQuota)},
		api.BouncedRecipientInfo{Recipient: new("you@example.com"), RecipientDsnFields: &api.RecipientDsnFields{Action: new(api.DsnActionDelayed), Status: new("4.2.0")}}); err != nil {
		t.Fatal(err)
	}
	r.settled()
	m, err := mail.ReadMessage(bytes.NewReader(d.raw))
	if err != nil || strings.Join(d.taken, " ") != "bob@example.org" || m.Header.Get("Bcc") != "" {
		t.Fatalf("%v took %v: %s", d.taken, err, d.raw)
	}
	parts := partsOf(t, m.Header.Get("Content-Type"), m.Body)
	want := []string{"text/plain; charset=UTF-8\nNo.\nNever.\n",
		"message/delivery-status\nReporting-MTA: dns; mx.example.comBcc: eve@example.org\nArrival-Date: Fri, 02 Jan 2026 03:04:05 +0000\n\n" +
			"Final-Recipient: rfc822; me@example.com\nAction: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.2.2 mailbox full\n\n" +
			"Final-Recipient: rfc822; you@example.com\nAction: delayed\nStatus: 4.2.0\n",
		"text/rfc822-headers\nFrom: bob@example.org\nSubject: hello"}
	if !slices.Equal(parts, want) {
		t.Errorf("got\n%q\nwant\n%q", parts, want)
	}
	r.Clock.Advance(bounceAge + time.Second)
	if err := bounce(id, api.BouncedRecipientInfo{Recipient: new("me@example.com"), BounceType: new(api.BounceTypeUndefined)}); aws.CodeOf(err) != "MessageRejected" {
		t.Error(err)
	}
}

// partsOf are the parts of a body of several, each after its type.
func partsOf(t *testing.T, kind string, body io.Reader) (parts []string) {
	t.Helper()
	_, params, err := mime.ParseMediaType(kind)
	if err != nil {
		t.Fatal(err)
	}
	for of := multipart.NewReader(body, params["boundary"]); ; {
		p, err := of.NextPart()
		if err == io.EOF {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		if p.Header.Get("Content-Transfer-Encoding") == "base64" {
			text, err = base64.StdEncoding.DecodeString(strings.ReplaceAll(string(text), "\r\n", ""))
		}
		if err != nil {
			t.Fatal(err)
		}
		about := p.Header.Get("Content-Type")
		for _, name := range []string{"Content-Disposition", "Content-ID", "Content-Description"} {
			if value := p.Header.Get(name); value != "" {
				about += " | " + value
			}
		}
		parts = append(parts, about+"\n"+strings.ReplaceAll(string(text), "\r\n", "\n"))
	}
}

// TestAttachments: files go with the texts of a message, and begin no headers.
func TestAttachments(t *testing.T) {
	d := &relayDouble{}
	r := newRig(t, d)
	send := func(files ...apiv2.Attachment) error {
		return second(r.s.sendEmail2(r.ctx, &apiv2.SendEmailRequest{FromEmailAddress: new("me@example.com"), Destination: &apiv2.Destination{ToAddresses: []string{"bob@example.org"}},
			Content: &apiv2.EmailContent{Simple: &apiv2.Message{Subject: &apiv2.Content{Data: new("s")}, Attachments: files,
				Body: &apiv2.Body{Text: &apiv2.Content{Data: new("t")}, Html: &apiv2.Content{Data: new("<img src=cid:dot>")}}}}}))
	}
	long := bytes.Repeat([]byte{0, 255, '\r', '\n'}, 500)
	if err := send(apiv2.Attachment{FileName: new("größe.pdf"), RawContent: long},
		apiv2.Attachment{FileName: new("dot.png"), RawContent: []byte("dot"), ContentDisposition: new(apiv2.AttachmentContentDispositionInline), ContentId: new("dot\r\nBcc: x"), ContentDescription: new("ein Bild: ä"), ContentType: new("image/png")}); err != nil {
		t.Fatal(err)
	}
	r.settled()
	m, err := mail.ReadMessage(bytes.NewReader(d.raw))
	if err != nil {
		t.Fatal(err)
	}
	parts := partsOf(t, m.Header.Get("Content-Type"), m.Body)
	if len(parts) != 3 || !strings.HasPrefix(parts[0], "multipart/alternative; boundary=") {
		t.Fatalf("%q", parts)
	}
	kind, body, _ := strings.Cut(parts[0], "\n")
	if texts := partsOf(t, kind, strings.NewReader(strings.ReplaceAll(body, "\n", "\r\n"))); !slices.Equal(texts, []string{"text/plain; charset=UTF-8\nt", "text/html; charset=UTF-8\n<img src=cid:dot>"}) {
		t.Errorf("%q", texts)
	}
	want := []string{"application/pdf | attachment; filename*=utf-8''gr%C3%B6%C3%9Fe.pdf\n" + strings.ReplaceAll(string(long), "\r\n", "\n"),
		"image/png | inline; filename=dot.png | <dotBcc: x> | =?UTF-8?q?ein_Bild:_=C3=A4?=\ndot"}
	if !slices.Equal(parts[1:], want) {
		t.Errorf("got\n%q\nwant\n%q", parts[1:], want)
	}
	for _, bad := range []apiv2.Attachment{{FileName: new("a"), RawContent: []byte("x"), ContentType: new("a/b\r\nBcc: x")}, {FileName: new("a"), RawContent: []byte("x"), ContentType: new("nothing at all")},
		{FileName: new("a"), RawContent: make([]byte, maxRaw)}} {
		if err := send(bad); aws.CodeOf(err) != "BadRequestException" {
			t.Error(err)
		}
	}
}
