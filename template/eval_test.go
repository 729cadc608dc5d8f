package template

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/ordered"
)

const sample = `
Parameters:
  Name: {Type: String, Default: n}
  Many: {Type: CommaDelimitedList, Default: "a, b,c"}
  Two: {Type: Number, Default: 2, MinValue: 1, MaxValue: 3}
Mappings:
  M: {us-east-1: {size: big, list: [x, y]}}
Conditions:
  IsN: !Equals [!Ref Name, n]
  NotN: !Not [{Condition: IsN}]
  Both: !And [{Condition: IsN}, !Or [{Condition: NotN}, {Condition: IsN}]]
Resources:
  A: {Type: T, DependsOn: B, Properties: {x: !Sub "${C.Arn}-${Name}"}}
  B: {Type: T, Properties: {x: !If [IsN, 1, !Ref A]}}
  C: {Type: T}
  D: {Type: T, Condition: NotN}
Outputs:
  O: {Value: !GetAtt A.B.C}
`

func sampleEnv(t testing.TB, text string) *Env {
	t.Helper()
	o, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := Read(o)
	if err != nil {
		t.Fatal(err)
	}
	values, err := tmpl.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &Env{Template: tmpl, Parameters: values, Pseudo: map[string]any{"AWS::Region": "us-east-1", "AWS::StackName": "s"},
		Ref:     func(name string) (any, error) { return "ref-" + name, nil },
		GetAtt:  func(name, attribute string) (any, error) { return name + ":" + attribute, nil },
		Import:  func(name string) (any, error) { return "import-" + name, nil },
		Zones:   func(region string) []string { return []string{region + "a", region + "b"} },
		Resolve: func(reference string) (string, error) { return "<" + reference + ">", nil }, Extended: true}
	if err := e.Decide(); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestValue(t *testing.T) {
	e := sampleEnv(t, sample)
	for _, c := range []struct{ text, want string }{
		{`!Ref Name`, `"n"`}, {`!Ref Many`, `["a","b","c"]`}, {`!Ref Two`, `"2"`}, {`!Ref A`, `"ref-A"`}, {`!Ref AWS::Region`, `"us-east-1"`},
		{`{a: !Ref AWS::NoValue, b: [1, !Ref AWS::NoValue], c: null}`, `{"b":[1]}`},
		{`!GetAtt A.B.C`, `"A:B.C"`}, {`{Fn::GetAtt: [A, !Ref Name]}`, `"A:n"`},
		{`!Sub "${A}/${A.X}/${!lit}/${AWS::Region}"`, `"ref-A/A:X/${lit}/us-east-1"`}, {`!Sub ["${v}${Name}", {v: !Ref Two}]`, `"2n"`},
		{`!Join ["-", [a, !Ref Two, !Ref Name]]`, `"a-2-n"`}, {`!Join [",", !Ref Many]`, `"a,b,c"`},
		{`!Select [1, !Ref Many]`, `"b"`}, {`!Select ["0", !GetAZs ""]`, `"us-east-1a"`}, {`!Split [",", "a,b"]`, `["a","b"]`},
		{`!FindInMap [M, !Ref AWS::Region, size]`, `"big"`}, {`!FindInMap [M, nowhere, size, {DefaultValue: small}]`, `"small"`},
		{`!If [IsN, yes, no]`, `"yes"`}, {`!If [NotN, yes, !Ref AWS::NoValue]`, `null`}, {`!Base64 hello`, `"aGVsbG8="`},
		{`!ImportValue {Fn::Sub: "${Name}-x"}`, `"import-n-x"`}, {`!Cidr ["10.0.0.0/16", 3, 8]`, `["10.0.0.0/24","10.0.1.0/24","10.0.2.0/24"]`},
		{`!Length [1, 2, 3]`, `3`}, {`!ToJsonString {a: !Ref Name, b: [1]}`, `"{\"a\":\"n\",\"b\":[1]}"`},
		{`"{{resolve:ssm:x:1}} and {{resolve:ssm:y}}"`, `"<ssm:x:1> and <ssm:y>"`},
		{`!Equals [a, !Ref Name]`, `false`},
	} {
		o, err := Parse([]byte("v: " + c.text))
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		v, _, err := e.Value(o.Get("v"))
		if got := string(ordered.Compact(v)); err != nil || got != c.want {
			t.Errorf("%s is %s (%v), not %s", c.text, got, err, c.want)
		}
	}
}

func TestValueRefuses(t *testing.T) {
	e := sampleEnv(t, sample)
	e.Extended = false
	for _, c := range []struct{ text, want string }{
		{`!Ref Nobody`, "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template"},
		{`!GetAtt Nobody.Arn`, "Template error: instance of Fn::GetAtt references undefined resource Nobody"},
		{`!GetAtt A`, "Template error: every Fn::GetAtt object requires two non-empty parameters"},
		{`!Select [9, !Ref Many]`, "Template error: Fn::Select cannot select nonexistent value at index 9"},
		{`!FindInMap [M, nowhere, size]`, "Template error: Unable to get mapping for M::nowhere::size"},
		{`!FindInMap [X, a, b]`, "Template error: Mapping named 'X' is not present in the 'Mappings' section of template."},
		{`!Join [1]`, "Template error: every Fn::Join object requires two parameters"},
		{`!Sub {a: b}`, "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments."},
		{`!Sub "${a b}"`, "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters"},
		{`!If [Nobody, 1, 2]`, "Template format error: Unresolved condition dependency Nobody"},
		{`!Length [1]`, "Template format error: Unrecognized function Fn::Length"},
		{`!Base64 [1]`, "Template error: every Fn::Base64 object must have a String-typed value."},
		{`!Cidr ["10.0.0.0/24", 300, 8]`, "Template error: every Fn::Cidr object requires two parameters"},
	} {
		o, err := Parse([]byte("v: " + c.text))
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		if v, _, err := e.Value(o.Get("v")); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s is %v, %v; want %s", c.text, v, err, c.want)
		}
	}
}

