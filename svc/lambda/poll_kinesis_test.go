package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/kinesis"
)

const clicks = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks"

// A streamStand is a poller of a real stream, with a Go function to call.
type streamStand struct{ *pollStand }

func newStreamStand(t *testing.T, m mapping, shards int32) streamStand {
	t.Helper()
	m.UUID, m.Function = "u", "f"
	if m.Source == "" {
		m.Source = clicks
	}
	st := streamStand{newPollStand(t, m)}
	st.s.Peers = st.house
	st.house.Add(kinesis.New(kinesis.Options{Store: st.house.Store, Clock: st.house.Clock, Random: st.house.Random}).Routes())
	do(st, kinesisapi.CreateStream.Do, &kinesisapi.CreateStreamInput{StreamName: ptr("clicks"), ShardCount: &shards})
	st.other = newDataStream(st.s, m.Source)
	return st
}

// do calls an operation of the stream's.
func do[In, Out any](st streamStand, op func(context.Context, aws.Peers, *In) (*Out, error), in *In) *Out {
	st.t.Helper()
	out, err := op(st.as(st.t.Context()), st.house, in)
	if err != nil {
		st.t.Fatal(err)
	}
	return out
}

// put writes records: "key" or "key/data".
func (st streamStand) put(records ...string) (numbers []string) {
	st.t.Helper()
	for _, r := range records {
		key, data, ok := strings.Cut(r, "/")
		if !ok {
			data = key
		}
		out := do(st, kinesisapi.PutRecord.Do, &kinesisapi.PutRecordInput{StreamName: ptr("clicks"), PartitionKey: &key, Data: []byte(data)})
		numbers = append(numbers, *out.SequenceNumber)
	}
	return numbers
}

// expect waits for the calls, and that no others come.
func (st streamStand) expect(want ...string) {
	st.t.Helper()
	st.until(fmt.Sprintf("call %d", len(want)), func() bool { return len(st.called()) >= len(want) })
	if got := st.called(); !slices.Equal(got, want) {
		st.t.Errorf("the calls are\n%q, want\n%q", got, want)
	}
}

func TestStreamEvent(t *testing.T) {
	st := newStreamStand(t, forever(), 1)
	st.plain = true
	st.house.Clock.Advance(987 * time.Millisecond)
	number := st.put("key/Hello, <world>")[0]
	st.start()
	st.expect(`{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"key","sequenceNumber":"` + number +
		`","data":"SGVsbG8sIDx3b3JsZD4=","approximateArrivalTimestamp":1767323045.987},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000000:` + number +
		`","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::000000000000:role/reader","awsRegion":"us-east-1","eventSourceARN":"` + clicks + `"}]}`)
}

// A stream is read from its oldest record, its latest, or a time.
func TestStreamStart(t *testing.T) {
	for _, tc := range []struct {
		start string
		want  []string
	}{{startOldest, []string{"a b", "c"}}, {startSince, []string{"b", "c"}}, {startLatest, []string{"c"}}} {
		t.Run(tc.start, func(t *testing.T) {
			m := forever()
			m.Start = tc.start
			st := newStreamStand(t, m, 1)
			st.put("a")
			st.house.Clock.Advance(time.Minute)
			if tc.start == startSince {
				st.m.Since = st.house.Clock.Now()
			}
			st.put("b")
			st.house.Clock.Advance(time.Second)
			st.start()
			if tc.start == startLatest {
				st.until("the beginning", func() bool { return st.point("shardId-000000000000").Iterator != "" })
				st.stop()
				st.house.Clock.Advance(time.Hour) // its iterator expires
				st.put("c")
				st.start()
			} else {
				st.expect(tc.want[0])
				st.put("c")
			}
			st.expect(tc.want...)
			// A mapping that is made anew begins at its own place.
			st.stop()
			st.update(func(tx store.Tx) error { return checkpointRecords.DeleteAll(tx, st.scope, "u") })
			if tc.start == startOldest {
				st.start()
				st.expect("a b", "c", "a b c")
			}
		})
	}
}

// Filters see the data, as JSON.
func TestStreamFilter(t *testing.T) {
	m := forever()
	m.Filters = []string{`{"data": {"kind": ["buy"]}}`, `{"data": {"n": [{"numeric": [">", 5]}]}}`}
	st := newStreamStand(t, m, 1)
	st.put(`k/{"kind":"buy","id":1}`, `k/{"kind":"sell"}`, "k/no JSON", `k/{"n":7}`, `k/"buy"`, `k/{"kind":"sell","n":1}`)
	st.start()
	st.expect(`{"kind":"buy","id":1} {"n":7}`)
	st.until("the result", func() bool { return st.result() == resultOK })
}

