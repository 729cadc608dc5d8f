package firehose

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
)

// TestKill kills Tule TULE_KILLS times, 15 without, while several put records that are
// delivered as they come: every record that was acknowledged is in an object in the end, as
// often as it was put, which
// for one whose call had no answer may be not at all.
func TestKill(t *testing.T) {
	lives, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_KILLS"), "15"))
	try(t, err)
	const writers = 4
	data := filepath.Join(t.TempDir(), "data")
	c := start(t, data)
	bucket := c.bucket("arrivals")
	role := c.role("deliver", allow("s3:PutObject", bucket+"/*"))
	_, err = c.firehose.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("s"), ExtendedS3DestinationConfiguration: &types.ExtendedS3DestinationConfiguration{
		RoleARN: &role, BucketARN: &bucket, BufferingHints: &types.BufferingHints{IntervalInSeconds: aws.Int32(0), SizeInMBs: aws.Int32(1)}}})
	try(t, err)
	acked, unsure := map[string]bool{}, map[string]bool{}
	var mu sync.Mutex
	for life := range lives {
		var wg sync.WaitGroup
		for w := range writers {
			client := c.firehose
			wg.Go(func() {
				for n := 0; ; n++ {
					in := &firehose.PutRecordBatchInput{DeliveryStreamName: aws.String("s")}
					var list []string
					for i := range 3 {
						list = append(list, fmt.Sprintf("<%d-%d-%d-%d>", life, w, n, i))
						in.Records = append(in.Records, types.Record{Data: []byte(list[i])})
					}
					_, err := client.PutRecordBatch(ctx, in)
					mu.Lock()
					for _, text := range list {
						if err == nil {
							acked[text] = true
						} else {
							unsure[text] = true
						}
					}
					mu.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(20+rand.IntN(300)) * time.Millisecond)
		c.house.Kill()
		wg.Wait()
		c = start(t, data)
	}
	var all map[string]string
	times := map[string]int{}
	c.eventually(func() error {
		all = c.objects("arrivals", "")
		clear(times)
		for _, body := range all {
			for _, r := range strings.SplitAfter(body, ">") {
				times[r]++
			}
		}
		for r := range acked {
			if times[r] == 0 {
				return fmt.Errorf("%s is missing, of %d records", r, len(acked))
			}
		}
		return nil
	})
	delete(times, "")
	for r, n := range times {
		switch {
		case !acked[r] && !unsure[r]:
			t.Errorf("nobody put %q", r)
		case n > 1:
			t.Errorf("%s is there %d times: a batch that is delivered again is the same object", r, n)
		}
	}
	t.Logf("%d records in %d objects", len(times), len(all))
	c.stop()
}
