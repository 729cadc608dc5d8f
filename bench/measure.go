package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tule-cloud/tule/sandbox"
)

// benchStart is how long a start takes on a folder that exists, and what memory is
// resident then.
func benchStart(_ context.Context, r *rig) ([]row, error) {
	var best time.Duration
	for i := range 6 {
		took, err := r.start()
		if err != nil {
			return nil, err
		}
		if i == 1 || i > 1 && took < best {
			best = took // the first made the folder
		}
		if i < 5 {
			r.stop()
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.tule.Process.Pid))
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		return nil, err
	}
	mb := float64(kb) / 1024
	return []row{
		{"start to Ready.", ms(best), "", "", "< 150 ms", best < 150*time.Millisecond},
		{"resident then", fmt.Sprintf("%.0f MB", mb), "", "", "< 60 MB", mb < 60},
	}, nil
}

// benchSandbox is what isolation adds to starting a command.
func benchSandbox(ctx context.Context, r *rig) ([]row, error) {
	h, err := sandbox.Open(sandbox.Options{Dir: filepath.Join(r.dir, "sandboxes")})
	if err != nil {
		return nil, err
	}
	defer h.Close()
	bare, err := median(60, rest, func() error { return exec.Command("/bin/true").Run() })
	if err != nil {
		return nil, err
	}
	n := 0
	walled, err := median(60, rest, func() error {
		n++
		s, err := h.Start(ctx, sandbox.Spec{ID: fmt.Sprintf("bench-%d", n), Argv: []string{"/bin/true"}, Code: r.dir, Memory: 128 << 20})
		if err != nil {
			return err
		}
		_, err = s.Wait(ctx)
		go s.Close()
		return err
	})
	if err != nil {
		return nil, err
	}
	more := walled - bare
	return []row{{"sandbox of /bin/true", ms(walled), ms(bare), "+" + ms(more), "+ < 5 ms", more < 5*time.Millisecond}}, nil
}

// function makes a function of files, and its role.
func (r *rig) function(name, runtime, handler string, memory int, files map[string]string) error {
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	_, err := r.call(r.request("POST", "/?Action=CreateRole&RoleName="+name+"&AssumeRolePolicyDocument="+urlEscape(trust), "iam", "", nil))
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for file, text := range files {
		w, err := z.Create(file)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"FunctionName": name, "Runtime": runtime, "Handler": handler, "MemorySize": memory, "Timeout": 30,
		"Role": "arn:aws:iam::000000000000:role/" + name, "Code": map[string]any{"ZipFile": buf.Bytes()}})
	if err != nil {
		return err
	}
	_, err = r.call(r.request("POST", "/2015-03-31/functions", "lambda", "", body))
	return err
}

// hello makes a Node function that greets.
func (r *rig) hello(name string) error {
	return r.function(name, "nodejs20.x", "index.handler", 256, map[string]string{"index.js": nodeHello})
}

func (r *rig) invoke(name string) error {
	_, err := r.call(r.request("POST", "/2015-03-31/functions/"+name+"/invocations", "lambda", "", []byte("{}")))
	return err
}

// benchInvoke is a warm, signed invocation over one connection.
func benchInvoke(ctx context.Context, r *rig) ([]row, error) {
	if err := r.need(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr := freeAddress()
	server := exec.Command(self, "floor-server", addr)
	if err := server.Start(); err != nil {
		return nil, err
	}
	defer func() { server.Process.Kill(); server.Wait() }()
	if err := r.hello("warm"); err != nil {
		return nil, err
	}
	if err := r.invoke("warm"); err != nil {
		return nil, err
	}
	tule, floor, ratio, err := inTurns(8, time.Second,
		func(d time.Duration) (float64, error) {
			return rate(ctx, 1, d, func(int, int) error { return r.invoke("warm") })
		},
		func(d time.Duration) (float64, error) {
			return rate(ctx, 1, d, func(int, int) error {
				// Signed alike, so that the client's own work is the same.
				q := r.request("POST", "/2015-03-31/functions/warm/invocations", "lambda", "", []byte("{}"))
				q.URL.Host = addr
				_, err := r.call(q)
				return err
			})
		})
	if err != nil {
		return nil, err
	}
	return []row{{"warm invoke, one connection", perSecond(tule), perSecond(floor), fmt.Sprintf("%.2f ×", ratio), "> 0.5 ×", ratio > 0.5}}, nil
}

// benchDynamoDB is PutItem on 32 connections against Pebble alone.
func benchDynamoDB(ctx context.Context, r *rig) ([]row, error) {
	if err := r.need(); err != nil {
		return nil, err
	}
	table := `{"TableName":"bench","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}`
	if _, err := r.call(r.request("POST", "/", "dynamodb", "DynamoDB_20120810.CreateTable", []byte(table))); err != nil {
		return nil, err
	}
	text := strings.Repeat("x", 900)
	db, err := pebble.Open(filepath.Join(r.dir, "pebble"), &pebble.Options{Logger: silent{}})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	loaders, err := r.loaders(32, func(w, i int) *http.Request {
		body := fmt.Sprintf(`{"TableName":"bench","Item":{"id":{"S":"%d-%d"},"text":{"S":"%s"},"n":{"N":"%d"}}}`, w, i, text, i)
		return r.request("POST", "/", "dynamodb", "DynamoDB_20120810.PutItem", []byte(body))
	})
	if err != nil {
		return nil, err
	}
	tule, floor, ratio, err := inTurns(8, time.Second,
		func(d time.Duration) (float64, error) {
			return rate(ctx, 32, d, func(w, i int) error { return loaders[w].send(i) })
		},
		func(d time.Duration) (float64, error) {
			return rate(ctx, 32, d, func(w, i int) error {
				return db.Set(fmt.Appendf(nil, "bench/%d-%d", w, i), []byte(text), pebble.Sync)
			})
		})
	if err != nil {
		return nil, err
	}
	return []row{{"PutItem, 32 connections", perSecond(tule), perSecond(floor), fmt.Sprintf("%.2f ×", ratio), "> 0.5 ×", ratio > 0.5}}, nil
}

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(f string, a ...any) {
	fmt.Fprintf(os.Stderr, f+"\n", a...)
	os.Exit(1)
}

func urlEscape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}
