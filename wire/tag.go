package wire

import (
	"slices"
	"strings"
)

// A tag is a taken-apart `aws:"NAME,opt,opt:value"`. An option that may be given
// once per level of nesting, such as elem, counts from the outside in.
type tag struct {
	name string
	opts []option
}

type option struct{ key, value string }

func parseTag(s string) tag {
	name, rest, _ := strings.Cut(s, ",")
	t := tag{name: name}
	for rest != "" {
		var opt string
		opt, rest, _ = strings.Cut(rest, ",")
		key, value, _ := strings.Cut(opt, ":")
		t.opts = append(t.opts, option{key, value})
	}
	return t
}

// first is the value of the first option called key.
func (t *tag) first(key string) (string, bool) {
	for _, o := range t.opts {
		if o.key == key {
			return o.value, true
		}
	}
	return "", false
}

// take is first, and removes the option, so that the next level sees the next.
func (t *tag) take(key string) (string, bool) {
	for i, o := range t.opts {
		if o.key == key {
			t.opts = slices.Delete(slices.Clone(t.opts), i, i+1)
			return o.value, true
		}
	}
	return "", false
}

func (t *tag) time() timeFormat {
	for _, o := range t.opts {
		switch o.key {
		case "iso":
			return isoTime
		case "unix":
			return unixTime
		case "http":
			return httpTime
		}
	}
	return defaultTime
}
