package wire

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/aws/awsjson"
)

// plans caches plans by type. What it holds is determined by the types alone.
var plans sync.Map // reflect.Type → *plan

// planOf returns the plan of the structure type t. It panics if the tags make no
// sense: they are generated, and a test decodes every type.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	b := &builder{made: map[reflect.Type]*plan{}}
	p := b.plan(t)
	for t, p := range b.made {
		plans.LoadOrStore(t, p)
	}
	return p
}

// A builder makes plans of types that may refer to each other.
type builder struct{ made map[reflect.Type]*plan }

func (b *builder) plan(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	if p := b.made[t]; p != nil {
		return p
	}
	p := &plan{typ: t, name: t.Name()}
	b.made[t] = p
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Name == "_" {
			p.facts(parseTag(sf.Tag.Get("aws")))
			continue
		}
		if sf.IsExported() {
			p.fields = append(p.fields, b.field(sf, i))
		}
	}
	p.index()
	return p
}

// index makes what is found by name or by role, once all fields are there.
func (p *plan) index() {
	p.byName = make(map[string]*field, len(p.fields))
	p.byQuery = make(map[string]*field, len(p.fields))
	p.byEC2 = make(map[string]*field, len(p.fields))
	p.byLocal = make(map[string]*field, len(p.fields))
	p.bodyless, p.mute = true, true
	for i := range p.fields {
		f := &p.fields[i]
		p.mute = p.mute && !f.written(true)
		p.bodyless = p.bodyless && (f.loc != inBody || !f.written(true))
		p.byQuery[cmp.Or(f.queryName, f.name)] = f
		p.byEC2[cmp.Or(f.ec2Name, upperFirst(f.name))] = f
		if f.flat && f.named && p.byQuery[f.elemName] == nil {
			p.byQuery[f.elemName] = f // what some clients take a flattened list for
		}
		if f.loc == inPayload {
			p.payload = f
		}
		if f.kind == kEvents {
			p.events = f
		}
		if !f.written(false) {
			continue
		}
		p.byName[f.name] = f
		if !f.attr {
			p.byLocal[local(f.name)] = f
			if f.flat && f.named && p.byLocal[f.elemName] == nil {
				p.byLocal[f.elemName] = f
			}
		}
	}
}

func (p *plan) facts(t tag) {
	if t.name != "" {
		p.name = t.name
	}
	_, p.union = t.first("union")
	_, p.isError = t.first("error")
	p.ns, _ = t.first("ns")
	p.nsPrefix, _ = t.first("nsprefix")
}

func (b *builder) field(sf reflect.StructField, i int) field {
	t := parseTag(sf.Tag.Get("aws"))
	f := field{index: i, member: sf.Name, name: t.name}
	for opt, loc := range locations {
		if _, ok := t.first(opt); ok {
			f.loc = loc
		}
	}
	if f.name == "" && f.loc != inHeaders { // a prefix of headers may be empty
		f.name = sf.Name
	}
	f.ec2Name, _ = t.first("ec2")
	f.queryName, _ = t.first("q")
	f.ns, _ = t.first("ns")
	f.nsPrefix, _ = t.first("nsprefix")
	_, f.attr = t.first("attr")
	_, f.required = t.first("required")
	_, f.sensitive = t.first("sensitive")
	_, f.token = t.first("token")
	_, f.eventPayload = t.first("eventpayload")
	_, f.eventHeader = t.first("eventheader")
	f.jsonKey = append(awsjson.AppendString(nil, f.name), ':')
	f.node = b.node(sf.Type, &t)
	if f.kind == kReader && f.loc == inBody {
		f.loc = inPayload
	}
	f.check = parseCheck(sf.Tag.Get("check"))
	return f
}

var locations = map[string]location{
	"header": inHeader, "headers": inHeaders, "uri": inURI, "query": inQuery, "status": inStatus, "payload": inPayload,
	"stream": inPayload,
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	rawType      = reflect.TypeFor[json.RawMessage]()
	anyType      = reflect.TypeFor[any]()
	readerType   = reflect.TypeFor[io.Reader]()
	closerType   = reflect.TypeFor[io.ReadCloser]()
	awsErrorType = reflect.TypeFor[*aws.Error]()
	errorType    = reflect.TypeFor[error]()
	appenderType = reflect.TypeFor[awsjson.Appender]()
	parserType   = reflect.TypeFor[awsjson.Parser]()
)

// node makes the node of a value of type t that belongs to a field with tag. Each
// list below takes the tag's next elem name, each map its next key and val names.
func (b *builder) node(t reflect.Type, tag *tag) node {
	n := node{typ: t}
	if t == awsErrorType {
		n.kind = kError
		return n
	}
	if t.Kind() == reflect.Pointer {
		n.ptr, n.typ, t = true, t.Elem(), t.Elem()
	}
	if hand(t) {
		n.kind = kHand
		return n
	}
	_, n.json = tag.first("json")
	switch t {
	case timeType:
		n.kind, n.time = kTime, tag.time()
		return n
	case rawType:
		n.kind = kRaw
		return n
	case anyType:
		n.kind = kDocument
		return n
	case readerType, closerType:
		n.kind = kReader
		return n
	}
	b.composite(&n, t, tag)
	return n
}

// composite sets n's kind, and what is below it, by the kind of t.
func (b *builder) composite(n *node, t reflect.Type, tag *tag) {
	switch t.Kind() {
	case reflect.String:
		n.kind = kString
	case reflect.Bool:
		n.kind = kBool
	case reflect.Int32:
		n.kind = kInt32
	case reflect.Int64:
		n.kind = kInt64
	case reflect.Float32:
		n.kind = kFloat32
	case reflect.Float64:
		n.kind = kFloat64
	case reflect.Struct:
		n.kind, n.plan = kStruct, b.plan(t)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			n.kind = kBlob
			return
		}
		n.kind = kList
		_, n.flat = tag.take("flat")
		n.elemName, n.named = tag.take("elem")
		if !n.named {
			n.elemName = "member"
		}
		elem := b.node(t.Elem(), tag)
		n.elem = &elem
	case reflect.Map:
		n.kind = kMap
		_, n.flat = tag.take("flat")
		var ok bool
		if n.keyName, ok = tag.take("key"); !ok {
			n.keyName = "key"
		}
		if n.valName, ok = tag.take("val"); !ok {
			n.valName = "value"
		}
		elem := b.node(t.Elem(), tag)
		n.elem = &elem
	case reflect.Func:
		// iter.Seq2[*Union, error]: func(yield func(*Union, error) bool)
		if t.NumIn() == 1 && t.In(0).Kind() == reflect.Func && t.In(0).NumIn() == 2 && t.In(0).In(1) == errorType {
			n.kind = kEvents
			elem := b.node(t.In(0).In(0), tag)
			n.elem = &elem
			return
		}
		fallthrough
	default:
		panic(fmt.Sprintf("wire: no encoding for %v", t))
	}
}

// hand reports whether t is a type that encodes itself.
func hand(t reflect.Type) bool {
	if t == timeType || t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return false
	}
	return reflect.PointerTo(t).Implements(appenderType) && reflect.PointerTo(t).Implements(parserType)
}
