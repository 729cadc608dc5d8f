package dynamodb

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A transfer is an export of a table to S3, or an import from there, under its table's name
// and its id. It is done in the background as the one who asked for it; one that a process
// has left in progress begins anew in the next.
type transfer struct {
	ID, Table, TableID string
	Token              string     `json:",omitempty"` // ClientToken
	Caller             aws.Caller // who asked
	Status             string     // IN_PROGRESS, COMPLETED or FAILED, of both
	Started            time.Time
	Ended              time.Time `json:",omitzero"`
	FailureCode        string    `json:",omitempty"`
	Failure            string    `json:",omitempty"`
	Bucket             string
	Owner, Prefix      string `json:",omitempty"`
	Format             string
	Encryption, Key    string                       `json:",omitempty"` // of objects
	Compression        string                       `json:",omitempty"`
	Options            *api.InputFormatOptions      `json:",omitempty"`
	Creation           *api.TableCreationParameters `json:",omitempty"`
	Items, Bytes       int64
	Processed, Errors  int64     `json:",omitempty"`
	ExportTime         time.Time `json:",omitzero"`
}

// The transfers, by table and id.
var (
	exportRecords = store.NewTable[transfer]("dynamodb", "export")
	importRecords = store.NewTable[transfer]("dynamodb", "import")
)

// How transfers take their time.
const (
	transfersAtOnce = 4
	transferFirst   = time.Second // what failed is tried again, then after longer and longer
	transferMost    = time.Minute
	// keptTokens is how long a ClientToken names the transfer it came with.
	keptTokens = 8 * time.Hour
)

// newTransfer is one that begins now.
func (s *Service) newTransfer(ctx context.Context, token *string) (transfer, error) {
	now := s.clock.Now()
	var b [4]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return transfer{}, err
	}
	return transfer{ID: fmt.Sprintf("%014d-%s", now.UnixMilli(), hex.EncodeToString(b[:])), Token: aws.Value(token), Caller: aws.RequestOf(ctx).Caller,
		Status: api.ExportStatusInProgress, Started: now}, nil
}

// arn is a transfer's; kind is export or import.
func (t *transfer) arn(scope store.Scope, kind string) *string {
	arn := ref{scope, t.Table}.arn() + "/" + kind + "/" + t.ID
	return &arn
}

// asked finds the transfer that the same token has asked for a while ago.
func asked(ctx context.Context, r store.Reader, of store.Table[transfer], at ref, token *string, now time.Time) (found *transfer, err error) {
	if aws.Value(token) == "" {
		return nil, nil
	}
	for e, err := range of.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{at.name}}) {
		if err != nil {
			return nil, err
		}
		if e.Record.Token == *token && now.Sub(e.Record.Started) < keptTokens {
			return &e.Record, nil
		}
	}
	return nil, nil
}

// runTransfers does what is in progress, until ctx ends.
func (s *Service) runTransfers(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	exports, imports := exportRecords.WatchAll(ctx, s.store), importRecords.WatchAll(ctx, s.store)
	running := map[string]bool{}
	ended := make(chan string)
	for {
		err := s.store.View(ctx, func(r store.Reader) error {
			for _, of := range []struct {
				table store.Table[transfer]
				work  func(context.Context, store.Scope, *transfer) error
			}{{exportRecords, s.export}, {importRecords, s.takeIn}} {
				for e, err := range of.table.All(ctx, r) {
					if err != nil {
						return err
					}
					t, scope := e.Record, e.Scope
					if t.Status != api.ExportStatusInProgress || running[t.ID] || len(running) >= transfersAtOnce {
						continue
					}
					running[t.ID] = true
					wg.Go(func() {
						s.finish(ctx, of.table, scope, t, of.work)
						select {
						case ended <- t.ID:
						case <-ctx.Done():
						}
					})
				}
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			s.logger.Error("dynamodb: exports and imports wait", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-exports:
		case <-imports:
		case id := <-ended:
			delete(running, id)
		}
	}
}

// finish does a transfer, trying again what is Tule's own failure, and notes how it ended.
func (s *Service) finish(ctx context.Context, of store.Table[transfer], scope store.Scope, t transfer, work func(context.Context, store.Scope, *transfer) error) {
	for pause := transferFirst; ; pause = min(2*pause, transferMost) {
		done := t
		err := work(s.acting(ctx, scope, t.Caller), scope, &done)
		var e *aws.Error
		switch {
		case ctx.Err() != nil:
			return // the next process begins anew
		case err == nil:
			done.Status = api.ExportStatusCompleted
		case errors.As(err, &e) && (!e.Server() || e.Status == 501):
			done.Status, done.FailureCode, done.Failure = api.ExportStatusFailed, failureCode(e), e.Message
		}
		if done.Status != api.ExportStatusInProgress {
			done.Ended = s.clock.Now()
			err = s.store.Update(ctx, func(tx store.Tx) error { return of.Put(tx, scope, done, t.Table, t.ID) })
			if err == nil {
				return
			}
		}
		s.logger.Warn("dynamodb: an export or import is tried again", "id", t.ID, "table", t.Table, "err", err)
		due, stop := s.clock.After(pause)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-due:
		}
	}
}

// failureCode is AWS's for an error of S3, or of the data.
func failureCode(e *aws.Error) string {
	if e.Code == "ValidationException" || e.Code == "ResourceNotFoundException" {
		return e.Code
	}
	return "S3" + e.Code
}

// acting is a context in which the one who asked for a transfer calls S3.
func (s *Service) acting(ctx context.Context, scope store.Scope, who aws.Caller) context.Context {
	return aws.WithRequest(ctx, &aws.Request{ID: aws.RandomUUID(s.random), Region: scope.Region, Time: s.clock.Now(), Scheme: "https",
		Host: "dynamodb." + scope.Region + ".amazonaws.com", Caller: who})
}
