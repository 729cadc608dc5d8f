package sam_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/sam"
	"github.com/tule-cloud/tule/template"
)

// TestScripts transforms the templates of testdata. The command is
//
//	transform [region=r] [parameters=(name=value,…)] [only=(id,…)] [refuse]
//
// and prints what the template became, or the resources of these ids alone. State
// machines are known, but with refuse.
func TestScripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.yaml.txt")
	if len(files) == 0 {
		t.Fatal("no scripts")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".yaml.txt"), func(t *testing.T) {
			datadriven.RunTest(t, f, transform)
		})
	}
}

func transform(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	o := options()
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "region":
			o.Region = arg.Vals[0]
		case "parameters":
			for _, v := range arg.Vals {
				n, value, _ := strings.Cut(v, "=")
				o.Parameters[n] = value
			}
		case "refuse":
			o.StateMachines = false
		}
	}
	in, err := template.Parse([]byte(d.Input))
	if err != nil {
		return err.Error() + "\n"
	}
	before := string(ordered.JSON(in))
	out, err := sam.Transform(in, o)
	if string(ordered.JSON(in)) != before {
		t.Error("the template was changed")
	}
	if err != nil {
		return strings.ReplaceAll(err.Error(), ". Resource with", ".\nResource with") + "\n"
	}
	if resources, ok := out.Get("Resources").(*ordered.Object); ok && d.HasArg("only") {
		few := ordered.New()
		for _, arg := range d.CmdArgs {
			if arg.Key == "only" {
				for _, id := range arg.Vals {
					few.Set(id, resources.Get(id))
				}
			}
		}
		out = few
	}
	text, err := ordered.YAML(out)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(string(text), "---\n")
}

func options() sam.Options {
	return sam.Options{
		Region: "eu-central-1", Parameters: map[string]any{}, StateMachines: true,
		Now: func() time.Time { return time.Unix(13, 0) },
		ManagedPolicy: func(name string) (string, bool) {
			return "arn:aws:iam::aws:policy/" + name, strings.HasPrefix(name, "Amazon")
		},
		Application: func(id, version string) (string, error) {
			if version == "0.0.0" {
				return "", fmt.Errorf("No application with version %s.", version)
			}
			return "https://applications/" + id + "/" + version, nil
		},
	}
}
