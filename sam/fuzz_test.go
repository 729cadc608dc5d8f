package sam_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/sam"
	"github.com/tule-cloud/tule/template"
)

// FuzzTransform holds that the transform answers whatever it is given, and the same each
// time.
func FuzzTransform(f *testing.F) {
	scripts, _ := filepath.Glob("testdata/*.yaml.txt")
	for _, s := range scripts {
		for _, in := range templates(f, s) {
			f.Add(in)
		}
	}
	pairs, _ := filepath.Glob(published + "/tests/translator/input/*.yaml")
	for _, p := range pairs {
		if text, err := os.ReadFile(p); err == nil && len(text) < 4000 {
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		in, err := template.Parse([]byte(text))
		if err != nil {
			return
		}
		first := attempt(t, in)
		if again := attempt(t, in); again != first {
			t.Errorf("first %s\nthen %s", first, again)
		}
	})
}

func attempt(t *testing.T, in *ordered.Object) string {
	out, err := sam.Transform(in, options())
	var wrong *sam.Error
	switch {
	case err == nil:
		return string(ordered.JSON(out))
	case !errors.As(err, &wrong):
		t.Errorf("%T: %v", err, err)
	}
	return err.Error()
}
