package sns

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// A healthyRetryPolicy is how often, and after how long, an HTTP delivery that failed is
// tried again. Times are in seconds.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
type healthyRetryPolicy struct {
	MinDelayTarget     int    `json:"minDelayTarget"`
	MaxDelayTarget     int    `json:"maxDelayTarget"`
	NumRetries         int    `json:"numRetries"`
	NumMaxDelayRetries int    `json:"numMaxDelayRetries"`
	NumNoDelayRetries  int    `json:"numNoDelayRetries"`
	NumMinDelayRetries int    `json:"numMinDelayRetries"`
	BackoffFunction    string `json:"backoffFunction"`
}

type throttlePolicy struct {
	MaxReceivesPerSecond int `json:"maxReceivesPerSecond,omitempty"`
}

type requestPolicy struct {
	HeaderContentType string `json:"headerContentType,omitempty"`
}

// A deliveryPolicy is a subscription's.
type deliveryPolicy struct {
	retry       healthyRetryPolicy
	perSecond   int
	contentType string
}

// topicDelivery is what a topic's policy says of HTTP endpoints.
type topicDelivery struct {
	deliveryPolicy
	noOverrides bool
	throttle    *throttlePolicy
}

const plainText = "text/plain; charset=UTF-8"

// httpRetries is AWS's for HTTP endpoints; managedRetries for queues, functions and
// streams; customerRetries for mail, phones and apps.
var (
	httpRetries     = healthyRetryPolicy{MinDelayTarget: 20, MaxDelayTarget: 20, NumRetries: 3, BackoffFunction: "linear"}
	managedRetries  = healthyRetryPolicy{MinDelayTarget: 1, MaxDelayTarget: 20, NumRetries: 100015, NumNoDelayRetries: 3, NumMinDelayRetries: 2, NumMaxDelayRetries: 100000, BackoffFunction: "exponential"}
	customerRetries = healthyRetryPolicy{MinDelayTarget: 10, MaxDelayTarget: 600, NumRetries: 50, NumMinDelayRetries: 2, NumMaxDelayRetries: 38, BackoffFunction: "exponential"}
)

// contentTypes are those that AWS sends messages as.
var contentTypes = []string{"application/atom+xml", "application/json", "application/octet-stream", "application/soap+xml", "application/x-www-form-urlencoded",
	"application/xhtml+xml", "application/xml", "text/css", "text/csv", "text/html", "text/plain", "text/xml"}

// check holds a policy of retries against AWS's limits.
func (p *healthyRetryPolicy) check() error {
	switch {
	case p.MinDelayTarget < 1 || p.MinDelayTarget > p.MaxDelayTarget:
		return errText("healthyRetryPolicy.minDelayTarget must be greater than 0 and at most maxDelayTarget")
	case p.MaxDelayTarget > 3600:
		return errText("healthyRetryPolicy.maxDelayTarget must be at most 3600")
	case p.NumRetries < 0 || p.NumRetries > 100:
		return errText("healthyRetryPolicy.numRetries must be between 0 and 100")
	case p.NumNoDelayRetries < 0 || p.NumMinDelayRetries < 0 || p.NumMaxDelayRetries < 0:
		return errText("healthyRetryPolicy's numbers of retries must not be negative")
	case p.NumNoDelayRetries+p.NumMinDelayRetries+p.NumMaxDelayRetries > p.NumRetries:
		return errText("healthyRetryPolicy.numRetries must be at least the total number of retries of its phases")
	case !slices.Contains([]string{"linear", "arithmetic", "geometric", "exponential"}, p.BackoffFunction):
		return errText("healthyRetryPolicy.backoffFunction must be one of linear, arithmetic, geometric or exponential")
	}
	return nil
}

// delay is how long to wait before the n-th retry, from 1; false if there is none.
func (p *healthyRetryPolicy) delay(n int) (time.Duration, bool) {
	if n > p.NumRetries {
		return 0, false
	}
	low, high := float64(p.MinDelayTarget), float64(p.MaxDelayTarget)
	backoff := p.NumRetries - p.NumNoDelayRetries - p.NumMinDelayRetries - p.NumMaxDelayRetries
	switch i := n - p.NumNoDelayRetries - p.NumMinDelayRetries; {
	case n <= p.NumNoDelayRetries:
		return 0, true
	case i <= 0:
		return time.Duration(p.MinDelayTarget) * time.Second, true
	case i > backoff:
		return time.Duration(p.MaxDelayTarget) * time.Second, true
	default:
		return time.Duration(math.Round(1000*p.grow(low, high, float64(i), float64(backoff)))) * time.Millisecond, true
	}
}

// grow is the delay of the i-th of n retries, from near low to high: in even steps, in
// steps that become longer evenly, by an even factor, or by doubling steps.
func (p *healthyRetryPolicy) grow(low, high, i, n float64) float64 {
	switch p.BackoffFunction {
	case "arithmetic":
		return low + (high-low)*i*(i+1)/(n*(n+1))
	case "geometric":
		return low * math.Pow(high/low, i/n)
	case "exponential":
		return low + (high-low)*(math.Exp2(i)-1)/(math.Exp2(n)-1)
	}
	return low + (high-low)*i/n
}

