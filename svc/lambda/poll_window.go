package lambda

import (
	"context"
	"encoding/json"
	"time"
)

// maxState is the most bytes of state within a tumbling window; more ends it early.
const maxState = 1 << 20

// event is what the function is called with.
func (w *worker) event(records []record, final, early bool) batchEvent {
	e := batchEvent{Records: make([]json.RawMessage, 0, len(records))}
	for _, r := range records {
		e.Records = append(e.Records, r.event)
	}
	if win := w.cp.Window; win != nil {
		e.windowEvent = &windowEvent{State: win.State, ShardID: w.shard, EventSourceARN: w.m.Source, Final: final, TerminatedEarly: early}
		e.Window.Start, e.Window.End = eventTime(win.Start), eventTime(win.End)
	}
	return e
}

// windowGrace is how long after its end a window waits for records that are yet to be
// read.
const windowGrace = 2 * pollMost

// windowOver reports whether the open window is over: a record of a later one was read, be it one
// that the filters keep back, or its time is over and nothing more was there. Records that have
// waited in the shard come in the window of their arrival, however late it is.
func (w *worker) windowOver(now time.Time, g *gathered) bool {
	win := w.cp.Window
	return win != nil && (!g.last.Before(win.End) || g.caught && !now.Before(win.End.Add(windowGrace)))
}

// processWindows deals with records window by window. When one is over, the function is called with
// the state alone.
func (w *worker) processWindows(ctx context.Context, g gathered) bool {
	size := seconds(w.m.Tumbling)
	for records := g.records; len(records) > 0; {
		start := records[0].at.UTC().Truncate(size)
		if w.cp.Window != nil && !records[0].at.Before(w.cp.Window.End) {
			if !w.endWindow(ctx, false) {
				return false
			}
		}
		if w.cp.Window == nil {
			w.cp.Window = &window{Start: start, End: start.Add(size), State: emptyState}
		}
		n := 0
		for n < len(records) && records[n].at.Before(w.cp.Window.End) {
			n++
		}
		if !w.dealAll(ctx, records[:n], "", w.settleWindow) {
			return false
		}
		records = records[n:]
	}
	if w.windowOver(w.s.Clock.Now(), &g) || w.closed && w.cp.Window != nil {
		return w.endWindow(ctx, false)
	}
	return true
}

// settleWindow notes a batch, with the state that the function hands on.
func (w *worker) settleWindow(ctx context.Context, upto string, answer []byte, lost *discarded) bool {
	next := w.cp
	next.Sequence, next.Iterator = upto, ""
	if answer != nil && next.Window != nil {
		next.Window = &window{Start: w.cp.Window.Start, End: w.cp.Window.End, State: stateOf(answer)}
	}
	if !w.commit(ctx, next, resultOK, lost) {
		return false
	}
	if w.cp.Window != nil && len(w.cp.Window.State) > maxState {
		return w.endWindow(ctx, true)
	}
	return true
}

// endWindow calls the function for the last time in a window, until it succeeds or is
// given up.
func (w *worker) endWindow(ctx context.Context, early bool) bool {
	event, err := marshalEvent(w.event(nil, true, early))
	if err != nil {
		w.s.warn("write an event", err)
		return false
	}
	for tries, failed := 0, 0; ; tries++ {
		if ctx.Err() != nil {
			return false
		}
		out := w.call(ctx, event)
		if out.reached && out.failure == "" {
			break
		}
		result := out.problem
		if out.reached {
			failed++
			result = resultFailed
		}
		if ctx.Err() == nil {
			w.note(ctx, result)
		}
		if w.m.Retries >= 0 && failed > int(w.m.Retries) {
			w.s.Logger.Warn("lambda: the end of a tumbling window was given up", "mapping", w.m.UUID, "shard", w.shard)
			break
		}
		if !w.s.pause(ctx, backOff(tries)) {
			return false
		}
	}
	next := w.cp
	next.Window = nil
	// After an early end the next batch begins the same window anew.
	return w.commit(ctx, next, resultOK, nil)
}
