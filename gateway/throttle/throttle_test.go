package throttle

import (
	"testing"
	"time"
)

// clock stands until it is told to go on.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func (c *clock) After(time.Duration) (<-chan time.Time, func()) { panic("nobody waits") }

// A bucket gives what it holds, and then what comes in.
func TestTake(t *testing.T) {
	c, burst := &clock{time.Unix(1000, 0)}, int32(3)
	b := New[string](c)
	take := func(n int) (got int) {
		for range n {
			if b.Take("a", 2, &burst) {
				got++
			}
		}
		return got
	}
	for _, step := range []struct {
		pass time.Duration
		want int
	}{{0, 3}, {0, 0}, {499 * time.Millisecond, 0}, {time.Millisecond, 1}, {time.Second, 2}, {time.Hour, 3}, {-time.Hour, 0}} {
		c.now = c.now.Add(step.pass)
		if got := take(5); got != step.want {
			t.Errorf("after %v: %d, want %d", step.pass, got, step.want)
		}
	}
	if !b.Take("b", 2, nil) || !b.Take("b", 2, nil) || b.Take("b", 2, nil) {
		t.Error("without a burst it is not what comes in a second")
	}
	more := int32(4)
	if !b.Take("a", 2, &more) {
		t.Error("another limit does not begin full")
	}
}

// Full buckets are forgotten where there are many; those in use are not.
func TestMany(t *testing.T) {
	c, burst := &clock{time.Unix(1000, 0)}, int32(1)
	b := New[int](c)
	for i := range few {
		b.Take(i, 1, &burst)
	}
	c.now = c.now.Add(500 * time.Millisecond)
	for i := few; i < 3*few; i++ {
		b.Take(i, 1, &burst)
	}
	if len(b.of) != 3*few || b.Take(few, 1, &burst) {
		t.Errorf("%d buckets: some in use were forgotten", len(b.of))
	}
	for i := 3 * few; len(b.of) > few && i < 6*few; i++ {
		c.now = c.now.Add(2 * time.Second)
		b.Take(i, 1, &burst)
	}
	if len(b.of) > few {
		t.Errorf("%d buckets are left", len(b.of))
	}
}
