package logs

import (
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// counting is a file system that counts the bytes written to it.
type counting struct {
	vfs.FS
	written *atomic.Int64
}

func (c counting) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := c.FS.Create(name, category)
	return countingFile{f, c.written}, err
}

func (c counting) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := c.FS.ReuseForWrite(from, to, category)
	return countingFile{f, c.written}, err
}

type countingFile struct {
	vfs.File
	written *atomic.Int64
}

func (f countingFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	f.written.Add(int64(n))
	return n, err
}

// BenchmarkPut puts batches of lines of 100 bytes with 32 callers, each on a stream of
// its own, on disk, and reports how many bytes are written for each byte of a message:
// the log, the tables that it becomes and their compactions.
func BenchmarkPut(b *testing.B) {
	for _, lines := range []int{1, 4, 100} {
		b.Run(fmt.Sprintf("lines=%d", lines), func(b *testing.B) { benchmarkPut(b, lines) })
	}
}

func benchmarkPut(b *testing.B, lines int) {
	var written, puts atomic.Int64
	clock := aws.NewManualClock(time.UnixMilli(start))
	st, err := store.Open(b.TempDir(), store.Options{Clock: clock, FS: counting{vfs.Default, &written}})
	if err != nil {
		b.Fatal(err)
	}
	s := New(Options{Store: st, Clock: clock, Random: rand.Reader})
	ctx := script.New().Context(b.Context())
	must(b)(s.createLogGroup(ctx, &api.CreateLogGroupRequest{LogGroupName: ptr("g")}))
	var streams [32]*string
	for i := range streams {
		streams[i] = ptr(fmt.Sprintf("2026/01/02/[$LATEST]%032d", i))
		must(b)(s.createLogStream(ctx, &api.CreateLogStreamRequest{LogGroupName: ptr("g"), LogStreamName: streams[i]}))
	}
	text := make([]byte, 50)
	_, _ = rand.Read(text)
	line := fmt.Sprintf("%x", text)
	written.Store(0)
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, name := range streams {
		wg.Go(func() {
			for {
				n := puts.Add(1)
				if n > int64(b.N) {
					return
				}
				at := start + n/100
				events := make([]api.InputLogEvent, lines)
				for i := range events {
					events[i] = api.InputLogEvent{Timestamp: &at, Message: ptr(strings.Replace(line, "0", fmt.Sprint(n%10), 3))}
				}
				if _, err := s.putLogEvents(ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: name, LogEvents: events}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if err := st.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
	b.ReportMetric(float64(written.Load())/float64(b.N*lines*len(line)), "written/logged")
}

// BenchmarkWatch polls a group for what came in the last second: 100 events of a
// thousand streams, which have 100,000 of the hour before.
func BenchmarkWatch(b *testing.B) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("s%04d", i)
	}
	g := newGround(b, names...)
	put := func(name string, from, step int64) {
		events := make([]api.InputLogEvent, 100)
		for i := range events {
			events[i] = api.InputLogEvent{Timestamp: ptr(from + int64(i)*step), Message: ptr(strings.Repeat(name, 20))}
		}
		must(b)(g.s.putLogEvents(g.ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: &name, LogEvents: events}))
	}
	for i, name := range names {
		put(name, start-3600_000+int64(i), 35_000)
	}
	put(names[7], start, 10)
	in := &api.FilterLogEventsRequest{LogGroupName: ptr("g"), StartTime: ptr(int64(start)), FilterPattern: ptr("s0007")}
	for b.Loop() {
		out, err := g.s.filterLogEvents(g.ctx, in)
		if err != nil || len(out.Events) != 100 {
			b.Fatal(len(out.Events), err)
		}
	}
}

// BenchmarkSearch searches 64 MB of 32 streams for what is not there.
func BenchmarkSearch(b *testing.B) {
	clock := aws.NewManualClock(time.UnixMilli(start))
	st, err := store.Open(b.TempDir(), store.Options{Clock: clock})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	s := New(Options{Store: st, Clock: clock, Random: rand.Reader})
	ctx := script.New().Context(b.Context())
	must(b)(s.createLogGroup(ctx, &api.CreateLogGroupRequest{LogGroupName: ptr("g")}))
	for i := range 32 {
		must(b)(s.createLogStream(ctx, &api.CreateLogStreamRequest{LogGroupName: ptr("g"), LogStreamName: ptr(fmt.Sprint(i))}))
	}
	size := 0
	for n := 0; size < 64<<20; n++ {
		at := start + int64(n)*6
		var events []api.InputLogEvent
		for range 500 {
			var id [16]byte
			_, _ = rand.Read(id[:])
			events = append(events, api.InputLogEvent{Timestamp: &at, Message: ptr(fmt.Sprintf("INFO request %x GET /songs/%d status=200 took=12ms from 10.%d.%d.1", id, n, id[0], id[1]))})
			size += len(*events[len(events)-1].Message)
		}
		must(b)(s.putLogEvents(ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: ptr(fmt.Sprint(n % 32)), LogEvents: events}))
	}
	for b.Loop() {
		in := &api.FilterLogEventsRequest{LogGroupName: ptr("g"), FilterPattern: ptr(`"no-such-thing"`)}
		for more := true; more; {
			out, err := s.filterLogEvents(ctx, in)
			if err != nil || len(out.Events) > 0 {
				b.Fatal(len(out.Events), err)
			}
			in.NextToken, more = out.NextToken, out.NextToken != nil
		}
	}
	b.SetBytes(int64(size))
}
