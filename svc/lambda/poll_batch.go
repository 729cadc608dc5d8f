package lambda

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// outcome is what became of one call of the function.
type outcome struct {
	id      string // of the request
	reached bool   // the function ran
	failure string // FunctionError, of a function that ran
	answer  []byte
	version string
	problem string // why it did not run, for LastProcessingResult
}

// The LastProcessingResults of batches.
const (
	resultOK     = "OK"
	resultFailed = "PROBLEM: Function call failed"
	// problemThrottled is that of batches whose function has no concurrency left.
	problemThrottled = "PROBLEM: Function call throttled"
)

// invoke calls the function, as Lambda itself does. Throttles and what else keeps a
// function from running are no failures of the batch.
func (p *poller) invoke(ctx context.Context, event []byte) outcome {
	out := outcome{id: aws.RandomUUID(p.s.Random)}
	t, err := p.target(ctx)
	if err == nil {
		at := p.m.function(p.scope)
		as := p.s.acting(ctx, at, aws.ServiceCaller(principal, p.scope.Account, at.arn("")))
		res, runErr := p.s.execute(as, t, call{id: out.id, payload: event})
		if err = runErr; err == nil {
			out.reached, out.failure, out.answer, out.version = true, res.FunctionError, res.Payload, t.version.label()
			return out
		}
	}
	var e *aws.Error
	switch {
	case aws.CodeOf(err) == "ResourceNotFoundException":
		out.problem = "PROBLEM: Function not found"
	case errors.As(err, &e) && e.Code == "TooManyRequestsException":
		out.problem = problemThrottled
	case errors.As(err, &e) && !e.Server():
		out.problem = "PROBLEM: " + e.Message
	default:
		out.problem = "PROBLEM: Internal Lambda error"
		if ctx.Err() == nil {
			p.s.warn("call a function for an event source mapping; trying again", err)
		}
	}
	return out
}

// A portion is records that one call of the function is about.
type portion struct {
	records []record
	upto    string // how far the shard is dealt with when they are
	failed  int    // calls that have failed
}

// settle notes that the shard is dealt with up to a record, with the function's last
// answer, and what was given up. It is false when there must be no more.
type settle func(ctx context.Context, upto string, answer []byte, lost *discarded) bool

// process deals with what was gathered; false when ctx has ended before it was done.
func (w *worker) process(ctx context.Context, g gathered) bool {
	if w.m.Tumbling > 0 {
		if !w.processWindows(ctx, g) {
			return false
		}
	} else if !w.processLanes(ctx, g) {
		return false
	}
	next := w.cp
	next.Done = w.closed
	if g.through != "" {
		next.Sequence, next.Iterator = g.through, ""
	}
	if next == w.cp {
		return true
	}
	return w.commit(ctx, next, w.lastResult(), nil)
}

func (p *poller) lastResult() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.result == "" {
		return nothingYet
	}
	return p.result
}

// processLanes deals with records of as many partitions at once as the mapping allows,
// those of one in order.
func (w *worker) processLanes(ctx context.Context, g gathered) bool {
	if w.m.Parallel == 1 {
		return w.dealAll(ctx, g.records, g.through, func(ctx context.Context, upto string, _ []byte, lost *discarded) bool {
			next := w.cp
			next.Sequence, next.Iterator = upto, ""
			return w.commit(ctx, next, resultOK, lost)
		})
	}
	lanes := make([][]record, w.m.Parallel)
	for _, r := range g.records {
		h := fnv.New32a()
		h.Write([]byte(r.partition))
		i := h.Sum32() % uint32(w.m.Parallel)
		lanes[i] = append(lanes[i], r)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	whole := true
	for _, lane := range lanes {
		wg.Go(func() {
			// The shard has come as far as the slowest: that is noted when all are through.
			done := w.dealAll(ctx, lane, "", func(ctx context.Context, _ string, _ []byte, lost *discarded) bool {
				mu.Lock()
				defer mu.Unlock()
				if lost == nil {
					w.note(ctx, resultOK)
					return ctx.Err() == nil
				}
				return w.commit(ctx, w.cp, resultOK, lost)
			})
			mu.Lock()
			defer mu.Unlock()
			whole = whole && done
		})
	}
	wg.Wait()
	return whole
}

// dealAll deals with records batch by batch.
func (w *worker) dealAll(ctx context.Context, records []record, through string, s settle) bool {
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && n < int(w.m.Batch) {
			if size += len(records[n].event) + 1; n > 0 && size > maxEvent-eventReserve {
				break
			}
			n++
		}
		b := portion{records: records[:n], upto: records[n-1].id}
		if records = records[n:]; len(records) == 0 && through != "" {
			b.upto = through
		}
		if !w.deal(ctx, b, s) {
			return false
		}
	}
	return true
}

