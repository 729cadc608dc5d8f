package apigatewayv2

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	events "github.com/tule-cloud/tule/api/events"
	kinesis "github.com/tule-cloud/tule/api/kinesis"
	sqs "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
)

// A subtype is an operation of a service that a route can be integrated with.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services-reference.html
type subtype struct {
	required, optional []string // beside Region
	call               func(ctx context.Context, peers aws.Peers, in map[string]string) ([]byte, string, error)
}

const (
	typeJSON = "application/json"
	typeXML  = "text/xml"
)

// subtypeOf is an integration's subtype; false for a name that AWS does not have. Those
// whose services are not built have no call.
func subtypeOf(name string) (subtype, bool) {
	switch name {
	case "EventBridge-PutEvents":
		return subtype{[]string{"Detail", "DetailType", "Source"}, []string{"Time", "EventBusName", "Resources", "TraceHeader"}, putEvents}, true
	case "SQS-SendMessage":
		return subtype{[]string{"QueueUrl", "MessageBody"}, []string{"DelaySeconds", "MessageAttributes", "MessageDeduplicationId", "MessageGroupId", "MessageSystemAttributes"}, sendMessage}, true
	case "SQS-ReceiveMessage":
		return subtype{[]string{"QueueUrl"}, []string{"AttributeNames", "MaxNumberOfMessages", "MessageAttributeNames", "ReceiveRequestAttemptId", "VisibilityTimeout", "WaitTimeSeconds"}, receiveMessage}, true
	case "SQS-DeleteMessage":
		return subtype{[]string{"ReceiptHandle", "QueueUrl"}, nil, deleteMessage}, true
	case "SQS-PurgeQueue":
		return subtype{[]string{"QueueUrl"}, nil, purgeQueue}, true
	case "Kinesis-PutRecord":
		return subtype{[]string{"StreamName", "Data", "PartitionKey"}, []string{"SequenceNumberForOrdering", "ExplicitHashKey"}, putRecord}, true
	case "AppConfig-GetConfiguration":
		return subtype{[]string{"Application", "Environment", "Configuration", "ClientId"}, []string{"ClientConfigurationVersion"}, nil}, true
	case "StepFunctions-StartExecution":
		return subtype{[]string{"StateMachineArn"}, []string{"Name", "Input"}, nil}, true
	case "StepFunctions-StartSyncExecution":
		return subtype{[]string{"StateMachineArn"}, []string{"Name", "Input", "TraceHeader"}, nil}, true
	case "StepFunctions-StopExecution":
		return subtype{[]string{"ExecutionArn"}, []string{"Cause", "Error"}, nil}, true
	}
	return subtype{}, false
}

func checkSubtype(i *api.Integration) error {
	kind, ok := subtypeOf(*i.IntegrationSubtype)
	if !ok {
		return api.BadRequestException("Invalid integration subtype specified: %s", *i.IntegrationSubtype)
	}
	if *i.IntegrationType != api.IntegrationTypeAwsProxy {
		return api.BadRequestException("Integration subtypes are supported only for the integration type AWS_PROXY")
	}
	if i.CredentialsArn == nil {
		return api.BadRequestException("Credentials are required for the integration subtype %s", *i.IntegrationSubtype)
	}
	for _, name := range kind.required {
		if i.RequestParameters[name] == "" {
			return api.BadRequestException("Parameter %s is required for the integration subtype %s", name, *i.IntegrationSubtype)
		}
	}
	for name, text := range i.RequestParameters {
		if name != "Region" && !slices.Contains(kind.required, name) && !slices.Contains(kind.optional, name) {
			return api.BadRequestException("Parameter %s is not supported for the integration subtype %s", name, *i.IntegrationSubtype)
		}
		if _, err := parseExpression(text); err != nil {
			return api.BadRequestException("Invalid mapping expression specified: %s", text)
		}
	}
	return nil
}

func compileSubtype(in map[string]string) map[string]expression {
	out := make(map[string]expression, len(in))
	for name, text := range in {
		out[name], _ = parseExpression(text) // it was checked when it came
	}
	return out
}

// callService is an integration with an operation of a service, as the role that the
// integration names.
func (x *exchange) callService(ctx context.Context) (*reply, error) {
	i := x.route.integration
	kind, _ := subtypeOf(*i.raw.IntegrationSubtype)
	if kind.call == nil {
		return nil, internal("The integration subtype " + *i.raw.IntegrationSubtype + " is not available in this version of Tule")
	}
	in := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(i.subtype)) {
		text, ok := i.subtype[name].eval(x)
		if ok {
			in[name] = text
		} else if slices.Contains(kind.required, name) {
			return nil, badRequest()
		}
	}
	caller, err := x.act(ctx, aws.Value(i.raw.CredentialsArn))
	if err != nil {
		return nil, err
	}
	as := aws.RequestOf(ctx).As(caller)
	as.ID, as.Region = aws.RandomUUID(x.s.Random), x.owner.Region
	if region := in["Region"]; region != "" {
		as.Region = region
	}
	x.function = as.ID
	return x.waitService(aws.WithRequest(context.WithoutCancel(ctx), as), kind, in)
}

