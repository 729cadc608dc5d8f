package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// killFolder is set for the process that is to be killed; killTimes says how often
// (30 if unset).
const (
	killFolder = "TULE_STORE_KILL_FOLDER"
	killTimes  = "TULE_STORE_KILLS"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killFolder); dir != "" {
		victim(dir)
		return
	}
	os.Exit(m.Run())
}

// victim writes from eight goroutines until it is killed, and prints the number
// of each write that was acknowledged.
func victim(dir string) {
	first, err := strconv.Atoi(os.Args[len(os.Args)-1])
	if err != nil {
		panic(err)
	}
	st, err := store.Open(dir, store.Options{Clock: aws.NewManualClock(time.Unix(0, 0)), MemTableBytes: 1 << 20})
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := first + w; ; i += 8 {
				if err := put(context.Background(), st, i, 1500); err != nil {
					panic(err)
				}
				mu.Lock()
				fmt.Println(i)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// TestKill kills a process that writes, again and again in the same folder: no
// write that it had acknowledged is lost, and there is no half transaction.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := 30
	if n, err := strconv.Atoi(os.Getenv(killTimes)); err == nil {
		kills = n
	}
	dir := t.TempDir()
	acked := map[int]bool{}
	for life := range kills {
		kill(t, dir, life, acked)
	}
	st, err := store.Open(dir, store.Options{Clock: aws.NewManualClock(time.Unix(0, 0))})
	if err != nil {
		t.Fatal(err)
	}
	hasAll(t, st, acked)
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("%d kills, %d writes", kills, len(acked))
}

// kill lets a process write some records, a number that differs from life to life,
// and kills it. Every tenth time it looks whether all is there.
func kill(t *testing.T, dir string, life int, acked map[int]bool) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], strconv.Itoa(life<<24))
	cmd.Env = append(os.Environ(), killFolder+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	until := 1 + life*37%200
	for n := 0; lines.Scan(); n++ {
		i, err := strconv.Atoi(lines.Text())
		if err != nil {
			continue // cut by the kill
		}
		acked[i] = true
		if n == until {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if cmd.ProcessState.ExitCode() != -1 || stderr.Len() > 0 {
		t.Fatalf("life %d ended by itself: %s", life, stderr.String())
	}
	if life%10 == 9 {
		st, err := store.Open(dir, store.Options{Clock: aws.NewManualClock(time.Unix(0, 0))})
		if err != nil {
			t.Fatal(err)
		}
		hasAll(t, st, acked)
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLocked: a second process, or a second Open, is told who has the folder.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(dir, store.Options{Clock: aws.NewManualClock(time.Unix(0, 0))})
	if err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(os.Getpid())
	if _, err := store.Open(dir, store.Options{Clock: aws.NewManualClock(time.Unix(0, 0))}); err == nil || !strings.Contains(err.Error(), pid) {
		t.Errorf("a second Open: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "0")
	cmd.Env = append(os.Environ(), killFolder+"="+dir)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the folder is in use by process "+pid) {
		t.Errorf("a second process: %v\n%s", err, out)
	}
	if err := put(t.Context(), st, 1, 1); err != nil {
		t.Error(err)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}
