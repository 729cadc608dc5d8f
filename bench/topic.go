package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// fanOut is how many queues are subscribed to the topic that is measured.
const fanOut = 10

// benchTopic is a message published to ten queues, on 32 connections, counted when it is
// in all ten, against the same message sent to each of ten.
func benchTopic(ctx context.Context, r *rig) ([]row, error) {
	if err := r.need(); err != nil {
		return nil, err
	}
	senders, err := r.talkers(32, r.address)
	if err != nil {
		return nil, err
	}
	publishers := make([]*talker, len(senders))
	for i := range publishers {
		if publishers[i], err = r.caller(r.address, "sns", "application/x-www-form-urlencoded", "User-Agent: bench "); err != nil {
			return nil, err
		}
	}
	topic, heard, sent, err := subscribed(publishers[0], senders[0])
	if err != nil {
		return nil, err
	}
	text := strings.Repeat("x", 900)
	publish := form("Publish", "TopicArn", topic, "Message", text)
	come := int64(0) // to each queue
	fan := func(d time.Duration) (float64, error) {
		var n atomic.Int64
		begin := time.Now()
		_, err := rate(ctx, len(publishers), d, func(w, _ int) error {
			n.Add(1)
			_, err := publishers[w].call("Publish", publish)
			return err
		})
		come += n.Load()
		for _, q := range heard {
			err = errors.Join(err, await(ctx, senders[0], q, come))
		}
		return float64(n.Load()) / time.Since(begin).Seconds(), err
	}
	sends := func(d time.Duration) (float64, error) {
		return rate(ctx, len(senders), d, func(w, _ int) error {
			for _, q := range sent {
				if _, err := senders[w].call("SendMessage", `{"QueueUrl":"`+q+`","MessageBody":"`+text+`"}`); err != nil {
					return err
				}
			}
			return nil
		})
	}
	a, b, ratio, err := inTurns(4, time.Second, fan, sends)
	if err != nil {
		return nil, err
	}
	return []row{{"publish to 10 queues, floor: 10 sends", perSecond(a), perSecond(b), fmt.Sprintf("%.2f ×", ratio), "> 0.33 ×", ratio > 0.33}}, nil
}

// form is a call in the query protocol.
func form(action string, members ...string) string {
	v := url.Values{"Action": {action}, "Version": {"2010-03-31"}}
	for i := 0; i < len(members); i += 2 {
		v.Set(members[i], members[i+1])
	}
	return v.Encode()
}

// subscribed makes a topic, the queues that are subscribed to it, and as many that are
// not.
func subscribed(topics, queues *talker) (topic string, heard, sent []string, err error) {
	b, err := topics.call("CreateTopic", form("CreateTopic", "Name", "bench"))
	if err != nil {
		return "", nil, nil, err
	}
	topic = between(b, "<TopicArn>", "<")
	for n := range 2 * fanOut {
		name := "bench-" + strconv.Itoa(n)
		arn := strings.Replace(strings.TrimSuffix(topic, "bench")+name, ":sns:", ":sqs:", 1)
		allow := `{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"sns.amazonaws.com\"},\"Action\":\"sqs:SendMessage\",\"Resource\":\"` + arn + `\"}}`
		b, err := queues.call("CreateQueue", `{"QueueName":"`+name+`","Attributes":{"Policy":"`+allow+`"}}`)
		if err != nil {
			return "", nil, nil, err
		}
		address := between(b, `"QueueUrl":"`, `"`)
		if n >= fanOut {
			sent = append(sent, address)
			continue
		}
		heard = append(heard, address)
		if _, err := topics.call("Subscribe", form("Subscribe", "TopicArn", topic, "Protocol", "sqs", "Endpoint", arn)); err != nil {
			return "", nil, nil, err
		}
	}
	return topic, heard, sent, nil
}

// await waits until a queue has as many messages.
func await(ctx context.Context, t *talker, queue string, want int64) error {
	for end := time.Now().Add(time.Minute); ctx.Err() == nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		b, err := t.call("GetQueueAttributes", `{"QueueUrl":"`+queue+`","AttributeNames":["ApproximateNumberOfMessages"]}`)
		if err != nil {
			return err
		}
		if n, err := strconv.ParseInt(between(b, `"ApproximateNumberOfMessages":"`, `"`), 10, 64); err != nil || n >= want {
			return err
		}
	}
	return fmt.Errorf("%s does not get %d messages", queue, want)
}

// between is what stands after one text and before the next other.
func between(b []byte, after, before string) string {
	_, rest, _ := bytes.Cut(b, []byte(after))
	part, _, _ := bytes.Cut(rest, []byte(before))
	return string(part)
}
