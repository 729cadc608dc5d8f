package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tule-cloud/tule/store"
)

// each runs fn n times in each of w goroutines.
func each(h *house, w, n int, fn func(w, i int)) {
	var wg sync.WaitGroup
	for w := range w {
		wg.Go(func() {
			for i := range n {
				if h.Failed() {
					return
				}
				fn(w, i)
			}
		})
	}
	wg.Wait()
}

// between runs fn in a transaction of its own and waits for it. It is called
// within another transaction, to get in its way; only on its first run, and not
// for ever, since a driver may keep others out.
func (h *house) between(runs int, words ...string) {
	if runs > 1 {
		return
	}
	ctx, cancel := context.WithTimeout(h.ctx, 5*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- h.st.Update(ctx, func(tx store.Tx) error {
			do(tx, words...)
			return nil
		})
	}()
	if err := <-done; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		h.Error(err)
	}
}

func conflicts(h *house) {
	h.write("a=1")
	runs := 0
	h.update(func(tx store.Tx) error {
		runs++
		a := h.get(tx, "a")
		h.between(runs, "a=2")
		do(tx, "b="+a)
		return nil
	})
	h.is("a=2 b=2")
	if runs != 2 {
		h.Errorf("%d runs, want 2", runs)
	}
	// What was not read is in nobody's way.
	runs = 0
	h.update(func(tx store.Tx) error {
		runs++
		b := h.get(tx, "b")
		h.between(runs, "a=3", "c=3")
		do(tx, "c="+b)
		return nil
	})
	h.is("a=3 b=2 c=2")
	if runs != 1 {
		h.Errorf("%d runs, want 1", runs)
	}
}

// writeSkew: two transactions read both keys and each writes the other.
func writeSkew(h *house) {
	h.write("a=on", "b=on")
	for i := range 30 {
		h.write("a=on", "b=on")
		each(h, 2, 1, func(w, _ int) {
			h.update(func(tx store.Tx) error {
				if h.get(tx, "a") == "on" && h.get(tx, "b") == "on" {
					do(tx, string(rune('a'+w))+"=off")
				}
				return nil
			})
		})
		err := h.st.View(h.ctx, func(r store.Reader) error {
			if got := h.get(r, "a") + h.get(r, "b"); got != "onoff" && got != "offon" {
				h.Errorf("round %d: %s", i, got)
			}
			return nil
		})
		if err != nil {
			h.Fatal(err)
		}
	}
}

// phantoms: a range that was walked must not have grown, unless behind the point
// to which it was walked.
func phantoms(h *house) {
	h.write("a1=1", "a3=1", "a5=1")
	for _, c := range []struct {
		o       store.RangeOptions
		between string
		runs    int
	}{
		{store.RangeOptions{}, "a2=1", 2},
		{store.RangeOptions{}, "a9=1", 2},
		{store.RangeOptions{}, "-a0..a4", 2},
		{store.RangeOptions{}, "b1=1", 1},
		{store.RangeOptions{Limit: 1}, "a0=1", 2},
		{store.RangeOptions{Limit: 1}, "a4=1", 1},
		{store.RangeOptions{Limit: 1, Reverse: true}, "a6=1", 2},
		{store.RangeOptions{Limit: 1, Reverse: true}, "a1=2", 1},
	} {
		h.write("-..", "a1=1", "a3=1", "a5=1")
		runs := 0
		h.update(func(tx store.Tx) error {
			runs++
			seen := h.list(tx, "a", "b", c.o)
			h.between(runs, c.between)
			do(tx, "seen="+seen)
			return nil
		})
		if runs != c.runs {
			h.Errorf("%+v, %s: %d runs, want %d", c.o, c.between, runs, c.runs)
		}
	}
}

