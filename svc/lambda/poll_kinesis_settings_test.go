package lambda

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
)

// fromBoth runs a test with a stream of one shard as the source, and with a consumer of it, which
// has its records pushed.
func fromBoth(t *testing.T, m mapping, test func(t *testing.T, st streamStand)) {
	for name, consumer := range map[string]string{"stream": "", "consumer": "/consumer/fan:1767323045"} {
		t.Run(name, func(t *testing.T) {
			m := m
			m.Source = clicks + consumer
			st := newStreamStand(t, m, 1)
			if consumer != "" {
				do(st, kinesisapi.RegisterStreamConsumer.Do, &kinesisapi.RegisterStreamConsumerInput{StreamARN: ptr(clicks), ConsumerName: ptr("fan")})
			}
			test(t, st)
		})
	}
}

const firstShard = "shardId-000000000000"

// through waits until the shard is dealt with up to a record.
func (st streamStand) through(number string) {
	st.t.Helper()
	st.until("the checkpoint", func() bool { return st.point(firstShard).Sequence == number })
}

// lost is what the destination is told of records that were given up.
type lost struct {
	RequestContext struct {
		Condition              string
		ApproximateInvokeCount int
		FunctionArn            string
	}
	ResponseContext *struct {
		StatusCode                     int
		ExecutedVersion, FunctionError string
	}
	KinesisBatchInfo struct {
		ShardID, StartSequenceNumber, EndSequenceNumber, StreamArn string
		BatchSize                                                  int
	}
}

func (st streamStand) lost() (list []lost) {
	st.t.Helper()
	for _, text := range st.given() {
		var l lost
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			st.t.Fatal(err)
		}
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b lost) int {
		return strings.Compare(a.KinesisBatchInfo.StartSequenceNumber, b.KinesisBatchInfo.StartSequenceNumber)
	})
	return list
}

// A batch is tried as often as the mapping says, keeps its shard meanwhile, and is then told to
// the destination.
func TestStreamRetries(t *testing.T) {
	m := forever()
	m.Batch, m.Retries, m.OnFailure = 2, 2, "arn:aws:sns:us-east-1:000000000000:lost"
	fromBoth(t, m, func(t *testing.T, st streamStand) {
		st.fn = func(ids []string) outcome {
			if ids[0] == "a" {
				return failed()
			}
			return fine("")
		}
		numbers := st.put("a", "b", "c")
		st.start()
		st.expect("a b", "a b", "a b", "c")
		st.through(numbers[2])
		got := st.lost()
		if len(got) != 1 {
			t.Fatalf("given up: %v", got)
		}
		l := got[0]
		if l.RequestContext.Condition != retriesExhausted || l.RequestContext.ApproximateInvokeCount != 3 || l.ResponseContext == nil || l.ResponseContext.FunctionError != "Unhandled" ||
			l.KinesisBatchInfo.StartSequenceNumber != numbers[0] || l.KinesisBatchInfo.EndSequenceNumber != numbers[1] || l.KinesisBatchInfo.BatchSize != 2 ||
			l.KinesisBatchInfo.ShardID != firstShard || l.KinesisBatchInfo.StreamArn != st.m.Source {
			t.Errorf("given up: %+v", l)
		}
	})
}

// Without a limit a batch is tried until it succeeds, or Kinesis forgets it.
func TestStreamRetriesForever(t *testing.T) {
	fromBoth(t, forever(), func(t *testing.T, st streamStand) {
		n := 0
		st.fn = func([]string) outcome {
			if n++; n < 15 {
				return failed()
			}
			return fine("")
		}
		number := st.put("a")[0]
		st.start()
		st.through(number)
		if got := st.called(); len(got) != 15 || len(st.given()) != 0 {
			t.Errorf("%d calls, given up: %q", len(got), st.given())
		}
	})
}

