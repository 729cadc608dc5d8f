package hostile

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// entry is a file of a zip.
type entry struct {
	name, text string
	mode       fs.FileMode
}

func zipped(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.mode | 0o644)
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write([]byte(e.text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb is a zip of a few hundred KB that unpacks to 300 MB.
func bomb(t testing.TB) []byte {
	return zipped(t, entry{name: "index.py", text: good}, entry{name: "zeros", text: strings.Repeat("\x00", 300<<20)})
}

const good = "def handler(event, context):\n    return 'good'\n"

// functions is a client, and a role for functions, of a new account.
func functions(t testing.TB) (c *lambda.Client, role string) {
	t.Helper()
	config := config(house, account())
	people := iam.NewFromConfig(config)
	made, err := people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("fn"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	return lambda.NewFromConfig(config), *made.Role.Arn
}

func create(c *lambda.Client, role, name string, timeout int32, code []byte) error {
	_, err := c.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: &name, Role: &role, Runtime: types.RuntimePython312, Handler: aws.String("index.handler"),
		Timeout: &timeout, MemorySize: aws.Int32(128), Code: &types.FunctionCode{ZipFile: code}})
	return err
}

func TestZips(t *testing.T) {
	c, role := functions(t)
	file := entry{name: "index.py", text: good}
	for name, code := range map[string][]byte{
		"a path that climbs":        zipped(t, file, entry{name: "../../outside", text: "x"}),
		"a path that climbs inside": zipped(t, file, entry{name: "a/../../outside", text: "x"}),
		"an absolute path":          zipped(t, file, entry{name: "/etc/outside", text: "x"}),
		"a link that leads outside": zipped(t, file, entry{name: "link", text: "../../../etc", mode: fs.ModeSymlink}),
		"a file behind a link":      zipped(t, file, entry{name: "link", text: "/tmp", mode: fs.ModeSymlink}, entry{name: "link/outside", text: "x"}),
		"a bomb":                    bomb(t),
		"an empty zip":              {},
		"half a zip":                zipped(t, file)[:40],
		"no zip":                    []byte("#!/bin/sh\n"),
	} {
		err := create(c, role, "f", 3, code)
		var invalid *types.InvalidParameterValueException
		if !errors.As(err, &invalid) {
			t.Errorf("%s: got %v, want an InvalidParameterValueException", name, err)
		}
	}
	if err := create(c, role, "f", 3, zipped(t, file)); err != nil {
		t.Errorf("a good one after these: %v", err)
	}
	serves(t)
}

func TestFunctionsThatMisbehave(t *testing.T) {
	c, role := functions(t)
	if err := create(c, role, "good", 10, zipped(t, entry{name: "index.py", text: good})); err != nil {
		t.Fatal(err)
	}
	healthy := func(t testing.TB) {
		t.Helper()
		out, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("good")})
		if err != nil || string(out.Payload) != `"good"` || out.FunctionError != nil {
			t.Errorf("another function: %v %+v", err, out)
		}
	}
	for _, f := range []struct{ name, source, want string }{
		{"endless", "def handler(e, c):\n    while True: pass\n", "Task timed out after 2.00 seconds"},
		{"asleep", "import time\ndef handler(e, c):\n    time.sleep(1000)\n", "Task timed out after 2.00 seconds"},
		{"endless-init", "while True: pass\n", "timed out"},
		{"hog", "def handler(e, c):\n    x = []\n    while True: x.append(bytearray(1 << 20))\n", "signal: killed"},
		{"bomb", "import os, time\ndef handler(e, c):\n    n = 0\n    try:\n        while True:\n            if os.fork() == 0: time.sleep(1000)\n            n += 1\n    except OSError:\n        return 'stopped' if n < 1025 else n\n", "stopped|signal: killed"},
		{"descriptors", "import os\ndef handler(e, c):\n    try:\n        while True: os.dup(0)\n    except OSError as x:\n        return 'stopped'\n", "stopped"},
		{"disk", "def handler(e, c):\n    try:\n        with open('/tmp/x', 'wb') as f:\n            while True: f.write(bytes(1 << 20))\n    except OSError:\n        return 'stopped'\n", ""},
		{"large-answer", "def handler(e, c):\n    return 'x' * (7 << 20)\n", `exceeded maximum allowed payload size \(6291556 bytes\)`},
		{"loud", "def handler(e, c):\n    for n in range(20000): print('x' * 1000)\n    return 'said'\n", "said"},
		{"parricide", "import os, signal\ndef handler(e, c):\n    os.kill(os.getppid(), signal.SIGKILL); os.kill(-1, signal.SIGKILL); os.kill(1, signal.SIGKILL)\n    return 'alive'\n", ""},
		{"reader", "def handler(e, c):\n    for p in ('/etc/shadow', '/proc/1/environ', '/root'):\n        try:\n            open(p).read(); return p\n        except OSError: pass\n    return 'walled'\n", ""},
		{"no-handler", "x = 1\n", "Handler 'handler' missing on module 'index'"},
		{"syntax", "def handler(:\n", "Syntax error in module 'index'"},
	} {
		t.Run(f.name, func(t *testing.T) {
			if err := create(c, role, f.name, 2, zipped(t, entry{name: "index.py", text: f.source})); err != nil {
				t.Fatal(err)
			}
			started := time.Now()
			out, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: &f.name})
			if err != nil {
				t.Fatalf("%v\n%s", err, house.Failures())
			}
			if !regexp.MustCompile(f.want).Match(out.Payload) {
				t.Errorf("got %s %.300s, want %s", aws.ToString(out.FunctionError), out.Payload, f.want)
			}
			if took := time.Since(started); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			healthy(t)
			serves(t)
		})
	}
}

