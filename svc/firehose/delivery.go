package firehose

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tule-cloud/tule/aws"
)

const (
	// day is for how long S3 is tried, and records are kept.
	day = 24 * time.Hour
	// The pauses between attempts: the first, and the longest.
	firstPause   = time.Second
	longestPause = 2 * time.Minute
)

// A delivery is one attempt to deliver a batch.
type delivery struct {
	s    *Service
	at   ref
	st   *stream
	plan *plan
	job  *job
}

// A shipment is what a batch becomes: objects, and what an endpoint gets.
type shipment struct {
	objects []*object
	// push is what is left to be taken by the endpoint, if there is one.
	push []record
	// table is what Redshift is to read once its objects are there.
	table *copying
}

// A refusal is what came of a push: records that were not taken, and why.
type refusal struct {
	left      []record
	codes     map[string]string // of single records, by their ids, where they differ
	trouble   trouble
	permanent bool // trying again is of no use
}

// attempt delivers a batch, or as much of it as can be. Afterwards the batch is over, and
// its job has no ID any more, or it is due again.
func (d *delivery) attempt(ctx context.Context) {
	err := d.ship(ctx)
	if ctx.Err() != nil {
		return // the next process delivers it
	}
	if err == nil {
		if err = d.forget(ctx); err == nil {
			d.job.batch.ID, d.job.shipment = "", nil
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	b, now := &d.job.batch, d.s.Clock.Now()
	if b.First.IsZero() {
		b.First = now
	}
	b.Tries++
	if now.Sub(b.First) >= day && !errors.Is(err, errHeld) {
		d.s.Logger.Error("firehose: records could not be delivered within a day, and are given up", "stream", d.at.arn(), "bytes", b.Bytes, "error", err)
		if d.forget(ctx) == nil {
			b.ID, d.job.shipment = "", nil
			return
		}
	}
	b.Due = now.Add(d.pauseAfter(b.Tries))
	if end := b.First.Add(d.plan.retry); d.waits() && b.Due.After(end) && now.Before(end) {
		b.Due = end // the last attempt
	}
	if err := d.postpone(ctx); err != nil && ctx.Err() == nil {
		d.s.Logger.Warn("firehose: note a delivery that is tried again", "stream", d.at.arn(), "error", err)
	}
}

// errHeld says that an endpoint refuses a batch: it is tried as long as its stream says.
var errHeld = errors.New("firehose: the destination does not take it yet")

// pauseAfter is how long the attempt after some tries waits.
func (d *delivery) pauseAfter(tries int) time.Duration {
	wait := longestPause
	if tries < 8 {
		wait = min(firstPause<<(tries-1), longestPause)
	}
	var b [1]byte
	if _, err := d.s.Random.Read(b[:]); err != nil {
		return wait
	}
	return wait + wait/10*time.Duration(b[0])/255
}

// waits reports whether an endpoint has yet to take something.
func (d *delivery) waits() bool {
	sh := d.job.shipment
	return sh != nil && (len(sh.push) > 0 || sh.table != nil)
}

// ship processes a batch if it is not yet, and sends what of it was not sent.
func (d *delivery) ship(ctx context.Context) error {
	if d.job.shipment == nil {
		list, err := d.records(ctx)
		if err == nil {
			d.job.shipment, err = d.process(ctx, list)
		}
		if err != nil {
			return err
		}
	}
	sh := d.job.shipment
	for {
		if err := d.writeObjects(ctx, sh); err != nil {
			return err
		}
		switch {
		case len(sh.push) > 0:
			if done, err := d.push(ctx, sh); err != nil || done {
				return err
			}
		case sh.table != nil:
			if done, err := d.copy(ctx, sh); err != nil || done {
				return err
			}
		default:
			return nil
		}
	}
}

// push gives an endpoint what it has not taken. What it does not take within the time that
// the stream says becomes objects.
func (d *delivery) push(ctx context.Context, sh *shipment) (done bool, err error) {
	count, bytes := len(sh.push), sizeOf(sh.push)
	var no *refusal
	switch d.plan.kind {
	case kindHTTP:
		no = d.pushHTTP(ctx, sh.push)
	case kindSplunk:
		no = d.pushSplunk(ctx, sh.push)
	default:
		no = d.pushSearch(ctx, sh.push)
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	name := "DeliveryTo" + d.plan.kind
	if no == nil {
		d.measureDelivery(name, true, count, bytes)
		sh.push = nil
		return true, nil
	}
	d.measureDelivery(name, false, 0, 0)
	if taken := count - len(no.left); taken > 0 {
		d.measureDelivery(name, true, taken, bytes-sizeOf(no.left))
	}
	d.report(ctx, d.plan.log, d.logRole(), no.trouble)
	sh.push = no.left
	if !no.permanent && !d.over() {
		return false, fmt.Errorf("%w: %s", errHeld, no.trouble.message)
	}
	o, err := d.failed(failureOf[d.plan.kind], "", sh.push, no)
	if err != nil {
		return false, err
	}
	sh.objects, sh.push = append(sh.objects, o), nil
	return false, nil
}

// over reports whether the time for attempts is.
func (d *delivery) over() bool {
	b := &d.job.batch
	if d.plan.retry == 0 {
		return true
	}
	return !b.First.IsZero() && d.s.Clock.Now().Sub(b.First) >= d.plan.retry
}

// logRole is the role that writes the stream's log.
func (d *delivery) logRole() string {
	if d.plan.role != "" {
		return d.plan.role
	}
	return d.plan.bucket.role
}

// failureOf are the kinds of failure of endpoints, as prefixes name them.
var failureOf = map[string]string{
	kindHTTP: "http-endpoint-failed", kindSplunk: "splunk-failed", kindElastic: "elasticsearch-failed",
	kindSearch: "AmazonOpenSearchService-failed", kindServerless: "AmazonOpenSearchServerless-failed",
}

func sizeOf(list []record) (n int64) {
	for i := range list {
		n += int64(len(list[i].data))
	}
	return n
}

// tries is how many attempts were made, with the one under way.
func (d *delivery) tries() int { return d.job.batch.Tries + 1 }

// text is the text of an error for the log of a stream and the records that failed.
func textOf(err error) string {
	var e *aws.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}
