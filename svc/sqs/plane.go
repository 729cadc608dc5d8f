package sqs

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// planePath is where tools look into queues without receiving from them:
//
//	/_aws/sqs/messages?QueueUrl=…
//	/_aws/sqs/messages/{region}/{account}/{name}
//
// ShowInvisible and ShowDelayed ask for messages that nobody can receive now. The
// answer is ReceiveMessage's, in JSON where the request accepts or is JSON, else in XML.
const planePath = "/_aws/sqs/messages"

// maxShown is the most messages that the plane shows.
const maxShown = 10_000

// Planes are the entrances beside the API.
func (s *Service) Planes() []aws.Plane {
	return []aws.Plane{{Name: "sqs-messages", SigningName: "sqs", Match: func(r *http.Request) bool {
		return r.URL.Path == planePath || strings.HasPrefix(r.URL.Path, planePath+"/")
	}, Handler: http.HandlerFunc(s.inspect)}}
}

func (s *Service) inspect(w http.ResponseWriter, r *http.Request) {
	asJSON := strings.Contains(r.Header.Get("Accept"), "json") || strings.Contains(r.Header.Get("Content-Type"), "json")
	out, err := s.inspected(r)
	var e *aws.Error
	if err != nil && !errors.As(err, &e) {
		s.Logger.Error("sqs: look into a queue", "error", err)
		e = aws.InternalFailure(err)
	}
	if e != nil {
		answer(w, asJSON, e.Status, fault{Type: e.Code, Message: e.Message}, xmlFault{Code: e.Code, Message: e.Message})
		return
	}
	answer(w, asJSON, http.StatusOK, map[string]any{"Messages": shownJSON(out)}, shownXML(out))
}

type fault struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

type xmlFault struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
}

func answer(w http.ResponseWriter, asJSON bool, status int, j, x any) {
	kind, marshal := "text/xml", xml.Marshal
	v := x
	if asJSON {
		kind, marshal, v = "application/json", json.Marshal, j
	}
	b, err := marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(b) // a caller who went away needs no answer
}

// inspected are the messages that a request asks to see.
func (s *Service) inspected(r *http.Request) ([]api.Message, error) {
	values, err := asked(r)
	if err != nil {
		return nil, err
	}
	p, ok := parseURL(values.Get("QueueUrl"), aws.RequestOf(r.Context()).Region)
	if rest, found := strings.CutPrefix(r.URL.Path, planePath+"/"); found {
		p, ok = parseURL("x/queue/"+rest, "")
	}
	if !ok {
		return nil, aws.Errorf(http.StatusNotFound, "InvalidAddress", "The address %.512s is not valid for this endpoint.", values.Get("QueueUrl"))
	}
	if err := s.mayInspect(r.Context(), p); err != nil {
		return nil, err
	}
	return s.peek(r.Context(), p, truth(values.Get("ShowInvisible")), truth(values.Get("ShowDelayed")))
}

func truth(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

// asked are the parameters of a request, in its URL, or a form, or JSON.
func asked(r *http.Request) (url.Values, error) {
	values := r.URL.Query()
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 64<<10))
	if err != nil {
		return nil, aws.Errorf(http.StatusBadRequest, "InvalidRequest", "The request could not be read.")
	}
	if strings.Contains(r.Header.Get("Content-Type"), "json") {
		var in struct{ QueueUrl string }
		if json.Unmarshal(body, &in) == nil && in.QueueUrl != "" {
			values.Set("QueueUrl", in.QueueUrl)
		}
		return values, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, aws.Errorf(http.StatusBadRequest, "InvalidRequest", "The form of the request could not be parsed.")
	}
	for k, v := range form {
		values[k] = v
	}
	return values, nil
}

// mayInspect asks whether the caller may receive from the queue: it is that what the
// plane shows.
func (s *Service) mayInspect(ctx context.Context, p place) error {
	if aws.RequestOf(ctx).Caller.Kind == aws.Anonymous && s.Inspect || s.Allow == nil {
		return nil
	}
	need := s.access(ctx, p, false)
	need.Action = "sqs:ReceiveMessage"
	return s.Allow(ctx, need)
}

