package gateway_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/vtl"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// TestLargeBodies passes nearly 10 MB through what templates do with bodies, at
// the default limits.
func TestLargeBodies(t *testing.T) {
	const size = 9 << 20
	numbers := "[" + strings.Repeat("1234567,", size/8) + "0]"
	text := `{"text":"` + strings.Repeat("abcdefgh", size/8) + `"}`
	for name, c := range map[string]struct{ body, template string }{
		"body":    {text, "$input.body"},
		"json":    {text, "$input.json('$')"},
		"numbers": {numbers, "$input.json('$')"},
		"path":    {text, "$input.path('$.text')"},
		"escaped": {text, "$util.escapeJavaScript($input.json('$'))"},
		"raw":     {strings.Repeat("k=value&", size/8), "$input.path('$')"},
	} {
		t.Run(name, func(t *testing.T) {
			tm, err := vtl.Parse("t", c.template)
			if err != nil {
				t.Fatal(err)
			}
			r, err := gateway.Render(context.Background(), tm, &gateway.Event{Body: c.body}, vtl.Limits{})
			if err != nil || len(r.Body) < size-100 {
				t.Fatalf("got %d bytes, %v", len(r.Body), err)
			}
		})
	}
}
