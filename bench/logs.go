package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	logStreams = 32       // written at once, each by a connection of its own
	logPace    = 10 << 20 // bytes logged in a second
	logBatch   = 64 << 10 // bytes of a put
	logNeedle  = "no-such-thing"
)

// benchLogs logs a gigabyte, or as many megabytes as TULE_BENCH_LOGS says, at 10 MB/s:
// how many bytes Tule writes to disk for each; and searches all of it for what is not
// there and for what is there once, against grep over the same lines in a file.
func benchLogs(ctx context.Context, r *rig) ([]row, error) {
	megabytes, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_BENCH_LOGS"), "1024"))
	if err != nil {
		return nil, err
	}
	r.stop()
	if err := r.need(); err != nil {
		return nil, err
	}
	lines, err := os.Create(filepath.Join(r.dir, "lines"))
	if err != nil {
		return nil, err
	}
	defer os.Remove(lines.Name())
	before, err := written(r.tule.Process.Pid)
	if err != nil {
		return nil, err
	}
	logged, err := r.logLines(ctx, lines, int64(megabytes)<<20)
	if err != nil {
		return nil, err
	}
	time.Sleep(3 * time.Second) // what was begun in the background counts
	after, err := written(r.tule.Process.Pid)
	if err != nil {
		return nil, err
	}
	perByte := float64(after-before) / float64(logged)
	rows := []row{{fmt.Sprintf("bytes written for each byte logged, %d MB at 10 MB/s", megabytes), fmt.Sprintf("%.2f", perByte), "1", fmt.Sprintf("%.2f ×", perByte), "< 3", perByte < 3}}
	chance := rand.New(rand.NewPCG(0, 1)) // the first writer's, whose first line is there
	for _, c := range []struct {
		what, text string
		lines      int
	}{{"nothing", logNeedle, 0}, {"one id", fmt.Sprintf("%016x%016x", chance.Uint64(), chance.Uint64()), 1}} {
		search, err := r.searchLogs(ctx, c.text, c.lines)
		if err != nil {
			return nil, err
		}
		grep, err := median(3, 0, func() error {
			if out, _ := exec.CommandContext(ctx, "grep", "-cF", c.text, lines.Name()).Output(); string(bytes.TrimSpace(out)) != strconv.Itoa(c.lines) {
				return fmt.Errorf("grep: %q", out)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		ratio := float64(search) / float64(grep)
		rows = append(rows, row{fmt.Sprintf("FilterLogEvents over %d MB finds %s, floor: grep", megabytes, c.what), ms(search), ms(grep), fmt.Sprintf("%.1f ×", ratio), "≤ 3 ×", ratio <= 3})
	}
	return rows, lines.Close()
}

// written is how many bytes a process has sent to the disk.
func written(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "\nwrite_bytes: ")
	n, _, _ := strings.Cut(rest, "\n")
	return strconv.ParseInt(n, 10, 64)
}

// logLines puts so many bytes of lines into a group, at a pace, and writes them to a file
// as well.
func (r *rig) logLines(ctx context.Context, file *os.File, want int64) (logged int64, err error) {
	var mu sync.Mutex
	var writing sync.WaitGroup
	var failed error
	begin := time.Now()
	take := func(n int64) bool {
		mu.Lock()
		due := begin.Add(time.Duration(logged) * time.Second / logPace)
		more := logged < want && failed == nil && ctx.Err() == nil
		if more {
			logged += n
		}
		mu.Unlock()
		time.Sleep(time.Until(due))
		return more
	}
	for w := range logStreams {
		t, err := r.caller(r.address, "logs", "application/x-amz-json-1.1", "X-Amz-Target: Logs_20140328.")
		if err != nil {
			return 0, err
		}
		stream := fmt.Sprintf("2026/01/02/[$LATEST]%032x", w)
		if w == 0 {
			if _, err := t.call("CreateLogGroup", `{"logGroupName":"bench"}`); err != nil {
				return 0, err
			}
		}
		if _, err := t.call("CreateLogStream", `{"logGroupName":"bench","logStreamName":"`+stream+`"}`); err != nil {
			return 0, err
		}
		writing.Go(func() {
			chance := rand.New(rand.NewPCG(uint64(w), 1))
			for {
				body, text := logPut(chance, stream)
				if !take(int64(len(text))) {
					return
				}
				_, err := t.call("PutLogEvents", body)
				mu.Lock()
				if err == nil {
					_, err = file.Write(text)
				}
				if failed == nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	writing.Wait()
	return logged, failed
}

// logPut is a put of lines as a web server's are, half of them chance, and the lines.
func logPut(chance *rand.Rand, stream string) (body string, text []byte) {
	var b strings.Builder
	b.WriteString(`{"logGroupName":"bench","logStreamName":"` + stream + `","logEvents":[`)
	now := time.Now().UnixMilli()
	for len(text) < logBatch {
		line := fmt.Sprintf("INFO request %016x%016x GET /songs/%d status=%d took=%dms from 10.%d.%d.%d", chance.Uint64(), chance.Uint64(),
			chance.IntN(1e6), 200+chance.IntN(4)*100, chance.IntN(2000), chance.IntN(256), chance.IntN(256), chance.IntN(256))
		if len(text) > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"timestamp":%d,"message":"%s"}`, now, line)
		text = append(append(text, line...), '\n')
	}
	b.WriteString("]}")
	return b.String(), text
}

// searchLogs is how long a search of the whole group for so many lines with a text takes,
// the better of two.
func (r *rig) searchLogs(ctx context.Context, text string, lines int) (best time.Duration, err error) {
	t, err := r.caller(r.address, "logs", "application/x-amz-json-1.1", "X-Amz-Target: Logs_20140328.")
	if err != nil {
		return 0, err
	}
	for range 2 {
		begin, found := time.Now(), 0
		for token := ""; ctx.Err() == nil; {
			in := map[string]any{"logGroupName": "bench", "filterPattern": `"` + text + `"`}
			if token != "" {
				in["nextToken"] = token
			}
			body, err := json.Marshal(in)
			if err != nil {
				return 0, err
			}
			answer, err := t.call("FilterLogEvents", string(body))
			if err != nil {
				return 0, err
			}
			var out struct {
				Events    []json.RawMessage `json:"events"`
				NextToken string            `json:"nextToken"`
			}
			if err := json.Unmarshal(answer, &out); err != nil {
				return 0, err
			}
			found += len(out.Events)
			if token = out.NextToken; token == "" {
				break
			}
		}
		if found != lines && ctx.Err() == nil {
			return 0, fmt.Errorf("the search for %s found %d events, want %d", text, found, lines)
		}
		if took := time.Since(begin); best == 0 || took < best {
			best = took
		}
	}
	return best, ctx.Err()
}