// peek reads a queue's messages and changes nothing.
func (s *Service) peek(ctx context.Context, p place, invisible, delayed bool) (out []api.Message, err error) {
	all := &api.ReceiveMessageRequest{AttributeNames: []string{"All"}, MessageAttributeNames: []string{"All"}}
	err = s.Store.View(ctx, func(r store.Reader) error {
		out = nil
		q, err := s.queue(ctx, r, p)
		if err != nil {
			return err
		}
		now := s.Clock.Now().UnixMicro()
		for x, err := range q.spots(ctx, r) {
			if err != nil || len(out) == maxShown {
				return err
			}
			if x.ref.at() <= q.expired(now) || x.at > now && (x.state.count > 0 && !invisible || x.state.count == 0 && !delayed) {
				continue
			}
			m, err := messages.Get(ctx, r, p.scope(), q.Number, x.ref[:])
			if isNotFound(err) {
				continue
			}
			if err != nil {
				return err
			}
			shown := show(&found{m, x.state, handle{ref: x.ref}}, all)
			shown.ReceiptHandle = new("SQS/BACKDOOR/ACCESS") // what LocalStack says: none
			out = append(out, shown)
		}
		return nil
	})
	return out, err
}

// The messages as they lie in JSON, and in XML.

type jsonMessage struct {
	MessageID         string `json:"MessageId"`
	ReceiptHandle     string
	MD5OfBody         string
	Body              string
	Attributes        map[string]string    `json:",omitempty"`
	MD5OfAttributes   string               `json:"MD5OfMessageAttributes,omitempty"`
	MessageAttributes map[string]jsonValue `json:",omitempty"`
}

type jsonValue struct {
	StringValue *string `json:",omitempty" xml:",omitempty"`
	BinaryValue []byte  `json:",omitempty" xml:",omitempty"`
	DataType    string
}

func shownJSON(in []api.Message) []jsonMessage {
	out := []jsonMessage{}
	for _, m := range in {
		j := jsonMessage{*m.MessageId, *m.ReceiptHandle, *m.MD5OfBody, *m.Body, m.Attributes, aws.Value(m.MD5OfMessageAttributes), nil}
		for name, v := range m.MessageAttributes {
			if j.MessageAttributes == nil {
				j.MessageAttributes = map[string]jsonValue{}
			}
			j.MessageAttributes[name] = jsonValue{v.StringValue, v.BinaryValue, *v.DataType}
		}
		out = append(out, j)
	}
	return out
}

type xmlMessages struct {
	XMLName  xml.Name     `xml:"http://queue.amazonaws.com/doc/2012-11-05/ ReceiveMessageResponse"`
	Messages []xmlMessage `xml:"ReceiveMessageResult>Message"`
}

type xmlMessage struct {
	MessageID         string `xml:"MessageId"`
	ReceiptHandle     string
	MD5OfBody         string
	Body              string
	Attributes        []xmlAttribute      `xml:"Attribute"`
	MD5OfAttributes   string              `xml:"MD5OfMessageAttributes,omitempty"`
	MessageAttributes []xmlUserAttributes `xml:"MessageAttribute"`
}

type xmlAttribute struct{ Name, Value string }

type xmlUserAttributes struct {
	Name  string
	Value jsonValue
}

func shownXML(in []api.Message) xmlMessages {
	out := xmlMessages{}
	for _, m := range in {
		x := xmlMessage{MessageID: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, MD5OfBody: *m.MD5OfBody, Body: *m.Body, MD5OfAttributes: aws.Value(m.MD5OfMessageAttributes)}
		for _, name := range sortedNames(m.Attributes) {
			x.Attributes = append(x.Attributes, xmlAttribute{name, m.Attributes[name]})
		}
		for name, v := range m.MessageAttributes {
			x.MessageAttributes = append(x.MessageAttributes, xmlUserAttributes{name, jsonValue{v.StringValue, v.BinaryValue, *v.DataType}})
		}
		out.Messages = append(out.Messages, x)
	}
	return out
}