// eventReserve is what of an event's size is for all but the records.
const eventReserve = 4096

// deal calls the function with a batch until it succeeds or is given up; false when ctx
// ends before.
func (w *worker) deal(ctx context.Context, b portion, s settle) bool {
	var last outcome
	for tries := 0; ; tries++ {
		if ctx.Err() != nil {
			return false
		}
		old := w.tooOld(b.records)
		if old > 0 {
			gone := portion{records: b.records[:old], upto: b.records[old-1].id, failed: b.failed}
			if old == len(b.records) {
				gone.upto = b.upto
			}
			if !w.giveUp(ctx, gone, last, ageExceeded, s) {
				return false
			}
			if old == len(b.records) {
				return true
			}
			b.records, b.failed = b.records[old:], 0
		}
		event, err := marshalEvent(w.event(b.records, false, false))
		if err != nil {
			w.s.warn("write an event", err)
			return false
		}
		w.s.took(w.m.function(w.scope), "IteratorAge", w.s.Clock.Now().Sub(b.records[len(b.records)-1].at))
		w.count(eventsInvoked, len(b.records))
		out := w.call(ctx, event)
		if !out.reached {
			if ctx.Err() != nil {
				return false
			}
			w.count(eventsFailed, len(b.records))
			w.note(ctx, out.problem)
		} else {
			if out.failure != "" && ctx.Err() != nil {
				return false // it may have failed because its environment was ended
			}
			last = out
			if rest, done, ok := w.outcome(ctx, b, out, s); done || !ok {
				return ok
			} else {
				b = rest
			}
		}
		if !w.s.pause(ctx, backOff(tries)) {
			return false
		}
	}
}

// outcome judges a call. Either the batch is done, or rest is what remains of it; false
// when there must be no more.
func (w *worker) outcome(ctx context.Context, b portion, out outcome, s settle) (rest portion, done, ok bool) {
	first := allFailed
	if out.failure == "" {
		first = len(b.records)
		if w.m.Partial {
			first = firstFailed(out.answer, b.records)
		}
	}
	if first == len(b.records) {
		return b, true, s(ctx, b.upto, out.answer, nil)
	}
	w.count(eventsFailed, len(b.records)-first)
	if first > 0 { // those before are done; the rest is another batch
		if !s(ctx, b.records[first-1].id, out.answer, nil) {
			return b, true, false
		}
		b.records, b.failed = b.records[first:], 0
	}
	w.note(ctx, resultFailed)
	// To split a batch is no retry of it, in the middle or where the function has said.
	if w.m.Bisect && first > 0 {
		return b, false, true
	}
	if n := len(b.records); w.m.Bisect && n > 1 {
		half := portion{records: b.records[:n/2], upto: b.records[n/2-1].id, failed: b.failed}
		other := portion{records: b.records[n/2:], upto: b.upto, failed: b.failed}
		return b, true, w.s.pause(ctx, retryFirst) && w.deal(ctx, half, s) && w.deal(ctx, other, s)
	}
	if b.failed++; w.m.Retries >= 0 && b.failed > int(w.m.Retries) {
		return b, true, w.giveUp(ctx, b, out, retriesExhausted, s)
	}
	return b, false, true
}

// tooOld is how many of the first records are older than the mapping wants them.
func (w *worker) tooOld(records []record) int {
	if w.m.Age < 0 {
		return 0
	}
	limit := w.s.Clock.Now().Add(-time.Duration(w.m.Age) * time.Second)
	n := 0
	for n < len(records) && records[n].at.Before(limit) {
		n++
	}
	return n
}

// giveUp notes that a batch will not be dealt with any more, for its destination.
func (w *worker) giveUp(ctx context.Context, b portion, last outcome, condition string, s settle) bool {
	at := w.m.function(w.scope)
	w.s.Logger.Warn("lambda: records of an event source mapping were given up", "mapping", w.m.UUID, "function", at.arn(w.m.Qualifier),
		"shard", w.shard, "records", len(b.records), "first", b.records[0].id, "why", condition)
	now := w.s.Clock.Now()
	lost := &discarded{Destination: w.m.OnFailure, At: now, Shard: w.shard, Records: len(b.records)}
	if w.m.OnFailure != "" {
		var payload []byte
		if a, _ := aws.ParseARN(w.m.OnFailure); a.Service == "s3" {
			var err error
			if payload, err = marshalEvent(w.event(b.records, false, false)); err != nil {
				w.s.warn("write an event", err)
				return false
			}
		}
		event, err := discardedEvent(now, at.arn(w.m.Qualifier), w.src, w.m.Source, w.shard, condition, max(b.failed, 1), last, b.records, payload)
		if err != nil {
			w.s.warn("tell of records that were given up", err)
			return false
		}
		lost.Event = event
	}
	return s(ctx, b.upto, nil, lost)
}
