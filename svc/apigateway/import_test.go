package apigateway

import (
	"os"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
)

// Any document is read or refused as the caller's fault, and what is read can be
// imported or refused, and then deployed and called.
func FuzzImport(f *testing.F) {
	for _, name := range []string{"movies", "proxy", "mapping", "access"} {
		text, err := os.ReadFile("testdata/plane/" + name)
		if err != nil {
			f.Fatal(err)
		}
		doc, _, _ := strings.Cut(string(text), "\n----")
		_, doc, _ = strings.Cut(doc, "\n")
		f.Add(doc)
	}
	f.Add(`{"openapi": "3.0.1", "info": {"title": "t"}, "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}}}}}`)
	st := newStand(f)
	f.Fuzz(func(t *testing.T, doc string) {
		if err := st.deploy(t, doc, "prod"); err != nil {
			if aws.CodeOf(err) == "" || strings.Contains(err.Error(), "InternalFailure") {
				t.Fatalf("%v", err)
			}
			return
		}
		st.handler.ServeHTTP(discard{}, st.request(t, "GET", "/prod/", ""))
		_, err := api.DeleteRestApi.Do(st.house.Context(t.Context()), st.house, &api.DeleteRestApiRequest{RestApiId: &st.apiID})
		st.must(t, err)
	})
}

// A tree that is asked for what is not there gives nothing, and does not fail.
func TestTreeNothing(t *testing.T) {
	for _, doc := range []string{`{"a": 1}`, `{"a": [null, {"b": null}]}`, "a: {1: x}\n"} {
		root, err := parseTree([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []tree{root, root.get("a"), root.get("a", "b", "c"), root.get("z")} {
			_, _, _, _ = x.text(), x.keys(), x.list(), x.textMap()
			if x.get("nothing").truthy() || len(x.get("nothing").texts()) > 0 || x.get("nothing").optional() != nil {
				t.Errorf("%s has something", doc)
			}
		}
	}
	loop, err := parseTree([]byte(`{"a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}`))
	if err != nil || loop.get("a").follow(loop).truthy() {
		t.Errorf("a loop of references leads somewhere: %v", err)
	}
}
