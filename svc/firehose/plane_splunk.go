package firehose

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
)

// askEvery is how often Splunk is asked whether it has indexed what it was given.
const askEvery = time.Second

// pushSplunk gives records to Splunk's HTTP event collector, and waits until it says that
// they are indexed.
// https://docs.splunk.com/Documentation/Splunk/latest/Data/AboutHECIDXAck
func (d *delivery) pushSplunk(ctx context.Context, list []record) *refusal {
	c := d.plan.to.Splunk
	no := &refusal{left: list, trouble: trouble{destination: *c.HECEndpoint}}
	refuse := func(code, message string) *refusal {
		no.trouble.code, no.trouble.message = "Splunk."+code, message
		return no
	}
	base, kind := strings.TrimSuffix(*c.HECEndpoint, "/"), "/services/collector/event"
	if *c.HECEndpointType == api.HECEndpointTypeRaw {
		kind = "/services/collector/raw"
	}
	if i := strings.Index(base, "/services/collector"); i >= 0 {
		base = base[:i]
	}
	channel := d.name("channel")
	header := map[string]string{"Authorization": "Splunk " + aws.Value(c.HECToken), "X-Splunk-Request-Channel": channel, "Content-Type": "application/json"}
	if kind == "/services/collector/raw" {
		header["Content-Type"] = "text/plain"
	}
	got, err := d.post(ctx, base+kind+"?channel="+channel, header, joined(list), maxAnswer)
	switch {
	case err != nil:
		return refuse("ConnectionClosed", err.Error())
	case got.status == http.StatusUnauthorized || got.status == http.StatusForbidden:
		return refuse("InvalidToken", "The HEC token is invalid: "+excerpt(got.body))
	case got.status != http.StatusOK:
		return refuse("HttpStatus"+strconv.Itoa(got.status), "Received the status "+strconv.Itoa(got.status)+" from Splunk: "+excerpt(got.body))
	}
	var said struct {
		Ack *int64 `json:"ackId"`
	}
	if err := json.Unmarshal(got.body, &said); err != nil {
		return refuse("InvalidResponse", "Splunk's answer is not JSON: "+excerpt(got.body))
	}
	if said.Ack == nil {
		return refuse("AckDisabled", "The answer has no ackId: indexer acknowledgment is not enabled for the HEC token.")
	}
	header["Content-Type"] = "application/json"
	if !d.acknowledged(ctx, base+"/services/collector/ack?channel="+channel, header, *said.Ack, time.Duration(*c.HECAcknowledgmentTimeoutInSeconds)*time.Second) {
		return refuse("AckTimeout", "Did not receive an acknowledgement from HEC before the HEC acknowledgement timeout expired.")
	}
	return nil
}

// acknowledged asks until Splunk says yes, or the time is over.
func (d *delivery) acknowledged(ctx context.Context, url string, header map[string]string, id int64, limit time.Duration) bool {
	body, _ := json.Marshal(map[string][]int64{"acks": {id}}) // numbers alone
	end := d.s.Clock.Now().Add(limit)
	for {
		got, err := d.post(ctx, url, header, body, maxAnswer)
		var said struct {
			Acks map[string]bool `json:"acks"`
		}
		if err == nil && got.status == http.StatusOK && json.NewDecoder(bytes.NewReader(got.body)).Decode(&said) == nil && said.Acks[strconv.FormatInt(id, 10)] {
			return true
		}
		left := end.Sub(d.s.Clock.Now())
		if left <= 0 || ctx.Err() != nil {
			return false
		}
		due, stop := d.s.Clock.After(min(askEvery, left))
		select {
		case <-ctx.Done():
			stop()
			return false
		case <-due:
		}
	}
}
