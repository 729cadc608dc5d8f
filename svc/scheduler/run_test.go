package scheduler

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/scheduler"
	"github.com/tule-cloud/tule/aws"
)

// failing is a queue q that is not there for the first n messages.
func failing(n int) func(message) error {
	return func(m message) error {
		if m.queue != "q" || n == 0 {
			return nil
		}
		n--
		return aws.Unavailable("not now")
	}
}

const endless = 1 << 30

// TestRetries lets a target fail for a while: the waits grow, and the execution stays one.
func TestRetries(t *testing.T) {
	r := newRoom(t)
	const failures = 12
	var tried []message
	fail := failing(failures)
	r.refuse = func(m message) error {
		tried = append(tried, m)
		return fail(m)
	}
	r.schedule("s", "at(2026-01-02T03:30:00)", input("<aws.scheduler.execution-id> <aws.scheduler.attempt-number> <aws.scheduler.schedule-arn>"))
	r.after(24 * time.Hour)
	r.quiet()
	if len(tried) != failures+1 || !tried[0].at.Equal(instant("2026-01-02T03:30:00Z")) {
		t.Fatalf("tried %v", tried)
	}
	id, _, _ := strings.Cut(tried[0].body, " ")
	for i, m := range tried {
		if want := id + " " + []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13"}[i] + " arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"; m.body != want {
			t.Errorf("try %d was %q, want %q", i+1, m.body, want)
		}
		if i == 0 {
			continue
		}
		longest := min(longestWait, time.Second<<i)
		if wait := m.at.Sub(tried[i-1].at); wait <= longest/2 || wait > longest {
			t.Errorf("try %d came after %v, want up to %v", i+1, wait, longest)
		}
	}
	if got := r.bodies("q"); len(got) != 1 {
		t.Errorf("the queue got %q", got)
	}
	r.measured(map[string]int{"InvocationAttemptCount": failures + 1, "TargetErrorCount": failures})
}

