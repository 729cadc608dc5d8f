package provided

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

// Functions of one Tule reach what their tags say, and never more than its --egress: tried by whether
// there is a way to an address of the outside, and by what the proxy answers.
func TestEgressTag(t *testing.T) {
	t.Parallel()
	own, err := tule.Start(tule.Options{Args: []string{"--egress=nat", "--egress-allow=allowed.invalid"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Stop() })
	c := newCloudIn(t, own, "800000000022")
	code := files{"index.py": []byte(`
import os, socket, urllib.request, urllib.error

def handler(event, context):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.connect(("192.0.2.1", 9))  # takes a route, and sends nothing
        way = "way out"
    except OSError as e:
        way = e.strerror
    try:
        urllib.request.urlopen("http://other.invalid/", timeout=5)
    except urllib.error.HTTPError as e:
        return [way, e.read().decode().strip()]
    except urllib.error.URLError as e:
        return [way, type(e.reason).__name__]
`)}
	const none, proxy, nat = `^\["Network is unreachable", "gaierror"\]$`,
		`^\["Network is unreachable", "other.invalid:80: not allowed by the operator of this Tule"\]$`, `^\["way out", "gaierror"\]$`
	tagged := func(value string) func(*lambda.CreateFunctionInput) {
		return func(in *lambda.CreateFunctionInput) { in.Tags = map[string]string{"tule:egress": value} }
	}
	c.function("free", types.RuntimePython312, "index.handler", code)
	c.function("walled", types.RuntimePython312, "index.handler", code, tagged("none"))
	c.function("listed", types.RuntimePython312, "index.handler", code, tagged("proxy"))
	c.expect("free", `{}`, nat, "", "REPORT")
	c.expect("walled", `{}`, none, "", "REPORT")
	c.expect("listed", `{}`, proxy, "", "REPORT")
	// The next invoke is under the new tag.
	arn := "arn:aws:lambda:us-east-1:800000000022:function:free"
	_, err = c.lambda.TagResource(t.Context(), &lambda.TagResourceInput{Resource: &arn, Tags: map[string]string{"tule:egress": "none"}})
	c.check(err)
	c.expect("free", `{}`, none, "", "REPORT")
	_, err = c.lambda.UntagResource(t.Context(), &lambda.UntagResourceInput{Resource: &arn, TagKeys: []string{"tule:egress"}})
	c.check(err)
	c.expect("free", `{}`, nat, "", "REPORT")
}

// Where the operator lets nothing out, no tag does.
func TestEgressTagBeyondOperator(t *testing.T) {
	t.Parallel()
	c := newCloud(t, "800000000023")
	c.function("bold", types.RuntimePython312, "index.handler", files{"index.py": []byte(`
import os, socket

def handler(event, context):
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 9))
    except OSError as e:
        return [e.strerror, os.environ.get("HTTPS_PROXY")]
`)}, func(in *lambda.CreateFunctionInput) { in.Tags = map[string]string{"tule:egress": "nat"} })
	c.expect("bold", `{}`, `^\["Network is unreachable", null\]$`, "", "REPORT")
}
