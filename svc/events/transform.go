package events

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws/awsjson"
)

// What the templates of input transformers may name beside their own variables.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
var predefined = []string{"aws.events.rule-arn", "aws.events.rule-name", "aws.events.event.ingestion-time", "aws.events.event", "aws.events.event.json"}

var errNotJSON = errors.New("the template and its values do not make JSON")

// input is what a target gets of an event.
func (d *delivery) input() ([]byte, error) {
	t := d.target
	switch {
	case t.Input != nil:
		return []byte(*t.Input), nil
	case t.InputPath != nil:
		p, ok := parsePath(*t.InputPath)
		if !ok {
			return nil, errNotJSON
		}
		found, ok := p.find(d.event)
		if !ok {
			return []byte("null"), nil
		}
		return found, nil
	case t.InputTransformer != nil:
		return render(*t.InputTransformer.InputTemplate, d.variable)
	}
	return d.event, nil
}

// variable is the JSON that a template's placeholder stands for; nil if the event has none.
func (d *delivery) variable(name string) (value json.RawMessage, known bool) {
	if text, ok := d.target.InputTransformer.InputPathsMap[name]; ok {
		if p, ok := parsePath(text); ok {
			value, _ = p.find(d.event)
		}
		return value, true
	}
	quoted := func(s string) json.RawMessage { return awsjson.AppendString([]byte(nil), s) }
	switch name {
	case "aws.events.rule-arn":
		return quoted(d.ruleARN()), true
	case "aws.events.rule-name":
		return quoted(d.rule.Name), true
	case "aws.events.event.ingestion-time":
		return quoted(d.accepted.UTC().Truncate(time.Second).Format(eventTime)), true
	case "aws.events.event.json":
		return d.event, true
	case "aws.events.event":
		e, err := parseEvent(d.event)
		if err != nil {
			return nil, true
		}
		if e.Resources == nil {
			e.Resources = []string{}
		}
		out, err := json.Marshal(struct {
			ID         string   `json:"id"`
			Account    string   `json:"account"`
			DetailType string   `json:"detailType"`
			Time       string   `json:"time"`
			Source     string   `json:"source"`
			Region     string   `json:"region"`
			Resources  []string `json:"resources"`
			Version    string   `json:"version"`
		}{e.ID, e.Account, e.DetailType, e.Time, e.Source, e.Region, e.Resources, "0"})
		if err != nil {
			return nil, true
		}
		return out, true
	}
	return nil, false
}

// placeholder reads a name between angle brackets at the beginning of text.
func placeholder(text string) (name string, ok bool) {
	name, _, closed := strings.Cut(strings.TrimPrefix(text, "<"), ">")
	if !closed || !strings.HasPrefix(text, "<") || name == "" {
		return "", false
	}
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.') {
			return "", false
		}
	}
	return name, true
}

// render puts values in the place of a template's variables. Outside of quotes a value
// stands as JSON; within, a text stands as it is, and in a template that is nothing but
// text, objects and lists stand without their quotes. Other than a text, what comes out
// must be JSON.
func render(template string, variable func(string) (json.RawMessage, bool)) ([]byte, error) {
	isText := strings.HasPrefix(strings.TrimSpace(template), `"`)
	var b []byte
	quoted := false
	for i := 0; i < len(template); i++ {
		c := template[i]
		switch c {
		case '\\':
			if quoted && i+1 < len(template) {
				b = append(b, c)
				i++
				c = template[i]
			}
		case '"':
			quoted = !quoted
		case '<':
			name, ok := placeholder(template[i:])
			if !ok {
				break
			}
			if v, known := variable(name); known {
				b = appendValue(b, v, quoted, isText)
				i += len(name) + 1
				continue
			}
		}
		b = append(b, c)
	}
	if !isText && !json.Valid(b) {
		return nil, errNotJSON
	}
	return b, nil
}

func appendValue(b []byte, v json.RawMessage, quoted, isText bool) []byte {
	switch {
	case v == nil && quoted:
		return b
	case v == nil:
		return append(b, `""`...)
	case !quoted:
		return append(b, v...)
	case v[0] == '"':
		return append(b, v[1:len(v)-1]...)
	case isText:
		return append(b, strings.ReplaceAll(string(v), `"`, "")...)
	}
	return append(b, v...)
}

// checkTransformer refuses templates that name what there is not.
func checkTransformer(t *api.Target) error {
	x := t.InputTransformer
	if x == nil {
		return nil
	}
	for name, text := range x.InputPathsMap {
		if _, ok := parsePath(text); !ok {
			return invalid("Invalid InputPath for target %s : [Reason: %s is not a valid JSON path]", *t.Id, text)
		}
		if strings.HasPrefix(strings.ToLower(name), "aws") {
			return invalid("Invalid InputTransformer for target %s: key %s starts with reserved AWS prefix.", *t.Id, name)
		}
	}
	template := *x.InputTemplate
	for i := range len(template) {
		name, ok := placeholder(template[i:])
		if !ok {
			continue
		}
		_, own := x.InputPathsMap[name]
		for _, p := range predefined {
			own = own || p == name
		}
		if !own {
			return invalid("InputTemplate for target %s contains invalid placeholder %s.", *t.Id, name)
		}
	}
	return nil
}
