package sns

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// feedbackProtocols are those whose deliveries are logged.
// https://docs.aws.amazon.com/sns/latest/dg/sns-topic-attributes.html
var feedbackProtocols = []string{"HTTP", "Lambda", "Firehose", "SQS", "Application"}

// checkTopicAttribute refuses attributes that topics do not have, and values that they
// cannot have. AWS says where it found them: in a map, or by a name.
func checkTopicAttribute(name, value string, creating bool) error {
	prefix := ""
	if creating {
		prefix = "Attributes Reason: "
	}
	bad := func(text string) error { return invalid("%s%s", prefix, text) }
	switch name {
	case "DisplayName":
		if len([]rune(value)) > 100 {
			return bad("DisplayName: must be at most 100 characters long")
		}
	case "Policy":
		if value == "" {
			return nil
		}
		if _, err := parsePolicy(value); err != nil {
			return bad("Policy Error: null")
		}
	case "DeliveryPolicy":
		if _, err := parseTopicDelivery(value); err != nil {
			return bad("DeliveryPolicy: " + err.Error())
		}
	case "SignatureVersion":
		if value != "1" && value != "2" {
			return bad("SignatureVersion: Invalid value [" + value + "]. Must be 1 or 2.")
		}
	case "TracingConfig":
		if value != "PassThrough" && value != "Active" {
			return bad("TracingConfig: Invalid value [" + value + "]. Please use either PassThrough or Active")
		}
	case "FifoTopic":
		if !creating {
			return invalid("AttributeName")
		}
		return checkBool(name, value, bad)
	case "ContentBasedDeduplication":
		return checkBool(name, value, bad)
	case "FifoThroughputScope":
		if value != "Topic" && value != "MessageGroup" {
			return bad("FifoThroughputScope: Invalid value [" + value + "]. Please use either Topic or MessageGroup")
		}
	case "ArchivePolicy":
		if _, err := archiveDays(value); err != nil {
			return bad("ArchivePolicy: " + err.Error())
		}
	case "KmsMasterKeyId":
	default:
		return checkFeedback(name, value, creating, bad)
	}
	return nil
}

func checkBool(name, value string, bad func(string) error) error {
	if value != "true" && value != "false" {
		return bad(name + ": Invalid value [" + value + "]. Must be true or false.")
	}
	return nil
}

// checkFeedback is for the attributes of delivery status logging.
func checkFeedback(name, value string, creating bool, bad func(string) error) error {
	for _, p := range feedbackProtocols {
		rest, ok := strings.CutPrefix(name, p)
		if !ok {
			continue
		}
		switch rest {
		case "SuccessFeedbackRoleArn", "FailureFeedbackRoleArn":
			if a, ok := aws.ParseARN(value); value != "" && (!ok || a.Service != "iam" || !strings.HasPrefix(a.Resource, "role/")) {
				return bad(name + ": Invalid value [" + value + "]. Must be a valid role ARN.")
			}
			return nil
		case "SuccessFeedbackSampleRate":
			if n, err := strconv.Atoi(value); err != nil || n < 0 || n > 100 {
				return bad(name + ": Invalid value [" + value + "]. Must be an integer between 0 and 100.")
			}
			return nil
		}
	}
	if creating {
		return invalid("Attributes Reason: Unknown Attribute %s", name)
	}
	return invalid("AttributeName")
}

// fifoOnly are the attributes that standard topics do not have.
var fifoOnly = []string{"ContentBasedDeduplication", "FifoThroughputScope", "ArchivePolicy"}

func checkFifoAttributes(attributes map[string]string, fifo bool) error {
	for name := range attributes {
		if !fifo && slices.Contains(fifoOnly, name) {
			return invalid("Attributes Reason: %s: only FIFO topics have this attribute", name)
		}
	}
	return nil
}

// archiveDays is how long a topic's messages are kept for replays; 0 is not at all.
func archiveDays(policy string) (int, error) {
	if strings.TrimSpace(policy) == "" {
		return 0, nil
	}
	var p struct{ MessageRetentionPeriod json.RawMessage }
	if json.Unmarshal([]byte(policy), &p) != nil {
		return 0, errText("failed to parse JSON")
	}
	if len(p.MessageRetentionPeriod) == 0 {
		return 0, nil
	}
	days, err := strconv.Atoi(strings.Trim(string(p.MessageRetentionPeriod), `"`))
	if err != nil || days < 1 || days > 365 {
		return 0, errText("MessageRetentionPeriod must be between 1 and 365 days")
	}
	return days, nil
}

// errText is an error that becomes part of a sentence of AWS's.
type errText string

func (e errText) Error() string { return string(e) }
