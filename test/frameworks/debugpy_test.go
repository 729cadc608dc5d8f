package frameworks

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

// An editor speaks the debug adapter protocol.
type editor struct {
	*testing.T
	conn net.Conn
	in   *bufio.Reader
	seq  int
}

func (e *editor) ask(command string, arguments any) {
	e.Helper()
	e.seq++
	body, err := json.Marshal(map[string]any{"seq": e.seq, "type": "request", "command": command, "arguments": arguments})
	if err == nil {
		_, err = fmt.Fprintf(e.conn, "Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	if err != nil {
		e.Fatal(err)
	}
}

// message is what an adapter says.
type message struct {
	Type, Event, Command string
	Success              bool
	Message              string
	Body                 struct {
		ThreadID int `json:"threadId"`
		Reason   string
	}
}

// expect reads to the event, or the answer to the command, of a name.
func (e *editor) expect(kind, name string) message {
	e.Helper()
	for {
		head, err := textproto.NewReader(e.in).ReadMIMEHeader()
		if err != nil {
			e.Fatalf("waiting for the %s %s: %v", kind, name, err)
		}
		size, err := strconv.Atoi(head.Get("Content-Length"))
		if err != nil {
			e.Fatal(err)
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(e.in, body); err != nil {
			e.Fatal(err)
		}
		var m message
		if err := json.Unmarshal(body, &m); err != nil {
			e.Fatal(err)
		}
		if m.Type == "response" && !m.Success {
			e.Fatalf("%s: %s", m.Command, m.Message)
		}
		if m.Type == kind && (m.Event == name || m.Command == name) {
			return m
		}
	}
}

// An editor stops a function in Python at a line; the function has debugpy packaged.
func TestDebugpy(t *testing.T) {
	debugpy := filepath.Join(tools, "debugpy")
	if _, err := os.Stat(filepath.Join(debugpy, "debugpy")); err != nil {
		t.Skip("debugpy was not fetched: setup/clients does")
	}
	at, err := tule.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(at)
	shared := house
	if house, err = tule.Start(tule.Options{Args: []string{"--debug-port", port}}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := house.Stop(); err != nil {
			t.Error(err)
		}
		house = shared
	}()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(debugpy)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.py"), []byte("def handler(event, context):\n    word = event + '!'\n    return word\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := deploy(t, "444444444444", "python3.11", "index.handler", packed(t, dir), `"a"`); got != `"a!"` {
		t.Fatal(got)
	}
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute)) // a connection of TCP has deadlines
	e := &editor{T: t, conn: conn, in: bufio.NewReader(conn)}
	e.ask("initialize", map[string]any{"adapterID": "python"})
	e.expect("response", "initialize")
	e.ask("attach", map[string]any{"justMyCode": false})
	e.expect("event", "initialized")
	e.ask("setBreakpoints", map[string]any{"source": map[string]any{"path": "/var/task/index.py"}, "breakpoints": []any{map[string]any{"line": 3}}})
	e.expect("response", "setBreakpoints")
	e.ask("configurationDone", map[string]any{})
	e.expect("response", "attach")
	answered := make(chan string, 1)
	go func() {
		out, err := client("444444444444").Invoke(context.Background(), &lambda.InvokeInput{FunctionName: aws.String("hello"), Payload: []byte(`"b"`), InvocationType: types.InvocationTypeRequestResponse})
		if err != nil {
			answered <- err.Error()
			return
		}
		answered <- string(out.Payload)
	}()
	stopped := e.expect("event", "stopped")
	if stopped.Body.Reason != "breakpoint" || len(answered) > 0 {
		t.Errorf("it stops for %q", stopped.Body.Reason)
	}
	e.ask("continue", map[string]any{"threadId": stopped.Body.ThreadID})
	if got := <-answered; got != `"b!"` {
		t.Errorf("it answers %s", got)
	}
}