// starving: a transaction that always loses commits all the same.
func starving(h *house) {
	ctx, cancel := context.WithTimeout(h.ctx, 20*time.Second)
	defer cancel()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					h.write(fmt.Sprintf("k%d=%d", i%50, i))
				}
			}
		})
	}
	for range 5 {
		err := h.st.Update(ctx, func(tx store.Tx) error {
			for range 20 {
				h.list(tx, "k", "l", store.RangeOptions{})
			}
			do(tx, "long=1")
			return nil
		})
		if err != nil {
			h.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

// bank moves money about; the sum stays, whoever looks.
func bank(h *house) {
	const accounts, each100 = 6, 100
	key := func(n int) []byte { return fmt.Appendf(nil, "account%d", n) }
	for n := range accounts {
		h.write(fmt.Sprintf("%s=%d", key(n), each100))
	}
	sum := func(r store.Reader) (sum int) {
		for kv, err := range r.Range(h.ctx, []byte("account"), []byte("b"), store.RangeOptions{}) {
			if err != nil {
				h.Error(err)
			}
			n, _ := strconv.Atoi(string(kv.Value))
			sum += n
		}
		return sum
	}
	each(h, 8, 60, func(w, i int) {
		rnd := rand.New(rand.NewPCG(uint64(w), uint64(i)))
		from, to, amount := rnd.IntN(accounts), rnd.IntN(accounts), rnd.IntN(50)
		if i%5 == 0 {
			if err := h.st.View(h.ctx, func(r store.Reader) error {
				if s := sum(r); s != accounts*each100 {
					h.Errorf("the sum is %d", s)
				}
				return nil
			}); err != nil {
				h.Error(err)
			}
		}
		if from == to {
			return
		}
		h.update(func(tx store.Tx) error {
			a, _ := strconv.Atoi(h.get(tx, string(key(from))))
			b, _ := strconv.Atoi(h.get(tx, string(key(to))))
			if a < amount {
				return nil
			}
			tx.Set(key(from), strconv.AppendInt(nil, int64(a-amount), 10))
			tx.Set(key(to), strconv.AppendInt(nil, int64(b+amount), 10))
			return nil
		})
	})
	h.update(func(tx store.Tx) error {
		if s := sum(tx); s != accounts*each100 {
			h.Errorf("at the end the sum is %d", s)
		}
		return nil
	})
}

// A step is one transaction of a history: what it read, and what it wrote.
type step struct {
	position int64
	reads    map[int]string
	writes   map[int]string
}

// histories runs random transactions, each of which draws its position from a
// counter that it increments last, and then runs them again one by one in that
// order: each must have read what it would have read so. Views take no position;
// they must have read what stood at one of the positions.
func histories(h *house) {
	const keys = 8
	var mu sync.Mutex
	var steps []step
	var views []map[int]string
	var id atomic.Int64
	key := func(n int) string { return "k" + strconv.Itoa(n) }
	each(h, 6, 50, func(w, i int) {
		rnd := rand.New(rand.NewPCG(uint64(w), uint64(i)))
		if i%4 == 0 {
			got := map[int]string{}
			if err := h.st.View(h.ctx, func(r store.Reader) error {
				for _, n := range rnd.Perm(keys)[:4] {
					got[n] = h.get(r, key(n))
				}
				return nil
			}); err != nil {
				h.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			views = append(views, got)
			return
		}
		perm := rnd.Perm(keys)
		value := strconv.FormatInt(id.Add(1), 10)
		var s step
		h.update(func(tx store.Tx) (err error) {
			s = step{reads: map[int]string{}, writes: map[int]string{}}
			for _, n := range perm[:3] {
				s.reads[n] = h.get(tx, key(n))
			}
			for _, n := range perm[2:5] {
				s.writes[n] = value
				do(tx, key(n)+"="+value)
			}
			s.position, err = tx.Add(h.ctx, []byte("position"), 1)
			return err
		})
		mu.Lock()
		defer mu.Unlock()
		steps = append(steps, s)
	})
	replay(h, steps, views)
}

func replay(h *house, steps []step, views []map[int]string) {
	at := map[int64]step{}
	for _, s := range steps {
		if _, ok := at[s.position]; ok {
			h.Fatalf("two transactions have position %d", s.position)
		}
		at[s.position] = s
	}
	state := map[int]string{}
	explained := make([]bool, len(views))
	for p := int64(0); p <= int64(len(steps)); p++ {
		for n, v := range at[p].reads {
			if state[n] != v {
				h.Errorf("at %d, key %d was read as %q, but was %q", p, n, v, state[n])
			}
		}
		for n, v := range at[p].writes {
			state[n] = v
		}
		for i, view := range views {
			same := true
			for n, v := range view {
				same = same && state[n] == v
			}
			explained[i] = explained[i] || same
		}
	}
	for i, ok := range explained {
		if !ok {
			h.Errorf("at no time was there what a view read: %v", views[i])
		}
	}
}
