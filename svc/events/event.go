package events

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/tule-cloud/tule/aws/awsjson"
)

// event is what rules match and targets get.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
type event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	ReplayName string          `json:"replay-name,omitempty"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

const eventTime = "2006-01-02T15:04:05Z"

// text is the event as JSON, members in AWS's order, no space between them.
func (e *event) text() []byte {
	b := make([]byte, 0, 256+len(e.Detail))
	member := func(key, value string) {
		b = awsjson.AppendString(append(awsjson.AppendString(b, key), ':'), value)
		b = append(b, ',')
	}
	b = append(b, '{')
	member("version", "0")
	member("id", e.ID)
	member("detail-type", e.DetailType)
	member("source", e.Source)
	member("account", e.Account)
	member("time", e.Time)
	member("region", e.Region)
	if e.ReplayName != "" {
		member("replay-name", e.ReplayName)
	}
	b = append(b, `"resources":[`...)
	for i, r := range e.Resources {
		if i > 0 {
			b = append(b, ',')
		}
		b = awsjson.AppendString(b, r)
	}
	b = append(b, `],"detail":`...)
	b = append(b, e.Detail...)
	return append(b, '}')
}

// parseEvent reads what text made.
func parseEvent(text []byte) (*event, error) {
	e := &event{}
	if err := json.Unmarshal(text, e); err != nil {
		return nil, err
	}
	return e, nil
}

// happened is the event's time.
func (e *event) happened() time.Time {
	t, err := time.Parse(eventTime, e.Time)
	if err != nil {
		return time.Time{}
	}
	return t
}

// compactObject is a JSON object without space between its parts; false if text is none.
func compactObject(text string) ([]byte, bool) {
	var b bytes.Buffer
	b.Grow(len(text))
	if json.Compact(&b, []byte(text)) != nil || b.Len() == 0 || b.Bytes()[0] != '{' {
		return nil, false
	}
	return b.Bytes(), true
}

func validJSON(text string) bool { return json.Valid([]byte(text)) }
