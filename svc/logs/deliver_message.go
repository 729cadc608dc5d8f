package logs

import (
	"bytes"
	"compress/gzip"
	"encoding/json"

	"github.com/tule-cloud/tule/svc/logs/pattern"
)

// A dataMessage is what subscribers are sent, as JSON in a gzip stream.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
type dataMessage struct {
	MessageType         string      `json:"messageType"`
	Owner               string      `json:"owner"`
	LogGroup            string      `json:"logGroup"`
	LogStream           string      `json:"logStream"`
	SubscriptionFilters []string    `json:"subscriptionFilters"`
	LogEvents           []sentEvent `json:"logEvents"`
}

type sentEvent struct {
	ID        string            `json:"id"`
	Timestamp int64             `json:"timestamp"`
	Message   string            `json:"message"`
	Extracted map[string]string `json:"extractedFields,omitempty"`
}

// A parcel is one message on its way, of one stream.
type parcel struct {
	stream string
	data   []byte // gzip
	events int
}

// How many bytes of events one message has at most, so that even what does not compress
// is taken by those that it is for. An event that alone is larger is a message of its own.
const (
	lambdaParcel = 150 << 10 // base64 makes it a third larger, and 256 KiB are invoked
	streamParcel = 900 << 10
)

// parcels are the messages that a batch makes for a feed: the events that the pattern
// wants, those of each stream together, in the order of their arrival.
func parcels(f feed, b *batch, p *pattern.Pattern, most int) ([]parcel, error) {
	var out []parcel
	for _, st := range b.streams {
		m := dataMessage{MessageType: "DATA_MESSAGE", Owner: f.Account, LogGroup: f.group, LogStream: st.stream, SubscriptionFilters: []string{f.name[1:]}}
		size := 0
		flush := func() error {
			if len(m.LogEvents) == 0 {
				return nil
			}
			data, err := pack(&m)
			out = append(out, parcel{st.stream, data, len(m.LogEvents)})
			m.LogEvents, size = nil, 0
			return err
		}
		for i := range st.events {
			e := &st.events[i]
			if !p.Match(e.message) {
				continue
			}
			if n := len(e.message) + 2*eventOverhead; size+n > most {
				if err := flush(); err != nil {
					return nil, err
				}
			}
			size += len(e.message) + 2*eventOverhead
			sent := sentEvent{ID: e.id(), Timestamp: e.At, Message: e.message}
			if p.Fielded() {
				sent.Extracted = extracted(p, e.message)
			}
			m.LogEvents = append(m.LogEvents, sent)
		}
		if err := flush(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// extracted are the fields of a line, without the dollar signs.
func extracted(p *pattern.Pattern, message string) map[string]string {
	values, _ := p.Extract(message)
	out := make(map[string]string, len(values))
	for k, v := range values {
		out[k[1:]] = v
	}
	return out
}

func pack(m *dataMessage) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	enc := json.NewEncoder(z)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// controlMessage finds out whether a stream takes what it is sent.
func controlMessage(what string, now int64) ([]byte, error) {
	return pack(&dataMessage{MessageType: "CONTROL_MESSAGE", Owner: "CloudwatchLogs", SubscriptionFilters: []string{},
		LogEvents: []sentEvent{{Timestamp: now, Message: "CWL CONTROL MESSAGE: Checking health of destination " + what + "."}}})
}
