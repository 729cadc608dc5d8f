package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/svc/cloudformation/resource"
)

// TestResourceTypes keeps true what docs/stacks.md says of the types that stacks know.
func TestResourceTypes(t *testing.T) {
	const file = "../../docs/stacks.md"
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- types: printed by go test ./cmd/tule -run TestResourceTypes -rewrite -->\n", "<!-- end of types -->"
	before, rest, ok := strings.Cut(string(have), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("docs/stacks.md has lost its marks of the table of types")
	}
	text := before + begin + resourceTypes() + end + after
	if *rewrite {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text != string(have) {
		t.Error("the table of types is old: go test ./cmd/tule -run TestResourceTypes -rewrite")
	}
}

func resourceTypes() string {
	types := resource.Types()
	slices.SortFunc(types, func(a, b *resource.Type) int { return strings.Compare(a.Name, b.Name) })
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d types.\n\n| type | replaced by a change of |\n|---|---|\n", len(types))
	for _, t := range types {
		fmt.Fprintf(&b, "| %s | %s |\n", t.Name, replacing(t))
	}
	b.WriteString("\n")
	return b.String()
}

// replacing are the properties whose change replaces a resource.
func replacing(t *resource.Type) string {
	if t.Update == nil {
		return "anything"
	}
	names := slices.Concat(t.Schema().CreateOnly, t.Replace)
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}
