// Package soak invokes functions of all languages on the real Tule for as long as it is told,
// while they time out, crash, are killed for their memory and are updated; then it counts
// what is left of that.
package soak

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

const (
	functions = 50
	workers   = 24
	// mark is a variable of all functions, by which processes that escaped would be found.
	mark = "SOAK_MARK"
	// keepAlive is how long environments wait: they end between two measurements.
	keepAlive = 2 * time.Second
	// settling is how long what has been started may take to end.
	settling = 90 * time.Second
)

// A function is one that is invoked.
type function struct {
	kind
	name       string
	reserved   bool // invokes may be throttled
	updates    sync.Mutex
	generation atomic.Int64 // of the newest code that is known to be in force
}

// A load is what is done to a Tule, and what is known of it.
type load struct {
	house     *tule.Tule
	config    aws.Config
	lambda    *lambda.Client
	logs      *cloudwatchlogs.Client
	mark      string
	patience  int32 // seconds that functions have beyond their time
	functions []*function

	invokes, failures, updates, throttles atomic.Int64
	late                                  atomic.Int64 // for want of processors

	mu     sync.Mutex
	events map[*function]map[string]bool // those that were taken, by whether they have run
}

// TestSoak does TULE_SOAK invokes, 2000 without.
func TestSoak(t *testing.T) {
	total, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_SOAK"), "2000"))
	if err != nil {
		t.Fatal(err)
	}
	l := begin(t)
	if total > 10000 { // on a machine that does other things, too
		l.patience = 20
	}
	l.deploy(t)
	l.each(t, func(f *function) { l.ask(t.Context(), t, f, "echo") })
	before := l.settled(t, nil)
	begun := time.Now()
	var memory []int
	for n := range 4 {
		l.burst(t, total/4, uint64(n))
		if t.Failed() {
			t.Fatalf("%s", l.house.Failures())
		}
		memory = append(memory, l.count(t)["memory, MB"])
		t.Logf("%d invokes in %.0f s: %d failed as they should, %d were throttled, %d updates of code; %d MB resident", l.invokes.Load(), time.Since(begun).Seconds(),
			l.failures.Load(), l.throttles.Load(), l.updates.Load(), memory[n])
	}
	// A machine that does much else lets few functions wait for a processor until their time is
	// over; were it many, something else would be wrong.
	t.Logf("%d invokes came too late to be answered", l.late.Load())
	if l.late.Load() > l.invokes.Load()/500 {
		t.Error("that is too many")
	}
	l.arrived(t)
	after := l.settled(t, before)
	t.Logf("%-24s %10s %10s", "what", "before", "after")
	for _, what := range counted {
		t.Logf("%-24s %10d %10d", what, before[what], after[what])
	}
	if grown := memory[3] - memory[0]; grown > memory[0]/3+64 {
		t.Errorf("memory is not flat: %v MB after each quarter", memory)
	}
	if t.Failed() {
		t.Logf("%s", l.house.Failures())
	}
	if err := l.house.Stop(); err != nil {
		t.Error(err)
	}
}

func begin(t *testing.T) *load {
	t.Helper()
	house, err := tule.Start(tule.Options{Args: []string{"--keep-alive", keepAlive.String(), "--log-level", "warn"}})
	if err != nil {
		t.Fatal(err)
	}
	config := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(house.URL()), RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient: awshttp.NewBuildableClient().WithTimeout(2 * time.Minute)}
	t.Cleanup(func() {
		if house.Alive() {
			house.Kill()
		}
	})
	return &load{house: house, config: config, lambda: lambda.NewFromConfig(config), logs: cloudwatchlogs.NewFromConfig(config),
		mark: fmt.Sprint(house.Pid(), "-", time.Now().UnixNano()), events: map[*function]map[string]bool{}}
}

// each does something for all functions, some at once.
func (l *load) each(t *testing.T, do func(*function)) {
	t.Helper()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, f := range l.functions {
		slots <- struct{}{}
		wg.Go(func() {
			do(f)
			<-slots
		})
	}
	wg.Wait()
}

// burst does n invokes, at random.
func (l *load) burst(t *testing.T, n int, seed uint64) {
	t.Helper()
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	for w := range workers {
		wg.Go(func() {
			chance := rand.New(rand.NewPCG(seed, uint64(w)))
			for left.Add(-1) >= 0 && !t.Failed() {
				f := l.functions[chance.IntN(len(l.functions))]
				l.one(t, f, chance)
			}
		})
	}
	wg.Wait()
}

