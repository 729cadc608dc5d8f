package lambda

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/sandbox"
)

// A module that never finishes loading is given up: after ten seconds, or, where the
// function has more time, after a second try that takes it.
func TestSlowLoad(t *testing.T) {
	for _, c := range []struct {
		timeout int32
		tries   int
	}{{3, 1}, {20, 2}} {
		t.Run(fmt.Sprint(c.timeout), func(t *testing.T) {
			st := newStand(t)
			st.create("slow", "nodejs20.x", `console.log("loading"); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); exports.handler = 1;`,
				func(in *api.CreateFunctionRequest) { in.Timeout = &c.timeout })
			done := make(chan struct{})
			go func() {
				defer close(done)
				answer, log := st.call("slow", "{}")
				if !strings.HasPrefix(answer, "Unhandled ") || !strings.Contains(answer, fmt.Sprintf("Task timed out after %d.00 seconds", c.timeout)) {
					t.Error(answer)
				}
				if strings.Count(log, "loading") != c.tries || !strings.Contains(log, "Status: timeout") {
					t.Errorf("log:\n%s", log)
				}
			}()
			for n := 1; n <= c.tries; n++ {
				st.logged("loading", n)
				st.clock.advance(21 * time.Second)
			}
			<-done
		})
	}
}

// A caller who goes away does not take the function with him.
func TestCallerGone(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `let n = 0; exports.handler = async () => { console.log("begun"); await new Promise(r => setTimeout(r, 200)); console.log("ended"); return ++n; };`)
	ctx, cancel := context.WithCancel(st.ctx())
	done := make(chan error, 1)
	go func() {
		_, err := st.Service.invoke(ctx, &api.InvocationRequest{FunctionName: ptr("f")})
		done <- err
	}()
	st.logged("begun", 1)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	st.logged("ended", 1)
	if answer, _ := st.call("f", "{}"); answer != "2" {
		t.Error(answer)
	}
}

// Without isolation functions run as well, by the paths of the host.
func TestPlainProcess(t *testing.T) {
	h, err := sandbox.Open(sandbox.Options{Dir: t.TempDir(), Mode: sandbox.Process})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	st := newStandOn(t, h, func(o *Options) { o.Endpoint = "http://127.0.0.1:4567" })
	st.create("f", "nodejs20.x", `exports.handler = async (e) => [e, process.cwd() == process.env.LAMBDA_TASK_ROOT, process.env.AWS_ENDPOINT_URL, process.env.LOCALSTACK_HOSTNAME, process.env.EDGE_PORT];`)
	for range 2 {
		if answer, _ := st.call("f", "1"); answer != `[1,true,"http://127.0.0.1:4567","127.0.0.1","4567"]` {
			t.Error(answer)
		}
	}
	st.create("p", "python3.11", "import os\ndef handler(e, c):\n    os._exit(1)\n")
	if answer, _ := st.call("p", "1"); !strings.Contains(answer, "Runtime.ExitError") {
		t.Error(answer)
	}
}

// With room for three environments, those of other functions make way.
func TestRoom(t *testing.T) {
	st := newStand(t, func(o *Options) { o.Environments = 3 })
	for n := range 5 {
		name := fmt.Sprint("f", n)
		st.create(name, "python3.11", "import time\ndef handler(e, c):\n    time.sleep(e)\n    return e\n")
		if answer, _ := st.call(name, "0"); answer != "0" {
			t.Error(answer)
		}
	}
	if n := len(st.fleet.manned()); n != 3 {
		t.Errorf("%d functions have environments", n)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for n := range 5 {
		wg.Go(func() {
			_, err := st.try(fmt.Sprint("f", n), "0.5")
			mu.Lock()
			defer mu.Unlock()
			codes[aws.CodeOf(err)]++
		})
	}
	wg.Wait()
	if codes[""] != 3 || codes["TooManyRequestsException"] != 2 {
		t.Error(codes)
	}
}

// Functions that come, run, fail and go leave nothing behind: no goroutine, no
// descriptor, no environment.
func TestSoak(t *testing.T) {
	st := newStand(t)
	round := func() {
		st.create("good", "nodejs20.x", `exports.handler = async (e) => e;`)
		st.create("bad", "python3.11", "import os\ndef handler(e, c):\n    os._exit(1)\n")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for n := range 10 {
					if answer, _ := st.call("good", fmt.Sprint(n)); answer != fmt.Sprint(n) {
						t.Error(answer)
					}
				}
				if answer, _ := st.call("bad", "{}"); !strings.Contains(answer, "Runtime.ExitError") {
					t.Error(answer)
				}
			})
		}
		wg.Wait()
		for _, name := range []string{"good", "bad"} {
			if _, err := st.deleteFunction(st.ctx(), &api.DeleteFunctionRequest{FunctionName: &name}); err != nil {
				t.Error(err)
			}
		}
	}
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(list)
	}
	round()
	settled := func() bool {
		st.fleet.mu.Lock()
		defer st.fleet.mu.Unlock()
		return st.fleet.count == 0 && len(st.fleet.functions) == 0 && len(st.fleet.busy) == 0 && !st.fleet.freezing
	}
	until(t, "settle", settled)
	goroutines, files := runtime.NumGoroutine(), descriptors()
	for range 3 {
		round()
	}
	until(t, "settle", settled)
	until(t, fmt.Sprintf("%d goroutines and %d descriptors", goroutines, files), func() bool {
		return runtime.NumGoroutine() <= goroutines+2 && descriptors() <= files+2
	})
}

// A function whose role has been closed to Lambda since runs no more, and says why.
func TestRoleClosed(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `exports.handler = async () => 1;`)
	st.near.mu.Lock()
	st.near.closed = true
	st.near.mu.Unlock()
	st.clock.advance(2 * time.Hour)
	_, err := st.try("f", "{}")
	if err == nil || err.Error() != "AccessDeniedException: The role defined for the function cannot be assumed by Lambda." {
		t.Error(err)
	}
	if st.fleet.count != 0 {
		t.Errorf("%d environments are left", st.fleet.count)
	}
}

// An invoke whose function is updated, or deleted, before its environment has started gets the
// new code, or hears that there is none.
func TestUpdatedMeanwhile(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `exports.handler = async () => "old";`)
	held := func(change func()) (answer string, err error) {
		for range startsAtOnce {
			st.starts <- struct{}{} // nothing starts for now
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			var out *api.InvocationResponse
			if out, err = st.try("f", "{}"); err == nil {
				answer = string(out.Payload)
			}
		}()
		until(t, "wait for its turn", func() bool { return st.fleet.manned()[ref{st.scope(), "f"}] })
		change()
		for range startsAtOnce {
			<-st.starts
		}
		<-done
		return answer, err
	}
	answer, err := held(func() {
		if _, err := st.updateFunctionCode(st.ctx(), &api.UpdateFunctionCodeRequest{FunctionName: ptr("f"),
			ZipFile: zipped(t, map[string]string{"index.js": `exports.handler = async () => "new";`})}); err != nil {
			t.Error(err)
		}
	})
	if answer != `"new"` || err != nil {
		t.Error(answer, err)
	}
	st.fleet.retireAll(ref{st.scope(), "f"})
	until(t, "let go of the code", func() bool { st.code.mu.Lock(); defer st.code.mu.Unlock(); return len(st.code.folders) == 0 })
	_, err = held(func() {
		if _, err := st.deleteFunction(st.ctx(), &api.DeleteFunctionRequest{FunctionName: ptr("f")}); err != nil {
			t.Error(err)
		}
	})
	if aws.CodeOf(err) != "ResourceNotFoundException" {
		t.Error(err)
	}
}
