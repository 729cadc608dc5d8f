// Package kinesis reads streams of the real binary as applications do: by the Kinesis
// Client Library, and while Tule is killed.
package kinesis

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/tule-cloud/tule/test/tule"
)

var ctx = context.Background()

func client(house *tule.Tule) *kinesis.Client {
	return kinesis.New(kinesis.Options{Region: "us-east-1", BaseEndpoint: aws.String(house.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until f has nothing to say against how things are.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// A worker is a process of the Kinesis Client Library.
type worker struct {
	mu      sync.Mutex
	shards  map[string]bool     // that it has
	records map[string][]string // by shard, the data
	numbers map[string]string   // by shard, the sequence number of the last
	trouble []string
}

// work starts a worker; the test ends it.
func work(t *testing.T, classes, endpoint, name string) *worker {
	t.Helper()
	w := &worker{shards: map[string]bool{}, records: map[string][]string{}, numbers: map[string]string{}}
	c := exec.Command("java", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", classes+":"+filepath.Join(tule.Root(), ".cache", "kcl", "*"), "Worker", endpoint, "events", name)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	try(t, err)
	c.Stderr = os.Stderr
	try(t, c.Start())
	done := make(chan bool)
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			w.heard(lines.Text())
		}
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill() // a worker has no other end
		<-done
		_ = c.Wait()
	})
	return w
}

// heard takes a line that a worker prints.
func (w *worker) heard(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch f := strings.Fields(line); f[0] {
	case "begin":
		w.shards[f[1]] = true
	case "lost", "ended":
		delete(w.shards, f[1])
	case "record":
		if last := w.numbers[f[1]]; len(last) > len(f[2]) || len(last) == len(f[2]) && last >= f[2] {
			w.trouble = append(w.trouble, fmt.Sprintf("%s: %s came after %s", f[1], f[2], last))
		}
		w.numbers[f[1]] = f[2]
		w.records[f[1]] = append(w.records[f[1]], f[3])
	default:
		w.trouble = append(w.trouble, line)
	}
}

// TestClientLibrary lets a worker of the Kinesis Client Library read a stream of four shards,
// and a second one steal some: all records arrive, each shard's in order, by way of CBOR.
func TestClientLibrary(t *testing.T) {
	if _, err := os.Stat(filepath.Join(tule.Root(), ".cache", "kcl")); err != nil {
		t.Skip("the Kinesis Client Library is not here; make clients fetches it")
	}
	classes := t.TempDir()
	javac := exec.Command("javac", "-cp", filepath.Join(tule.Root(), ".cache", "kcl", "*"), "-d", classes, filepath.Join(tule.Root(), "test", "kinesis", "java", "Worker.java"))
	if out, err := javac.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	house, err := tule.Start(tule.Options{})
	try(t, err)
	t.Cleanup(func() { try(t, house.Stop()) }) // after the workers
	kinds, endpoint := watched(t, house)
	c := client(house)
	_, err = c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("events"), ShardCount: aws.Int32(4)})
	try(t, err)
	put := func(from, to int) {
		in := &kinesis.PutRecordsInput{StreamName: aws.String("events")}
		for i := from; i < to; i++ {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{Data: []byte(fmt.Sprint(i)), PartitionKey: aws.String(fmt.Sprint(i))})
		}
		out, err := c.PutRecords(ctx, in)
		try(t, err)
		if *out.FailedRecordCount != 0 {
			t.Fatal("records were refused")
		}
	}
	put(0, 200)
	one := work(t, classes, endpoint, "one")
	workers := []*worker{one}
	arrived := func(n int) func() error {
		return func() error {
			have := map[string]bool{}
			for _, w := range workers {
				w.mu.Lock()
				for _, list := range w.records {
					for _, data := range list {
						have[data] = true
					}
				}
				trouble := fmt.Sprint(w.trouble)
				w.mu.Unlock()
				if trouble != "[]" {
					t.Fatal(trouble)
				}
			}
			if len(have) != n {
				return fmt.Errorf("%d of %d records have arrived\n%s", len(have), n, house.Failures())
			}
			return nil
		}
	}
	eventually(t, arrived(200))
	two := work(t, classes, endpoint, "two")
	workers = append(workers, two)
	held := func() (a, b int) {
		one.mu.Lock()
		defer one.mu.Unlock()
		two.mu.Lock()
		defer two.mu.Unlock()
		return len(one.shards), len(two.shards)
	}
	eventually(t, func() error {
		if a, b := held(); a != 2 || b != 2 {
			return fmt.Errorf("the workers have %d and %d shards", a, b)
		}
		return nil
	})
	put(200, 500)
	eventually(t, arrived(500))
	two.mu.Lock()
	if len(two.records) == 0 {
		t.Error("the second worker was given nothing")
	}
	two.mu.Unlock()
	kinds.mu.Lock()
	defer kinds.mu.Unlock()
	if kinds.of["Kinesis_20131202.GetRecords application/x-amz-cbor-1.1"] == 0 {
		t.Errorf("the library did not speak CBOR: %v", kinds.of)
	}
}

// seen are the operations that were called, with their bodies' types.
type seen struct {
	mu sync.Mutex
	of map[string]int
}

// watched is a Tule behind a proxy that notes what is called, and how.
func watched(t *testing.T, house *tule.Tule) (*seen, string) {
	t.Helper()
	target, err := url.Parse(house.URL())
	try(t, err)
	kinds := &seen{of: map[string]int{}}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kinds.mu.Lock()
		kinds.of[r.Header.Get("X-Amz-Target")+" "+r.Header.Get("Content-Type")]++
		kinds.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return kinds, server.URL
}
