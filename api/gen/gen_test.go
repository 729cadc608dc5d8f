package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// botocore is the folder of the pinned release, which `make setup` fetches.
func botocore(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TULE_BOTOCORE")
	if dir == "" {
		found, _ := filepath.Glob("../../.cache/botocore-*/botocore")
		if len(found) == 1 {
			dir = filepath.Dir(found[0])
		}
	}
	if dir == "" {
		if os.Getenv("TULE_REQUIRE_CASES") != "" {
			t.Fatal("the pinned botocore is not there: run `make setup`")
		}
		t.Skip("the pinned botocore is not there: run `make setup`")
	}
	return filepath.Join(dir, "botocore", "data")
}

// TestCurrent proves that what is committed is what the generator writes.
func TestCurrent(t *testing.T) {
	models, out := botocore(t), t.TempDir()
	patches, err := os.ReadFile("../patches.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, "patches.json"), patches, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(models, out); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(out, "*", "*.go"))
	if len(files) == 0 {
		t.Fatal("the generator wrote nothing")
	}
	for _, f := range files {
		rel, _ := filepath.Rel(out, f)
		want, _ := os.ReadFile(f)
		have, err := os.ReadFile(filepath.Join("..", rel))
		if err != nil || string(have) != string(want) {
			t.Errorf("api/%s is not what the generator writes: run `make generate`", rel)
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"restApiId": "RestApiId", "accessKeyIdType": "AccessKeyIdType", "x-amz-foo": "XAmzFoo", "ListOf_a": "ListOf_a", "type": "Type",
	} {
		if got := exported(in); got != want {
			t.Errorf("exported(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"PAY_PER_REQUEST": "PayPerRequest", "nodejs4.3": "Nodejs43", "ACTIVE": "Active", "arm64": "Arm64"} {
		if got := constant(in); got != want {
			t.Errorf("constant(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestPatterns holds translated patterns against texts that AWS's own would and
// would not match.
func TestPatterns(t *testing.T) {
	for _, c := range []struct{ java, good, bad string }{
		{`[\u0009\u000A\u000D\u0020-\u007E]{0,2048}`, "a b\tc", "\x01"},
		{`[\u0020-\uD7FF\uE000-\uFFFD\ud800\udc00-\udbff\udfff\r\n\t]*`, "€😀", "\x00"},
		{`\p{Print}+`, "a b", "\t"},
		{`[\p{Alnum}-]+`, "a-1", "_"},
		{`[a-z]{1,64}`, "abc", "ABC"},
		{`[\p{L}\p{Z}\p{N}_.:/=+\-@]+`, "größe 1", "a!b"},
	} {
		g := &generator{p: &patch{}}
		parts := g.pattern("x", c.java)
		if len(parts) == 0 || len(g.problems) > 0 {
			t.Fatalf("%s: %v", c.java, g.problems)
		}
		re := regexp.MustCompile("^(?:" + unquote(t, parts[0]) + ")$")
		if !re.MatchString(c.good) || re.MatchString(c.bad) {
			t.Errorf("%s became %s: matches %q: %v, matches %q: %v", c.java, re, c.good, re.MatchString(c.good), c.bad, re.MatchString(c.bad))
		}
	}
}

func unquote(t *testing.T, part string) string {
	t.Helper()
	s, err := strconv.Unquote(part[len("match:"):])
	if err != nil {
		t.Fatal(err)
	}
	return s
}
