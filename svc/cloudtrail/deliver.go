package cloudtrail

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	// deliverEvery is how often trails' files are delivered: AWS says about five minutes.
	deliverEvery = 5 * time.Minute
	// digestEvery is how often a trail with validation says what it has delivered.
	digestEvery = time.Hour
	// maxFileEvents and maxFileBytes bound one file, the latter before it is compressed.
	maxFileEvents, maxFileBytes = 5000, 16 << 20
)

// A stream is what a trail delivers from one account and region.
type stream struct{ owner, home, name, account, region string }

func (st stream) scope() store.Scope { return store.Scope{Account: st.owner} }

func (st stream) key() []any { return []any{st.home, st.name, st.account, st.region} }

// streams say how far each stream is, by the same key.
var streams = store.NewTable[progress]("cloudtrail", "stream")

// A progress is how far a stream is. What is under way is written down before it is done:
// what a kill interrupts is done again under the same name, with the same bytes.
type progress struct {
	File *logFile `json:",omitempty"` // that is being delivered
	// DigestFrom is when the present digest began, and DigestTo when it ended, if it is
	// being delivered.
	DigestFrom time.Time
	DigestTo   time.Time `json:",omitzero"`
	Last       *digested `json:",omitempty"` // the digest before
	Newest     time.Time `json:",omitzero"`  // event that was delivered
}

// A logFile is one file of events.
type logFile struct {
	Key            string
	To             int64 // the number of its last event
	Hash           string
	Oldest, Newest time.Time
	Bucket         string
}

// logFiles are the files that the next digest of a stream will name, by the number of
// their last event.
var logFiles = store.NewTable[logFile]("cloudtrail", "file")

// deliverAlways delivers what waits, about each five minutes, until ctx ends.
func (s *Service) deliverAlways(ctx context.Context) error {
	for {
		now := s.Clock.Now()
		due, stop := s.Clock.After(now.Truncate(deliverEvery).Add(deliverEvery).Sub(now))
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-due:
		}
		stop()
		if err := s.deliverAll(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Warn("trails were not delivered; it will be tried again", "error", err)
		}
	}
}

// deliverAll delivers what waits of all trails. A trail that cannot deliver does not keep
// the others from it.
func (s *Service) deliverAll(ctx context.Context) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	all := map[stream]trail{}
	var order []stream
	err := s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range streams.All(ctx, r) {
			if err != nil {
				return err
			}
			st := stream{e.Scope.Account, e.Key.String(0), e.Key.String(1), e.Key.String(2), e.Key.String(3)}
			t, err := trails.Get(ctx, r, st.scope(), st.home, st.name)
			if err != nil {
				return err
			}
			all[st], order = t, append(order, st)
		}
		return nil
	})
	errs := []error{err}
	for _, st := range order {
		t := all[st]
		if err := s.deliverStream(ctx, &t, st); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// deliverStream delivers what waits of one stream. An error is Tule's own; what a bucket
// refuses goes into the trail's status, and is tried again.
func (s *Service) deliverStream(ctx context.Context, t *trail, st stream) error {
	for {
		p, events, err := s.plan(ctx, t, st)
		if err != nil {
			return err
		}
		var did status
		switch {
		case !p.DigestTo.IsZero():
			did, err = s.deliverDigest(ctx, t, st, p)
		case p.File != nil:
			did, err = s.deliverFile(ctx, t, st, p, events)
		default:
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.settle(ctx, t, st, p, &did); err != nil || did.failed() {
			return err
		}
	}
}

// plan is what is to be done next in a stream, as the store has it: what was begun, or
// a file of what waits, or the digest that is due.
func (s *Service) plan(ctx context.Context, t *trail, st stream) (p progress, events []pending, err error) {
	now := s.Clock.Now()
	err = s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if p, err = streams.Get(ctx, tx, st.scope(), st.key()...); err != nil {
			return missing(err) // the trail has gone
		}
		if !p.DigestTo.IsZero() {
			return nil
		}
		begun := p.File != nil
		var last int64
		if events, last, err = waitingIn(ctx, tx, st, p.File); err != nil {
			return err
		}
		switch {
		case begun && len(events) > 0:
			return nil
		case len(events) > 0:
			p.File = s.newFile(t, st, events, last, now)
		case t.Validation && t.Logging && !now.Before(p.DigestFrom.Add(digestEvery)):
			p.File, p.DigestTo = nil, now.Truncate(time.Second)
		default:
			p.File = nil
			if !begun {
				return nil
			}
		}
		return streams.Put(tx, st.scope(), p, st.key()...)
	})
	return p, events, err
}

