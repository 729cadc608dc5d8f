package wire

import (
	"reflect"
)

// A kind says how a value is encoded.
type kind uint8

const (
	kString kind = iota
	kBool
	kInt32
	kInt64
	kFloat32
	kFloat64
	kTime
	kBlob
	kList
	kMap
	kStruct
	kDocument // any
	kRaw      // json.RawMessage
	kHand     // a hand-coded type: an awsjson.Appender and awsjson.Parser
	kReader   // streaming blob
	kEvents   // iter.Seq2[*Union, error]
	kError    // *aws.Error: an error that an event stream may end with
)

// A node is how one value lies on the wire: a member, an element or a map's value.
type node struct {
	kind kind
	typ  reflect.Type // without the pointer, if ptr
	ptr  bool         // scalars and structures as members; elements of sparse lists
	elem *node        // of lists and maps; the union of an event stream
	plan *plan        // of structures
	time timeFormat
	flat bool
	// names of elements and entries in XML and query; named says that elemName is
	// the model's own
	elemName, keyName, valName string
	named                      bool
	json                       bool // jsonvalue
}

// A location is where in an HTTP message a member lies.
type location uint8

const (
	inBody location = iota
	inHeader
	inHeaders
	inURI
	inQuery
	inStatus
	inPayload
)

// A field is a member of a structure.
type field struct {
	node
	index  int
	member string // the member's name, its first letter as in Go
	name   string // on the wire
	loc    location
	tagged
	check   *check
	jsonKey []byte // `"name":`
}

// tagged are the facts of a member that the tag states by a bare word.
type tagged struct {
	attr, required, sensitive, token bool
	eventPayload, eventHeader        bool
	ec2Name, queryName, ns, nsPrefix string
}

// A plan is what there is to know of a structure.
type plan struct {
	typ     reflect.Type
	name    string // the shape's
	fields  []field
	byName  map[string]*field // members in the body, by wire name
	byQuery map[string]*field // by the names that query forms use
	byEC2   map[string]*field
	byLocal map[string]*field // by XML name without prefix
	payload *field
	events  *field
	// bodyless says that no member lies in the body of a request, and mute that
	// none lies in that of an answer.
	bodyless, mute bool

	union, isError bool
	ns, nsPrefix   string
}

// written reports whether f is among the members of the document that its structure
// is written as. If the structure is bound to HTTP, as the REST protocols bind inputs
// and outputs and nothing else, members may lie elsewhere; but paths and query
// strings have no place in answers, so what would be there is in the body.
func (f *field) written(bound bool) bool {
	if f.eventHeader || f.eventPayload || f.kind >= kReader {
		return false
	}
	return !bound || f.loc == inBody || f.loc == inQuery || f.loc == inURI
}
