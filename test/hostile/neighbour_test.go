package hostile

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// searchers are functions, one a runtime, that read every file they find below the folders in the
// event and answer with what they are: the files that hold one of the event's words, how many were
// read, their variables, and what their descriptors are.
var searchers = []struct {
	runtime types.Runtime
	file    string
	source  string
}{
	{types.RuntimePython312, "index.py", `
import os
def handler(event, context):
    words, found, read = [w.encode()[::-1] for w in event['words']], [], 0
    for top in event['folders']:
        for folder, _, files in os.walk(top):
            for f in files:
                path = folder + '/' + f
                try:
                    if not os.path.isfile(path): continue
                    with open(path, 'rb') as file: text = file.read(1 << 20)
                except OSError: continue
                read += 1
                found += [path for w in words if w in text]
    fds = []
    for n in os.listdir('/proc/self/fd'):
        try: fds.append(n + '=' + os.readlink('/proc/self/fd/' + n))
        except OSError: pass
    return {'found': found, 'read': read, 'environ': dict(os.environ), 'files': fds}
`},
	{types.RuntimeNodejs22x, "index.js", `
const fs = require('fs')
exports.handler = async (event) => {
  const words = event.words.map((w) => Buffer.from([...w].reverse().join('')))
  const found = []
  let read = 0
  const look = (folder) => {
    let all = []
    try { all = fs.readdirSync(folder, { withFileTypes: true }) } catch {}
    for (const f of all) {
      const path = folder + '/' + f.name
      if (f.isDirectory()) look(path)
      if (!f.isFile()) continue
      try {
        const file = fs.openSync(path, 'r')
        const text = Buffer.alloc(1 << 20)
        try {
          const n = fs.readSync(file, text)
          for (const w of words) if (text.subarray(0, n).includes(w)) found.push(path)
        } finally { fs.closeSync(file) }
        read++
      } catch {}
    }
  }
  event.folders.forEach(look)
  const files = []
  for (const n of fs.readdirSync('/proc/self/fd')) try { files.push(n + '=' + fs.readlinkSync('/proc/self/fd/' + n)) } catch {}
  return { found, read, environ: { ...process.env }, files }
}
`},
}

// keeper has a secret of each kind: a variable, a file of its code, one in /tmp, its memory and an
// argument of a child; and is busy with it while others search.
const keeper = `
import os, subprocess, time
def handler(event, context):
    with open('/tmp/secret', 'w') as f: f.write(os.environ['SECRET'])
    child = subprocess.Popen(['/bin/sleep', '20'], env={'SECRET': os.environ['SECRET']})
    time.sleep(event)
    child.kill()
    return 'kept'
`

// reversed is a word that its searcher does not itself hold.
func reversed(word string) string {
	b := []byte(word)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// In each runtime: the credentials are the role's, nothing of a function that runs at the same time
// is to be found, nor of Tule's variables, and no descriptor was inherited.
func TestNeighbours(t *testing.T) {
	c, role := functions(t)
	secret := fmt.Sprintf("kept-%s-secret", account())
	in := &lambda.CreateFunctionInput{FunctionName: aws.String("keeper"), Role: &role, Runtime: types.RuntimePython312, Handler: aws.String("index.handler"),
		Timeout: aws.Int32(60), MemorySize: aws.Int32(128), Environment: &types.Environment{Variables: map[string]string{"SECRET": secret}},
		Code: &types.FunctionCode{ZipFile: zipped(t, entry{name: "index.py", text: keeper}, entry{name: "secret", text: secret})}}
	if _, err := c.CreateFunction(ctx, in); err != nil {
		t.Fatal(err)
	}
	event, err := json.Marshal(map[string][]string{"words": {reversed(secret), reversed(tuleSecret), reversed("::/tmp:/sbin/nologin")},
		"folders": {"/proc", "/tmp", "/var", "/opt", "/dev/shm", "/etc", "/run", "/root", "/.tule", "/home", "/work", "/mnt", "/srv", "/sys"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range searchers {
		t.Run(string(s.runtime), func(t *testing.T) {
			busy := make(chan string, 1)
			go func() {
				out, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("keeper"), Payload: []byte("8")})
				if err != nil {
					busy <- err.Error()
					return
				}
				busy <- string(out.Payload)
			}()
			f := bad{name: "searcher-" + strings.Trim(string(s.runtime), ".0123456789x"), runtime: s.runtime, file: s.file, source: s.source, timeout: 60}
			if err := f.create(t, c, role); err != nil {
				t.Fatal(err)
			}
			for range 2 { // beside one that starts, and beside one that runs
				search(t, c, f.name, string(event))
			}
			if got := <-busy; got != `"kept"` {
				t.Errorf("the one that keeps it: %s", got)
			}
		})
	}
}

func search(t *testing.T, c *lambda.Client, name, event string) {
	t.Helper()
	out, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(event)})
	if err != nil || out.FunctionError != nil {
		t.Fatalf("%v %.500s", err, out.Payload)
	}
	var saw struct {
		Found, Files []string
		Read         int
		Environ      map[string]string
	}
	if err := json.Unmarshal(out.Payload, &saw); err != nil {
		t.Fatal(err)
	}
	if saw.Read < 100 {
		t.Errorf("it read %d files", saw.Read)
	}
	// The last word proves that it would have found the others.
	if len(saw.Found) != 1 || saw.Found[0] != "/etc/passwd" {
		t.Errorf("found in %v", saw.Found)
	}
	for _, f := range saw.Files {
		n, to, _ := strings.Cut(f, "=")
		kind, _, _ := strings.Cut(to, ":")
		own := kind == "anon_inode" || kind == "pipe" || strings.HasPrefix(to, "/proc/") || to == "/dev/null" || n == "3" && kind == "socket"
		if !own {
			t.Errorf("it has descriptor %s", f)
		}
	}
	for name := range saw.Environ {
		if strings.HasPrefix(name, "TULE") {
			t.Errorf("it has Tule's variable %s", name)
		}
	}
	mine := config(house, "")
	mine.Credentials = credentials.NewStaticCredentialsProvider(saw.Environ["AWS_ACCESS_KEY_ID"], saw.Environ["AWS_SECRET_ACCESS_KEY"], saw.Environ["AWS_SESSION_TOKEN"])
	who, err := sts.NewFromConfig(mine).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || !strings.HasSuffix(*who.Arn, ":assumed-role/fn/"+name) {
		t.Errorf("its credentials are of %+v, %v", who, err)
	}
}
