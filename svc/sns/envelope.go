package sns

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// appendJSON appends a text as a JSON string: as AWS does, with nothing escaped that
// need not be.
func appendJSON(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(b, `\ufffd`...)
			} else {
				b = append(b, s[i:i+size]...)
			}
			i += size
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// shownValue is an attribute's value in JSON: what is binary is base64.
func (a *attribute) shownValue() string {
	if a.binary() {
		return base64.StdEncoding.EncodeToString([]byte(a.Value))
	}
	return a.Value
}

// subscribeURL is where a visit confirms.
func (m *message) subscribeURL(topicARN string) string {
	return m.Base + "/?Action=ConfirmSubscription&TopicArn=" + topicARN + "&Token=" + m.Token
}

func (s *subscriber) unsubscribeURL() string {
	return s.Base + "/?Action=Unsubscribe&SubscriptionArn=" + s.arn()
}

// signatureVersion is the topic's.
func (t *topic) signatureVersion() string {
	if v := t.Attributes["SignatureVersion"]; v != "" {
		return v
	}
	return "1"
}

// envelope is a message as JSON, as queues and HTTP endpoints get it. The messages of
// FIFO topics are not signed.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func (s *Service) envelope(t *topic, sub *subscriber, m *message) ([]byte, error) {
	body := m.body(sub.Protocol)
	b := make([]byte, 0, 1600+len(body)+len(body)/8)
	b = append(b, "{\n"...)
	add := func(k, v string) {
		b = append(append(append(b, "  \""...), k...), "\" : "...)
		b = append(appendJSON(b, v), ",\n"...)
	}
	id := strings.TrimSuffix(m.ID, replayMark)
	add("Type", m.Type)
	add("MessageId", id)
	if m.Sequence != "" {
		add("SequenceNumber", m.Sequence)
	}
	if id != m.ID {
		add("Replayed", "true")
	}
	if m.Type != notification {
		add("Token", m.Token)
	}
	add("TopicArn", sub.at.arn())
	if m.Subject != "" {
		add("Subject", m.Subject)
	}
	add("Message", body)
	if m.Type != notification {
		add("SubscribeURL", m.subscribeURL(sub.at.arn()))
	}
	add("Timestamp", stamp(m.Time))
	if !t.fifo() {
		signature, err := s.signature(t, sub, m, body)
		if err != nil {
			return nil, err
		}
		add("SignatureVersion", t.signatureVersion())
		add("Signature", signature)
		add("SigningCertURL", s.certificateURL(sub.at.scope.Region))
	}
	if m.Type == notification {
		add("UnsubscribeURL", sub.unsubscribeURL())
	}
	if len(m.Attributes) > 0 {
		b = append(b, "  \"MessageAttributes\" : {\n"...)
		for i := range m.Attributes {
			a := &m.Attributes[i]
			b = append(appendJSON(append(b, "    "...), a.Name), " : {\"Type\":"...)
			b = append(appendJSON(b, a.Type), ",\"Value\":"...)
			b = append(appendJSON(b, a.shownValue()), "},\n"...)
		}
		b = append(b[:len(b)-2], "\n  },\n"...)
	}
	return append(b[:len(b)-2], "\n}"...), nil
}

// signature signs once what all who get the same body get.
func (s *Service) signature(t *topic, sub *subscriber, m *message, body string) (string, error) {
	return s.signer.sign(m, body, sub.at.arn(), m.subscribeURL(sub.at.arn()), t.signatureVersion())
}

func (s *Service) certificateURL(region string) string {
	return "https://" + certificateHost(region) + s.signer.path
}

// event is a message as a function gets it.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
func (s *Service) event(t *topic, sub *subscriber, m *message) ([]byte, error) {
	body := m.body(sub.Protocol)
	signature, err := s.signature(t, sub, m, body)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, 1600+len(body)+len(body)/8)
	b = append(b, `{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","EventSubscriptionArn":`...)
	b = appendJSON(b, sub.arn())
	b = append(b, `,"Sns":{`...)
	add := func(k, v string) {
		b = append(append(append(b, '"'), k...), `":`...)
		b = append(appendJSON(b, v), ',')
	}
	add("Type", m.Type)
	add("MessageId", m.ID)
	add("TopicArn", sub.at.arn())
	if m.Subject != "" {
		add("Subject", m.Subject)
	} else {
		b = append(b, `"Subject":null,`...)
	}
	add("Message", body)
	add("Timestamp", stamp(m.Time))
	add("SignatureVersion", t.signatureVersion())
	add("Signature", signature)
	add("SigningCertUrl", s.certificateURL(sub.at.scope.Region))
	add("UnsubscribeUrl", sub.unsubscribeURL())
	b = append(b, `"MessageAttributes":`...)
	if len(m.Attributes) == 0 {
		b = append(b, `{}`...)
	}
	b = append(b, m.attributesJSON("")...)
	return append(b, `}}]}`...), nil
}