// TestExhausted holds what the dead-letter queue is told, and when.
func TestExhausted(t *testing.T) {
	for _, c := range []struct {
		name          string
		attempts, age int32
		err           *aws.Error
		tries         []int // at least, at most
		want          map[string]string
	}{
		{"no retries", 0, 86400, aws.Unavailable("not now"), []int{1, 1}, map[string]string{"ERROR_CODE": "ServiceUnavailable", "ERROR_MESSAGE": "not now", "RETRY_ATTEMPTS": "0", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"}},
		{"three retries", 3, 86400, aws.Errorf(400, "ThrottlingException", "slow down"), []int{4, 4}, map[string]string{"ERROR_CODE": "THROTTLING", "ERROR_MESSAGE": "slow down", "RETRY_ATTEMPTS": "3", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"}},
		{"all retries", 185, 86400, aws.Unavailable("not now"), []int{150, 186}, map[string]string{"ERROR_CODE": "ServiceUnavailable", "ERROR_MESSAGE": "not now"}},
		{"a minute", 185, 60, aws.InternalFailure(nil), []int{5, 7}, map[string]string{"ERROR_CODE": "InternalFailure", "EXHAUSTED_RETRY_CONDITION": "MaximumEventAgeInSeconds"}},
		{"of no use", 185, 86400, aws.Errorf(400, "QueueDoesNotExist", "%s", strings.Repeat("é", 1000)), []int{1, 1}, map[string]string{"ERROR_CODE": "QueueDoesNotExist", "ERROR_MESSAGE": strings.Repeat("é", maxMessage/2), "RETRY_ATTEMPTS": "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t)
			tries := 0
			r.refuse = func(m message) error {
				if m.queue == "dead" {
					return nil
				}
				tries++
				return c.err
			}
			r.schedule("s", "at(2026-01-02T03:30:00)", retries(c.attempts, c.age))
			r.pass(instant("2026-01-03T03:30:00Z"))
			r.quiet()
			dead := r.taken("dead")
			if len(dead) != 1 || tries < c.tries[0] || tries > c.tries[1] {
				t.Fatalf("after %d tries the dead-letter queue got %v", tries, dead)
			}
			m := dead[0]
			if c.age == 60 && m.at.After(instant("2026-01-02T03:31:00Z")) {
				t.Errorf("given up at %v", m.at)
			}
			want := maps.Clone(c.want)
			maps.Copy(want, map[string]string{"SCHEDULE_ARN": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s", "TARGET_ARN": queueARN, "SCHEDULED_TIME": "2026-01-02T03:30:00Z", "IS_PAYLOAD_TRUNCATED": "false"})
			for name, value := range want {
				if m.attributes[name] != value {
					t.Errorf("%s is %q, want %q", name, m.attributes[name], value)
				}
			}
			if _, ok := m.attributes["EXHAUSTED_RETRY_CONDITION"]; ok && c.tries[1] == 1 && c.attempts > 0 {
				t.Errorf("the attributes are %v", m.attributes)
			}
			if len(m.attributes["EXECUTION_ID"]) != 36 || m.body != "2026-01-02T03:30:00Z" {
				t.Errorf("the dead-letter queue got %q, %v", m.body, m.attributes)
			}
			if r.counted["InvocationAttemptCount"] != tries || r.counted["InvocationDroppedCount"] != 1 || r.counted["InvocationsSentToDeadLetterCount"] != 1 {
				t.Errorf("measured %v", r.counted)
			}
		})
	}
}

// TestNoDeadLetters drops what fails where no queue is there for it.
func TestNoDeadLetters(t *testing.T) {
	r := newRoom(t)
	r.refuse = failing(endless)
	r.schedule("s", "at(2026-01-02T03:30:00)", retries(1, 86400), func(in *api.CreateScheduleInput) { in.Target.DeadLetterConfig = nil })
	r.after(24 * time.Hour)
	r.quiet()
	r.measured(map[string]int{"InvocationAttemptCount": 2, "TargetErrorCount": 2, "InvocationDroppedCount": 1})
	if !strings.Contains(r.log.String(), "failed for good") {
		t.Errorf("the log is %s", r.log)
	}
}

// TestDeadLetterQueueAway has a dead-letter queue that is away itself: it is told later, by
// another process, and the target is left alone.
func TestDeadLetterQueueAway(t *testing.T) {
	r := newRoom(t)
	tries, away := 0, true
	r.refuse = func(m message) error {
		if m.queue == "q" {
			tries++
		}
		if m.queue == "q" || away {
			return aws.Unavailable("%s is away", m.queue)
		}
		return nil
	}
	r.schedule("s", "at(2026-01-02T03:30:00)", retries(2, 86400))
	r.after(time.Hour)
	r.restart()
	r.after(time.Hour)
	if tries != 3 {
		t.Errorf("the target was tried %d times", tries)
	}
	away = false
	r.after(time.Minute)
	r.quiet()
	dead := r.taken("dead")
	if len(dead) != 1 || dead[0].attributes["ERROR_MESSAGE"] != "q is away" || dead[0].attributes["RETRY_ATTEMPTS"] != "2" || tries != 3 {
		t.Errorf("after %d tries the dead-letter queue got %v", tries, dead)
	}
	r.measured(map[string]int{"InvocationAttemptCount": 3, "TargetErrorCount": 3, "InvocationDroppedCount": 1, "InvocationsSentToDeadLetterCount": 1})
}

// TestDeadLetterQueueGone has one that will never take anything.
func TestDeadLetterQueueGone(t *testing.T) {
	r := newRoom(t)
	r.refuse = func(m message) error { return aws.Errorf(400, "QueueDoesNotExist", "no %s", m.queue) }
	r.schedule("s", "at(2026-01-02T03:30:00)", retries(2, 86400))
	r.after(time.Hour)
	r.quiet()
	if r.counted["InvocationsFailedToBeSentToDeadLetterCount"] != 1 || !strings.Contains(r.log.String(), "takes nothing") {
		t.Errorf("measured %v\n%s", r.counted, r.log)
	}
}

// TestAgeInWindow counts an invocation's age from its call, not from before the window.
func TestAgeInWindow(t *testing.T) {
	r := newRoom(t, chance(constant(0xff)))
	r.refuse = failing(2)
	r.schedule("s", "at(2026-01-02T03:30:00)", window(15), retries(185, 60))
	r.after(time.Hour)
	r.check("2026-01-02T03:30:00Z")
	if dead := r.taken("dead"); len(dead) > 0 {
		t.Errorf("the dead-letter queue got %v", dead)
	}
}

// TestMissed stops the process over several times at which a schedule is due.
func TestMissed(t *testing.T) {
	for _, c := range []struct {
		name, expression string
		change           []change
		down, up         string // from when, and until when, nothing runs
		late             []string
		next             string // after that
		log              string
	}{
		{"an hour of a minute's rate", "rate(1 minute)", nil, "2026-01-02T03:04:30Z", "2026-01-02T04:04:30Z", []string{"2026-01-02T04:04:05Z"}, "2026-01-02T04:05:05Z", "for the last time only"},
		{"a year of it", "rate(1 minute)", nil, "2026-01-02T03:04:30Z", "2027-01-02T04:04:30Z", []string{"2027-01-02T04:04:05Z"}, "2027-01-02T04:05:05Z", "for the last time only"},
		{"one of a plan", "cron(0 4 * * ? *)", nil, "2026-01-02T03:04:30Z", "2026-01-02T09:00:00Z", []string{"2026-01-02T04:00:00Z"}, "2026-01-03T04:00:00Z", ""},
		{"three nights of a plan", "cron(0 4 * * ? *)", nil, "2026-01-02T03:04:30Z", "2026-01-04T09:00:00Z", []string{"2026-01-04T04:00:00Z"}, "2026-01-05T04:00:00Z", "for the last time only"},
		{"to the second", "cron(0 4 * * ? *)", nil, "2026-01-02T03:04:30Z", "2026-01-04T04:00:00Z", []string{"2026-01-04T04:00:00Z"}, "2026-01-05T04:00:00Z", "for the last time only"},
		{"too old", "cron(0 4 * * ? *)", []change{retries(185, 3600)}, "2026-01-02T03:04:30Z", "2026-01-04T05:00:01Z", nil, "2026-01-05T04:00:00Z", "longer ago than its target lets it be"},
		{"just not too old", "cron(0 4 * * ? *)", []change{retries(185, 3600)}, "2026-01-02T03:04:30Z", "2026-01-04T05:00:00Z", []string{"2026-01-04T04:00:00Z"}, "2026-01-05T04:00:00Z", "for the last time only"},
		{"the last before the end", "rate(10 minutes)", []change{until("2026-01-02T03:30:00Z")}, "2026-01-02T03:05:00Z", "2026-01-02T09:00:00Z", []string{"2026-01-02T03:24:05Z"}, "", "for the last time only"},
		{"once", "at(2026-01-02T04:00:00)", nil, "2026-01-02T03:05:00Z", "2026-01-02T09:00:00Z", []string{"2026-01-02T04:00:00Z"}, "", ""},
		{"once, too old", "at(2026-01-02T04:00:00)", nil, "2026-01-02T03:05:00Z", "2026-01-03T04:00:01Z", nil, "", "longer ago than its target lets it be"},
		{"a zone, over the change of clocks", "cron(30 2 * * ? *)", []change{zone("Europe/Berlin")}, "2026-03-27T12:00:00Z", "2026-03-29T01:15:00Z", []string{"2026-03-28T01:30:00Z"}, "2026-03-30T00:30:00Z", ""},
		{"a window that is open", "cron(0 4 * * ? *)", []change{window(60)}, "2026-01-02T03:05:00Z", "2026-01-04T04:59:59Z", []string{"2026-01-03T04:00:00Z", "2026-01-04T04:00:00Z"}, "2026-01-05T04:00:00Z", "for the last time only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t)
			if down := instant(c.down); down.Year() == 2026 && down.Month() > 1 {
				r.h.Clock.Advance(down.Add(-time.Hour).Sub(r.h.Clock.Now()))
			}
			r.schedule("s", c.expression, append(c.change, thenDelete)...)
			r.pass(instant(c.down))
			r.taken("q")
			r.h.Clock.Advance(instant(c.up).Sub(r.h.Clock.Now()))
			r.restart()
			r.settle()
			r.check(c.late...)
			if n := strings.Count(r.log.String(), "while Tule was down"); n > 1 || (n == 1) != (c.log != "") || !strings.Contains(r.log.String(), c.log) {
				t.Errorf("the log is %q, want %q", r.log, c.log)
			}
			if c.next == "" {
				if r.quiet(); r.there("default", "s") {
					t.Error("the schedule is still there")
				}
				return
			}
			r.pass(instant(c.next).Add(time.Hour))
			if got := r.bodies("q"); len(got) == 0 || got[0] != c.next {
				t.Errorf("then the queue got %q, want %s", got, c.next)
			}
		})
	}
}

// TestRestart stops the process between what was due and what was called.
func TestRestart(t *testing.T) {
	r := newRoom(t)
	r.schedule("s", "at(2026-01-02T03:30:00)", thenDelete)
	r.h.Clock.Advance(26 * time.Minute)
	if _, err := r.fireDue(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.check()
	r.restart()
	r.h.Clock.Advance(time.Hour)
	r.settle()
	r.check("2026-01-02T03:30:00Z")
	r.restart()
	r.settle()
	r.check()
	r.quiet()
}

// TestKilled stops the process when the target has the call and nothing is known of it: the
// next process calls again, for the same execution.
func TestKilled(t *testing.T) {
	r := newRoom(t)
	r.schedule("s", "at(2026-01-02T03:30:00)", input("<aws.scheduler.execution-id> <aws.scheduler.attempt-number>"))
	r.h.Clock.Advance(26 * time.Minute)
	ctx, kill := context.WithCancel(context.Background())
	r.refuse = func(message) error { kill(); return nil }
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	r.refuse = nil
	r.restart()
	r.settle()
	r.quiet()
	if got := r.bodies("q"); len(got) != 2 || got[0] != got[1] || !strings.HasSuffix(got[0], " 1") {
		t.Errorf("the queue got %q", got)
	}
}

// TestRun runs the service as a process does: what is made while it waits wakes it, and so
// does the clock, and it ends when it is told to.
func TestRun(t *testing.T) {
	r := newRoom(t)
	came := make(chan string, 100)
	r.refuse = func(m message) error { came <- m.body; return nil }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	r.schedule("s", "rate(5 minutes)")
	for _, want := range []string{"2026-01-02T03:04:05Z", "2026-01-02T03:09:05Z", "2026-01-02T03:14:05Z"} {
		if got := r.await(came); got != want {
			t.Errorf("called for %s, want %s", got, want)
		}
		if late := r.h.Clock.Now().Sub(instant(want)); late < 0 || late > 10*time.Second {
			t.Errorf("called %v late", late)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// await is what comes first, while the clock goes on whenever all the rest waits for it.
func (r *room) await(came <-chan string) string {
	for {
		select {
		case got := <-came:
			return got
		default:
		}
		r.Service.mu.Lock()
		busy := len(r.running) > 0
		r.Service.mu.Unlock()
		if !busy && len(r.wake) == 0 && r.h.Clock.Timers() == 1 {
			r.h.Clock.Advance(time.Second)
		}
		runtime.Gosched()
	}
}

// TestSlow has a target that takes its time: others are called meanwhile, and it but once.
func TestSlow(t *testing.T) {
	r := newRoom(t)
	came, slow := make(chan string, 100), make(chan struct{})
	r.arrive = func(m message) {
		came <- m.body
		if m.body == "slow" {
			<-slow
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	got := []string{}
	for _, name := range []string{"slow", "a", "b"} {
		r.schedule(name, "at(2026-01-02T03:04:05)", input(name))
		got = append(got, <-came)
	}
	close(slow)
	for !r.upcoming().IsZero() {
		runtime.Gosched()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !slices.Equal(got, []string{"slow", "a", "b"}) || len(came) > 0 {
		t.Errorf("called %q, and %d more", got, len(came))
	}
}

// TestTogether makes more invocations at once than run at once: each is made, once.
func TestTogether(t *testing.T) {
	r := newRoom(t)
	want := []string{}
	for i := range 3*together + 1 {
		name := "s" + strings.Repeat("x", i%60) + string(rune('a'+i/60))
		want = append(want, name)
		r.schedule(name, "at(2026-01-02T03:30:00)", input(name))
	}
	var mu sync.Mutex
	refused := map[string]bool{}
	r.refuse = func(m message) error { // each once
		mu.Lock()
		defer mu.Unlock()
		if refused[m.body] {
			return nil
		}
		refused[m.body] = true
		return errors.New("the connection broke")
	}
	r.after(time.Hour)
	r.quiet()
	slices.Sort(want)
	got := r.bodies("q")
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the queue got %q", got)
	}
}