func (x *exchange) waitService(ctx context.Context, kind subtype, in map[string]string) (*reply, error) {
	type result struct {
		body []byte
		kind string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		body, kind, err := kind.call(ctx, x.s.Peers, in)
		done <- result{body, kind, err}
	}()
	late, stop := x.s.Clock.After(x.route.integration.timeout)
	defer stop()
	var r result
	select {
	case r = <-done:
	case <-late:
		return nil, unavailable("The integration timed out")
	}
	var e *aws.Error
	switch {
	case errors.As(r.err, &e) && e.Status != http.StatusForbidden:
		return &reply{status: e.Status, header: []param{{"Content-Type", typeJSON}}, body: []byte(`{"__type":` + quote(e.Code) + `,"message":` + quote(e.Message) + `}`)}, nil
	case r.err != nil:
		return nil, x.refusedBy(r.err)
	}
	return &reply{status: http.StatusOK, header: []param{{"Content-Type", r.kind}, {"x-amzn-RequestId", x.function}}, body: r.body}, nil
}

// text is a parameter, or nil where it is not given.
func text(in map[string]string, name string) *string {
	if v, ok := in[name]; ok {
		return &v
	}
	return nil
}

var errNumber = aws.Errorf(http.StatusBadRequest, "ValidationException", "A parameter that has to be a number is none.")

func number(in map[string]string, name string, err *error) *int32 {
	v, ok := in[name]
	if !ok {
		return nil
	}
	n, bad := strconv.ParseInt(v, 10, 32)
	if bad != nil {
		*err = errNumber
	}
	return ptr(int32(n))
}

func parseList(in map[string]string, name string, to any, err *error) {
	if v, ok := in[name]; ok && json.Unmarshal([]byte(v), to) != nil {
		*err = aws.Errorf(http.StatusBadRequest, "ValidationException", "The parameter %s is not of its form.", name)
	}
}

func putEvents(ctx context.Context, peers aws.Peers, in map[string]string) ([]byte, string, error) {
	var bad error
	entry := events.PutEventsRequestEntry{Detail: text(in, "Detail"), DetailType: text(in, "DetailType"), Source: text(in, "Source"),
		EventBusName: text(in, "EventBusName"), TraceHeader: text(in, "TraceHeader")}
	parseList(in, "Resources", &entry.Resources, &bad)
	if at, ok := in["Time"]; ok {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return nil, "", aws.Errorf(http.StatusBadRequest, "ValidationException", "The parameter Time is no time.")
		}
		entry.Time = &t
	}
	if bad != nil {
		return nil, "", bad
	}
	out, err := events.PutEvents.Do(ctx, peers, &events.PutEventsRequest{Entries: []events.PutEventsRequestEntry{entry}})
	if err != nil {
		return nil, "", err
	}
	type result struct {
		EventID      *string `json:"EventId,omitempty"`
		ErrorCode    *string `json:",omitempty"`
		ErrorMessage *string `json:",omitempty"`
	}
	list := make([]result, 0, len(out.Entries))
	for _, e := range out.Entries {
		list = append(list, result{e.EventId, e.ErrorCode, e.ErrorMessage})
	}
	b, err := encode(map[string]any{"Entries": list, "FailedEntryCount": aws.Value(out.FailedEntryCount)})
	return b, typeJSON, err
}

func putRecord(ctx context.Context, peers aws.Peers, in map[string]string) ([]byte, string, error) {
	data, err := base64.StdEncoding.DecodeString(in["Data"])
	if err != nil {
		data = []byte(in["Data"])
	}
	out, err := kinesis.PutRecord.Do(ctx, peers, &kinesis.PutRecordInput{StreamName: text(in, "StreamName"), PartitionKey: text(in, "PartitionKey"), Data: data,
		SequenceNumberForOrdering: text(in, "SequenceNumberForOrdering"), ExplicitHashKey: text(in, "ExplicitHashKey")})
	if err != nil {
		return nil, "", err
	}
	b, err := encode(map[string]any{"SequenceNumber": out.SequenceNumber, "ShardId": out.ShardId})
	return b, typeJSON, err
}

const sqsNamespace = "http://queue.amazonaws.com/doc/2012-11-05/"

