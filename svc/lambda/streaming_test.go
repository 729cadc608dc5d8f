package lambda

import (
	"os"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

const streams = `exports.handler = awslambda.streamifyResponse(async (e, out) => {
	if (e.early) throw new Error("early");
	out.write("a".repeat(e.size || 1));
	if (e.late) { await new Promise(r => setTimeout(r, 20)); throw new Error("late"); }
	if (e.slow) await new Promise(r => setTimeout(r, 60000));
	out.write("b");
	out.end();
});`

// events gives the pieces together, how many they were, and the outcome.
func (st *stand) streamed(name, payload string) (body string, pieces int, end *api.InvokeWithResponseStreamCompleteEvent) {
	st.t.Helper()
	out, err := st.invokeWithResponseStream(st.ctx(), &api.InvokeWithResponseStreamRequest{FunctionName: &name, Payload: []byte(payload), LogType: ptr("Tail")})
	if err != nil || *out.StatusCode != 200 {
		st.t.Fatal(out, err)
	}
	for e, err := range out.EventStream {
		switch {
		case err != nil:
			st.t.Fatal(err)
		case e.PayloadChunk != nil:
			body += string(e.PayloadChunk.Payload)
			pieces++
		default:
			end = e.InvokeComplete
		}
	}
	return body, pieces, end
}

func TestInvokeWithResponseStream(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", streams, func(in *api.CreateFunctionRequest) { in.Timeout = ptr(int32(3)) })
	st.create("plain", "nodejs20.x", `exports.handler = async (e) => e;`)
	body, pieces, end := st.streamed("f", `{}`)
	if body != "ab" || pieces != 2 || end.ErrorCode != nil || !strings.Contains(decoded(t, end.LogResult), "REPORT RequestId") {
		t.Error(body, pieces, end)
	}
	if body, pieces, end = st.streamed("plain", `{"a":1}`); body != `{"a":1}` || pieces != 1 || end.ErrorCode != nil {
		t.Error(body, pieces, end)
	}
	if body, pieces, end = st.streamed("f", `{"early":1}`); pieces != 0 || *end.ErrorCode != "Unhandled" || !strings.Contains(*end.ErrorDetails, `"errorMessage":"early"`) {
		t.Error(body, pieces, end)
	}
	if body, _, end = st.streamed("f", `{"late":1}`); body != "a" || !strings.Contains(*end.ErrorDetails, `"errorMessage":"late"`) {
		t.Error(body, end)
	}
	// More than a gathered response can have.
	if body, pieces, end = st.streamed("f", `{"size":8000000}`); len(body) != 8000001 || pieces < 8 || end.ErrorCode != nil {
		t.Error(len(body), pieces, end)
	}
	if answer, _ := st.call("f", `{"size":8000000}`); !strings.Contains(answer, "Function.ResponseSizeTooLarge") {
		t.Error(answer)
	}
	if answer, _ := st.call("f", `{}`); answer != "ab" {
		t.Error(answer)
	}
	if body, _, end = st.streamed("f", `{"slow":1}`); body != "a" || !strings.Contains(*end.ErrorDetails, "Task timed out after 3.00 seconds") {
		t.Error(body, end)
	}
	out, err := st.invokeWithResponseStream(st.ctx(), &api.InvokeWithResponseStreamRequest{FunctionName: ptr("f"), InvocationType: ptr("DryRun")})
	if err != nil || *out.StatusCode != 204 || out.EventStream != nil {
		t.Error(out, err)
	}
	if _, err := st.putFunctionConcurrency(st.ctx(), &api.PutFunctionConcurrencyRequest{FunctionName: ptr("f"), ReservedConcurrentExecutions: ptr(int32(0))}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.invokeWithResponseStream(st.ctx(), &api.InvokeWithResponseStreamRequest{FunctionName: ptr("f")}); aws.CodeOf(err) != "TooManyRequestsException" {
		t.Error(err)
	}
}

// A caller who leaves, or takes nothing, does not keep the function from its end, nor
// its environment from the next caller.
func TestStreamLeft(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `exports.handler = awslambda.streamifyResponse(async (e, out) => {
		for (let i = 0; i < 40; i++) out.write(Buffer.alloc(100000));
		out.end();
		console.log("came to its end");
	});`, func(in *api.CreateFunctionRequest) { in.Timeout = ptr(int32(5)) })
	out, err := st.invokeWithResponseStream(st.ctx(), &api.InvokeWithResponseStreamRequest{FunctionName: ptr("f")})
	if err != nil {
		t.Fatal(err)
	}
	for range out.EventStream {
		break
	}
	st.logged("came to its end", 1)
	out, err = st.invokeWithResponseStream(st.ctx(), &api.InvokeWithResponseStreamRequest{FunctionName: ptr("f")})
	if err != nil {
		t.Fatal(err)
	}
	st.clock.advance(6 * 1e9) // nobody reads for as long as the function has
	for range out.EventStream {
	}
}

// A function that brings its own bootstrap streams by the Runtime API; its trailers
// tell what went wrong in the middle.
func TestProvidedStream(t *testing.T) {
	const python = "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Skip("the test's bootstrap needs " + python)
	}
	st := newStand(t)
	code := packed(t, entry{"bootstrap", 0o755, "#!" + python + ` -IS
import base64, http.client, os
c = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    c.request("GET", "/2018-06-01/runtime/invocation/next")
    r = c.getresponse(); event = r.read(); id = r.headers["Lambda-Runtime-Aws-Request-Id"]
    c.putrequest("POST", "/2018-06-01/runtime/invocation/" + id + "/response")
    for name, value in (("Lambda-Runtime-Function-Response-Mode", "streaming"), ("Transfer-Encoding", "chunked"), ("Content-Type", "text/plain"),
            ("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body")):
        c.putheader(name, value)
    c.endheaders()
    c.send(b"3\r\none\r\n")
    c.send(b"3\r\ntwo\r\n0\r\n")
    if event == b"1":
        c.send(b"Lambda-Runtime-Function-Error-Type: My.Error\r\nLambda-Runtime-Function-Error-Body: " + base64.b64encode(b'{"errorMessage":"late","errorType":"My.Error"}') + b"\r\n")
    c.send(b"\r\n")
    c.getresponse().read()
`})
	st.create("own", "provided.al2023", "", func(in *api.CreateFunctionRequest) {
		in.Handler, in.Code = nil, &api.FunctionCode{ZipFile: code}
	})
	if body, _, end := st.streamed("own", `0`); body != "onetwo" || end.ErrorCode != nil {
		t.Error(body, end)
	}
	if body, _, end := st.streamed("own", `1`); body != "onetwo" || end.ErrorCode == nil || !strings.Contains(*end.ErrorDetails, "My.Error") {
		t.Error(body, end)
	} else {
		t.Log(*end.ErrorDetails)
	}
}
