package s3

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	snsapi "github.com/tule-cloud/tule/api/sns"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What buckets have to tell lies in an outbox, written in the transaction of what it
// tells of, until its destination has taken it. A kill between the two makes S3 tell it
// again, as AWS may.

// outbox holds letters of all accounts, by when they are due and a number of their own.
var outbox = store.NewTable[letter]("s3", "outbox")

// A letter is an event for one destination.
type letter struct {
	Bucket, Account string
	To, Service     string
	Kind            string `json:",omitempty"` // of an event for EventBridge
	Body            string
	Since           time.Time
	Tries           int `json:",omitempty"`
}

const (
	// batch is how many letters are taken at once, and carriers how many go at a time.
	letterBatch, carriers = 256, 16
	// patientFor is how long S3 tries to deliver.
	patientFor = 24 * time.Hour
	// longestPause is the most between two tries.
	longestPause = 5 * time.Minute
)

// post puts a letter into the outbox.
func (s *Service) post(tx store.Tx, b *bucket, l letter) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	l.Account = b.Account
	return outbox.Put(tx, store.Scope{}, l, l.Since, id)
}

// deliver carries letters until ctx ends.
func (s *Service) deliver(ctx context.Context) error {
	wake := outbox.WatchAll(ctx, s.Store)
	for {
		next, err := s.deliverDue(ctx)
		if err != nil && ctx.Err() == nil {
			s.Logger.Error("events of buckets wait: the outbox could not be read or written", "error", err)
			next = s.Clock.Now().Add(time.Second)
		}
		timer, stop := (<-chan time.Time)(nil), func() {}
		if !next.IsZero() {
			timer, stop = s.Clock.After(max(next.Sub(s.Clock.Now()), 0))
		}
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-wake:
		case <-timer:
		}
		stop()
	}
}

// deliverDue carries all that is due, and tells when the next letter will be; zero for
// no letters.
func (s *Service) deliverDue(ctx context.Context) (next time.Time, err error) {
	for {
		now := s.Clock.Now()
		var due []store.Entry[letter]
		next = time.Time{}
		err := s.Store.View(ctx, func(r store.Reader) error {
			for e, err := range outbox.List(ctx, r, store.Scope{}, store.ListOptions{Limit: letterBatch}) {
				if err != nil {
					return err
				}
				if at := e.Key.Time(0); at.After(now) {
					next = at
					return nil
				}
				due = append(due, e)
			}
			return nil
		})
		if err != nil || len(due) == 0 {
			return next, err
		}
		if err := s.carry(ctx, due); err != nil {
			return next, err
		}
	}
}

// carry delivers letters side by side, and then takes them out of the outbox in one
// transaction, or puts them back for later.
func (s *Service) carry(ctx context.Context, due []store.Entry[letter]) error {
	failed := make([]error, len(due))
	var g errgroup.Group
	g.SetLimit(carriers)
	for i := range due {
		g.Go(func() error {
			failed[i] = s.hand(ctx, &due[i].Record)
			return nil
		})
	}
	_ = g.Wait() // they return nil
	if ctx.Err() != nil {
		return ctx.Err()
	}
	now := s.Clock.Now()
	return s.Store.Update(ctx, func(tx store.Tx) error {
		for i, e := range due {
			if err := outbox.Delete(tx, store.Scope{}, e.Key.Parts()...); err != nil {
				return err
			}
			l := e.Record
			if failed[i] == nil {
				continue
			}
			if now.Sub(l.Since) > patientFor {
				s.Logger.Warn("an event of a bucket was not delivered", "bucket", l.Bucket, "to", l.To, "error", failed[i])
				continue
			}
			pause := min(time.Second<<min(l.Tries, 20), longestPause)
			l.Tries++
			if err := outbox.Put(tx, store.Scope{}, l, now.Add(pause), e.Key.Uint(1)); err != nil {
				return err
			}
		}
		return nil
	})
}