// queueAnswer is what SQS says in its query protocol, which these integrations speak.
func queueAnswer(ctx context.Context, action string, result any) ([]byte, string, error) {
	type metadata struct {
		RequestID string `xml:"RequestId"`
	}
	answer := struct {
		XMLName  xml.Name
		Result   any
		Metadata metadata `xml:"ResponseMetadata"`
	}{xml.Name{Space: sqsNamespace, Local: action + "Response"}, result, metadata{aws.RequestOf(ctx).ID}}
	b, err := xml.Marshal(answer)
	return append([]byte(`<?xml version="1.0"?>`), b...), typeXML, err
}

// What queries of SQS answer.
type (
	sentMessage struct {
		XMLName    xml.Name `xml:"SendMessageResult"`
		ID         *string  `xml:"MessageId"`
		MD5        *string  `xml:"MD5OfMessageBody"`
		Attributes *string  `xml:"MD5OfMessageAttributes,omitempty"`
		Sequence   *string  `xml:"SequenceNumber,omitempty"`
	}
	received struct {
		XMLName xml.Name `xml:"ReceiveMessageResult"`
		Message []message
	}
	message struct {
		ID         *string `xml:"MessageId"`
		Receipt    *string `xml:"ReceiptHandle"`
		MD5        *string `xml:"MD5OfBody"`
		Body       *string
		Attributes []attribute `xml:"Attribute"`
	}
	attribute struct{ Name, Value string }
)

func sendMessage(ctx context.Context, peers aws.Peers, in map[string]string) ([]byte, string, error) {
	var bad error
	req := &sqs.SendMessageRequest{QueueUrl: text(in, "QueueUrl"), MessageBody: text(in, "MessageBody"), DelaySeconds: number(in, "DelaySeconds", &bad),
		MessageDeduplicationId: text(in, "MessageDeduplicationId"), MessageGroupId: text(in, "MessageGroupId")}
	parseList(in, "MessageAttributes", &req.MessageAttributes, &bad)
	parseList(in, "MessageSystemAttributes", &req.MessageSystemAttributes, &bad)
	if bad != nil {
		return nil, "", bad
	}
	out, err := sqs.SendMessage.Do(ctx, peers, req)
	if err != nil {
		return nil, "", err
	}
	return queueAnswer(ctx, "SendMessage", sentMessage{ID: out.MessageId, MD5: out.MD5OfMessageBody, Attributes: out.MD5OfMessageAttributes, Sequence: out.SequenceNumber})
}

func receiveMessage(ctx context.Context, peers aws.Peers, in map[string]string) ([]byte, string, error) {
	var bad error
	req := &sqs.ReceiveMessageRequest{QueueUrl: text(in, "QueueUrl"), MaxNumberOfMessages: number(in, "MaxNumberOfMessages", &bad),
		VisibilityTimeout: number(in, "VisibilityTimeout", &bad), WaitTimeSeconds: number(in, "WaitTimeSeconds", &bad), ReceiveRequestAttemptId: text(in, "ReceiveRequestAttemptId")}
	parseList(in, "AttributeNames", &req.AttributeNames, &bad)
	parseList(in, "MessageAttributeNames", &req.MessageAttributeNames, &bad)
	if bad != nil {
		return nil, "", bad
	}
	out, err := sqs.ReceiveMessage.Do(ctx, peers, req)
	if err != nil {
		return nil, "", err
	}
	result := received{}
	for _, m := range out.Messages {
		one := message{ID: m.MessageId, Receipt: m.ReceiptHandle, MD5: m.MD5OfBody, Body: m.Body}
		for _, name := range slices.Sorted(maps.Keys(m.Attributes)) {
			one.Attributes = append(one.Attributes, attribute{name, m.Attributes[name]})
		}
		result.Message = append(result.Message, one)
	}
	return queueAnswer(ctx, "ReceiveMessage", result)
}

func deleteMessage(ctx context.Context, peers aws.Peers, in map[string]string) ([]byte, string, error) {
	if _, err := sqs.DeleteMessage.Do(ctx, peers, &sqs.DeleteMessageRequest{QueueUrl: text(in, "QueueUrl"), ReceiptHandle: text(in, "ReceiptHandle")}); err != nil {
		return nil, "", err
	}
	return queueAnswer(ctx, "DeleteMessage", nil)
}

func purgeQueue(ctx context.Context, peers aws.Peers, in map[string]string) ([]byte, string, error) {
	if _, err := sqs.PurgeQueue.Do(ctx, peers, &sqs.PurgeQueueRequest{QueueUrl: text(in, "QueueUrl")}); err != nil {
		return nil, "", err
	}
	return queueAnswer(ctx, "PurgeQueue", nil)
}
