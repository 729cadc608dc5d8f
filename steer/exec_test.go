//go:build linux

package steer

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// needRoot skips what only root may do.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: binds ports 53, 80 and 443 on the loopback and makes a mount namespace")
	}
}

func needProgram(t testing.TB, path string) {
	t.Helper()
	if _, err := exec.LookPath(path); err != nil {
		t.Skipf("needs %s, which is not installed", path)
	}
}

// cleanEnv is an environment in which nothing steers but Exec.
func cleanEnv() []string {
	return []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/nonexistent", "LANG=C.UTF-8"}
}

type house struct {
	authority *Authority
	tule      string
}

func newHouse(t testing.TB) *house {
	a := newRealAuthority(t)
	return &house{a, startEcho(t, a)}
}

// exec runs a command by Exec and returns its output, both streams, and status.
func (h *house) exec(t testing.TB, o ExecOptions, command ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out bytes.Buffer
	o.Command, o.Tule, o.Trust = command, h.tule, h.authority.Trust()
	if o.Env == nil {
		o.Env = cleanEnv()
	}
	o.Stdout, o.Stderr = &out, &out
	code, err := Exec(ctx, o)
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out.String())
	}
	return out.String(), code
}

// echo runs a command that prints an echo.
func (h *house) echo(t testing.TB, o ExecOptions, command ...string) echo {
	t.Helper()
	out, code := h.exec(t, o, command...)
	var e echo
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != 0 {
		t.Fatalf("%v: exit %d: %v\n%s", command, code, err, out)
	}
	return e
}

func TestExecClients(t *testing.T) {
	needRoot(t)
	h := newHouse(t)
	node := `fetch=(u)=>require('https').get(u,r=>r.pipe(process.stdout)); fetch(process.argv[1])`
	python := `import sys,urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1]).read().decode())`
	for _, c := range []struct {
		name    string
		command []string
	}{
		{"curl", []string{"/usr/bin/curl", "-sS"}},
		{"node", []string{"/usr/bin/node", "-e", node}},
		{"node with OpenSSL's roots", []string{"/usr/bin/node", "--use-openssl-ca", "-e", node}},
		{"python", []string{"/usr/bin/python3", "-c", python}},
	} {
		for _, private := range []bool{false, true} {
			name := c.name
			if private {
				name += ", private"
			}
			t.Run(name, func(t *testing.T) {
				needProgram(t, c.command[0])
				const host = "my-bucket.s3-eu-west-1.amazonaws.com"
				e := h.echo(t, ExecOptions{Private: private}, append(c.command, "https://"+host+"/a/b")...)
				if e.Host != host || e.SNI != host || e.Path != "/a/b" || !e.TLS {
					t.Errorf("Tule saw %+v", e)
				}
			})
		}
	}
}

func TestExecPorts(t *testing.T) {
	needRoot(t)
	needProgram(t, "/usr/bin/curl")
	h := newHouse(t)
	_, own, _ := strings.Cut(h.tule, ":")
	for _, url := range []string{
		"http://site.s3-website-us-east-1.amazonaws.com/",
		"https://x1.execute-api.us-east-1.amazonaws.com/prod",
		"https://s3.localhost.localstack.cloud:" + own + "/",
		"http://queue.localhost:" + own + "/",
		"http://127.0.0.1:" + own + "/",
	} {
		for _, private := range []bool{false, true} {
			e := h.echo(t, ExecOptions{Private: private}, "/usr/bin/curl", "-sS", url)
			if e.TLS != strings.HasPrefix(url, "https") || !strings.Contains(url, e.Host) {
				t.Errorf("%s: Tule saw %+v", url, e)
			}
		}
	}
}
