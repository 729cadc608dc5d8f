package apigatewayv2

import (
	"encoding/base64"
	"unicode/utf8"
)

// A socketEvent is what a function behind a WebSocket API's route gets.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-requests.html
type socketEvent struct {
	Headers        map[string]string   `json:"headers,omitempty"`
	MultiHeaders   map[string][]string `json:"multiValueHeaders,omitempty"`
	Query          map[string]string   `json:"queryStringParameters,omitempty"`
	MultiQuery     map[string][]string `json:"multiValueQueryStringParameters,omitempty"`
	StageVariables map[string]string   `json:"stageVariables,omitempty"`
	Context        socketContext       `json:"requestContext"`
	Body           *string             `json:"body,omitempty"`
	Base64         bool                `json:"isBase64Encoded"`
}

type socketContext struct {
	RouteKey         string            `json:"routeKey"`
	Authorizer       map[string]any    `json:"authorizer,omitempty"`
	DisconnectStatus int               `json:"disconnectStatusCode,omitempty"`
	MessageID        string            `json:"messageId,omitempty"`
	EventType        string            `json:"eventType"`
	ExtendedID       string            `json:"extendedRequestId"`
	RequestTime      string            `json:"requestTime"`
	Direction        string            `json:"messageDirection"`
	DisconnectReason *string           `json:"disconnectReason,omitempty"`
	Stage            string            `json:"stage"`
	ConnectedAt      int64             `json:"connectedAt"`
	TimeEpoch        int64             `json:"requestTimeEpoch"`
	Identity         map[string]string `json:"identity"`
	RequestID        string            `json:"requestId"`
	DomainName       string            `json:"domainName"`
	ConnectionID     string            `json:"connectionId"`
	APIID            string            `json:"apiId"`
}

// socketEvent is the event of a kind for a route: CONNECT, MESSAGE or DISCONNECT, whose
// reason is given.
func (x *exchange) socketEvent(kind, key, reason string) *socketEvent {
	identity := map[string]string{"sourceIp": x.req.sourceIP}
	if x.req.userAgent != "" {
		identity["userAgent"] = x.req.userAgent
	}
	e := &socketEvent{StageVariables: x.stage.StageVariables, Context: socketContext{RouteKey: key, Authorizer: x.flatAuthorizer(), EventType: kind, ExtendedID: x.req.id,
		RequestTime: x.req.at.UTC().Format(eventTime), Direction: "IN", Stage: *x.stage.StageName, ConnectedAt: x.socket.since.UnixMilli(), TimeEpoch: x.req.at.UnixMilli(),
		Identity: identity, RequestID: x.req.id, DomainName: x.req.host, ConnectionID: x.socket.id, APIID: *x.program.api.ApiId}}
	switch kind {
	case "CONNECT":
		e.Headers, e.MultiHeaders, e.Query, e.MultiQuery = last(x.req.header), multi(x.req.header), last(x.req.query), multi(x.req.query)
	case "DISCONNECT":
		gone := []param{{"Host", x.req.host}, {"x-api-key", ""}, {"X-Forwarded-For", ""}, {"x-restapi", ""}}
		e.Headers, e.MultiHeaders = last(gone), multi(gone)
		e.Context.DisconnectStatus, e.Context.DisconnectReason = x.closedWith, &reason
	default:
		e.Context.MessageID = x.messageID
		if x.binary {
			e.Body, e.Base64 = ptr(base64.StdEncoding.EncodeToString(x.req.body)), true
		} else {
			e.Body = ptr(string(x.req.body))
		}
	}
	return e
}

// ofSocket is a variable of $context that connections alone have.
func (x *exchange) ofSocket(name string) (string, bool) {
	if x.socket == nil {
		return "", false
	}
	text := ""
	switch name {
	case "connectionId":
		text = x.socket.id
	case "connectedAt":
		text = itoa(int(x.socket.since.UnixMilli()))
	case "messageId":
		text = x.messageID
	case "messageDirection":
		text = "IN"
	case "eventType":
		text = x.eventType
	}
	return text, text != ""
}

func validText(b []byte) bool { return utf8.Valid(b) }

// contextMap is $context for templates.
func (x *exchange) contextMap() map[string]any {
	out := map[string]any{}
	for _, name := range []string{"apiId", "connectedAt", "connectionId", "domainName", "eventType", "extendedRequestId", "messageDirection", "messageId",
		"requestId", "requestTime", "requestTimeEpoch", "routeKey", "stage", "accountId"} {
		if v, ok := x.variable("context." + name); ok {
			out[name] = v
		}
	}
	identity := map[string]any{}
	for _, name := range []string{"sourceIp", "userAgent", "user", "userArn", "caller", "accountId"} {
		if v, ok := x.variable("context.identity." + name); ok {
			identity[name] = v
		}
	}
	out["identity"] = identity
	if flat := x.flatAuthorizer(); flat != nil {
		texts := map[string]any{}
		for k, v := range flat {
			texts[k], _ = textOf(v)
		}
		out["authorizer"] = texts
	}
	return out
}
