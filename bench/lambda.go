package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// benchProcess is a warm invoke in process, one environment, against the bare conversation with
// the same bootstrap: a benchmark of the service's own, which takes both in turns.
func benchProcess(ctx context.Context, _ *rig) ([]row, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "./svc/lambda", "-run", "^$", "-bench", "^BenchmarkWarmAgainstSocket$", "-benchtime", "20x", "-timeout", "5m")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	told := func(unit string) float64 {
		m := regexp.MustCompile(`([\d.]+) ` + unit + `\b`).FindSubmatch(out)
		if m == nil {
			return 0
		}
		v, _ := strconv.ParseFloat(string(m[1]), 64)
		return v
	}
	ratio := told("ratio")
	if ratio == 0 {
		return nil, fmt.Errorf("no ratio in %s", out)
	}
	return []row{{"warm invoke in process, Node", perSecond(told("invokes/s")), perSecond(told("floor/s")), fmt.Sprintf("%.2f ×", ratio), "≥ 0.7 ×", ratio >= 0.7}}, nil
}

// connections is how many invoke at once.
const connections = 32

// invokers are connections with signed invokes of a function.
func (r *rig) invokers(function string) ([]*loader, error) {
	return r.loaders(connections, func(int, int) *http.Request {
		return r.request("POST", "/2015-03-31/functions/"+function+"/invocations", "lambda", "", []byte("{}"))
	})
}

func closeAll(all []*loader) {
	for _, l := range all {
		l.conn.Close()
	}
}

// benchDoor is a warm invoke by 32 connections against what the front door needs for a signed
// request that does nothing: who am I.
func benchDoor(ctx context.Context, r *rig) ([]row, error) {
	if err := r.need(); err != nil {
		return nil, err
	}
	if err := r.hello("door"); err != nil {
		return nil, err
	}
	invokes, err := r.invokers("door")
	if err != nil {
		return nil, err
	}
	defer closeAll(invokes)
	nothing, err := r.loaders(connections, func(int, int) *http.Request {
		return r.request("POST", "/?Action=GetCallerIdentity&Version=2011-06-15", "sts", "", nil)
	})
	if err != nil {
		return nil, err
	}
	defer closeAll(nothing)
	by := func(of []*loader) func(time.Duration) (float64, error) {
		return func(d time.Duration) (float64, error) {
			return rate(ctx, connections, d, func(w, i int) error { return of[w].send(i) })
		}
	}
	if _, err := by(invokes)(2 * time.Second); err != nil { // all environments are there
		return nil, err
	}
	tule, floor, ratio, err := inTurns(8, time.Second, by(invokes), by(nothing))
	if err != nil {
		return nil, err
	}
	return []row{{"warm invoke, 32 connections, Node", perSecond(tule), perSecond(floor), fmt.Sprintf("%.2f ×", ratio), "≥ 0.4 ×", ratio >= 0.4}}, nil
}

// benchIdle is the memory of an environment that waits for its next invoke, and of what Tule
// keeps for it, against the interpreter that waits alone.
func benchIdle(_ context.Context, r *rig) ([]row, error) {
	const n = 8
	var rows []row
	for _, c := range []struct {
		language
		bare []string
	}{
		{languages[0], []string{"/usr/bin/node", "-e", "setInterval(() => {}, 1 << 30)"}},
		{languages[1], []string{"/usr/bin/python3", "-c", "import time; time.sleep(1 << 20)"}},
	} {
		r.stop() // no spares of others
		if err := r.need(); err != nil {
			return nil, err
		}
		for i := range n + 1 {
			if err := r.function(fmt.Sprintf("idle-%s-%d", c.name, i), c.runtime, c.handler, 256, c.files); err != nil {
				return nil, err
			}
		}
		if err := r.invoke(fmt.Sprintf("idle-%s-%d", c.name, n)); err != nil { // and one waits from here on
			return nil, err
		}
		used := func() int64 {
			r.quiet()
			return share(append(descendants(r.tule.Process.Pid), r.tule.Process.Pid)...)
		}
		before := used()
		for i := range n {
			if err := r.invoke(fmt.Sprintf("idle-%s-%d", c.name, i)); err != nil {
				return nil, err
			}
		}
		tule := (used() - before) / n
		var bare []int
		for range n {
			cmd := exec.Command(c.bare[0], c.bare[1:]...)
			if err := cmd.Start(); err != nil {
				return nil, err
			}
			defer func() { cmd.Process.Kill(); cmd.Wait() }()
			bare = append(bare, cmd.Process.Pid)
		}
		time.Sleep(time.Second)
		floor := share(bare...) / n
		ratio := float64(tule) / float64(floor)
		mb := func(b int64) string { return fmt.Sprintf("%.1f MB", float64(b)/(1<<20)) }
		rows = append(rows, row{"an idle environment, " + c.name, mb(tule), mb(floor), fmt.Sprintf("%.2f ×", ratio), "≤ 1.2 ×", ratio <= 1.2})
	}
	return rows, nil
}

// benchBurst is 500 first invokes of a function at once against one alone.
func benchBurst(_ context.Context, r *rig) ([]row, error) {
	if err := r.need(); err != nil {
		return nil, err
	}
	var ones []time.Duration
	for i := range 5 {
		name := fmt.Sprint("one-", i)
		if err := r.hello(name); err != nil {
			return nil, err
		}
		r.quiet()
		begun := time.Now()
		if err := r.invoke(name); err != nil {
			return nil, err
		}
		ones = append(ones, time.Since(begun))
	}
	one := middle(ones)
	if err := r.hello("burst"); err != nil {
		return nil, err
	}
	r.quiet()
	const many = 500
	took, errs := make([]time.Duration, many), make([]error, many)
	requests := make([]*http.Request, many)
	for i := range requests {
		requests[i] = r.request("POST", "/2015-03-31/functions/burst/invocations", "lambda", "", []byte("{}"))
	}
	var wg sync.WaitGroup
	begun := time.Now()
	for i, q := range requests {
		wg.Go(func() {
			_, errs[i] = r.call(q)
			took[i] = time.Since(begun)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.Sort(took)
	last := took[many*99/100]
	ratio := float64(last) / float64(one)
	return []row{{"500 first invokes at once, p99", ms(last), ms(one) + ", one", fmt.Sprintf("%.1f ×", ratio), "< 30 ×", ratio < 30}}, nil
}