// waitingIn are the events of a file, or those that the next one will have, and the number
// of the last.
func waitingIn(ctx context.Context, r store.Reader, st stream, f *logFile) (events []pending, last int64, err error) {
	size := 0
	for e, err := range waiting.List(ctx, r, st.scope(), store.ListOptions{Prefix: st.key(), Limit: maxFileEvents}) {
		if err != nil {
			return nil, 0, err
		}
		n := e.Key.Int(4)
		if f != nil && n > f.To || f == nil && len(events) > 0 && size+len(e.Record.Body) > maxFileBytes {
			break
		}
		size += len(e.Record.Body)
		events, last = append(events, e.Record), n
	}
	return events, last, nil
}

// newFile is a file of events that has a name from now on.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html
func (s *Service) newFile(t *trail, st stream, events []pending, last int64, now time.Time) *logFile {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	f := &logFile{To: last, Oldest: events[0].At, Newest: events[0].At, Bucket: t.Bucket}
	for i := range events {
		if at := events[i].At; at.Before(f.Oldest) {
			f.Oldest = at
		} else if at.After(f.Newest) {
			f.Newest = at
		}
	}
	f.Key = t.root(st.account) + "CloudTrail/" + st.region + now.UTC().Format("/2006/01/02/") + st.account + "_CloudTrail_" + st.region +
		now.UTC().Format("_20060102T1504Z_") + aws.RandomID(s.Random, letters, 16) + ".json.gz"
	return f
}

// deliverFile puts a file into the bucket, and tells of it. That it was told of or written
// to a log is tried once.
func (s *Service) deliverFile(ctx context.Context, t *trail, st stream, p progress, events []pending) (status, error) {
	bodies := make([]json.RawMessage, len(events))
	for i := range events {
		bodies[i] = events[i].Body
	}
	text := wrap(bodies)
	packed, err := pack(text)
	if err != nil {
		return status{}, err
	}
	now := s.Clock.Now()
	did := status{Attempt: now}
	if err := s.putFile(ctx, t, p.File.Key, packed, nil); err != nil {
		did.Error, err = outcome(err)
		return did, err
	}
	did.Delivered, p.File.Hash, p.File.Bucket = now, hash(text), t.Bucket
	if t.TopicARN != "" {
		did.NotifyAttempt = now
		message, err := json.Marshal(struct {
			Bucket string   `json:"s3Bucket"`
			Keys   []string `json:"s3ObjectKey"`
		}{t.Bucket, []string{p.File.Key}})
		if err == nil {
			err = s.publish(ctx, t, string(message))
		}
		if did.NotifyError, err = outcome(err); err != nil {
			return did, err
		}
		if did.NotifyError == "" {
			did.Notified = now
		}
	}
	if t.Group != "" {
		if did.LogError, err = outcome(s.writeLog(ctx, t, st.account, events)); err != nil {
			return did, err
		}
		if did.LogError == "" {
			did.Logged = now
		}
	}
	return did, nil
}

// wrap is what is in a file.
func wrap(events []json.RawMessage) []byte {
	var b bytes.Buffer
	b.WriteString(`{"Records":[`)
	for i, e := range events {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(e)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// pack compresses, the same always to the same.
func pack(text []byte) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(text)
	err = errors.Join(err, z.Close())
	return b.Bytes(), err
}

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// outcome is the code of what another service refused, or an error that is Tule's own.
func outcome(err error) (code string, fault error) {
	var e *aws.Error
	if err != nil && errors.As(err, &e) && !e.Server() {
		return e.Code, nil
	}
	return "", err
}

// settle writes down what was done in a stream.
func (s *Service) settle(ctx context.Context, t *trail, st stream, p progress, did *status) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		now, err := streams.Get(ctx, tx, st.scope(), st.key()...)
		if err != nil {
			return missing(err) // the trail has gone
		}
		if err := did.save(ctx, tx, t); err != nil {
			return err
		}
		switch {
		case did.failed():
			return nil
		case !p.DigestTo.IsZero():
			now.DigestFrom, now.DigestTo, now.Last = p.DigestTo, time.Time{}, did.digest
			err = logFiles.DeleteAll(tx, st.scope(), st.key()...)
		default:
			now.File, now.Newest = nil, p.File.Newest
			if err = delivered(ctx, tx, st, p.File.To); err == nil && t.Validation {
				err = logFiles.Put(tx, st.scope(), *p.File, append(st.key(), p.File.To)...)
			}
		}
		if err != nil {
			return err
		}
		return streams.Put(tx, st.scope(), now, st.key()...)
	})
}

// delivered removes the events of a file.
func delivered(ctx context.Context, tx store.Tx, st stream, last int64) error {
	for e, err := range waiting.List(ctx, tx, st.scope(), store.ListOptions{Prefix: st.key(), To: append(st.key(), last+1)}) {
		if err != nil {
			return err
		}
		if err := waiting.Delete(tx, st.scope(), e.Key.Parts()...); err != nil {
			return err
		}
	}
	return nil
}
