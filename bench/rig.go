package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tule-cloud/tule/wire/sigv4"
)

// rig runs the programs that are measured.
type rig struct {
	program, dir string
	tule         *exec.Cmd
	address      string
	more         []string // flags of the next start
	keys         int      // of the bucket whose list is measured
	client       *http.Client
}

func newRig(program string) (*rig, error) {
	path, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	// Where the machine keeps data: a temporary folder may be memory.
	dir, err := os.MkdirTemp(".cache", "bench-")
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // functions run as somebody else
		return nil, err
	}
	return &rig{program: path, dir: dir, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}, nil
}

func (r *rig) close() {
	r.stop()
	os.RemoveAll(r.dir)
}

func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:4599"
	}
	defer l.Close()
	return l.Addr().String()
}

// modules are the libraries that AWS's runtimes provide to Python.
func (r *rig) modules() string {
	return filepath.Join(r.dir, "data", "runtimes", "modules", "python3", "site-packages")
}

// libraries gives Tule those that were fetched for the tests, before it starts.
func (r *rig) libraries() error {
	r.stop()
	to := filepath.Join(r.dir, "data", "runtimes")
	if _, err := os.Stat(filepath.Join(to, "modules")); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o711); err != nil {
		return err
	}
	_ = os.RemoveAll(to)
	if out, err := exec.Command("cp", "-a", filepath.Join(".cache", "provided", "runtimes"), to).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// start starts Tule and waits for «Ready.»; it returns how long that took.
func (r *rig) start() (time.Duration, error) {
	r.address = freeAddress()
	log, err := os.Create(filepath.Join(r.dir, "log"))
	if err != nil {
		return 0, err
	}
	r.tule = exec.Command(r.program, "start", "--data", filepath.Join(r.dir, "data"), "--listen", r.address, "--log-level", "warn")
	r.tule.Args = append(r.tule.Args, r.more...)
	r.tule.Stderr = log
	out, err := r.tule.StdoutPipe()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := r.tule.Start(); err != nil {
		return 0, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	took := time.Since(begin)
	if strings.TrimSpace(line) != "Ready." {
		text, _ := os.ReadFile(log.Name())
		return 0, fmt.Errorf("the program did not start (%v): %s", err, text)
	}
	go io.Copy(io.Discard, out)
	return took, nil
}

func (r *rig) stop() {
	if r.tule != nil {
		r.tule.Process.Signal(syscall.SIGTERM)
		r.tule.Wait()
		r.tule = nil
	}
}

// need starts Tule if it does not run.
func (r *rig) need() error {
	if r.tule != nil {
		return nil
	}
	_, err := r.start()
	return err
}

// request is a signed one.
func (r *rig) request(method, path, service, target string, body []byte) *http.Request {
	q, err := http.NewRequest(method, "http://"+r.address+path, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	if target != "" {
		q.Header.Set("X-Amz-Target", target)
		q.Header.Set("Content-Type", "application/x-amz-json-1.0")
	}
	sum := sha256.Sum256(body)
	sigv4.Sign(q, sigv4.Credentials{AccessKeyID: "test", Secret: "test"}, "us-east-1", service, hex.EncodeToString(sum[:]), time.Now())
	return q
}

// call sends a request and wants success.
func (r *rig) call(q *http.Request) (string, error) {
	res, err := r.client.Do(q)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s answered %d: %s", q.Method, q.URL.Path, res.StatusCode, b)
	}
	return string(b), err
}

// rate is how many times a second n workers together can do f, within d.
func rate(ctx context.Context, n int, d time.Duration, f func(worker, i int) error) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	begin := time.Now()
	for w := range n {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := f(w, i); err != nil {
					failed.Store(&err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(begin).Seconds(), nil
}

// inTurns measures two rates in turns, since a machine's disk and neighbours differ
// from second to second: the medians of both, and that of the ratios of each turn.
func inTurns(turns int, d time.Duration, a, b func(time.Duration) (float64, error)) (rateA, rateB, ratio float64, err error) {
	var as, bs, ratios []float64
	for range turns {
		x, err := a(d)
		if err != nil {
			return 0, 0, 0, err
		}
		y, err := b(d)
		if err != nil {
			return 0, 0, 0, err
		}
		as, bs, ratios = append(as, x), append(bs, y), append(ratios, x/y)
	}
	mid := func(all []float64) float64 {
		slices.Sort(all)
		return all[len(all)/2]
	}
	return mid(as), mid(bs), mid(ratios), nil
}

// rest is the pause between two starts that are timed: what a start prepares for the
// next one is its own cost in a burst, and nobody's at the rate at which functions
// start cold.
const rest = 80 * time.Millisecond

// middle is the median of times.
func middle(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// median times f n times, with a pause before each.
func median(n int, pause time.Duration, f func() error) (time.Duration, error) {
	var all []time.Duration
	for range n {
		time.Sleep(pause)
		begin := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		all = append(all, time.Since(begin))
	}
	return middle(all), nil
}
