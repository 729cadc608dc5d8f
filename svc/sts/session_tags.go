package sts

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// tagMap is a list of tags by their keys, the last of those that are equal.
func tagMap(tags []api.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range tags {
		out[aws.Value(t.Key)] = aws.Value(t.Value)
	}
	return out
}

// checkTags refuses tags that no session can have. Keys are equal whatever their case.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
func checkTags(tags []api.Tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		k := strings.ToLower(aws.Value(t.Key))
		if strings.HasPrefix(k, "aws:") {
			return aws.Errorf(400, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use.")
		}
		if seen[k] {
			return aws.Errorf(400, "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[k] = true
	}
	return nil
}

// inherit is the tags of a session that caller begins with tags: with its own
// transitive ones, which go along and cannot be given another value. The keys are
// those of the tags that will go on from the new session.
func inherit(caller *aws.Caller, tags []api.Tag, transitive []string) (map[string]string, []string, error) {
	if err := checkTags(tags); err != nil {
		return nil, nil, err
	}
	out := tagMap(tags)
	for _, key := range transitive {
		if !slices.ContainsFunc(tags, func(t api.Tag) bool { return strings.EqualFold(aws.Value(t.Key), key) }) {
			return nil, nil, aws.Errorf(400, "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
		}
	}
	keys := slices.Clone(transitive)
	for k, v := range inherited(caller) {
		if hasKey(out, k) {
			return nil, nil, aws.Errorf(400, "InvalidParameterValue",
				"One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		out[k], keys = v, append(keys, k)
	}
	slices.Sort(keys)
	return out, keys, nil
}

// hasKey reports whether there is a tag with the key, whatever its case.
func hasKey(tags map[string]string, key string) bool {
	for k := range tags {
		if strings.EqualFold(k, key) {
			return true
		}
	}
	return false
}

// inherited are the tags that go along from a caller's session to the next.
func inherited(caller *aws.Caller) map[string]string {
	out := map[string]string{}
	for k, v := range caller.Tags {
		if slices.ContainsFunc(caller.TransitiveTags, func(t string) bool { return strings.EqualFold(t, k) }) {
			out[k] = v
		}
	}
	return out
}

// What a session may be narrowed by and carry: the plain text of its policies, and
// all of it deflated. AWS packs by a method of its own, whose bound it does not tell.
const (
	maxPolicyText = 2048 // characters
	maxPacked     = 2048 // bytes
)

// packed is how full a session is with policies and tags, in percent; nil without.
func packed(policies []string, tags map[string]string) (*int32, error) {
	if len(policies) == 0 && len(tags) == 0 {
		return nil, nil
	}
	text := 0
	for _, p := range policies {
		text += len([]rune(p))
	}
	all := slices.Clone(policies)
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		all = append(all, k, tags[k])
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	percent := int32(percentOf(len(deflate(b)), maxPacked))
	if text > maxPolicyText {
		percent = max(percent, int32(percentOf(text, maxPolicyText)))
	}
	if percent > 100 && len(policies) == 0 {
		return nil, api.PackedPolicyTooLargeException("Packed size of session tags consumes %d%% of allotted space.", percent)
	}
	if percent > 100 {
		return nil, api.PackedPolicyTooLargeException("Packed policy consumes %d%% of allotted space, please use smaller policy.", percent)
	}
	return &percent, nil
}

// percentOf is n in percent of whole, rounded up.
func percentOf(n, whole int) int { return (n*100 + whole - 1) / whole }
