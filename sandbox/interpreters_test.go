//go:build linux

package sandbox

import (
	"os"
	"os/exec"
	"testing"
)

// The languages' own programs run behind the walls: threads, children, files in /tmp, names of users.
func TestInterpreters(t *testing.T) {
	h := openHost(t)
	for _, c := range []struct {
		argv []string
		want string
	}{
		{[]string{"/bin/sh", "-c", "echo $(id -un) $(pwd) | tr a-z A-Z"}, "SBX_USER1051 /VAR/TASK\n"},
		{[]string{"/usr/bin/node", "-e", `
const fs = require('fs'), os = require('os'), { execSync } = require('child_process'), { Worker } = require('worker_threads')
fs.writeFileSync('/tmp/a', 'file')
new Worker('require("worker_threads").parentPort.postMessage("thread")', { eval: true }).on('message', m =>
  console.log(m, fs.readFileSync('/tmp/a', 'utf8'), execSync('echo child').toString().trim(), os.userInfo().username, os.cpus().length > 0))`},
			"thread file child sbx_user1051 true\n"},
		{[]string{"/usr/bin/python3", "-c", `
import subprocess, threading, tempfile, multiprocessing, getpass, os
t = threading.Thread(target=lambda: print("thread", flush=True)); t.start(); t.join()
print(tempfile.gettempdir(), subprocess.check_output(["echo", "child"]).decode().strip(), getpass.getuser())
with multiprocessing.Pool(2) as p: print(p.map(abs, [-1, -2]))`},
			"thread\n/tmp child sbx_user1051\n[1, 2]\n"},
		{[]string{"/usr/bin/perl", "-e", `print "perl ", (getpwuid($<))[0], "\n"`}, "perl sbx_user1051\n"},
		{[]string{"/usr/bin/java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-version"}, ""},
	} {
		t.Run(c.argv[0], func(t *testing.T) {
			if _, err := os.Stat(c.argv[0]); err != nil {
				t.Skip(err)
			}
			if out, err := exec.Command(c.argv[0], "--version").CombinedOutput(); err != nil && c.argv[0] != "/bin/sh" {
				t.Skipf("it does not work on the host either: %v %s", err, out)
			}
			spec := payload(t, "f", "")
			spec.Argv, spec.Memory = c.argv, 512<<20
			spec.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
			r := run(t, h, spec)
			if r.exit != (Exit{}) || c.want != "" && r.out != c.want {
				t.Errorf("%s\nwant %q", r, c.want)
			}
			t.Logf("peak %d MB", r.peak>>20)
		})
	}
}