// asS3 is a context in which S3 itself calls, for a bucket.
func (s *Service) asS3(ctx context.Context, account, bucketName, region string) context.Context {
	return aws.WithRequest(ctx, &aws.Request{ID: aws.RandomUUID(s.Random), Region: region, Time: s.Clock.Now(), Scheme: "https",
		Caller: aws.ServiceCaller(self, account, "arn:aws:s3:::"+bucketName), Via: []string{self}})
}

// self is S3, as it calls others and is named in events.
const self = "s3.amazonaws.com"

// hand gives a letter to its destination.
func (s *Service) hand(ctx context.Context, l *letter) error {
	to, ok := aws.ParseARN(l.To)
	if !ok {
		return errors.New("not an ARN: " + l.To)
	}
	ctx = s.asS3(ctx, l.Account, l.Bucket, to.Region)
	switch l.Service {
	case "events":
		return s.handBridge(ctx, l)
	case "sqs":
		queue := "https://sqs." + to.Region + ".amazonaws.com/" + to.Account + "/" + to.Resource
		_, err := sqsapi.SendMessage.Do(ctx, s.Peers, &sqsapi.SendMessageRequest{QueueUrl: &queue, MessageBody: &l.Body})
		return err
	case "sns":
		subject := "Amazon S3 Notification"
		_, err := snsapi.Publish.Do(ctx, s.Peers, &snsapi.PublishInput{TopicArn: &l.To, Message: &l.Body, Subject: &subject})
		return err
	}
	kindOf := lambdaapi.InvocationTypeEvent
	_, err := lambdaapi.Invoke.Do(ctx, s.Peers, &lambdaapi.InvocationRequest{FunctionName: &l.To, InvocationType: &kindOf, Payload: []byte(l.Body)})
	return err
}

// testEvent is what queues and topics get when a configuration names them.
type testEvent struct {
	Service   string
	Event     string
	Time      string
	Bucket    string
	RequestID string `json:"RequestId"`
	HostID    string `json:"HostId"`
}

// tryDestinations finds out whether S3 may tell all destinations. Queues and topics get
// a test event; a function is asked without running it.
func (s *Service) tryDestinations(ctx context.Context, b *bucket, list []subscription) error {
	id := aws.RequestOf(ctx).ID
	body, err := json.Marshal(testEvent{"Amazon S3", "s3:TestEvent", s.Clock.Now().UTC().Format(eventTime), b.Name, id, hostID(id)})
	if err != nil {
		return err
	}
	for _, x := range list {
		l := letter{Bucket: b.Name, Account: b.Account, To: x.arn, Service: x.service, Body: string(body)}
		var err error
		if x.service == "lambda" {
			to, _ := aws.ParseARN(x.arn)
			dry := lambdaapi.InvocationTypeDryRun
			_, err = lambdaapi.Invoke.Do(s.asS3(ctx, b.Account, b.Name, to.Region), s.Peers, &lambdaapi.InvocationRequest{FunctionName: &x.arn, InvocationType: &dry})
		} else {
			err = s.hand(ctx, &l)
		}
		if err != nil {
			return invalidDestination(x, err)
		}
	}
	return nil
}

// invalidDestination is what S3 says of a destination that cannot be told.
func invalidDestination(x subscription, err error) error {
	var e *aws.Error
	if !errors.As(err, &e) || e.Server() {
		return err
	}
	what := map[string]string{"sqs": "queue", "sns": "topic", "lambda": "Lambda"}[x.service]
	reason := "The destination " + what + " does not exist"
	if e.Status == 403 {
		reason = "Permissions on the destination " + what + " do not allow S3 to publish notifications from this bucket"
		if x.service == "lambda" {
			reason = "Not authorized to invoke function [" + x.arn + "]"
		}
	}
	return aws.Errorf(400, "InvalidArgument", "Unable to validate the following destination configurations").
		With(&struct{ ArgumentName1, ArgumentValue1 string }{strings.TrimSuffix(x.arn, ":"), reason}).Because(err)
}
