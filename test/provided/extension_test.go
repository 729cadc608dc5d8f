package provided

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// layer publishes a layer with the extension.
func (c *cloud) layer(program []byte) string {
	c.Helper()
	out, err := c.lambda.PublishLayerVersion(ctx, &lambda.PublishLayerVersionInput{LayerName: aws.String("outer"),
		Content: &types.LayerVersionContentInput{ZipFile: files{"extensions/outer": program}.zip(c.T)}})
	c.check(err)
	return *out.LayerVersionArn
}

// log is all that a function has logged.
func (c *cloud) log(name string) string {
	c.Helper()
	var b strings.Builder
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(c.logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/" + name)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "" // no group yet
		}
		for _, e := range page.Events {
			b.WriteString(*e.Message)
		}
	}
	return b.String()
}

// logs waits until the log has all of the patterns.
func (c *cloud) has(name string, patterns ...string) {
	c.Helper()
	var text string
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		text = c.log(name)
		missing := ""
		for _, p := range patterns {
			if !regexp.MustCompile(p).MatchString(text) {
				missing = p
			}
		}
		if missing == "" {
			return
		}
	}
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			c.Errorf("%s: no %s", name, p)
		}
	}
	c.Logf("%s has logged\n%s", name, text)
}

func with(layer string, variables ...string) func(*lambda.CreateFunctionInput) {
	return func(in *lambda.CreateFunctionInput) {
		in.Layers = []string{layer}
		in.Environment = &types.Environment{Variables: map[string]string{"COLOUR": "blue"}}
		for i := 0; i < len(variables); i += 2 {
			in.Environment.Variables[variables[i]] = variables[i+1]
		}
	}
}

// An external extension is beside every runtime: those that speak the HTTP API, and
// those that speak Tule's own protocol.
func TestExternalExtension(t *testing.T) {
	t.Parallel()
	c := newCloud(t, "800000000005")
	if os.Getuid() != 0 {
		t.Log("not root: sockets come from within")
	}
	layer := c.layer(built(t, "extension"))
	for name, make := range map[string]func(){
		"go": func() {
			c.function("go", types.RuntimeProvidedal2023, "bootstrap", files{"bootstrap": built(t, "function")}, with(layer, "INTERNAL", "1"))
		},
		"node": func() {
			c.function("node", types.RuntimeNodejs22x, "index.handler", files{"index.js": []byte(`exports.handler = async e => { console.log("saw", e.do); return e }`)}, with(layer))
		},
		"python": func() {
			c.function("python", types.RuntimePython312, "index.handler", files{"index.py": []byte("def handler(e, c):\n    print('saw', e['do'])\n    return e\n")}, with(layer))
		},
	} {
		make()
		for range 2 {
			c.expect(name, `{"do":"echo"}`, `"do": ?"echo"`, "", `REPORT`)
		}
		_, err := c.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String(name), Description: aws.String("changed")})
		c.check(err)
		c.has(name, `outer has `+name+`   blue\n`,
			`EXTENSION\tName: outer\tState: Ready\tEvents: \[INVOKE,SHUTDOWN\]\n`,
			`TELEMETRY\tName: outer\tState: Subscribed\tTypes: \[platform,function\]\n`,
			`outer hears INVOKE `+id,
			`outer is told platform.initStart {"initializationType":"on-demand","phase":"init","functionName":"`+name+`"`,
			`outer is told platform.initRuntimeDone {.*"status":"success"}`,
			`outer is told platform.extension {"name":"outer","state":"Ready","events":\["INVOKE","SHUTDOWN"\]}`,
			`outer is told platform.start {"requestId":"`+id+`","version":"\$LATEST"`,
			`outer is told function ".*saw echo`,
			`outer is told platform.runtimeDone {"requestId":"`+id+`","status":"success"`,
			`outer is told platform.report {"requestId":"`+id+`","status":"success","metrics":{"durationMs":`)
		if name == "go" {
			c.has(name, `inner hears INVOKE `+id, `EXTENSION\tName: inner\tState: Ready\tEvents: \[INVOKE\]\n`)
		}
		c.has(name, `outer hears SHUTDOWN  spindown\n`, `outer has true time\n`)
	}
	if text := metrics(t); !strings.Contains(text, `function="us-east-1:800000000005:go",metric="PostRuntimeExtensionsDuration"`) {
		t.Error("how long extensions took was not measured")
	}
}

// What an extension breaks is the invoke's failure, and the next finds another environment.
func TestExtensionFails(t *testing.T) {
	t.Parallel()
	c := newCloud(t, "800000000006")
	layer := c.layer(built(t, "extension"))
	program := files{"bootstrap": built(t, "function")}
	c.function("early", types.RuntimeProvidedal2023, "bootstrap", program, with(layer, "CRASH", "init"))
	c.expect("early", `{"do":"echo"}`, `^{"errorType":"Extension.Crash","errorMessage":"RequestId: `+id+` Error: exit status 5"}$`, "Unhandled", `Extension.Crash`)
	c.function("late", types.RuntimeProvidedal2023, "bootstrap", program, with(layer, "CRASH", "invoke"))
	for range 2 {
		c.expect("late", `{"do":"sleep"}`, `^{"errorType":"Extension.Crash","errorMessage":"RequestId: `+id+` Error: exit status 6"}$`, "Unhandled", `Extension.Crash`)
	}
	c.function("timeout", types.RuntimeProvidedal2023, "bootstrap", program, with(layer), func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(1) })
	c.expect("timeout", `{"do":"sleep"}`, `Task timed out after 1.00 seconds`, "Unhandled", `Status: timeout`)
	c.has("timeout", `outer hears SHUTDOWN  timeout\n`)
	c.function("exit", types.RuntimeProvidedal2023, "bootstrap", program, with(layer))
	c.expect("exit", `{"do":"exit"}`, `exit status 3`, "Unhandled", `Runtime.ExitError`)
	c.has("exit", `outer hears SHUTDOWN  failure\n`)
}

// metrics are what Tule tells Prometheus.
func metrics(t *testing.T) string {
	t.Helper()
	res, err := http.Get(house.URL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
