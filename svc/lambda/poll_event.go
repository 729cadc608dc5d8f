package lambda

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// marshalEvent is JSON with its characters as they are: events are no web pages.
func marshalEvent(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// batchEvent is what a function is called with.
type batchEvent struct {
	Records []json.RawMessage `json:"Records"`
	*windowEvent
}

// windowEvent is what is said of a tumbling window.
// https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html
type windowEvent struct {
	Window struct {
		Start string `json:"start"`
		End   string `json:"end"`
	} `json:"window"`
	State           json.RawMessage `json:"state"`
	ShardID         string          `json:"shardId"`
	EventSourceARN  string          `json:"eventSourceARN"`
	Final           bool            `json:"isFinalInvokeForWindow"`
	TerminatedEarly bool            `json:"isWindowTerminatedEarly"`
}

// eventTime is a time as events write it.
func eventTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// eventMillis is the same to the millisecond.
func eventMillis(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// allFailed is firstFailed's answer for a batch of which nothing succeeded.
const allFailed = 0

// firstFailed reads which records of a batch a function has not dealt with: the index of
// the first of them, len(records) for none. What makes no sense is a failure of all.
// https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
func firstFailed(answer []byte, records []record) int {
	ids := make(map[string]int, len(records))
	for i, r := range records {
		ids[r.id] = i
	}
	failed, ok := failures(answer, ids)
	if !ok {
		return allFailed
	}
	first := len(records)
	for i := range failed {
		first = min(first, i)
	}
	return first
}

// failures reads which items of a batch a function reports as failed, by their places;
// false if the report makes no sense.
func failures(answer []byte, places map[string]int) (failed map[int]bool, ok bool) {
	if text := strings.TrimSpace(string(answer)); text == "" || text == "null" {
		return nil, true
	}
	var out struct {
		Failures *json.RawMessage `json:"batchItemFailures"`
	}
	if json.Unmarshal(answer, &out) != nil {
		return nil, false
	}
	if out.Failures == nil || string(*out.Failures) == "null" {
		return nil, true
	}
	var items []map[string]any
	if json.Unmarshal(*out.Failures, &items) != nil {
		return nil, false
	}
	failed = make(map[int]bool, len(items))
	for _, item := range items {
		id, ok := item["itemIdentifier"].(string)
		i, known := places[id]
		if !ok || !known {
			return nil, false
		}
		failed[i] = true
	}
	return failed, true
}

// stateOf is the state that a function hands on within a tumbling window, {} for none.
func stateOf(answer []byte) json.RawMessage {
	var out struct {
		State json.RawMessage `json:"state"`
	}
	if json.Unmarshal(answer, &out) != nil || len(out.State) == 0 || out.State[0] != '{' {
		return emptyState
	}
	return out.State
}

var emptyState = json.RawMessage("{}")

// discarded is a batch that was given up.
type discarded struct {
	Destination string // ARN
	Event       json.RawMessage
	At          time.Time
	Shard       string `json:",omitempty"`
	Records     int    `json:",omitempty"` // how many
}

// notice is what the queue of asynchronous events tells the destination of a batch that
// was given up.
func (m *mapping) notice(lost *discarded, id string) event {
	e := event{Function: m.Function, Qualifier: m.Qualifier, Received: lost.At, Due: lost.At, To: lost.Destination, Record: lost.Event,
		Key: discardedKey(m.UUID, lost.Shard, id, lost.At), Decided: lost.At}
	if m.counted() {
		e.Mapping, e.Records = m.UUID, lost.Records
	}
	return e
}

// The conditions under which records are given up.
const (
	retriesExhausted = "RetryAttemptsExhausted"
	ageExceeded      = "RecordAgeExceeded"
)

// discardedEvent tells a destination of records that were given up.
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
func discardedEvent(at time.Time, function string, src eventSource, stream, shard, condition string, invokes int, last outcome, records []record, payload []byte) (json.RawMessage, error) {
	first, end := records[0], records[len(records)-1]
	context := map[string]any{"requestId": last.id, "functionArn": function, "condition": condition, "approximateInvokeCount": invokes}
	e := map[string]any{
		"requestContext": context, "version": "1.0", "timestamp": eventMillis(at),
		src.batchInfo(): map[string]any{"shardId": shard, "startSequenceNumber": first.id, "endSequenceNumber": end.id,
			"approximateArrivalOfFirstRecord": src.arrival(first.at), "approximateArrivalOfLastRecord": src.arrival(end.at),
			"batchSize": len(records), "streamArn": stream},
	}
	if last.reached {
		response := map[string]any{"statusCode": 200, "executedVersion": last.version}
		if last.failure != "" {
			response["functionError"] = last.failure
		}
		e["responseContext"] = response
	}
	if payload != nil { // for a bucket, which has room for it
		e["payload"] = string(payload)
	}
	return marshalEvent(e)
}
