package crash

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/tule-cloud/tule/test/tule"
)

// logWriters is how many streams of a group are written at once.
const logWriters = 4

// TestKillLogs kills Tule TULE_KILLS times, 8 without, while events are put into a
// group whose subscriber is a stream of shards: after the last start every event that was
// acknowledged is in the group once, and has come to the subscriber, those of each writer
// in their order but for what is sent again.
func TestKillLogs(t *testing.T) {
	kills, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_KILLS"), "8"))
	try(t, err)
	data := filepath.Join(t.TempDir(), "data")
	house := start(t, data)
	subscribed(t, house)
	acked := map[string]bool{}
	for life := range kills {
		for _, line := range logUntilKilled(t, house, life) {
			acked[line] = true
		}
		house = start(t, data)
	}
	counts := inGroup(t, house)
	for line := range acked {
		if counts[line] != 1 {
			t.Errorf("%s is in the group %d times", line, counts[line])
		}
	}
	var order []string
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		order = arrivedLines(t, house)
		come := map[string]bool{}
		for _, line := range order {
			come[line] = true
		}
		missing := 0
		for line := range acked {
			if !come[line] {
				missing++
			}
		}
		if missing == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d events have not come\n%s", missing, len(acked), house.Failures())
		}
	}
	checkOrder(t, order)
	t.Logf("%d events acknowledged, %d delivered", len(acked), len(order))
	try(t, house.Stop())
}

// checkOrder looks at the first time that each line comes.
func checkOrder(t *testing.T, lines []string) {
	t.Helper()
	seen, last := map[string]bool{}, map[string]int{}
	for _, line := range lines {
		if seen[line] {
			continue
		}
		seen[line] = true
		writer, number, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(number)
		try(t, err)
		if n < last[writer] {
			t.Errorf("%s comes after %d", line, last[writer])
		}
		last[writer] = n
	}
}

// subscribed makes a group whose subscriber is a stream.
func subscribed(t *testing.T, house *tule.Tule) {
	t.Helper()
	root := config(house, "test", "test", "")
	logs, people, streams := cloudwatchlogs.NewFromConfig(root), iam.NewFromConfig(root), kinesis.NewFromConfig(root)
	_, err := streams.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("lines"), ShardCount: aws.Int32(1)})
	try(t, err)
	try(t, kinesis.NewStreamExistsWaiter(streams).Wait(t.Context(), &kinesis.DescribeStreamInput{StreamName: aws.String("lines")}, time.Minute))
	role, err := people.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("writer"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"logs.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	try(t, err)
	_, err = people.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("writer"), PolicyName: aws.String("p"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kinesis:*","Resource":"*"}]}`)})
	try(t, err)
	_, err = logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("app")})
	try(t, err)
	for w := range logWriters {
		_, err = logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String("app"), LogStreamName: aws.String(fmt.Sprint("w", w))})
		try(t, err)
	}
	_, err = logs.PutSubscriptionFilter(t.Context(), &cloudwatchlogs.PutSubscriptionFilterInput{LogGroupName: aws.String("app"), FilterName: aws.String("all"), FilterPattern: aws.String(""),
		DestinationArn: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/lines"), RoleArn: role.Role.Arn})
	try(t, err)
}

// logUntilKilled has all writers put events, kills Tule when a number that chance chose
// is acknowledged, and gives those that were.
func logUntilKilled(t *testing.T, house *tule.Tule, life int) (acked []string) {
	t.Helper()
	var n atomic.Int64
	var mu sync.Mutex
	var writing sync.WaitGroup
	target := 5 + rand.Int64N(150)
	reached := make(chan struct{})
	for w := range logWriters {
		writing.Go(func() {
			logs := cloudwatchlogs.NewFromConfig(config(house, "test", "test", ""), func(o *cloudwatchlogs.Options) { o.RetryMaxAttempts, o.HTTPClient = 1, tule.HTTPClient })
			for i := 0; ; i += 3 {
				in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String("app"), LogStreamName: aws.String(fmt.Sprint("w", w))}
				for j := range 3 {
					in.LogEvents = append(in.LogEvents, logstypes.InputLogEvent{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: aws.String(fmt.Sprintf("w%d %d", w, life*1_000_000+i+j))})
				}
				if _, err := logs.PutLogEvents(t.Context(), in); err != nil {
					return
				}
				mu.Lock()
				for _, e := range in.LogEvents {
					acked = append(acked, *e.Message)
				}
				mu.Unlock()
				if n.Add(1) == target {
					close(reached)
				}
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(20 * time.Second):
		t.Errorf("only %d of %d puts in time", n.Load(), target)
	}
	house.Kill()
	writing.Wait()
	return acked
}

// inGroup are the events of the group, with how often each is there.
func inGroup(t *testing.T, house *tule.Tule) map[string]int {
	t.Helper()
	counts := map[string]int{}
	logs := cloudwatchlogs.NewFromConfig(config(house, "test", "test", ""))
	for p := cloudwatchlogs.NewFilterLogEventsPaginator(logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("app")}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		try(t, err)
		for _, e := range page.Events {
			counts[*e.Message]++
		}
	}
	return counts
}

// arrivedLines are the events that the stream has, in its order.
func arrivedLines(t *testing.T, house *tule.Tule) (lines []string) {
	t.Helper()
	streams := kinesis.NewFromConfig(config(house, "test", "test", ""))
	it, err := streams.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: aws.String("lines"), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	try(t, err)
	for next := it.ShardIterator; ; {
		out, err := streams.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
		try(t, err)
		for _, r := range out.Records {
			var m struct {
				MessageType string
				LogEvents   []struct{ Message string }
			}
			z, err := gzip.NewReader(bytes.NewReader(r.Data))
			try(t, err)
			try(t, json.NewDecoder(z).Decode(&m))
			for _, e := range m.LogEvents {
				if m.MessageType == "DATA_MESSAGE" {
					lines = append(lines, e.Message)
				}
			}
		}
		if next = out.NextShardIterator; *out.MillisBehindLatest == 0 && len(out.Records) == 0 {
			return lines
		}
	}
}