func TestUnknown(t *testing.T) {
	e := sampleEnv(t, sample)
	e.Ref = func(string) (any, error) { return Unknown{}, nil }
	e.GetAtt = func(string, string) (any, error) { return Unknown{}, nil }
	for _, text := range []string{`!Ref A`, `!Sub "x${A.Arn}"`, `!Join ["", [a, !Ref A]]`, `!Select [0, !Split [",", !GetAtt A.List]]`} {
		o, _ := Parse([]byte("v: " + text))
		if v, _, err := e.Value(o.Get("v")); err != nil || v != (Unknown{}) {
			t.Errorf("%s is %v, %v", text, v, err)
		}
	}
}

func TestDepends(t *testing.T) {
	needs, err := sampleEnv(t, sample).Depends()
	if got := fmt.Sprint(needs); err != nil || got != "map[A:[B C] B:[] C:[]]" {
		t.Errorf("%v, %v", got, err)
	}
	for _, c := range []struct{ text, want string }{
		{"Resources:\n A: {Type: T, Properties: {x: !Ref B}}\n B: {Type: T, DependsOn: [A]}\n C: {Type: T, DependsOn: A}", "Circular dependency between resources: [A, B]"},
		{"Resources:\n A: {Type: T, Properties: {x: !Ref X, y: !Ref Y}}", "Template format error: Unresolved resource dependencies [X, Y] in the Resources block of the template"},
		{"Resources:\n A: {Type: T}\nOutputs:\n O: {Value: !Ref X}", "Template format error: Unresolved resource dependencies [X] in the Outputs block of the template"},
		{"Resources:\n A: {Type: T, Properties: {x: !GetAtt X.Arn}}", "Template error: instance of Fn::GetAtt references undefined resource X"},
	} {
		if _, err := sampleEnv(t, c.text).Depends(); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, not %s", c.text, err, c.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"Resources: {}", "Template format error: At least one Resources member must be defined."},
		{"Resource: {}", "Invalid template property or properties [Resource]"},
		{"Resources: {A: {Properties: {}}}", "Template format error: [/Resources/A] Every Resources object must contain a Type member."},
		{"Resources: {A-b: {Type: T}}", "Template format error: Resource name 'A-b' is non alphanumeric."},
		{"Resources: {A: {Type: T, Propertys: {}}}", "Invalid template resource property 'Propertys'"},
		{"Resources: {A: {Type: T, Condition: C}}", "Template format error: Unresolved condition dependency C in the Resources block of the template"},
		{"Parameters: {P: {Type: Strong}}\nResources: {A: {Type: T}}", "Template format error: Unrecognized parameter type: Strong"},
		{"Parameters: {P: {}}\nResources: {A: {Type: T}}", "Template format error: [/Parameters/P] Every Parameters object must contain a Type member."},
		{"AWSTemplateFormatVersion: 2011-01-01\nResources: {A: {Type: T}}", "Template format error: 2011-01-01 is not a supported value for AWSTemplateFormatVersion."},
		{"Resources: {A: {Type: T}}\nOutputs: {O: {}}", "Template format error: [/Outputs/O] Every Outputs member must contain a Value object"},
		{"Resources: {" + strings.Join(strings.Fields(strings.Repeat("R# ", 501)), ",") + "}", "Template format error: "},
	} {
		o, err := Parse([]byte(c.text))
		if err == nil {
			_, err = Read(o)
		}
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.60q: %v, not %s", c.text, err, c.want)
		}
	}
}