// parseTopicDelivery reads a topic's policy; "" is the default.
func parseTopicDelivery(text string) (topicDelivery, error) {
	out := topicDelivery{deliveryPolicy: deliveryPolicy{retry: httpRetries, contentType: plainText}}
	if text == "" {
		return out, nil
	}
	var doc struct {
		HTTP struct {
			DefaultHealthyRetryPolicy    json.RawMessage
			DisableSubscriptionOverrides bool
			DefaultThrottlePolicy        *throttlePolicy
			DefaultRequestPolicy         requestPolicy
		}
	}
	if json.Unmarshal([]byte(text), &doc) != nil {
		return out, errText("failed to parse JSON")
	}
	h := doc.HTTP
	if len(h.DefaultHealthyRetryPolicy) > 0 && json.Unmarshal(h.DefaultHealthyRetryPolicy, &out.retry) != nil {
		return out, errText("failed to parse JSON")
	}
	if err := out.retry.check(); err != nil {
		return topicDelivery{deliveryPolicy: deliveryPolicy{retry: httpRetries, contentType: plainText}}, err
	}
	out.noOverrides, out.throttle = h.DisableSubscriptionOverrides, h.DefaultThrottlePolicy
	if h.DefaultThrottlePolicy != nil {
		out.perSecond = h.DefaultThrottlePolicy.MaxReceivesPerSecond
	}
	if c := h.DefaultRequestPolicy.HeaderContentType; c != "" {
		out.contentType = c
	}
	return out, checkRequestPolicy(out.contentType, out.perSecond)
}

func checkRequestPolicy(contentType string, perSecond int) error {
	if contentType != plainText && !slices.ContainsFunc(contentTypes, func(c string) bool {
		return contentType == c || len(contentType) > len(c) && contentType[:len(c)] == c && contentType[len(c)] == ';'
	}) {
		return errText("requestPolicy.headerContentType is not supported")
	}
	if perSecond < 0 {
		return errText("throttlePolicy.maxReceivesPerSecond must be at least 1")
	}
	return nil
}

// effective is the policy as EffectiveDeliveryPolicy shows it.
func (t *topicDelivery) effective() string {
	type http struct {
		Retry       healthyRetryPolicy `json:"defaultHealthyRetryPolicy"`
		NoOverrides bool               `json:"disableSubscriptionOverrides"`
		Throttle    *throttlePolicy    `json:"defaultThrottlePolicy,omitempty"`
		Request     requestPolicy      `json:"defaultRequestPolicy"`
	}
	b, err := json.Marshal(map[string]http{"http": {t.retry, t.noOverrides, t.throttle, requestPolicy{t.contentType}}})
	if err != nil {
		panic(err) // numbers and texts
	}
	return string(b)
}

// parseSubscriptionDelivery lays a subscription's policy over another one.
func parseSubscriptionDelivery(text string, over deliveryPolicy) (deliveryPolicy, error) {
	if text == "" {
		return over, nil
	}
	var doc struct {
		HealthyRetryPolicy json.RawMessage
		ThrottlePolicy     *throttlePolicy
		RequestPolicy      requestPolicy
	}
	if json.Unmarshal([]byte(text), &doc) != nil {
		return over, errText("failed to parse JSON")
	}
	out := over
	if len(doc.HealthyRetryPolicy) > 0 && string(doc.HealthyRetryPolicy) != "null" {
		out.retry = httpRetries
		if json.Unmarshal(doc.HealthyRetryPolicy, &out.retry) != nil {
			return over, errText("failed to parse JSON")
		}
	}
	if doc.ThrottlePolicy != nil {
		out.perSecond = doc.ThrottlePolicy.MaxReceivesPerSecond
	}
	if c := doc.RequestPolicy.HeaderContentType; c != "" {
		out.contentType = c
	}
	if err := out.retry.check(); err != nil {
		return over, err
	}
	return out, checkRequestPolicy(out.contentType, out.perSecond)
}

// of is the policy by which a subscription's messages are delivered.
func (t *topicDelivery) of(sub *subscription) deliveryPolicy {
	switch sub.Protocol {
	case "http", "https":
		if t.noOverrides {
			return t.deliveryPolicy
		}
		p, _ := parseSubscriptionDelivery(sub.Attributes["DeliveryPolicy"], t.deliveryPolicy) // it was checked when it was stored
		return p
	case "sqs", "lambda", "firehose":
		return deliveryPolicy{retry: managedRetries}
	}
	return deliveryPolicy{retry: customerRetries}
}

// shownDelivery are a subscription's own policy and the one in force, as JSON.
func shownDelivery(p deliveryPolicy) string {
	type shown struct {
		Retry    healthyRetryPolicy `json:"healthyRetryPolicy"`
		Throttle *throttlePolicy    `json:"throttlePolicy,omitempty"`
		Request  requestPolicy      `json:"requestPolicy"`
	}
	v := shown{Retry: p.retry, Request: requestPolicy{p.contentType}}
	if p.perSecond > 0 {
		v.Throttle = &throttlePolicy{p.perSecond}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers and texts
	}
	return string(b)
}