// What is split or merged is read to its end before what comes of it.
func TestStreamReshard(t *testing.T) {
	m := forever()
	m.Batch = 1
	st := newStreamStand(t, m, 1)
	st.put("a/1", "b/1")
	do(st, kinesisapi.SplitShard.Do, &kinesisapi.SplitShardInput{StreamName: ptr("clicks"), ShardToSplit: ptr("shardId-000000000000"), NewStartingHashKey: ptr("170141183460469231731687303715884105728")})
	st.put("a/2", "b/2")
	do(st, kinesisapi.MergeShards.Do, &kinesisapi.MergeShardsInput{StreamName: ptr("clicks"), ShardToMerge: ptr("shardId-000000000001"), AdjacentShardToMerge: ptr("shardId-000000000002")})
	st.put("a/3", "b/3")
	fails := map[string]int{"1": 2, "2": 2}
	st.fn = func(ids []string) outcome {
		st.mu.Lock()
		defer st.mu.Unlock()
		if fails[ids[0]] > 0 {
			fails[ids[0]]--
			return failed()
		}
		return fine("")
	}
	st.start()
	st.until("all", func() bool { return len(st.called()) == 10 })
	if got := st.called(); !slices.IsSorted(got) || strings.Join(got, "") != "1111222233" {
		t.Errorf("the generations came as %q", got)
	}
	do(st, kinesisapi.UpdateShardCount.Do, &kinesisapi.UpdateShardCountInput{StreamName: ptr("clicks"), TargetShardCount: ptr(int32(2)), ScalingType: ptr(kinesisapi.ScalingTypeUniformScaling)})
	st.put("a/4", "b/4")
	st.until("those of the last", func() bool { return len(st.called()) == 12 })
}

// What is given up is told as AWS tells it of Kinesis.
func TestStreamGivenUp(t *testing.T) {
	m := forever()
	m.Retries, m.OnFailure = 0, "arn:aws:sqs:us-east-1:000000000000:lost"
	st := newStreamStand(t, m, 1)
	st.fn = func([]string) outcome { return failed() }
	numbers := st.put("a", "b")
	st.start()
	st.until("the notice", func() bool { return len(st.given()) == 1 })
	var lost struct{ KinesisBatchInfo map[string]any }
	if err := json.Unmarshal([]byte(st.given()[0]), &lost); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"shardId": "shardId-000000000000", "startSequenceNumber": numbers[0], "endSequenceNumber": numbers[1], "batchSize": 2.0, "streamArn": clicks,
		"approximateArrivalOfFirstRecord": "2026-01-02T03:04:05.000Z", "approximateArrivalOfLastRecord": "2026-01-02T03:04:05.000Z"}
	if fmt.Sprint(lost.KinesisBatchInfo) != fmt.Sprint(want) {
		t.Errorf("what was given up is %v, want %v", lost.KinesisBatchInfo, want)
	}
}

// A consumer has its records pushed, in order, from one subscription and one life to the next.
func TestStreamConsumer(t *testing.T) {
	m := forever()
	m.Source, m.Batch = clicks+"/consumer/fan:1767323045", 2
	st := newStreamStand(t, m, 1)
	do(st, kinesisapi.RegisterStreamConsumer.Do, &kinesisapi.RegisterStreamConsumerInput{StreamARN: ptr(clicks), ConsumerName: ptr("fan")})
	if err := st.other.probe(st.as(t.Context())); err != nil {
		t.Fatal(err)
	}
	st.put("a", "b", "c")
	st.start()
	st.expect("a b", "c")
	st.put("d")
	st.expect("a b", "c", "d")
	st.house.Clock.Advance(5*time.Minute + time.Second) // the subscription is over
	st.put("e")
	st.expect("a b", "c", "d", "e")
	st.stop()
	st.put("f")
	st.start()
	st.expect("a b", "c", "d", "e", "f")
	do(st, kinesisapi.SplitShard.Do, &kinesisapi.SplitShardInput{StreamName: ptr("clicks"), ShardToSplit: ptr("shardId-000000000000"), NewStartingHashKey: ptr("170141183460469231731687303715884105728")})
	st.put("g")
	st.expect("a b", "c", "d", "e", "f", "g")
}