// A template that does not end is ended; the API goes on.
func TestTemplatesThatLoop(t *testing.T) {
	c := apigateway.NewFromConfig(config(house, account()))
	for name, template := range map[string]string{
		"loops in loops":     `#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])x#end#end#end`,
		"a macro of itself":  `#macro(m)#m()#end#m()`,
		"text that doubles":  `#set($x = "xxxxxxxxxxxxxxxx")#foreach($i in [1..60])#set($x = "$x$x")#end$x`,
		"a range of numbers": `#foreach($i in [1..2147483647])x#end`,
	} {
		api, err := c.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		for method, template := range map[string]string{"GET": template, "POST": `"fine"`} {
			if err := mock(c, api, method, template); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: aws.String("s")}); err != nil {
			t.Fatal(err)
		}
		for method, want := range map[string]int{"GET": 500, "POST": 200} {
			started := time.Now()
			r, err := http.NewRequest(method, fmt.Sprintf("%s/_aws/execute-api/%s/s/", house.URL(), *api.Id), nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if took := time.Since(started); res.StatusCode != want || took > 30*time.Second {
				t.Errorf("%s: %s got %d after %v, want %d", name, method, res.StatusCode, took, want)
			}
		}
	}
	serves(t)
}

func mock(c *apigateway.Client, api *apigateway.CreateRestApiOutput, method, template string) error {
	_, err := c.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: &method, AuthorizationType: aws.String("NONE")})
	if err != nil {
		return err
	}
	if _, err = c.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: &method, Type: gatewaytypes.IntegrationTypeMock,
		RequestTemplates: map[string]string{"application/json": `{"statusCode": 200}`}}); err != nil {
		return err
	}
	if _, err = c.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: &method, StatusCode: aws.String("200")}); err != nil {
		return err
	}
	_, err = c.PutIntegrationResponse(ctx, &apigateway.PutIntegrationResponseInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: &method, StatusCode: aws.String("200"),
		ResponseTemplates: map[string]string{"application/json": template}})
	return err
}