// Records that are older than the mapping wants them are given up without a call.
func TestStreamAge(t *testing.T) {
	m := forever()
	m.Age, m.OnFailure = 60, "arn:aws:sqs:us-east-1:000000000000:lost"
	fromBoth(t, m, func(t *testing.T, st streamStand) {
		numbers := st.put("a", "b")
		st.house.Clock.Advance(2 * time.Minute)
		numbers = append(numbers, st.put("c")...)
		st.start()
		st.expect("c")
		st.through(numbers[2])
		got := st.lost()
		if len(got) != 1 || got[0].RequestContext.Condition != ageExceeded || got[0].ResponseContext != nil || got[0].KinesisBatchInfo.BatchSize != 2 || got[0].KinesisBatchInfo.EndSequenceNumber != numbers[1] {
			t.Errorf("given up: %+v", got)
		}
	})
}

// A record that grows too old while its batch fails is given up, too.
func TestStreamAgeOfRetries(t *testing.T) {
	m := forever()
	m.Age = 60
	fromBoth(t, m, func(t *testing.T, st streamStand) {
		st.fn = func([]string) outcome { return failed() }
		number := st.put("a")[0]
		st.start()
		st.through(number)
		if n := len(st.called()); n > 12 { // how few they are at least cannot be said: the clock does not wait for calls
			t.Errorf("%d calls within a minute", n)
		}
	})
}

// A batch that fails is split, time and again, until what fails is alone.
func TestStreamBisect(t *testing.T) {
	m := forever()
	m.Bisect, m.Retries, m.OnFailure = true, 1, "arn:aws:sqs:us-east-1:000000000000:lost"
	fromBoth(t, m, func(t *testing.T, st streamStand) {
		st.fn = func(ids []string) outcome {
			if slices.Contains(ids, "c") {
				return failed()
			}
			return fine("")
		}
		numbers := st.put("a", "b", "c", "d", "e")
		st.start()
		st.expect("a b c d e", "a b", "c d e", "c", "c", "d e")
		st.through(numbers[4])
		if got := st.lost(); len(got) != 1 || got[0].KinesisBatchInfo.StartSequenceNumber != numbers[2] || got[0].KinesisBatchInfo.BatchSize != 1 || got[0].RequestContext.ApproximateInvokeCount < 2 {
			t.Errorf("given up: %+v", got)
		}
	})
}

// What a function reports as failed is tried again from there on; what came before is done.
func TestStreamPartial(t *testing.T) {
	m := forever()
	m.Partial, m.Retries = true, 5
	fromBoth(t, m, func(t *testing.T, st streamStand) {
		numbers := map[string]string{}
		for _, name := range []string{"a", "b", "c", "d"} {
			numbers[name] = st.put(name)[0]
		}
		rest := 2
		st.fn = func(ids []string) outcome {
			if rest == 0 || !slices.Contains(ids, "c") {
				return fine(`{"batchItemFailures":[]}`)
			}
			rest--
			return fine(fmt.Sprintf(`{"batchItemFailures":[{"itemIdentifier":%q},{"itemIdentifier":%q}]}`, numbers["d"], numbers["c"]))
		}
		st.start()
		st.until("the failure", func() bool { return len(st.called()) >= 2 })
		if st.point(firstShard).Sequence < numbers["b"] {
			t.Error("what succeeded is not noted")
		}
		st.expect("a b c d", "c d", "c d")
		st.through(numbers["d"])
	})
}

// Bisection and partial answers together: the function's word says where the batch is split.
func TestStreamPartialBisect(t *testing.T) {
	m := forever()
	m.Partial, m.Bisect, m.Retries, m.Batch = true, true, 0, 10
	st := newStreamStand(t, m, 1)
	numbers := st.put("a", "b", "c", "d")
	st.fn = func(ids []string) outcome {
		if slices.Contains(ids, "c") {
			return fine(fmt.Sprintf(`{"batchItemFailures":[{"itemIdentifier":%q}]}`, numbers[2]))
		}
		return fine("")
	}
	st.start()
	// c d is split since its first record fails; c alone is given up.
	st.expect("a b c d", "c d", "c", "d")
	st.through(numbers[3])
}

