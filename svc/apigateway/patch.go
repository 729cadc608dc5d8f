package apigateway

import (
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
)

// A patch is one operation of an Update call, its path taken apart.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
type patch struct {
	op, path, value string
	from            string // of a copy
	hasValue        bool
	parts           []string // of the path, unescaped
}

// maxPatches bounds an Update call.
const maxPatches = 1000

func patches(ops []api.PatchOperation) ([]patch, error) {
	if len(ops) > maxPatches {
		return nil, api.BadRequestException("Too many patch operations: %d, the limit is %d", len(ops), maxPatches)
	}
	out := make([]patch, len(ops))
	for i, p := range ops {
		if p.Path == nil {
			return nil, api.BadRequestException("Invalid patch path null")
		}
		out[i] = patch{op: aws.Value(p.Op), path: *p.Path, value: aws.Value(p.Value), from: aws.Value(p.From), hasValue: p.Value != nil, parts: pointer(*p.Path)}
		if !strings.HasPrefix(*p.Path, "/") {
			return nil, badPath(*p.Path)
		}
	}
	return out, nil
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// pointer splits a JSON pointer, RFC 6901.
func pointer(path string) []string {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, p := range parts {
		if strings.Contains(p, "~") {
			parts[i] = unescape.Replace(p)
		}
	}
	return parts
}

func badPath(path string) error { return api.BadRequestException("Invalid patch path %s", path) }

// listed refuses a patch that is none of the replacements listed, in the words of
// the older half of API Gateway's resources.
func (p patch) listed(paths ...string) error {
	if p.op != "replace" {
		return api.BadRequestException("Invalid patch path  '%s' specified for op '%s'. Please choose supported operations", p.path, p.op)
	}
	for _, have := range paths {
		if have == p.path {
			return nil
		}
	}
	return api.BadRequestException("Invalid patch path  '%s' specified for op '%s'. Must be one of: [%s]", p.path, p.op, strings.Join(paths, ", "))
}

// replaces refuses a patch that does not replace.
func (p patch) replaces() error {
	if p.op != "replace" {
		return api.BadRequestException("Invalid patch operation specified. Must be one of: [replace]")
	}
	return nil
}

// text is a value to set; an empty one removes.
func (p patch) text() *string {
	if p.op == "remove" || p.value == "" {
		return nil
	}
	v := p.value
	return &v
}

// flag is a value to set; what is not true is false.
func (p patch) flag() *bool {
	v := p.op != "remove" && strings.EqualFold(p.value, "true")
	return &v
}

// number is a value to set; none removes.
func (p patch) number() (*int32, error) {
	if p.text() == nil {
		return nil, nil
	}
	n, err := strconv.ParseInt(p.value, 10, 32)
	if err != nil {
		return nil, api.BadRequestException("Invalid value specified for patch path %s: %s", p.path, p.value)
	}
	return ptr(int32(n)), nil
}

// entry changes one entry of a map by a patch.
func entry[V any](m map[string]V, key string, p patch, value V) map[string]V {
	if p.op == "remove" {
		delete(m, key)
		return m
	}
	if m == nil {
		m = map[string]V{}
	}
	m[key] = value
	return m
}

// ptr is a pointer to a copy of v.
func ptr[T any](v T) *T { return &v }
