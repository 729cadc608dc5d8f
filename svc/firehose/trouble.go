package firehose

import (
	"context"
	"encoding/json"
	"strings"

	api "github.com/tule-cloud/tule/api/firehose"
	logsapi "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
)

// A trouble is why something was not delivered, as the log of a stream has it.
// https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-logs.html
type trouble struct {
	destination, code, message string
	function                   string // which transforms
}

// report writes a trouble into the log that the options name, under the role given. What
// cannot be logged is not tried again: deliveries do not wait for their log.
func (d *delivery) report(ctx context.Context, o *api.CloudWatchLoggingOptions, role string, t trouble) {
	d.s.Logger.Info("firehose: a delivery failed", "stream", d.at.arn(), "to", t.destination, "code", t.code, "error", t.message, "tries", d.job.batch.Tries+1)
	if o == nil || !aws.Value(o.Enabled) || aws.Value(o.LogGroupName) == "" || aws.Value(o.LogStreamName) == "" || role == "" {
		return
	}
	line := map[string]any{"deliveryStreamARN": d.at.arn(), "destination": t.destination, "deliveryStreamVersionId": d.st.Version, "message": t.message, "errorCode": t.code}
	if t.function != "" {
		line["processor"] = t.function
	}
	text, err := json.Marshal(line)
	if err != nil {
		return
	}
	acting, err := d.s.roles.acting(ctx, d.at, role)
	if err == nil {
		_, err = logsapi.PutLogEvents.Do(acting, d.s.Peers, &logsapi.PutLogEventsRequest{LogGroupName: o.LogGroupName, LogStreamName: o.LogStreamName,
			LogEvents: []logsapi.InputLogEvent{{Message: new(string(text)), Timestamp: new(d.s.Clock.Now().UnixMilli())}}})
	}
	if err != nil && ctx.Err() == nil {
		d.s.Logger.Info("firehose: a failure could not be logged", "stream", d.at.arn(), "group", *o.LogGroupName, "error", err)
	}
}

// codeOf is the code of an error within a kind: "S3.AccessDenied".
func codeOf(kind string, err error) string {
	code := aws.CodeOf(err)
	if code == "" {
		code = "InternalError"
	}
	return kind + "." + strings.TrimSuffix(code, "Exception")
}
