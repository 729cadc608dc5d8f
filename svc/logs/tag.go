package logs

import (
	api "github.com/tule-cloud/tule/api/logs"
)

// maxTags is how many tags a group has at most.
const maxTags = 50

// checkTags says whether added may join what a group has.
func checkTags(have, added map[string]string) error {
	n := len(have)
	for k := range added {
		if len(k) >= 4 && (k[:4] == "aws:") {
			return api.InvalidParameterException("Tag keys starting with aws: are reserved for AWS.")
		}
		if _, ok := have[k]; !ok {
			n++
		}
	}
	if n > maxTags {
		return api.TooManyTagsException("The resource already has the maximum number of tags (%d).", maxTags)
	}
	return nil
}
