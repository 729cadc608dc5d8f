package aws

import (
	"context"
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

func TestLateTags(t *testing.T) {
	read := LateTags("x:Tag/", func(context.Context) (map[string]string, error) { return map[string]string{"team": "red"}, nil })["x:Tag/"]
	if got, err := read(t.Context(), "team"); err != nil || len(got) != 1 || got[0] != "red" {
		t.Errorf("team: %v, %v", got, err)
	}
	if got, err := read(t.Context(), "cost"); err != nil || got != nil {
		t.Errorf("cost: %v, %v", got, err)
	}
}