// Up to ten batches of a shard at once, and those of a partition key in order.
func TestStreamParallel(t *testing.T) {
	m := forever()
	m.Parallel, m.Batch = 10, 2
	fromBoth(t, m, func(t *testing.T, st streamStand) {
		const keys, n = 12, 72
		var last string
		for i := range n {
			last = st.put(fmt.Sprintf("key%d/%d ", i%keys, i))[0]
		}
		var mu sync.Mutex
		var order [keys][]int
		now, most := 0, 0
		gate := make(chan struct{})
		var open sync.Once
		st.fn = func(ids []string) outcome {
			mu.Lock()
			if now++; now > most {
				most = now
			}
			if now >= 3 {
				open.Do(func() { close(gate) })
			}
			for _, id := range ids {
				var i int
				fmt.Sscan(id, &i)
				order[i%keys] = append(order[i%keys], i)
			}
			mu.Unlock()
			<-gate // the first wait for company
			mu.Lock()
			defer mu.Unlock()
			now--
			return fine("")
		}
		st.start()
		st.through(last)
		if most < 3 || most > 10 {
			t.Errorf("up to %d batches at once", most)
		}
		for key, got := range order {
			if len(got) != n/keys || !slices.IsSorted(got) {
				t.Errorf("of key%d came %v", key, got)
			}
		}
	})
}

// A lane that fails keeps its keys, and not those of others.
func TestStreamParallelFailure(t *testing.T) {
	m := forever()
	m.Parallel, m.Batch, m.Retries, m.OnFailure = 2, 10, 1, "arn:aws:sqs:us-east-1:000000000000:lost"
	st := newStreamStand(t, m, 1)
	numbers := st.put("p/a", "q/b", "p/c", "q/d", "s/e", "r/f")
	st.fn = func(ids []string) outcome {
		if slices.Contains(ids, "a") {
			return failed()
		}
		return fine("")
	}
	st.start()
	st.through(numbers[5])
	given := st.lost()
	if len(given) != 1 || given[0].KinesisBatchInfo.StartSequenceNumber != numbers[0] || given[0].KinesisBatchInfo.BatchSize >= 6 {
		t.Errorf("given up: %+v; calls %q", given, st.called())
	}
	seen := strings.Join(st.called(), " ")
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		if !strings.Contains(seen, id) {
			t.Errorf("%s was not handed to the function: %q", id, seen)
		}
	}
}

