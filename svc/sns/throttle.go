package sns

import (
	"context"
	"time"
)

func (s *subscriber) perSecond() int { return s.policy.perSecond }

// throttle waits until a subscription may get its next message.
func (d *dispatcher) throttle(ctx context.Context, sub *subscriber) {
	step := time.Second / time.Duration(sub.perSecond())
	now := d.s.Clock.Now()
	d.mu.Lock()
	if d.next == nil {
		d.next = map[string]time.Time{}
	}
	if len(d.next) > 1000 {
		for arn, at := range d.next {
			if at.Before(now) {
				delete(d.next, arn)
			}
		}
	}
	at := d.next[sub.arn()]
	if at.Before(now) {
		at = now
	}
	d.next[sub.arn()] = at.Add(step)
	d.mu.Unlock()
	if !at.After(now) {
		return
	}
	c, stop := d.s.Clock.After(at.Sub(now))
	defer stop()
	select {
	case <-c:
	case <-ctx.Done():
	}
}
