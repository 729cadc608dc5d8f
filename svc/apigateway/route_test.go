package apigateway

import (
	"strings"
	"testing"

	"github.com/tule-cloud/tule/vtl/gateway"
)

func routes(paths ...string) *node {
	root := &node{}
	for _, p := range paths {
		n := root.at(p)
		n.path, n.methods = p, map[string]*method{"GET": {verb: "GET", resourcePath: p}}
	}
	return root
}

// Whatever is asked for, a match is a resource whose path the request has: literal
// parts equal, variables one part, a greedy one the rest.
func FuzzMatch(f *testing.F) {
	root := routes("/", "/a", "/a/b", "/a/{x}", "/a/{x}/c", "/a/{x}/{y}/d", "/{v}/e", "/g/{rest+}", "/a/b/{all+}")
	for _, s := range []string{"/", "", "/a/", "/a//c", "/a/b/c/d", "/g/", "/g/x//y/", "/z/e", "/a/1/2/d", "//", "/%2F"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		n, params := root.match(path, nil)
		if n == nil {
			return
		}
		values := map[string]string{}
		for _, p := range params {
			values[p.Name] = p.Value
		}
		want := strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
		var got []string
		for _, part := range strings.Split(strings.TrimPrefix(n.path, "/"), "/") {
			if isVariable(part) {
				name := strings.Trim(part, "{+}")
				if v, ok := values[name]; !ok || v == "" || !isGreedy(part) && strings.Contains(v, "/") {
					t.Fatalf("%q matched %s with %v", path, n.path, params)
				}
				part = values[name]
			}
			got = append(got, part)
		}
		if strings.Join(got, "/") != want {
			t.Fatalf("%q matched %s with %v", path, n.path, params)
		}
	})
}

func TestMatchPrecedence(t *testing.T) {
	root := routes("/a", "/{v}", "/{v}/b", "/a/{rest+}")
	for path, want := range map[string]string{"/a": "/a", "/b": "/{v}", "/a/b": "/a/{rest+}", "/c/b": "/{v}/b", "/c/d": ""} {
		n, _ := root.match(path, nil)
		if n != nil && n.path != want || n == nil && want != "" {
			t.Errorf("%s: %+v, want %s", path, n, want)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	root := routes("/", "/movies", "/movies/{id}", "/movies/{id}/photos/{photo}", "/{rest+}")
	b.ReportAllocs()
	for b.Loop() {
		if n, _ := root.match("/movies/7/photos/9", make([]gateway.Param, 0, 4)); n == nil {
			b.Fatal("no match")
		}
	}
}
