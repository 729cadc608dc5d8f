// Package template is the language of CloudFormation's templates: their JSON and YAML,
// parameters, conditions, mappings, intrinsic functions, and what depends on what. No
// AWS service is in it.
//
// A template is a tree of *ordered.Object, []any, string, bool, json.Number and nil.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-guide.html
package template

import (
	"bytes"
	"fmt"

	"github.com/tule-cloud/tule/ordered"
)

// MaxBody is how many bytes a template may have that lies in S3; one in the request
// itself may have a twentieth.
const MaxBody = 1 << 20

// Parse reads a template, JSON or YAML. An error is what AWS says of such a text.
func Parse(body []byte) (*ordered.Object, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, fmt.Errorf("Template format error: unsupported structure.")
	}
	v, err := parse(body)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*ordered.Object)
	if !ok {
		return nil, fmt.Errorf("Template format error: unsupported structure.")
	}
	return o, nil
}

func parse(body []byte) (any, error) {
	if bytes.TrimSpace(body)[0] == '{' {
		if v, err := ordered.Parse(body); err == nil {
			return v, nil
		}
		// What only looks like JSON may yet be YAML, which contains it.
	}
	return parseYAML(body)
}
