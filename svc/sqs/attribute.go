package sqs

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// defaults are what a queue's attributes are if nobody set them, those of FIFO queues
// among them.
var defaults = map[string]string{
	"DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
	"ReceiveMessageWaitTimeSeconds": "0", "VisibilityTimeout": "30", "SqsManagedSseEnabled": "true",
}

var fifoDefaults = map[string]string{
	"FifoQueue": "true", "ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue",
}

// ranges are the bounds of attributes that are whole numbers.
var ranges = map[string][2]int{
	"DelaySeconds": {0, 900}, "MaximumMessageSize": {1024, 1 << 20}, "MessageRetentionPeriod": {60, 1209600},
	"ReceiveMessageWaitTimeSeconds": {0, 20}, "VisibilityTimeout": {0, 43200}, "KmsDataKeyReusePeriodSeconds": {60, 86400},
}

// words are the attributes that are one of some words.
var words = map[string][]string{
	"SqsManagedSseEnabled": {"true", "false"}, "FifoQueue": {"true", "false"}, "ContentBasedDeduplication": {"true", "false"},
	"DeduplicationScope": {"queue", "messageGroup"}, "FifoThroughputLimit": {"perQueue", "perMessageGroupId"},
}

// texts are the attributes that are neither.
var texts = []string{"Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId"}

// counted are the attributes that are found out when they are asked for.
var counted = []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible"}

// readable are the attributes that cannot be set.
var readable = append([]string{"All", "QueueArn", "CreatedTimestamp", "LastModifiedTimestamp"}, counted...)

func badAttribute(name string) error {
	return api.InvalidAttributeValue("Invalid value for the parameter %s.", name)
}

func sortedNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// canonical is a value as it is kept: numbers without leading zeros, say.
func canonical(name, value string) string {
	if _, ok := ranges[name]; ok {
		if n, err := strconv.Atoi(value); err == nil {
			return strconv.Itoa(n)
		}
	}
	if name == "RedrivePolicy" {
		if p, err := parseRedrive(value); err == nil && p != nil {
			return p.String()
		}
	}
	return value
}

// value is what an attribute is, set or by default; "" for none.
func (q *queue) value(name string) string {
	if v, ok := q.Attributes[name]; ok {
		return v
	}
	if q.FIFO && fifoDefaults[name] != "" {
		return fifoDefaults[name]
	}
	if name == "KmsDataKeyReusePeriodSeconds" && q.Attributes["KmsMasterKeyId"] != "" {
		return "300"
	}
	if name == "SqsManagedSseEnabled" && q.Attributes["KmsMasterKeyId"] != "" {
		return "false"
	}
	return defaults[name]
}

func limitsOf(attributes map[string]string) limits {
	q := queue{Attributes: attributes}
	seconds := func(name string) time.Duration {
		n, _ := strconv.Atoi(q.value(name)) // it was checked when it was set
		return time.Duration(n) * time.Second
	}
	l := limits{
		visibility: seconds("VisibilityTimeout"), delay: seconds("DelaySeconds"),
		wait: seconds("ReceiveMessageWaitTimeSeconds"), retention: seconds("MessageRetentionPeriod"),
		byContent: attributes["ContentBasedDeduplication"] == "true", byGroup: attributes["DeduplicationScope"] == "messageGroup",
	}
	l.size, _ = strconv.Atoi(q.value("MaximumMessageSize"))
	l.redrive, _ = parseRedrive(attributes["RedrivePolicy"])
	return l
}

// setAttributes checks attributes and gives them to a queue, which is new or not.
func (s *Service) setAttributes(ctx context.Context, tx store.Tx, q *queue, attributes map[string]string, fresh bool) error {
	if err := exclusive(q, attributes); err != nil {
		return err
	}
	for _, name := range sortedNames(attributes) {
		value := attributes[name]
		if err := s.checkAttribute(q, name, value, fresh); err != nil {
			return err
		}
		if name == "RedrivePolicy" {
			policy, err := s.checkRedrive(ctx, tx, q, value)
			if err != nil {
				return err
			}
			if err := noteSource(tx, q, policy); err != nil {
				return err
			}
		}
		switch {
		case value == "":
			delete(q.Attributes, name)
		case name == "FifoQueue":
		default:
			q.Attributes[name] = canonical(name, value)
		}
	}
	if q.value("FifoThroughputLimit") == "perMessageGroupId" && q.value("DeduplicationScope") != "messageGroup" {
		return badAttribute("DeduplicationScope")
	}
	if attributes["SqsManagedSseEnabled"] == "true" {
		delete(q.Attributes, "KmsMasterKeyId")
		delete(q.Attributes, "KmsDataKeyReusePeriodSeconds")
	} else if attributes["KmsMasterKeyId"] != "" {
		delete(q.Attributes, "SqsManagedSseEnabled")
	}
	return nil
}

