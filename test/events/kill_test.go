package events

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// TestKillEvents kills Tule TULE_KILLS times, 15 without, while many put events that a
// rule sends to a queue. What was acknowledged arrives.
func TestKillEvents(t *testing.T) {
	kills, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_KILLS"), "15"))
	try(t, err)
	data := filepath.Join(t.TempDir(), "data")
	c := start(t, data)
	q := c.queue("q")
	c.rule("all", `{"source":[{"prefix":"s"}]}`, types.Target{Id: aws.String("q"), Arn: q.arn, InputPath: aws.String("$.id")})
	acked := map[string]bool{}
	for range kills {
		for _, id := range putUntilKilled(c) {
			acked[id] = true
		}
		c = start(t, data)
		q.cloud = c
	}
	seen, twice := map[string]bool{}, 0
	for idle := 0; idle < 5 && len(missing(acked, seen)) > 0; {
		list := q.some(1)
		if idle++; len(list) > 0 {
			idle = 0
		}
		for _, m := range list {
			if seen[*m.Body] {
				twice++
			}
			seen[*m.Body] = true
		}
	}
	if lost := missing(acked, seen); len(lost) > 0 || len(acked) < kills*10 {
		t.Errorf("%d events were acknowledged, and %d lost, such as %v", len(acked), len(lost), lost[:min(len(lost), 3)])
	}
	t.Logf("%d kills, %d events acknowledged, %d came twice", kills, len(acked), twice)
	try(t, c.house.Stop())
}

func missing(acked, seen map[string]bool) (lost []string) {
	for id := range acked {
		if !seen[strconv.Quote(id)] {
			lost = append(lost, id)
		}
	}
	return lost
}

// putUntilKilled gives the ids of the events that were acknowledged.
func putUntilKilled(c *cloud) (ids []string) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var mu sync.Mutex
	for w := range 8 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				in := &eventbridge.PutEventsInput{Entries: make([]types.PutEventsRequestEntry, 3)}
				for i := range in.Entries {
					in.Entries[i] = types.PutEventsRequestEntry{Source: aws.String("s"), DetailType: aws.String("t"), Detail: aws.String(fmt.Sprintf(`{"writer":%d,"n":%d}`, w, n))}
				}
				out, err := c.events.PutEvents(ctx, in)
				if err != nil {
					return
				}
				mu.Lock()
				for _, e := range out.Entries {
					ids = append(ids, *e.EventId)
				}
				mu.Unlock()
			}
		})
	}
	time.Sleep(time.Duration(50+rand.IntN(300)) * time.Millisecond)
	c.house.Kill()
	cancel()
	wg.Wait()
	return ids
}
