package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// How many rules the buses have whose events are compared.
const (
	manyRules = 10_000
	fewRules  = 10
)

// benchEvents is PutEvents to a bus with 10,000 rules, on 32 connections, against the same
// to one with ten. Each event matches one rule by its source and a field of its detail,
// and is kept in an archive, so that both write to the disk.
func benchEvents(ctx context.Context, r *rig) ([]row, error) {
	if err := r.need(); err != nil {
		return nil, err
	}
	for name, n := range map[string]int{"many": manyRules, "few": fewRules} {
		makers, err := eventCallers(r, 4)
		if err != nil {
			return nil, err
		}
		if err := ruled(ctx, makers, name, n); err != nil {
			return nil, err
		}
	}
	callers, err := eventCallers(r, 32) // not before: who says nothing for long is hung up on
	if err != nil {
		return nil, err
	}
	puts := func(bus string, rules int) func(time.Duration) (float64, error) {
		return func(d time.Duration) (float64, error) {
			return rate(ctx, len(callers), d, func(w, i int) error {
				id := strconv.Itoa((w*7919 + i) % rules)
				_, err := callers[w].call("PutEvents", `{"Entries":[{"EventBusName":"`+bus+`","Source":"shop","DetailType":"order","Detail":"{\"id\":\"order-`+id+`\",\"sum\":12.5}"}]}`)
				return err
			})
		}
	}
	a, b, ratio, err := inTurns(4, time.Second, puts("many", manyRules), puts("few", fewRules))
	if err != nil {
		return nil, err
	}
	return []row{{"PutEvents against 10,000 rules, floor: against 10", perSecond(a), perSecond(b), fmt.Sprintf("%.2f ×", ratio), "> 0.67 ×", ratio > 0.67}}, nil
}

// eventCallers are connections that call EventBridge.
func eventCallers(r *rig, n int) ([]*talker, error) {
	all := make([]*talker, n)
	for i := range all {
		var err error
		if all[i], err = r.caller(r.address, "events", "application/x-amz-json-1.1", "X-Amz-Target: AWSEvents."); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ruled makes a bus with an archive and so many rules.
func ruled(ctx context.Context, callers []*talker, bus string, rules int) error {
	b, err := callers[0].call("CreateEventBus", `{"Name":"`+bus+`"}`)
	if err != nil {
		return err
	}
	arn := between(b, `"EventBusArn":"`, `"`)
	if _, err := callers[0].call("CreateArchive", `{"ArchiveName":"`+bus+`","EventSourceArn":"`+arn+`","RetentionDays":1}`); err != nil {
		return err
	}
	var wg sync.WaitGroup
	failed := make(chan error, len(callers))
	for w, c := range callers {
		wg.Go(func() {
			for i := w; i < rules && ctx.Err() == nil; i += len(callers) {
				n := strconv.Itoa(i)
				if _, err := c.call("PutRule", `{"Name":"r-`+n+`","EventBusName":"`+bus+`","EventPattern":"{\"source\":[\"shop\"],\"detail\":{\"id\":[\"order-`+n+`\"]}}"}`); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}
