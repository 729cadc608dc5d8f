package aws

import (
	"reflect"
	"testing"
)

func TestRequestTags(t *testing.T) {
	if got := RequestTags(nil, nil); got == nil || len(got) != 0 {
		t.Errorf("no tags: %v", got)
	}
	got := RequestTags(map[string][]string{"x:Y": {"z"}}, map[string]string{"team": "red", "cost": ""})
	want := map[string][]string{"x:Y": {"z"}, "aws:TagKeys": {"cost", "team"}, "aws:RequestTag/team": {"red"}, "aws:RequestTag/cost": {""}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