// Records are handed on by windows of their arrival, with the state that the function returns.
func TestStreamTumblingWindows(t *testing.T) {
	m := forever()
	m.Tumbling, m.Batch = 60, 2
	fromBoth(t, m, func(t *testing.T, st streamStand) {
		st.plain = true
		n := 0
		st.fn = func([]string) outcome {
			n++
			return fine(fmt.Sprintf(`{"state":{"n":%d}}`, n))
		}
		st.put("a", "b", "c") // at 03:04:05
		st.house.Clock.Advance(time.Minute)
		last := st.put("d")[0] // 03:05:05
		st.start()
		st.through(last)
		st.until("the second window's end", func() bool { return len(st.called()) == 5 })
		var got []string
		for _, text := range st.called() {
			var e struct {
				Records                 []struct{ Kinesis struct{ Data []byte } }
				Window                  struct{ Start, End string }
				State                   json.RawMessage
				ShardID, EventSourceARN string
				IsFinalInvokeForWindow  bool
				IsWindowTerminatedEarly bool
			}
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				t.Fatal(err)
			}
			var data []string
			for _, r := range e.Records {
				data = append(data, string(r.Kinesis.Data))
			}
			if e.ShardID != firstShard || e.EventSourceARN != st.m.Source || e.IsWindowTerminatedEarly {
				t.Errorf("the event is %s", text)
			}
			got = append(got, fmt.Sprint(data, " ", e.Window.Start, " ", e.Window.End, " ", string(e.State), " ", e.IsFinalInvokeForWindow))
		}
		want := []string{
			"[a b] 2026-01-02T03:04:00Z 2026-01-02T03:05:00Z {} false",
			`[c] 2026-01-02T03:04:00Z 2026-01-02T03:05:00Z {"n":1} false`,
			`[] 2026-01-02T03:04:00Z 2026-01-02T03:05:00Z {"n":2} true`,
			"[d] 2026-01-02T03:05:00Z 2026-01-02T03:06:00Z {} false",
			`[] 2026-01-02T03:05:00Z 2026-01-02T03:06:00Z {"n":4} true`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("the calls are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// A window's state outlives the process, and ends early if it grows too large.
func TestStreamWindowState(t *testing.T) {
	m := forever()
	m.Tumbling = 60
	st := newStreamStand(t, m, 1)
	st.plain = true
	large := strings.Repeat("x", maxState)
	st.fn = func(ids []string) outcome {
		switch {
		case len(ids) == 0:
			return fine("")
		case ids[0] == "c":
			return fine(`{"state":{"all":"` + large + `"}}`)
		}
		return fine(`{"state":{"last":"` + ids[len(ids)-1] + `"}}`)
	}
	st.start()
	st.through(st.put("a")[0])
	st.stop()
	st.start()
	st.through(st.put("b")[0])
	st.put("c")
	st.until("the early end", func() bool { return len(st.called()) == 4 })
	calls := st.called()
	for i, want := range []string{`"state":{}`, `"state":{"last":"a"}`, `"state":{"last":"b"}`, `"isWindowTerminatedEarly":true`} {
		if !strings.Contains(calls[i], want) {
			t.Errorf("call %d is %.600s, want %s", i, calls[i], want)
		}
	}
}

// A shard that ends ends its window.
func TestStreamWindowOfClosedShard(t *testing.T) {
	m := forever()
	m.Tumbling = 600
	st := newStreamStand(t, m, 1)
	st.plain = true
	st.put("a")
	do(st, kinesisapi.SplitShard.Do, &kinesisapi.SplitShardInput{StreamName: ptr("clicks"), ShardToSplit: ptr(firstShard), NewStartingHashKey: ptr("170141183460469231731687303715884105728")})
	begun := st.house.Clock.Now()
	st.start()
	st.until("the shard's end", func() bool { return st.point(firstShard).Done })
	if took := st.house.Clock.Now().Sub(begun); took > time.Minute {
		t.Errorf("the end took %v", took)
	}
	if calls := st.called(); len(calls) != 2 || !strings.Contains(calls[1], `"isFinalInvokeForWindow":true`) {
		t.Errorf("the calls are %q", calls)
	}
}

// A batch waits for company as long as the mapping says; what is there fills it.
func TestStreamBatchingWindow(t *testing.T) {
	m := forever()
	m.Batch, m.Window = 3, 5
	fromBoth(t, m, func(t *testing.T, st streamStand) {
		begun := st.house.Clock.Now()
		st.start()
		st.through(st.put("a")[0])
		if waited := st.house.Clock.Now().Sub(begun); waited < 5*time.Second {
			t.Errorf("a record waited %v for others", waited)
		}
		// How long is too long cannot be said: the clock moves on while the poller is at work.
		st.stop()
		last := st.put("b", "c", "d")[2]
		st.start()
		st.through(last)
		st.expect("a", "b c d")
	})
}

// A consumer's reading begins at a time, the oldest or the latest record, too, and its filters see
// the data.
func TestStreamConsumerStart(t *testing.T) {
	for start, want := range map[string]string{startOldest: "a b c", startSince: "b c", startLatest: "c"} {
		t.Run(start, func(t *testing.T) {
			m := forever()
			m.Source, m.Start, m.Batch = clicks+"/consumer/fan:1767323045", start, 1
			m.Filters = []string{`{"data":{"n":[{"exists":true}]}}`}
			st := newStreamStand(t, m, 1)
			do(st, kinesisapi.RegisterStreamConsumer.Do, &kinesisapi.RegisterStreamConsumerInput{StreamARN: ptr(clicks), ConsumerName: ptr("fan")})
			st.put(`k/{"n":"a"}`, "k/no JSON")
			st.house.Clock.Advance(time.Minute)
			if start == startSince {
				st.m.Since = st.house.Clock.Now()
			}
			st.put(`k/{"n":"b"}`, `k/{"m":1}`)
			st.house.Clock.Advance(time.Second)
			st.start()
			if start == startLatest {
				st.until("the beginning", func() bool { return st.point(firstShard).Iterator != "" })
			}
			st.through(st.put(`k/{"n":"c"}`)[0])
			var got []string
			for _, text := range st.called() {
				var d struct{ N string }
				if err := json.Unmarshal([]byte(text), &d); err != nil {
					t.Fatal(err)
				}
				got = append(got, d.N)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("the records are %q, want %q", got, want)
			}
		})
	}
}
