package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/front"
)

var rewrite = flag.Bool("rewrite", false, "write the coverage table of the README anew")

const (
	coverageBegin = "<!-- coverage: printed by go test ./cmd/tule -run TestCoverage -rewrite -->\n"
	coverageEnd   = "<!-- end of coverage -->"
)

// TestCoverage keeps the README's table of operations true.
func TestCoverage(t *testing.T) {
	h, err := build(context.Background(), settings{data: t.TempDir(), listen: []string{"127.0.0.1:4566"}, iam: "enforce", isolation: "process", self: self}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	want := coverageBegin + coverage(h.front) + coverageEnd
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), coverageBegin)
	_, after, ok2 := strings.Cut(rest, coverageEnd)
	if !ok || !ok2 {
		t.Fatal("the README has lost its marks of the coverage table")
	}
	text := before + want + after
	if *rewrite {
		if err := os.WriteFile("../../README.md", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text != string(readme) {
		t.Error("the README's coverage table is old: go test ./cmd/tule -run TestCoverage -rewrite")
	}
}

func coverage(f *front.Front) string {
	var b strings.Builder
	b.WriteString("\n| service | answered | operations |\n|---|---|---|\n")
	for _, c := range f.Coverage() {
		fmt.Fprintf(&b, "| %s | %d of %d | %s |\n", c.Service, len(c.Answered), len(c.Answered)+len(c.Missing), strings.Join(c.Answered, ", "))
	}
	b.WriteString("\n")
	return b.String()
}
