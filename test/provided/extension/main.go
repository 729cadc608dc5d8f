// Command extension is an external extension: it registers for everything, subscribes to
// telemetry, and says what it hears, on its standard output.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

var base = "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API")

const port = "4243"

func main() {
	fmt.Println("outer has", os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), os.Getenv("_HANDLER"), os.Getenv("LAMBDA_TASK_ROOT"), os.Getenv("COLOUR"))
	id := call("", "POST", "/2020-01-01/extension/register", `{"events":["INVOKE","SHUTDOWN"]}`).Get("Lambda-Extension-Identifier")
	listen()
	call(id, "PUT", "/2022-07-01/telemetry", `{"schemaVersion":"2022-12-13","types":["platform","function"],"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25},
		"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:`+port+`"}}`)
	if os.Getenv("CRASH") == "init" {
		os.Exit(5)
	}
	for {
		event := next(id)
		fmt.Println("outer hears", event.EventType, event.RequestID, event.ShutdownReason)
		if event.EventType == "SHUTDOWN" {
			fmt.Println("outer has", time.Until(time.UnixMilli(event.DeadlineMs)) > time.Second, "time")
			return
		}
		if os.Getenv("CRASH") == "invoke" {
			os.Exit(6)
		}
	}
}

// call makes a call that must succeed.
func call(id, method, path, body string) http.Header {
	req, err := http.NewRequest(method, base+path, bytes.NewReader([]byte(body)))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Lambda-Extension-Name", filepath.Base(os.Args[0]))
	if id != "" {
		req.Header.Set("Lambda-Extension-Identifier", id)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 {
		panic(fmt.Sprint(path, resp.StatusCode, string(answer)))
	}
	return resp.Header
}

type event struct {
	EventType, RequestID, ShutdownReason string
	DeadlineMs                           int64
}

func next(id string) (e event) {
	req, err := http.NewRequest("GET", base+"/2020-01-01/extension/event/next", nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Lambda-Extension-Identifier", id)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
		panic(err)
	}
	return e
}

// listen takes telemetry.
func listen() {
	l, err := net.Listen("tcp", "sandbox.localdomain:"+port)
	if err != nil {
		panic(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var list []struct {
			Type   string
			Record json.RawMessage
		}
		if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
			panic(err)
		}
		for _, e := range list {
			fmt.Printf("outer is told %s %s\n", e.Type, e.Record)
		}
	}))
}
