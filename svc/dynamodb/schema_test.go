package dynamodb

import (
	"runtime"
	"sync"
	"testing"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// While a table comes and goes, every put either finds it or is refused, and what a
// new table holds was put into it.
func TestPutsWhileTheTableGoes(t *testing.T) {
	s, ctx := house(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: movieKey(1, "x")})
				if err != nil && aws.CodeOf(err) != "ResourceNotFoundException" {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		if _, err := s.deleteTable(ctx, &api.DeleteTableInput{TableName: ptr("movies")}); err != nil {
			t.Error(err)
		}
		if _, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: movieKey(1, "y")}); aws.CodeOf(err) != "ResourceNotFoundException" {
			t.Errorf("a put into a deleted table: %v", err)
		}
		movies(t, s, ctx)
	}
	close(stop)
	wg.Wait()
	// Nothing is left of the tables that went.
	spaces := map[uint64]bool{}
	err := s.store.View(ctx, func(r store.Reader) error {
		for e, err := range itemRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			spaces[e.Key.Uint(0)] = true
		}
		return nil
	})
	if err != nil || len(spaces) > 1 {
		t.Errorf("items of %d tables, %v", len(spaces), err)
	}
}

// A reset of the store is noticed, though it is none of the service's operations.
func TestReset(t *testing.T) {
	s, ctx := house(t)
	put := func() error {
		_, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: movieKey(1, "x")})
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if err := store.Reset(ctx, s.store, "", ""); err != nil {
		t.Fatal(err)
	}
	for range 1000000 {
		if aws.CodeOf(put()) == "ResourceNotFoundException" {
			return
		}
		runtime.Gosched()
	}
	t.Error("puts go on into a table that is gone")
}