// one is an invoke, or in one of 500 cases an update of the code and an invoke of that.
func (l *load) one(t *testing.T, f *function, chance *rand.Rand) {
	switch n := chance.IntN(2000); {
	case n < 4:
		l.update(t, f)
		l.ask(t.Context(), t, f, "echo")
	case n < 6:
		l.ask(t.Context(), t, f, "sleep")
	case n < 12:
		l.ask(t.Context(), t, f, "memory")
	case n < 22:
		l.ask(t.Context(), t, f, "exit")
	case n < 62:
		l.ask(t.Context(), t, f, "throw")
	case n < 72:
		l.ask(t.Context(), t, f, "child")
	case n < 92:
		l.ask(t.Context(), t, f, "file")
	case n < 112:
		l.ask(t.Context(), t, f, "log")
	case n < 512:
		l.send(t.Context(), t, f, fmt.Sprintf("%x", chance.Uint64()))
	default:
		l.ask(t.Context(), t, f, "echo")
	}
}

// ill is what the function's answer to a request that it fails has in it.
func ill(do string) string {
	switch do {
	case "throw":
		return "no such thing"
	case "exit":
		return "Runtime.ExitError"
	case "memory":
		return "" // killed, or its language's own error
	case "sleep":
		return "Task timed out"
	}
	return "none"
}

// ask invokes a function, waits for the answer and holds it against what was asked for.
func (l *load) ask(ctx context.Context, t *testing.T, f *function, do string) {
	l.invokes.Add(1)
	least := f.generation.Load()
	out, err := l.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &f.name, Payload: fmt.Appendf(nil, `{"do":%q,"id":"x"}`, do)})
	var throttled *types.TooManyRequestsException
	if errors.As(err, &throttled) && f.reserved && throttled.Reason == types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded {
		l.throttles.Add(1)
		return
	}
	if err != nil {
		t.Errorf("%s of %s (%s): %v", do, f.name, f.runtime, err)
		return
	}
	if do != "sleep" && out.FunctionError != nil && strings.Contains(string(out.Payload), "Task timed out") {
		l.late.Add(1)
		return
	}
	if want := ill(do); want != "none" {
		l.failures.Add(1)
		if out.FunctionError == nil || !strings.Contains(string(out.Payload), want) {
			t.Errorf("%s of %s (%s) answered %s", do, f.name, f.runtime, out.Payload)
		}
		return
	}
	var answer struct{ ID, Generation string }
	err = json.Unmarshal(out.Payload, &answer)
	got, _ := strconv.ParseInt(answer.Generation, 10, 64)
	if err != nil || out.FunctionError != nil || answer.ID != "x" || got < least {
		t.Errorf("%s of %s (%s), generation %d, answered %s", do, f.name, f.runtime, least, out.Payload)
	}
}

// update changes a function's code.
func (l *load) update(t *testing.T, f *function) {
	f.updates.Lock()
	defer f.updates.Unlock()
	next := f.generation.Load() + 1
	if _, err := l.lambda.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: &f.name, ZipFile: f.zip(f.name, next)}); err != nil {
		t.Errorf("update %s: %v", f.name, err)
		return
	}
	f.generation.Store(next)
	l.updates.Add(1)
}

// send invokes a function asynchronously.
func (l *load) send(ctx context.Context, t *testing.T, f *function, id string) {
	l.invokes.Add(1)
	out, err := l.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &f.name, InvocationType: types.InvocationTypeEvent, Payload: fmt.Appendf(nil, `{"do":"event","id":%q}`, id)})
	if err != nil || out.StatusCode != 202 {
		t.Errorf("an event of %s: %v", f.name, err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.events[f] == nil {
		l.events[f] = map[string]bool{}
	}
	l.events[f][id] = false
}

// arrived waits until every event that was taken is in its function's log.
func (l *load) arrived(t *testing.T) {
	t.Helper()
	sent, twice, missing, failed := 0, 0, 0, 0
	deadline := time.Now().Add(6 * time.Minute) // those that were throttled wait for up to 5
	for _, f := range l.functions {
		left := len(l.events[f])
		sent += left
		seen := map[string]int{}
		for ; left > 0; time.Sleep(200 * time.Millisecond) {
			clear(seen)
			if err := l.read(t.Context(), f, seen); err != nil {
				// One connection that breaks off says nothing of events; many do of something else.
				t.Log(err)
				if failed++; failed > 3 {
					t.Fatal("the logs cannot be read")
				}
				continue
			}
			left = 0
			for id := range l.events[f] {
				if seen[id] == 0 {
					left++
				}
			}
			if time.Now().After(deadline) {
				break
			}
		}
		missing += left
		for _, n := range seen {
			twice += n - 1
		}
	}
	t.Logf("%d asynchronous events, %d lost, %d ran more than once", sent, missing, twice)
	if missing > 0 {
		t.Errorf("%d of %d asynchronous events are lost", missing, sent)
	}
}

// read notes the events that a function has logged.
func (l *load) read(ctx context.Context, f *function, seen map[string]int) error {
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(l.logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/" + f.name), FilterPattern: aws.String("event")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			if _, id, ok := strings.Cut(strings.TrimSpace(*e.Message), "event "); ok {
				seen[id]++
			}
		}
	}
	return nil
}
