package provided

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

// With --egress=proxy functions reach what the operator names by the proxy that their variables
// tell of, and nothing by any other way.
func TestProxy(t *testing.T) {
	t.Parallel()
	own, err := tule.Start(tule.Options{Args: []string{"--egress=proxy", "--egress-allow=allowed.invalid,127.0.0.1:*"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Stop() })
	c := newCloudIn(t, own, "800000000021")
	c.function("ask", types.RuntimePython312, "index.handler", files{"index.py": []byte(`
import os, socket, urllib.request, urllib.error

def get(url, **proxies):
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies)) if proxies.pop("direct", None) else urllib.request.build_opener()
        return opener.open(url, timeout=5).status
    except urllib.error.HTTPError as e:
        return "%d %s" % (e.code, e.read().decode().strip())
    except Exception as e:
        return str(e)

def handler(event, context):
    try:
        socket.create_connection(("1.1.1.1", 80), 2)
        direct = "connected"
    except OSError as e:
        direct = str(e)
    return [os.environ["HTTPS_PROXY"], get("http://other.invalid/"), get("https://other.invalid/"), get("http://allowed.invalid/")[:3],
            get("http://169.254.169.254/latest/"), direct]
`)})
	c.expect("ask", `{}`, `^\["http://127.0.0.1:3128", "403 other.invalid:80: not allowed by the operator of this Tule", "<urlopen error Tunnel connection failed: 403 Forbidden>", `+
		`"502", "403 169.254.169.254:80: not allowed by the operator of this Tule", "\[Errno 101\] Network is unreachable"\]$`, "", "REPORT")
}
