package aws

import (
	"context"
	"maps"
	"slices"
)

// RequestTags adds to keys, which may be nil, the condition keys of the tags that a
// request carries: aws:TagKeys, and an aws:RequestTag/KEY each. Without tags there
// are none, as on AWS, where Null conditions ask for that.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_tags.html
func RequestTags(keys map[string][]string, tags map[string]string) map[string][]string {
	if keys == nil {
		keys = map[string][]string{}
	}
	if len(tags) > 0 {
		keys["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
	}
	for k, v := range tags {
		keys["aws:RequestTag/"+k] = []string{v}
	}
	return keys
}

// LateTags answers for a resource's tags under a service's own condition key, such as
// "ssm:resourceTag/": what Access.Late holds, of what Access.Tags reads.
func LateTags(key string, tags func(context.Context) (map[string]string, error)) map[string]func(context.Context, string) ([]string, error) {
	return map[string]func(context.Context, string) ([]string, error){key: func(ctx context.Context, name string) ([]string, error) {
		have, err := tags(ctx)
		if value, ok := have[name]; ok {
			return []string{value}, err
		}
		return nil, err
	}}
}
