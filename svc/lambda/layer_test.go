package lambda

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// layer publishes a version of a layer, and returns its ARN.
func (st *stand) layer(name string, files map[string]string) string {
	st.t.Helper()
	out, err := st.publishLayerVersion(st.ctx(), &api.PublishLayerVersionRequest{LayerName: &name,
		Content: &api.LayerVersionContentInput{ZipFile: zipped(st.t, files)}})
	if err != nil {
		st.t.Fatal(err)
	}
	return *out.LayerVersionArn
}

// Functions find what layers bring, waiting interpreters or not; of two layers that
// bring the same file the last one counts, and one that was deleted is there yet.
func TestLayersAtOpt(t *testing.T) {
	for runtime, c := range map[string]struct {
		text        string
		low, high   map[string]string
		first, last string
	}{
		"nodejs20.x": {
			`exports.handler = async () => require("both") + require("low") + require("fs").readFileSync("/opt/note");`,
			map[string]string{"nodejs/node_modules/both/index.js": `module.exports = "l";`, "nodejs/node_modules/low/index.js": `module.exports = "L";`, "note": "low"},
			map[string]string{"nodejs/node_modules/both/index.js": `module.exports = "h";`, "note": "high"}, `"lLlow"`, `"hLhigh"`,
		},
		"python3.11": {
			"import both, low\ndef handler(event, context):\n    return both.name + low.name + open('/opt/note').read()\n",
			map[string]string{"python/both.py": "name = 'l'\n", "python/low.py": "name = 'L'\n", "note": "low"},
			map[string]string{"python/lib/python3.11/site-packages/other.py": "", "python/both.py": "name = 'h'\n", "note": "high"}, `"lLlow"`, `"hLhigh"`,
		},
	} {
		t.Run(runtime, func(t *testing.T) {
			st := newStand(t)
			if !st.Host.Features().Overlay {
				t.Skip("this kernel merges no layers")
			}
			low, high := st.layer("low", c.low), st.layer("high", c.high)
			st.create("f", runtime, c.text, func(in *api.CreateFunctionRequest) { in.Layers = []string{low} })
			st.settled()
			if got, log := st.call("f", "{}"); got != c.first {
				t.Errorf("one layer: %s\n%s", got, log)
			}
			st.settled()
			if _, err := st.updateFunctionConfiguration(st.ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: ptr("f"), Layers: []string{low, high}}); err != nil {
				t.Fatal(err)
			}
			for _, l := range []string{"low", "high"} {
				if _, err := st.deleteLayerVersion(st.ctx(), &api.DeleteLayerVersionRequest{LayerName: &l, VersionNumber: ptr(int64(1))}); err != nil {
					t.Fatal(err)
				}
			}
			if got, log := st.call("f", "{}"); got != c.last {
				t.Errorf("two layers: %s\n%s", got, log)
			}
			st.spares.close() // from here on, none waits
			st.fleet.retireAll(ref{st.scope(), "f"})
			if got, log := st.call("f", "{}"); got != c.last {
				t.Errorf("two layers that were deleted, cold: %s\n%s", got, log)
			}
			st.deleteAll("f")
		})
	}
}

// deleteAll deletes a function, after which no zip may be left.
func (st *stand) deleteAll(name string) {
	st.t.Helper()
	if _, err := st.deleteFunction(st.ctx(), &api.DeleteFunctionRequest{FunctionName: &name}); err != nil {
		st.t.Fatal(err)
	}
	if names, _, err := st.zips(st.t.Context()); err != nil || len(names) > 0 {
		st.t.Errorf("left behind: %v, %v", names, err)
	}
}

