package main

import (
	"testing"
	"time"
)

func TestMovedClock(t *testing.T) {
	m := newMovedClock()
	before := m.Now()
	near, _ := m.After(time.Hour)
	far, stopFar := m.After(1000 * time.Hour)
	stopped, stop := m.After(time.Hour)
	stop()
	stop()
	if len(m.alarms) != 2 {
		t.Errorf("%d alarms wait, want 2", len(m.alarms))
	}
	now, err := m.Advance(90 * time.Minute)
	if err != nil || now.Sub(before) < 90*time.Minute || now.Location() != time.UTC {
		t.Errorf("advanced from %v to %v, %v", before, now, err)
	}
	if rang := <-near; rang.Before(now) {
		t.Errorf("rang at %v, before %v", rang, now)
	}
	for name, c := range map[string]<-chan time.Time{"far": far, "stopped": stopped, "near": near} {
		select {
		case at := <-c:
			t.Errorf("%s rang at %v", name, at)
		default:
		}
	}
	if _, err := m.Advance(0); err != nil {
		t.Error(err)
	}
	for range 3 {
		if now, err = m.Advance(maxAdvance); err != nil {
			t.Fatal(err)
		}
	}
	<-far
	stopFar()
	if len(m.alarms) != 0 {
		t.Errorf("%d alarms are left", len(m.alarms))
	}
	for _, d := range []time.Duration{-1, maxAdvance + 1} {
		if _, err := m.Advance(d); err == nil || m.Now().Sub(now) > time.Minute {
			t.Errorf("moved by %v to %v, %v", d, m.Now(), err)
		}
	}
}
