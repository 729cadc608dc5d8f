package lambda

import (
	"encoding/base64"
	"strings"
	"testing"
)

func decoded(t testing.TB, b64 *string) string {
	t.Helper()
	if b64 == nil {
		t.Error("there is no log")
		return ""
	}
	b, err := base64.StdEncoding.DecodeString(*b64)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestHello(t *testing.T) {
	for _, c := range []struct{ runtime, code string }{
		{"nodejs20.x", `exports.handler = async (event) => { console.log("hello", event.name); return {hello: event.name}; };`},
		{"nodejs4.3", `exports.handler = (event, context, callback) => { console.log("hello", event.name); callback(null, {hello: event.name}); };`},
		{"python3.11", "def handler(event, context):\n    print('hello', event['name'])\n    return {'hello': event['name']}\n"},
	} {
		t.Run(c.runtime, func(t *testing.T) {
			st := newStand(t)
			st.create("hello", c.runtime, c.code)
			for i := range 3 {
				answer, log := st.call("hello", `{"name":"x"}`)
				if strings.ReplaceAll(answer, " ", "") != `{"hello":"x"}` {
					t.Errorf("answer: %s", answer)
				}
				lines := strings.Split(log, "\n")
				if i > 0 && (len(lines) != 5 || !strings.HasPrefix(lines[0], "START RequestId: ") || !strings.Contains(lines[1], "hello x") ||
					!strings.HasPrefix(lines[2], "END RequestId: ") || !strings.HasPrefix(lines[3], "REPORT RequestId: ")) {
					t.Errorf("log:\n%s", log)
				}
				t.Log(log)
			}
			st.stop()
			if got := st.near.written(); strings.Count(got, "START RequestId") != 3 || strings.Count(got, "REPORT ") != 3 {
				t.Errorf("written:\n%s", got)
			}
		})
	}
}
