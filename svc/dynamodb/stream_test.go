package dynamodb

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	streamsapi "github.com/tule-cloud/tule/api/dynamodbstreams"
	"github.com/tule-cloud/tule/store"
)

// streaming turns on the stream of the table «movies», and returns an iterator at its
// beginning.
func streaming(t testing.TB, s *Service, ctx context.Context) string {
	t.Helper()
	out, err := s.updateTable(ctx, &api.UpdateTableInput{TableName: ptr("movies"),
		StreamSpecification: &api.StreamSpecification{StreamEnabled: ptr(true), StreamViewType: ptr(api.StreamViewTypeNewAndOldImages)}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Streams().describeStream(ctx, &streamsapi.DescribeStreamInput{StreamArn: out.TableDescription.LatestStreamArn})
	if err != nil {
		t.Fatal(err)
	}
	it, err := s.Streams().getShardIterator(ctx, &streamsapi.GetShardIteratorInput{StreamArn: out.TableDescription.LatestStreamArn,
		ShardId: d.StreamDescription.Shards[0].ShardId, ShardIteratorType: ptr(streamsapi.ShardIteratorTypeTrimHorizon)})
	if err != nil {
		t.Fatal(err)
	}
	return *it.ShardIterator
}

// next reads a page and moves the iterator on.
func next(t testing.TB, s *Service, ctx context.Context, iterator *string) []streamsapi.Record {
	t.Helper()
	out, err := s.Streams().getRecords(ctx, &streamsapi.GetRecordsInput{ShardIterator: iterator})
	if err != nil {
		t.Fatal(err)
	}
	*iterator = *out.NextShardIterator
	return out.Records
}

// Whoever reads while many write sees every change once, and those of an item in the
// order in which they happened: each old image is the new image before.
func TestStreamOfManyWriters(t *testing.T) {
	s, ctx := house(t)
	iterator := streaming(t, s, ctx)
	const writers, each, items = 8, 60, 3
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				year := (w + i) % items
				_, err := s.updateItem(ctx, &api.UpdateItemInput{TableName: ptr("movies"), Key: movieKey(year, "x"), UpdateExpression: ptr("ADD n :one"),
					ExpressionAttributeValues: api.Item{{Name: ":one", Value: api.Number("1")}}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	last := map[string]int{}
	seen, number, over := 0, "", false
	for {
		records := next(t, s, ctx, &iterator)
		if over && len(records) == 0 {
			break
		}
		for _, r := range records {
			seen++
			year, n := *r.Dynamodb.Keys["year"].N, *r.Dynamodb.NewImage["n"].N
			if last[year]++; n != fmt.Sprint(last[year]) {
				t.Fatalf("item %s is %s, after %d", year, n, last[year]-1)
			}
			if *r.Dynamodb.SequenceNumber <= number {
				t.Fatalf("%s comes behind %s", *r.Dynamodb.SequenceNumber, number)
			}
			number = *r.Dynamodb.SequenceNumber
		}
		select {
		case <-done:
			over = true
		default:
		}
	}
	if seen != writers*each {
		t.Errorf("%d records of %d changes", seen, writers*each)
	}
}

// A reader does not pass a number that is taken, until its transaction is over.
func TestReadersWait(t *testing.T) {
	s, ctx := house(t)
	iterator := streaming(t, s, ctx)
	slow := s.numbering.Begin()
	if _, err := slow.Take(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: movieKey(1, "x")}); err != nil {
		t.Fatal(err)
	}
	if got := next(t, s, ctx, &iterator); len(got) != 0 {
		t.Errorf("%d records beyond one that may yet come", len(got))
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	slow.Release(gone, s.store, context.Canceled)
	if got := next(t, s, ctx, &iterator); len(got) != 1 {
		t.Errorf("%d records, want 1", len(got))
	}
}

func TestSequence(t *testing.T) {
	for _, n := range []uint64{0, 1, 1 << 60, math.MaxUint64} {
		if got, ok := parseSequence(sequence(n)); !ok || got != n {
			t.Errorf("%d comes back from %s as %d", n, sequence(n), got)
		}
	}
}

// A stream tells of items whose time is over that DynamoDB itself has deleted them.
func TestStreamOfExpiry(t *testing.T) {
	s, ctx := house(t)
	iterator := streaming(t, s, ctx)
	it := movieKey(1, "x")
	it.Set("end", api.Number(fmt.Sprint(s.clock.Now().Unix()-1)))
	if _, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: it}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.updateTimeToLive(ctx, &api.UpdateTimeToLiveInput{TableName: ptr("movies"),
		TimeToLiveSpecification: &api.TimeToLiveSpecification{AttributeName: ptr("end"), Enabled: ptr(true)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.sweep(ctx); err != nil {
		t.Fatal(err)
	}
	got := next(t, s, ctx, &iterator)
	if len(got) != 2 || got[0].UserIdentity != nil {
		t.Fatalf("the records are %v", got)
	}
	who := got[1].UserIdentity
	if *got[1].EventName != "REMOVE" || who == nil || *who.Type != "Service" || *who.PrincipalId != "dynamodb.amazonaws.com" {
		t.Errorf("the second record is a %s by %v", *got[1].EventName, who)
	}
}

// Pages end at a megabyte, and nothing is lost between them.
func TestStreamPages(t *testing.T) {
	s, ctx := house(t)
	iterator := streaming(t, s, ctx)
	text := make([]byte, 300<<10)
	for i := range 8 {
		it := movieKey(i, "x")
		it.Set("info", api.Binary(string(text)))
		if _, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: it}); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < 8; {
		page := next(t, s, ctx, &iterator)
		if len(page) == 0 || len(page) > 3 {
			t.Fatalf("a page of %d records", len(page))
		}
		for _, r := range page {
			if *r.Dynamodb.Keys["year"].N != fmt.Sprint(i) {
				t.Errorf("record %d is of %s", i, *r.Dynamodb.Keys["year"].N)
			}
			i++
		}
	}
}

func FuzzDecodeChange(f *testing.F) {
	c := change{byService: true, at: time.UnixMilli(1), keys: movieKey(1, "x"), new: movieKey(1, "x")}
	f.Add(c.encode(1))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeChange(b)
		if err != nil {
			return
		}
		again, err := decodeChange(c.encode(b[1]))
		if err != nil || again.name != c.name || len(again.new) != len(c.new) {
			t.Errorf("%x is %v, and then %v, %v", b, c, again, err)
		}
	})
}

func FuzzIterator(f *testing.F) {
	at := streamRef{ref{store.Scope{Account: "000000000000", Region: "us-east-1"}, "movies"}, "2026-01-02T03:04:05.000"}
	f.Add(*iterator{at, iteratorPlace{"shard", 1, 2}}.text())
	f.Add("arn:aws:dynamodb:us-east-1:0:table/x/stream/|1|")
	f.Fuzz(func(t *testing.T, text string) {
		it, err := parseIterator(text)
		if err != nil {
			return
		}
		if again, err := parseIterator(*it.text()); err != nil || again != it {
			t.Errorf("%q is %v, and then %v, %v", text, it, again, err)
		}
	})
}

func FuzzSequence(f *testing.F) {
	f.Add(sequence(1))
	f.Add("100000+0000000000000000001")
	f.Fuzz(func(t *testing.T, text string) {
		if n, ok := parseSequence(text); ok && sequence(n) != text {
			t.Errorf("%q is taken for %d", text, n)
		}
	})
}
