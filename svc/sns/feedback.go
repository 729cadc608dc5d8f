package sns

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"io"
	"strconv"
	"time"

	logsapi "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
)

// maxFeedback is how many lines wait to be logged; more are dropped, as deliveries do
// not wait for their logs.
const maxFeedback = 1000

// feedback writes the log of deliveries, under the role that the topic names.
// https://docs.aws.amazon.com/sns/latest/dg/sns-topic-attributes.html
type feedback struct {
	s     *Service
	lines chan feedbackLine
}

type feedbackLine struct {
	at     topicRef
	role   string
	failed bool
	text   string
	when   time.Time
}

func newFeedback(s *Service) *feedback {
	return &feedback{s: s, lines: make(chan feedbackLine, maxFeedback)}
}

// feedbackKind is a protocol's name in the attributes.
func feedbackKind(protocol string) string {
	return map[string]string{"http": "HTTP", "https": "HTTP", "lambda": "Lambda", "sqs": "SQS", "firehose": "Firehose", "application": "Application"}[protocol]
}

// note logs a delivery, if its topic wants it logged.
func (f *feedback) note(t *topic, sub *subscriber, m *message, began time.Time, out outcome, tries int) {
	kind := feedbackKind(sub.Protocol)
	if kind == "" || m.Type != notification {
		return
	}
	role := t.Attributes[kind+"SuccessFeedbackRoleArn"]
	if out.err != nil {
		role = t.Attributes[kind+"FailureFeedbackRoleArn"]
	}
	if role == "" || out.err == nil && !f.sampled(t.Attributes[kind+"SuccessFeedbackSampleRate"]) {
		return
	}
	now := f.s.Clock.Now()
	sum := md5.Sum([]byte(m.body(sub.Protocol)))
	status := map[bool]string{true: "SUCCESS", false: "FAILURE"}[out.err == nil]
	delivery := map[string]any{"deliveryId": aws.RandomUUID(f.s.Random), "destination": sub.Endpoint, "dwellTimeMs": now.Sub(m.Time).Milliseconds(), "attempts": tries}
	if out.response != "" {
		delivery["providerResponse"] = out.response
	}
	if out.status != 0 {
		delivery["statusCode"] = out.status
	}
	text, err := json.Marshal(map[string]any{
		"notification": map[string]any{"messageMD5Sum": hex.EncodeToString(sum[:]), "messageId": m.ID, "topicArn": sub.at.arn(), "timestamp": m.Time.Format("2006-01-02 15:04:05.000")},
		"delivery":     delivery, "status": status})
	if err != nil {
		return
	}
	select {
	case f.lines <- feedbackLine{sub.at, role, out.err != nil, string(text), now}:
	default:
		f.s.Logger.Warn("sns: too many deliveries to log", "topic", sub.at.arn())
	}
}

// sampled reports whether one success is among the percentage that is logged.
func (f *feedback) sampled(rate string) bool {
	n, err := strconv.Atoi(rate)
	if err != nil || n >= 100 {
		return err == nil
	}
	var b [2]byte
	if _, err := io.ReadFull(f.s.Random, b[:]); err != nil {
		return false
	}
	return (int(b[0])<<8+int(b[1]))%100 < n
}

// run writes lines until ctx ends.
func (f *feedback) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case line := <-f.lines:
			if err := f.write(ctx, line); err != nil && ctx.Err() == nil {
				f.s.Logger.Info("sns: log a delivery", "topic", line.at.arn(), "role", line.role, "error", err)
			}
		}
	}
}

// write puts a line into a stream of its own, in the topic's group.
func (f *feedback) write(ctx context.Context, line feedbackLine) error {
	at := line.at
	ctx, err := f.s.assume(f.s.acting(ctx, at, at.scope.Region, ""), line.role, "sns-feedback")
	if err != nil {
		return err
	}
	group := "sns/" + at.scope.Region + "/" + at.scope.Account + "/" + at.name
	if line.failed {
		group += "/Failure"
	}
	stream := aws.RandomUUID(f.s.Random)
	if _, err := logsapi.CreateLogStream.Do(ctx, f.s.Peers, &logsapi.CreateLogStreamRequest{LogGroupName: &group, LogStreamName: &stream}); err != nil {
		if aws.CodeOf(err) != "ResourceNotFoundException" {
			return err
		}
		if _, err := logsapi.CreateLogGroup.Do(ctx, f.s.Peers, &logsapi.CreateLogGroupRequest{LogGroupName: &group}); err != nil && aws.CodeOf(err) != "ResourceAlreadyExistsException" {
			return err
		}
		if _, err := logsapi.CreateLogStream.Do(ctx, f.s.Peers, &logsapi.CreateLogStreamRequest{LogGroupName: &group, LogStreamName: &stream}); err != nil {
			return err
		}
	}
	_, err = logsapi.PutLogEvents.Do(ctx, f.s.Peers, &logsapi.PutLogEventsRequest{LogGroupName: &group, LogStreamName: &stream,
		LogEvents: []logsapi.InputLogEvent{{Message: &line.text, Timestamp: new(line.when.UnixMilli())}}})
	return err
}
