package ssm

import (
	"testing"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
)

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(_ *testing.T, h *script.House) []aws.Route {
		return New(Options{Store: h.Store, Clock: h.Clock, Keys: seal.New([32]byte{1}, h.Random)}).Routes()
	})
}

func TestSelected(t *testing.T) {
	for text, want := range map[string]selector{
		"a":         {name: "a"},
		"/a/b:3":    {name: "/a/b", text: ":3", number: 3},
		"/a/b:prod": {name: "/a/b", text: ":prod", label: "prod"},
		"arn:aws:ssm:us-east-1:000000000000:parameter/a":     {name: "a"},
		"arn:aws:ssm:us-east-1:000000000000:parameter/a/b:2": {name: "/a/b", text: ":2", number: 2},
	} {
		if got := selected(text); got != want {
			t.Errorf("%s selects %+v, not %+v", text, got, want)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"a": true, "/a": true, "/a/b.c/d_e-f": true, "MyName": true,
		"": false, "/": false, "a/b": false, "/a/": false, "//a": false, "aws-x": false, "/ssm/x": false, "/AWS/x": false, "a b": false, "ä": false,
		"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15": true, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16": false,
	} {
		if err := checkName(name); (err == nil) != good {
			t.Errorf("the name %q: %v", name, err)
		}
	}
}
