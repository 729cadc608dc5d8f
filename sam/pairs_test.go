package sam_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/sam"
	"github.com/tule-cloud/tule/template"
)

// published is where setup/fetch puts what AWS publishes of its transform: templates, and
// what they become.
const published = "../.cache/serverless-application-model-1.110.0"

// held is the share of the pairs that match, but for exceptions.
const held = 1.0

var regions = []struct{ partition, region, folder string }{
	{"aws", "ap-southeast-1", ""}, {"aws-cn", "cn-north-1", "aws-cn"}, {"aws-us-gov", "us-gov-west-1", "aws-us-gov"},
}

// exceptions are pairs that are not to match, with the reason.
func exceptions(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/exceptions.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	reason := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if r, ok := strings.CutPrefix(line, "# "); ok {
			reason = r
		} else if line != "" {
			out[line] = reason
		}
	}
	return out
}

func TestPublishedPairs(t *testing.T) {
	inputs, _ := filepath.Glob(published + "/tests/translator/input/*.yaml")
	if len(inputs) == 0 {
		t.Skip("the pairs that AWS publishes are not there: run `make setup`")
	}
	policies := managedPolicies(t)
	except := exceptions(t)
	for _, r := range regions {
		t.Run(r.partition, func(t *testing.T) {
			var matched, all int
			for _, in := range inputs {
				name := strings.TrimSuffix(filepath.Base(in), ".yaml")
				isError := strings.HasPrefix(name, "error_")
				if isError && r.folder != "" {
					continue
				}
				want, err := os.ReadFile(filepath.Join(published, "tests/translator/output", r.folder, name+".json"))
				if err != nil {
					continue // no template to become another
				}
				diff := compare(t, in, want, sam.Options{
					Region: r.region, StateMachines: true, Now: func() time.Time { return time.Unix(13, 0) },
					Parameters:  map[string]any{"param1": "value1", "param2": "value2"},
					Application: application,
					ManagedPolicy: func(name string) (string, bool) {
						arn, ok := policies[r.partition][name]
						return arn, ok
					},
				})
				if _, ok := except[name]; ok {
					if diff == "" {
						t.Errorf("%s: matches, and is listed as an exception", name)
					}
					continue
				}
				if all++; diff == "" {
					matched++
				} else {
					t.Logf("%s: %s", name, diff)
				}
			}
			share := float64(matched) / float64(all)
			t.Logf("%d of %d pairs match: %.1f %%", matched, all, 100*share)
			if share < held {
				t.Errorf("fewer than %.0f %%", 100*held)
			}
		})
	}
}

func managedPolicies(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile(published + "/samtranslator/internal/data/aws_managed_policies.json")
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]map[string]string
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// application is the repository of applications that the pairs were made with.
func application(id, version string) (string, error) {
	if slices.Contains([]string{"no-access", "non-existent", "invalid-semver"}, id) {
		return "", fmt.Errorf("Cannot access application: %s.", id)
	}
	return "https://awsserverlessrepo-changesets-xxx.s3.amazonaws.com/signed-url", nil
}

// unicodeMark is what Python 2.7 printed before texts, which the pairs leave out.
var unicodeMark = regexp.MustCompile(`u('[A-Za-z0-9]*')`)

// compare says how what a template becomes differs from what it is to become, "" if it
// does not. Lists of AWS's pairs have no order.
func compare(t *testing.T, file string, want []byte, o sam.Options) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in, err := template.Parse(text)
	if err != nil {
		return "template: " + err.Error()
	}
	var expected map[string]any
	if err := json.Unmarshal(want, &expected); err != nil {
		t.Fatal(err)
	}
	out, err := sam.Transform(in, o)
	var wrong *sam.Error
	if err != nil && !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	if message, ok := expected["errorMessage"]; ok {
		if err == nil {
			return "no error; want " + message.(string)
		}
		if got := unicodeMark.ReplaceAllString(err.Error(), "$1"); got != message {
			return fmt.Sprintf("\n got %s\nwant %s", err, message)
		}
		return ""
	}
	if err != nil {
		return err.Error()
	}
	return difference("", sorted(plain(t, out)), sorted(expected))
}

func plain(t *testing.T, o *ordered.Object) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(ordered.JSON(o), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// sorted is a value whose lists are in an order of their own.
func sorted(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for n, e := range v {
			v[n] = sorted(e)
		}
	case []any:
		for i, e := range v {
			v[i] = sorted(e)
		}
		slices.SortFunc(v, func(a, b any) int {
			x, _ := json.Marshal(a)
			y, _ := json.Marshal(b)
			return strings.Compare(string(x), string(y))
		})
	}
	return v
}

// difference is the first place where two values differ.
func difference(path string, got, want any) string {
	a, isMap := got.(map[string]any)
	b, also := want.(map[string]any)
	if isMap && also {
		for n := range b {
			if _, ok := a[n]; !ok {
				return fmt.Sprintf("%s: %s is missing (have %v)", path, n, missing(a, b))
			}
		}
		for n := range a {
			if _, ok := b[n]; !ok {
				return fmt.Sprintf("%s: %s is too much", path, n)
			}
			if d := difference(path+"/"+n, a[n], b[n]); d != "" {
				return d
			}
		}
		return ""
	}
	if !reflect.DeepEqual(got, want) {
		x, _ := json.Marshal(got)
		y, _ := json.Marshal(want)
		return fmt.Sprintf("%s:\n got %.700s\nwant %.700s", path, x, y)
	}
	return ""
}

func missing(a, b map[string]any) (out []string) {
	for n := range a {
		if _, ok := b[n]; !ok {
			out = append(out, n)
		}
	}
	return out
}