// A zip belongs to all who have it: the layer, and each version of each function.
func TestLayerZipsAreCounted(t *testing.T) {
	st := newStandOn(t, nil)
	same := map[string]string{"index.js": "exports.handler = 1;"}
	arn := st.layer("l", same)
	with := func(in *api.CreateFunctionRequest) { in.Layers, in.Publish = []string{arn}, ptr(true) }
	st.create("f", "nodejs20.x", same["index.js"], with) // whose code is the layer's zip
	st.create("g", "nodejs20.x", "exports.handler = 2;", with)
	refs := func() int64 {
		var n int64
		err := st.Store.View(t.Context(), func(r store.Reader) error {
			l, number, _ := parseLayerVersion(arn)
			v, err := l.version(t.Context(), r, number)
			if err != nil {
				return err
			}
			rec, err := zipRecords.Get(t.Context(), r, l.scope, v.Code.SHA256)
			n = rec.Refs
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := refs(); got != 1+4+2 {
		t.Errorf("%d have the zip, of 7", got)
	}
	if _, err := st.updateFunctionConfiguration(st.ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: ptr("g"), Layers: []string{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.deleteFunction(st.ctx(), &api.DeleteFunctionRequest{FunctionName: ptr("g"), Qualifier: ptr("1")}); err != nil {
		t.Fatal(err)
	}
	if got := refs(); got != 1+4 {
		t.Errorf("%d have the zip, of 5", got)
	}
	for _, name := range []string{"f", "g"} {
		if _, err := st.deleteFunction(st.ctx(), &api.DeleteFunctionRequest{FunctionName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	if got := refs(); got != 1 {
		t.Errorf("%d have the zip, of 1", got)
	}
}

// What a zip says to be larger than it may be is refused; so is the sum of code and
// layers.
func TestLayersTooLarge(t *testing.T) {
	v := version{Code: code{Unzipped: 100 << 20}, Layers: []attached{{Code: code{Unzipped: 100 << 20}}, {Code: code{Unzipped: 50 << 20}}}}
	if err := v.checkUnzipped(); err != nil {
		t.Error(err)
	}
	v.Code.Unzipped++
	if err := v.checkUnzipped(); err == nil || !strings.Contains(err.Error(), "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 262144001 bytes.") {
		t.Error(err)
	}
	v.Layers[0].Code.Unzipped = 250 << 20
	if err := v.checkUnzipped(); err == nil || !strings.Contains(err.Error(), "Layers consume more than the available size of 262144000 bytes") {
		t.Error(err)
	}
}

// Layers are unpacked as code is, and so nothing else than files, folders and links that
// stay inside comes in.
func TestLayersOfHarm(t *testing.T) {
	st := newStandOn(t, nil)
	for name, e := range map[string]entry{
		"fifo":     {"opt/pipe", fs.ModeNamedPipe | 0o644, ""},
		"device":   {"opt/null", fs.ModeDevice | fs.ModeCharDevice | 0o666, ""},
		"socket":   {"opt/sock", fs.ModeSocket | 0o666, ""},
		"link out": {"opt/link", fs.ModeSymlink | 0o777, "../../etc/passwd"},
		"link":     {"opt/link", fs.ModeSymlink | 0o777, "/etc/passwd"},
		"climbs":   {"../opt", 0o644, "x"},
		"absolute": {"/opt/x", 0o644, "x"},
	} {
		_, err := st.publishLayerVersion(st.ctx(), &api.PublishLayerVersionRequest{LayerName: ptr("l"), Content: &api.LayerVersionContentInput{ZipFile: packed(t, e)}})
		if err == nil || !strings.Contains(err.Error(), "Could not unzip uploaded file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Another account's layer needs that account's leave as well.
func TestLayerAccess(t *testing.T) {
	st := newStandOn(t, nil)
	arn := st.layer("l", map[string]string{"a": "b"})
	ask := func() string {
		needs, err := st.guardConfiguration(st.ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: ptr("f"), Layers: []string{arn}})
		if err != nil || len(needs) != 2 || needs[1].Action != "lambda:GetLayerVersion" || needs[1].Resource != arn {
			t.Fatalf("%+v, %v", needs, err)
		}
		text, err := needs[1].Policy(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if got := ask(); got != "" {
		t.Errorf("without a policy: %s", got)
	}
	if _, err := st.addLayerVersionPermission(st.ctx(), &api.AddLayerVersionPermissionRequest{LayerName: ptr("l"), VersionNumber: ptr(int64(1)), StatementId: ptr("all"),
		Action: ptr("lambda:GetLayerVersion"), Principal: ptr("111111111111")}); err != nil {
		t.Fatal(err)
	}
	if got := ask(); !strings.Contains(got, "arn:aws:iam::111111111111:root") {
		t.Errorf("with a policy: %s", got)
	}
}

// The address in an answer leads to the layer's zip.
func TestLayerLocation(t *testing.T) {
	st := newStandOn(t, nil)
	arn := st.layer("l", map[string]string{"a": "b"})
	out, err := st.getLayerVersionByArn(st.ctx(), &api.GetLayerVersionByArnRequest{Arn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(*out.Content.Location)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	st.Planes()[0].Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, at.Path, nil))
	if b, err := io.ReadAll(w.Body); err != nil || w.Code != http.StatusOK || int64(len(b)) != *out.Content.CodeSize {
		t.Errorf("%d, %d bytes, %v", w.Code, len(b), err)
	}
}

func FuzzParseLayerVersion(f *testing.F) {
	for _, seed := range []string{"arn:aws:lambda:us-east-1:000000000000:layer:a:1", "arn:aws:lambda:us-east-1:000000000000:layer:a", "arn:aws:lambda:::awslayer:x", "layer:a:1", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, number, ok := parseLayerVersion(text)
		if !ok {
			return
		}
		a, _ := aws.ParseARN(text)
		if again, n, ok := parseLayerVersion(l.arn(number)); a.Service == "lambda" && (!ok || again != l || n != number) {
			t.Errorf("%q: %v %d, and again %v %d", text, l, number, again, n)
		}
	})
}
