package resource

import (
	"context"
	"slices"
	"strings"
	"testing"

	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/script"
)

// TestRows holds every row against AWS's schema of its type.
func TestRows(t *testing.T) {
	for name, row := range NewSet() {
		s, ok := SchemaOf(name)
		if !ok && !row.Free {
			t.Errorf("%s: AWS publishes no schema of such a type", name)
			continue
		}
		if row.Create == nil || row.Delete == nil {
			t.Errorf("%s cannot be created and deleted", name)
		}
		if row.Free {
			continue
		}
		if row.Named != "" && name != "AWS::CloudFormation::Stack" && (s.Properties[row.Named] == nil || row.Length == 0) {
			t.Errorf("%s has no property %s, or no length for it", name, row.Named)
		}
		for _, p := range row.Replace {
			if s.Properties[p] == nil {
				t.Errorf("%s has no property %s that could replace it", name, p)
			}
			if slices.Contains(s.CreateOnly, p) {
				t.Errorf("%s: AWS's schema says already that %s replaces it", name, p)
			}
		}
		for p := range row.Defaults {
			if s.Properties[p] == nil {
				t.Errorf("%s has no property %s to have a default", name, p)
			}
		}
	}
}

func object(t *testing.T, text string) *ordered.Object {
	t.Helper()
	v, err := ordered.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v.(*ordered.Object)
}

func TestCheck(t *testing.T) {
	for _, c := range []struct{ name, properties, want string }{
		{"AWS::SQS::Queue", `{"DelaySeconds": "5", "FifoQueue": "true", "RedrivePolicy": {"deadLetterTargetArn": "x", "maxReceiveCount": 5}}`, ""},
		{"AWS::SQS::Queue", `{"DelaySecond": 5}`, "Encountered unsupported property DelaySecond"},
		{"AWS::SQS::Queue", `{"Arn": "x"}`, "Encountered unsupported property Arn"},
		{"AWS::SQS::Queue", `{"DelaySeconds": "five"}`, "Value of property DelaySeconds must be of type Integer"},
		{"AWS::SQS::Queue", `{"Tags": {"a": "b"}}`, "Value of property Tags must be of type List"},
		{"AWS::SQS::Queue", `{"Tags": [{"Key": "b"}]}`, "Property Tags.Value cannot be empty."},
		{"AWS::IAM::Role", `{}`, "Property AssumeRolePolicyDocument cannot be empty."},
		{"AWS::Lambda::Function", `{"Role": "r", "Code": {"Zip": "x"}}`, "Encountered unsupported property Zip"},
	} {
		row := NewSet()[c.name]
		err := row.Check(object(t, c.properties))
		if got := ""; err != nil {
			if _, got, _ = strings.Cut(err.Error(), ": "); got != c.want {
				t.Errorf("%s %s: %q, not %q", c.name, c.properties, got, c.want)
			}
		} else if c.want != "" {
			t.Errorf("%s %s is taken; want %q", c.name, c.properties, c.want)
		}
	}
}

func TestFill(t *testing.T) {
	c := &Call{Context: context.Background(), Type: NewSet()["AWS::SQS::Queue"], Stack: Stack{Name: "s", Tags: map[string]string{"a": "b"}},
		Properties: object(t, `{"QueueName": 5, "Tags": [{"Key": "c", "Value": "d"}], "DelaySeconds": 3}`)}
	in := new(sqsapi.CreateQueueRequest)
	if err := Fill(c, in); err != nil {
		t.Fatal(err)
	}
	if *in.QueueName != "5" || in.Tags["a"] != "b" || in.Tags["c"] != "d" {
		t.Errorf("filled %+v", in)
	}
	if left := c.Left(); !slices.Equal(left, []string{"DelaySeconds"}) {
		t.Errorf("left are %v", left)
	}
}

func TestRandomName(t *testing.T) {
	h := script.New()
	defer h.Store.Close()
	for _, c := range []struct{ row, stack, logical, prefix string }{
		{"AWS::SQS::Queue", "shop", "Queue", "shop-Queue-"},
		{"AWS::S3::Bucket", "Shop", "Files", "shop-files-"},
		{"AWS::IAM::Role", strings.Repeat("s", 100), strings.Repeat("L", 100), strings.Repeat("s", 25) + "-" + strings.Repeat("L", 25)},
	} {
		row := NewSet()[c.row]
		x := Call{Type: row, Logical: c.logical, Random: h.Random, Stack: Stack{Name: c.stack}, Properties: ordered.New()}
		name := x.RandomName()
		if !strings.HasPrefix(name, c.prefix) || len(name) > row.Length || row.Lower && name != strings.ToLower(name) {
			t.Errorf("%s is named %s", c.row, name)
		}
	}
}
