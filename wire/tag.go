package wire

import (
	"slices"
	"strings"
)

// A tag is a taken-apart `aws:"NAME,opt,opt:value"`. NAME is the member's name on the
// wire, the field's if it is empty. The options:
//
//	header, headers, uri, query, status   where the member lies in HTTP; headers are
//	                                      all that begin with NAME. Default: the body
//	payload, stream, events               the member is the whole body
//	flat                                  a list or map without an element around it
//	elem:N, key:N, val:N                  names of elements and entries in XML and forms;
//	                                      default member, key and value. Given again,
//	                                      they name those of the lists within the list
//	attr                                  an XML attribute
//	ns:URI, nsprefix:P                    XML namespace
//	ec2:N                                 name in ec2 forms, if not NAME with a capital
//	q:N                                   name in query's forms and answers, if not NAME
//	iso, unix, http                       format of times, if not the place's own
//	json                                  JSON text, which headers have in base64
//	required, sensitive, token            for validation; the token is not filled in here
//	eventpayload, eventheader             where an event's member lies
//
// The blank field _ speaks of the structure: its NAME is the shape's, and union,
// error, ns and nsprefix its options. Others are passed over.
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
