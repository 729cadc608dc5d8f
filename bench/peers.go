package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// peerFolder is where setup/peers fetches to.
var peerFolder = filepath.Join(".cache", "peers")

// A peer is another program that runs functions, and answers HTTP.
type peer struct {
	name string
	argv func(port string) []string // in the peer's folder
	path string
}

var peers = []peer{
	{"serverless-offline", func(port string) []string {
		return []string{"node_modules/.bin/serverless", "offline", "--lambdaPort", port, "--httpPort", freePort(), "--noPrependStageInUrl"}
	}, "/2015-03-31/functions/bench-dev-hello/invocations"},
	{"lambda-local", func(port string) []string {
		return []string{"node_modules/.bin/lambda-local", "-l", "index.js", "--watch", port, "-v", "0"}
	}, "/"},
}

func freePort() string {
	_, port, _ := net.SplitHostPort(freeAddress())
	return port
}

const serverlessConfig = `service: bench
frameworkVersion: "3"
provider: { name: aws, runtime: nodejs20.x }
plugins: [serverless-offline]
functions:
  hello: { handler: index.handler }
`

// benchPeers is a warm invoke of the same function by 32 connections, by Tule and by what
// people use instead, one after the other; `make peers` fetches them.
func benchPeers(ctx context.Context, r *rig) ([]row, error) {
	if _, err := os.Stat(filepath.Join(peerFolder, "node_modules")); err != nil {
		return []row{{what: "warm invoke, against peers", tule: "not measured: make peers fetches them"}}, nil
	}
	for name, text := range map[string]string{"index.js": nodeHello, "serverless.yml": serverlessConfig} {
		if err := os.WriteFile(filepath.Join(peerFolder, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if err := r.need(); err != nil {
		return nil, err
	}
	if err := r.hello("peer"); err != nil {
		return nil, err
	}
	ours, err := r.invokers("peer")
	if err != nil {
		return nil, err
	}
	defer closeAll(ours)
	measure := func(d time.Duration) (float64, error) {
		return rate(ctx, connections, d, func(w, i int) error { return ours[w].send(i) })
	}
	if _, err := measure(2 * time.Second); err != nil {
		return nil, err
	}
	var rows []row
	for _, p := range peers {
		tule, err := measure(4 * time.Second)
		if err != nil {
			return nil, err
		}
		theirs, err := p.measure(ctx, 4*time.Second)
		if err != nil {
			rows = append(rows, row{what: "warm invoke, against " + p.name, tule: "not measured: " + err.Error()})
			continue
		}
		ratio := tule / theirs
		rows = append(rows, row{"warm invoke, against " + p.name, perSecond(tule), perSecond(theirs), fmt.Sprintf("%.1f ×", ratio), "> 5 ×", ratio > 5})
	}
	return rows, nil
}

// measure runs a peer and invokes its function.
func (p *peer) measure(ctx context.Context, d time.Duration) (float64, error) {
	port := freePort()
	argv := p.argv(port)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = peerFolder
	cmd.Env = append(os.Environ(), "SLS_NOTIFICATIONS_MODE=off", "SLS_TELEMETRY_DISABLED=1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it starts others
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	}()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	body := `{"event":{}}`
	invoke := func() error {
		res, err := client.Post("http://localhost:"+port+p.path, "application/json", bytes.NewReader([]byte(body)))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(res.Body); err != nil {
			return err
		}
		if res.StatusCode != 200 || !bytes.Contains(b.Bytes(), []byte("world")) {
			return fmt.Errorf("%s answered %s: %.200s", p.name, res.Status, b.String())
		}
		return nil
	}
	var err error
	for begun := time.Now(); time.Since(begun) < 60*time.Second; time.Sleep(200 * time.Millisecond) {
		if err = invoke(); err == nil {
			break
		}
	}
	if err != nil {
		return 0, err
	}
	if _, err := rate(ctx, connections, d/2, func(int, int) error { return invoke() }); err != nil {
		return 0, err
	}
	return rate(ctx, connections, d, func(int, int) error { return invoke() })
}