// exclusive refuses two sorts of encryption at once.
func exclusive(q *queue, attributes map[string]string) error {
	key := attributes["KmsMasterKeyId"]
	if _, set := attributes["KmsMasterKeyId"]; !set {
		key = q.Attributes["KmsMasterKeyId"]
	}
	if key != "" && attributes["SqsManagedSseEnabled"] == "true" {
		return api.InvalidAttributeName("You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
	}
	return nil
}

// checkAttribute refuses what cannot be set, and values that are none.
func (s *Service) checkAttribute(q *queue, name, value string, fresh bool) error {
	_, number := ranges[name]
	switch name {
	case "FifoQueue":
		switch {
		case !fresh && !q.FIFO, fresh && value == "false":
			return api.InvalidAttributeName("Unknown Attribute FifoQueue.")
		case !fresh && value != "true":
			return api.InvalidAttributeValue("Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.")
		}
	case "ContentBasedDeduplication":
		if !q.FIFO {
			return api.InvalidAttributeName("Unknown Attribute ContentBasedDeduplication.")
		}
	case "DeduplicationScope", "FifoThroughputLimit":
		if !q.FIFO {
			return api.InvalidAttributeName("You can specify the %s only when FifoQueue is set to true.", name)
		}
	case "Policy":
		return s.checkPolicy(value)
	case "RedriveAllowPolicy":
		_, err := parseAllow(value)
		return err
	case "KmsMasterKeyId":
		if len(value) > 2048 {
			return badAttribute(name)
		}
	}
	if _, ok := words[name]; !ok && !number && !slices.Contains(texts, name) {
		return api.InvalidAttributeName("Unknown Attribute %s.", name)
	}
	if number && !within(name, value) {
		return badAttribute(name)
	}
	if list, ok := words[name]; ok && !slices.Contains(list, value) {
		return badAttribute(name)
	}
	return nil
}

func within(name, value string) bool {
	n, err := strconv.Atoi(value)
	return err == nil && n >= ranges[name][0] && n <= ranges[name][1]
}

func (s *Service) checkPolicy(document string) error {
	if document == "" || s.CheckPolicy == nil {
		return nil
	}
	if s.CheckPolicy(document) != nil {
		return badAttribute("Policy")
	}
	return nil
}

func (s *Service) setQueueAttributes(ctx context.Context, in *api.SetQueueAttributesRequest) (*aws.Empty, error) {
	if len(in.Attributes) == 0 {
		return nil, missingParameter("The request must contain the parameter Attribute.Name.")
	}
	return nil, s.change(ctx, in.QueueUrl, func(tx store.Tx, q *queue) error {
		if err := s.setAttributes(ctx, tx, q, in.Attributes, false); err != nil {
			return err
		}
		q.Modified = s.Clock.Now().Unix()
		return nil
	})
}

func (s *Service) getQueueAttributes(ctx context.Context, in *api.GetQueueAttributesRequest) (*api.GetQueueAttributesResult, error) {
	p, err := placeOf(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	for _, name := range in.AttributeNames {
		if !askedOfQueues(name) {
			return nil, api.InvalidAttributeName("Unknown Attribute %s.", name)
		}
	}
	out := &api.GetQueueAttributesResult{}
	err = s.Store.View(ctx, func(r store.Reader) error {
		q, err := s.queue(ctx, r, p)
		if err != nil || len(in.AttributeNames) == 0 {
			return err
		}
		all := q.attributes()
		if slices.ContainsFunc(in.AttributeNames, func(n string) bool { return n == "All" || slices.Contains(counted, n) }) {
			c, err := s.count(ctx, r, q)
			if err != nil {
				return err
			}
			all[counted[0]], all[counted[1]], all[counted[2]] = strconv.Itoa(c.visible), strconv.Itoa(c.delayed), strconv.Itoa(c.inFlight)
		}
		if slices.Contains(in.AttributeNames, "All") {
			out.Attributes = all
			return nil
		}
		out.Attributes = nil
		for _, name := range in.AttributeNames {
			if v, ok := all[name]; ok {
				if out.Attributes == nil {
					out.Attributes = map[string]string{}
				}
				out.Attributes[name] = v
			}
		}
		return nil
	})
	return out, err
}

// attributes are all of a queue's attributes but those that are counted.
func (q *queue) attributes() map[string]string {
	all := maps.Clone(defaults)
	if q.FIFO {
		maps.Copy(all, fifoDefaults)
	}
	if q.Attributes["KmsMasterKeyId"] != "" {
		all["KmsDataKeyReusePeriodSeconds"], all["SqsManagedSseEnabled"] = "300", "false"
	}
	maps.Copy(all, q.Attributes)
	all["QueueArn"] = q.place.arn()
	all["CreatedTimestamp"] = strconv.FormatInt(q.Created, 10)
	all["LastModifiedTimestamp"] = strconv.FormatInt(q.Modified, 10)
	return all
}

// census is how many messages a queue has.
type census struct{ visible, delayed, inFlight int }

func (c *census) add(now, at int64, received bool) {
	switch {
	case at <= now:
		c.visible++
	case received:
		c.inFlight++
	default:
		c.delayed++
	}
}

// count counts a queue's messages.
func (s *Service) count(ctx context.Context, r store.Reader, q *queue) (census, error) {
	var c census
	now := s.Clock.Now().UnixMicro()
	over := q.expired(now)
	for x, err := range q.spots(ctx, r) {
		if err != nil {
			return c, err
		}
		if x.ref.at() > over {
			c.add(now, x.at, x.state.count > 0)
		}
	}
	return c, nil
}

func refOf(b []byte) (r ref) {
	copy(r[:], b)
	return r
}

// expired is the time, in microseconds, at and before which messages that came to the
// queue are past its retention period.
func (q *queue) expired(now int64) int64 { return now - q.limits.retention.Microseconds() }
