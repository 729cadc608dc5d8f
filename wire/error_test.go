package wire

import (
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/aws"
)

// A goneDetail is what an error has beside its message.
type goneDetail struct {
	_    struct{} `aws:"GoneException,error"`
	Kind *string  `aws:"Kind"`
	Left []string `aws:"Left"`
	Wait *int32   `aws:"Retry-After,header"`
}

func gone() *aws.Error {
	kind, wait := "table", int32(5)
	return aws.Errorf(400, "GoneException", `It's <gone>.`).With(&goneDetail{Kind: &kind, Left: []string{"a", "b"}, Wait: &wait})
}

// Errors, byte for byte, as each protocol's clients look for them.
func TestErrors(t *testing.T) {
	dynamo := &aws.Service{Package: "tables", EndpointPrefix: "tables", TargetPrefix: "Tables_20120810", JSONVersion: "1.0"}
	queue := &aws.Service{Package: "queue", EndpointPrefix: "queue", TargetPrefix: "AmazonQueue", JSONVersion: "1.0", QueryErrors: true}
	logs := &aws.Service{Package: "logs", EndpointPrefix: "logs", TargetPrefix: "Logs_20140328", JSONVersion: "1.1"}
	users := &aws.Service{Package: "users", XMLNamespace: "https://users.example.com/", Codes: map[string]string{"AccessDeniedException": "AccessDenied"}}
	objects := &aws.Service{Package: "objects", BareErrors: true}
	queueGone := aws.Errorf(400, "QueueDoesNotExist", "No.")
	queueGone.QueryCode = "AWS.Queue.NonExistentQueue"
	capital := aws.Errorf(404, "ResourceNotFoundException", "No.")
	capital.MessageName = "Message"
	for name, c := range map[string]struct {
		p      aws.Protocol
		s      *aws.Service
		e      *aws.Error
		status int
		body   string
		header string // "name: value"
	}{
		"json 1.0": {aws.JSON, dynamo, gone(), 400,
			`{"__type":"com.amazonaws.tables.v20120810#GoneException","message":"It's <gone>.","Kind":"table","Left":["a","b"],"Retry-After":5}`,
			"Content-Type: application/x-amz-json-1.0"},
		"json 1.0 validation": {aws.JSON, dynamo, aws.Errorf(400, "ValidationException", "Bad."), 400,
			`{"__type":"com.amazon.coral.validate#ValidationException","message":"Bad."}`, ""},
		"json 1.0 serialization": {aws.JSON, dynamo, aws.Errorf(400, "SerializationException", "Bad."), 400,
			`{"__type":"com.amazon.coral.service#SerializationException","Message":"Bad."}`, ""},
		"json 1.0 unknown operation": {aws.JSON, dynamo, aws.Errorf(400, "UnknownOperationException", ""), 400,
			`{"__type":"com.amazon.coral.service#UnknownOperationException"}`, "X-Amzn-Requestid: id-1"},
		"json 1.0 query error": {aws.JSON, queue, queueGone, 400,
			`{"__type":"com.amazonaws.queue#QueueDoesNotExist","message":"No."}`, "x-amzn-query-error: AWS.Queue.NonExistentQueue;Sender"},
		"json 1.1": {aws.JSON, logs, aws.Unavailable("Full."), 503,
			`{"__type":"ServiceUnavailable","message":"Full."}`, "Content-Type: application/x-amz-json-1.1"},
		"json of no service": {aws.JSON, nil, aws.Errorf(403, "InvalidSignatureException", "No."), 403,
			`{"__type":"InvalidSignatureException","message":"No."}`, ""},
		"rest-json": {aws.RestJSON, logs, gone(), 400,
			`{"message":"It's <gone>.","Kind":"table","Left":["a","b"]}`, "X-Amzn-ErrorType: GoneException"},
		"rest-json header": {aws.RestJSON, logs, gone(), 400,
			`{"message":"It's <gone>.","Kind":"table","Left":["a","b"]}`, "Retry-After: 5"},
		"rest-json capital": {aws.RestJSON, logs, capital, 404, `{"Message":"No."}`, "Content-Type: application/json"},
		"query": {aws.Query, users, gone(), 400,
			`<ErrorResponse xmlns="https://users.example.com/"><Error><Type>Sender</Type><Code>GoneException</Code><Message>It's &lt;gone&gt;.</Message>` +
				`<Kind>table</Kind><Left><member>a</member><member>b</member></Left><Retry-After>5</Retry-After></Error><RequestId>id-1</RequestId></ErrorResponse>`,
			"Content-Type: text/xml"},
		"query renamed": {aws.Query, users, aws.AccessDenied("No."), 403,
			`<ErrorResponse xmlns="https://users.example.com/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>No.</Message></Error><RequestId>id-1</RequestId></ErrorResponse>`, ""},
		"query code": {aws.Query, queue, queueGone, 400,
			`<ErrorResponse><Error><Type>Sender</Type><Code>AWS.Queue.NonExistentQueue</Code><Message>No.</Message></Error><RequestId>id-1</RequestId></ErrorResponse>`, ""},
		"ec2": {aws.EC2, users, aws.InternalFailure(errors.New("secret")), 500,
			xmlPreamble + `<Response><Errors><Error><Code>InternalFailure</Code><Message>The request processing has failed because of an unknown error, exception or failure.</Message></Error></Errors><RequestID>id-1</RequestID></Response>`, ""},
		"rest-xml": {aws.RestXML, users, aws.Unavailable("Full."), 503,
			xmlPreamble + `<ErrorResponse xmlns="https://users.example.com/"><Error><Type>Receiver</Type><Code>ServiceUnavailable</Code><Message>Full.</Message></Error><RequestId>id-1</RequestId></ErrorResponse>`, ""},
		"rest-xml bare": {aws.RestXML, objects, aws.Errorf(404, "NoSuchKey", "No."), 404,
			xmlPreamble + `<Error><Code>NoSuchKey</Code><Message>No.</Message><RequestId>id-1</RequestId><HostId>aWQtMQ==</HostId></Error>`, "Content-Type: application/xml"},
		"no status": {aws.RestJSON, logs, &aws.Error{Code: "X", Message: "m"}, 500, `{"message":"m"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := MarshalError(c.p, c.s, c.e, "id-1")
			if r.Status != c.status || string(r.Body) != c.body {
				t.Errorf("%d %s\nwant %d %s", r.Status, r.Body, c.status, c.body)
			}
			if k, v, ok := strings.Cut(c.header, ": "); ok && r.Header.Get(k) != v {
				t.Errorf("header %s: %q, want %q", k, r.Header.Get(k), v)
			}
		})
	}
}

func TestErrorsCBOR(t *testing.T) {
	s := &aws.Service{EndpointPrefix: "metrics", TargetPrefix: "Metrics_20100801"}
	for p, want := range map[aws.Protocol]string{
		aws.CBOR:    "bf665f5f74797065" + "7826" + hex.EncodeToString([]byte("com.amazonaws.metrics.v20100801#Broken")) + "676d657373616765" + "634e6f2e" + "ff",
		aws.AmzCBOR: "bf665f5f74797065" + "66" + hex.EncodeToString([]byte("Broken")) + "676d657373616765" + "634e6f2e" + "ff",
	} {
		r := MarshalError(p, s, aws.Errorf(400, "Broken", "No."), "id")
		if got := hex.EncodeToString(r.Body); got != want {
			t.Errorf("%s: %s\nwant %s", p, got, want)
		}
	}
}

// Headers of the error itself go out as they are.
func TestErrorHeaders(t *testing.T) {
	e := aws.Errorf(429, "TooManyRequestsException", "Slow down.")
	e.Header = http.Header{"Retry-After": {"1"}}
	r := MarshalError(aws.RestJSON, nil, e, "id")
	if r.Header.Get("Retry-After") != "1" || r.Header.Get("X-Amzn-Requestid") != "id" {
		t.Errorf("headers %v", r.Header)
	}
}
