package template

import (
	"strings"
	"testing"

	"github.com/tule-cloud/tule/ordered"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"JSON", `{"Resources": {"A": {"Type": "AWS::SNS::Topic"}}}`, `{"Resources":{"A":{"Type":"AWS::SNS::Topic"}}}`},
		{"order", "b: 1\na: 2.50\nc: 012\nd: yes\ne: true\nf: ~\ng: 2012-10-17", `{"b":1,"a":2.50,"c":10,"d":"yes","e":true,"f":null,"g":"2012-10-17"}`},
		{"short forms", "a: !Ref b\nc: !GetAtt d.e.f\ng: !Join ['', [x, !Sub '${y}']]\nh: !If [c, !Ref AWS::NoValue, 1]\ni: !GetAZs ''",
			`{"a":{"Ref":"b"},"c":{"Fn::GetAtt":["d","e.f"]},"g":{"Fn::Join":["",["x",{"Fn::Sub":"${y}"}]]},"h":{"Fn::If":["c",{"Ref":"AWS::NoValue"},1]},"i":{"Fn::GetAZs":""}}`},
		{"aliases", "a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 2", `{"a":{"b":1},"c":{"b":1},"d":{"b":1,"e":2}}`},
	} {
		o, err := Parse([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := strings.Join(strings.Fields(string(ordered.JSON(o))), ""); got != strings.ReplaceAll(c.want, " ", "") {
			t.Errorf("%s reads %s, not %s", c.name, got, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 9; i++ {
		last := string(rune('0' + i - 1))
		bomb += "a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.TrimSuffix(strings.Repeat("*a"+last+",", 10), ",") + "]\n"
	}
	for _, body := range []string{"", "[1]", "x", "a: !Nothing b", "a: [", "{\"a\": ", "? [a]\n: b", bomb, strings.Repeat("[", 100_000)} {
		if o, err := Parse([]byte(body)); err == nil || !strings.HasPrefix(err.Error(), "Template format error: ") {
			t.Errorf("%.40q is read as %v, %v", body, o, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a: !GetAtt b.c\n"))
	f.Add([]byte(`{"a": [1, null, {"Ref": "b"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if o, err := Parse(body); err == nil {
			if _, err := ordered.Parse(ordered.JSON(o)); err != nil {
				t.Errorf("%q is read as what is no JSON: %v", body, err)
			}
		}
	})
}
