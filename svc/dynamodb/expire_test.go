package dynamodb

import (
	"context"
	"fmt"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/script"
)

func TestRunDeletesWhatIsOver(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random})
	ctx, cancel := context.WithCancel(h.Context(t.Context()))
	movies(t, s, ctx)
	now := h.Clock.Now().Unix()
	put := func(title string, end api.AttributeValue) {
		t.Helper()
		it := movieKey(1, title)
		it.Set("end", end)
		if _, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: it}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 250 {
		put(fmt.Sprintf("over%d", i), api.Number(fmt.Sprint(now-int64(i)-1)))
	}
	put("soon", api.Number(fmt.Sprint(now+90)))
	put("text", api.String(fmt.Sprint(now-1)))
	put("fraction", api.Number("1.5"))
	put("ancient", api.Number("1000"))
	count := func() int32 {
		t.Helper()
		out, err := s.scan(ctx, &api.ScanInput{TableName: ptr("movies"), Select: ptr("COUNT")})
		if err != nil {
			t.Fatal(err)
		}
		return *out.Count
	}
	if err := s.sweep(ctx); err != nil || count() != 254 {
		t.Fatalf("without a time to live %d items are left, %v", count(), err)
	}
	_, err := s.updateTimeToLive(ctx, &api.UpdateTimeToLiveInput{TableName: ptr("movies"),
		TimeToLiveSpecification: &api.TimeToLiveSpecification{AttributeName: ptr("end"), Enabled: ptr(true)}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	for _, want := range []int32{4, 3} {
		waitForTimer(t, h)
		h.Clock.Advance(sweepEvery)
		waitForTimer(t, h)
		if got := count(); got != want {
			t.Errorf("%d items are left, want %d", got, want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// waitForTimer returns when Run waits for its next sweep.
func waitForTimer(t *testing.T, h *script.House) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for h.Clock.Timers() == 0 {
		select {
		case <-deadline:
			t.Fatal("Run does not wait")
		default:
		}
	}
}

// What was given more time meanwhile stays.
func TestSweepLooksAgain(t *testing.T) {
	s, ctx := house(t)
	it := movieKey(1, "x")
	it.Set("end", api.Number("99999999999"))
	if _, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: it}); err != nil {
		t.Fatal(err)
	}
	at, err := own(ctx, ptr("movies"))
	if err != nil {
		t.Fatal(err)
	}
	tab := &table{TimeToLive: "end"}
	w := &write{verb: remove, at: at, item: movieKey(1, "x"), stale: func(old api.Item) bool { return !tab.over(old, s.clock.Now()) }}
	if err := s.commit(ctx, w); err != nil {
		t.Fatal(err)
	}
	out, err := s.getItem(ctx, &api.GetItemInput{TableName: ptr("movies"), Key: movieKey(1, "x")})
	if err != nil || out.Item == nil {
		t.Errorf("the item is gone, %v", err)
	}
}