func TestBind(t *testing.T) {
	o, _ := Parse([]byte(`{"Parameters": {"A": {"Type": "String", "AllowedPattern": "[a-z]+", "MaxLength": "3", "MinLength": 1}, "B": {"Type": "Number", "Default": "1", "MinValue": 1, "MaxValue": "9"},
		"C": {"Type": "String", "Default": "x", "AllowedValues": ["x", "y"]}, "D": {"Type": "List<Number>", "Default": "1,2"}, "E": {"Type": "String", "Default": "e", "AllowedPattern": "e", "ConstraintDescription": "must be e"}},
		"Resources": {"R": {"Type": "T"}}}`))
	tmpl, err := Read(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ given, want string }{
		{"A=abc", ""}, {"", "Parameters: [A] must have values"}, {"A=a X=1 W=2", "Parameters: [W, X] do not exist in the template"},
		{"A=ABC", "Parameter 'A' must match pattern [a-z]+"}, {"A=abcd", "Parameter 'A' must contain at most 3 characters"},
		{"A=a B=0", "Parameter 'B' must be a number not less than 1"}, {"A=a B=10", "Parameter 'B' must be a number not greater than 9"}, {"A=a B=x", "Parameter 'B' must be a number"},
		{"A=a C=z", "Parameter 'C' must be one of AllowedValues"}, {"A=a D=1,x", "Parameter 'D' must be a number"}, {"A=a E=f", "Parameter E failed to satisfy constraint: must be e"},
	} {
		given := map[string]string{}
		for _, pair := range strings.Fields(c.given) {
			k, v, _ := strings.Cut(pair, "=")
			given[k] = v
		}
		_, err := tmpl.Bind(given)
		if got := ""; err != nil && err.Error() != c.want || err == nil && c.want != got {
			t.Errorf("%s: %v, not %q", c.given, err, c.want)
		}
	}
}

// FuzzEnv holds that no template, however odd, makes the evaluator panic.
func FuzzEnv(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(`{"Resources": {"A": {"Type": "T", "Properties": {"x": {"Fn::Cidr": ["::/0", 2, 64]}}}}}`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		o, err := Parse(body)
		if err != nil {
			return
		}
		t, err := Read(o)
		if err != nil {
			return
		}
		values, err := t.Bind(nil)
		if err != nil {
			return
		}
		e := &Env{Template: t, Parameters: values, Extended: true, Ref: func(string) (any, error) { return "r", nil }, GetAtt: func(string, string) (any, error) { return "a", nil }}
		if e.Decide() != nil {
			return
		}
		_, _ = e.Depends()
		_, _ = e.Attributes()
		for i := range t.Resources {
			_, _ = e.Properties(t.Resources[i].Properties)
		}
		for i := range t.Outputs {
			_, _, _ = e.Value(t.Outputs[i].Value)
		}
	})
}
