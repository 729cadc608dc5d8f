package insights

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A row is a record on its way, with what commands have added to it; or what stats made,
// which is no record.
type row struct {
	rec   *Record
	added map[string]value
	aggs  []value // of stats, while its row is made

	doc      any // the JSON of the message
	docTried bool
	own      map[string]value // of Lambda's lines
	ownTried bool
}

func (r *row) set(name string, v value) {
	if r.added == nil {
		r.added = map[string]value{}
	}
	r.added[name] = v
}

// get is the field called name.
func (r *row) get(name string) value {
	if v, ok := r.added[name]; ok {
		return v
	}
	for i := 0; i < len(name) && r.added != nil; i++ { // a field of what jsonParse or unnest made
		if name[i] == '.' {
			if v, ok := r.added[name[:i]]; ok && v.kind == tree {
				return fromJSON(walk(v.tree, name[i+1:]))
			}
		}
	}
	if r.rec == nil {
		return value{}
	}
	if strings.HasPrefix(name, "@") {
		if v := r.system(name); v.kind != missing {
			return v
		}
	}
	doc := r.document()
	if doc == nil {
		return value{}
	}
	return fromJSON(walk(doc, name))
}

// system is a field that the service makes.
func (r *row) system(name string) value {
	switch name {
	case "@message":
		return textOf(r.rec.Message)
	case "@timestamp":
		return momentOf(r.rec.Timestamp)
	case "@ingestionTime":
		return momentOf(r.rec.Ingested)
	case "@logStream":
		return textOf(r.rec.Stream)
	case "@log":
		return textOf(r.rec.Log)
	case "@ptr":
		if r.rec.Pointer != nil {
			return textOf(r.rec.Pointer())
		}
	}
	return r.lambda()[name]
}

// document is the message's JSON, or for Lambda the first JSON within it; nil if there
// is none.
func (r *row) document() any {
	if r.docTried {
		return r.doc
	}
	r.docTried = true
	m := strings.TrimLeft(r.rec.Message, " \t\r\n")
	if r.rec.Lambda {
		if i := strings.IndexByte(m, '{'); i > 0 {
			m = m[i:]
		}
	}
	if !strings.HasPrefix(m, "{") {
		return nil
	}
	dec := json.NewDecoder(strings.NewReader(m))
	dec.UseNumber()
	var doc map[string]any
	if dec.Decode(&doc) == nil {
		r.doc = doc
	}
	return r.doc
}

// walk finds a field of a JSON document by its path: "a.b.0.c". A member's own name may
// have dots.
func walk(v any, path string) any {
	switch v := v.(type) {
	case map[string]any:
		if found, ok := v[path]; ok {
			return found
		}
		for i := 0; i < len(path); i++ {
			if path[i] == '.' {
				if inner, ok := v[path[:i]]; ok {
					if found := walk(inner, path[i+1:]); found != nil {
						return found
					}
				}
			}
		}
	case []any:
		first, rest, more := strings.Cut(path, ".")
		n, err := strconv.Atoi(first)
		if err != nil || n < 0 || n >= len(v) {
			return nil
		}
		if !more {
			return v[n]
		}
		return walk(v[n], rest)
	}
	return nil
}

// Lambda's own lines.
var (
	startLine  = regexp.MustCompile(`^(START|END) RequestId: ([0-9a-f-]{36})`)
	reportLine = regexp.MustCompile(`^REPORT RequestId: ([0-9a-f-]{36})`)
	reportPart = regexp.MustCompile(`(Init Duration|Billed Duration|Restore Duration|Billed Restore Duration|Duration|Memory Size|Max Memory Used|XRAY TraceId|SegmentId): ([^\s]+)`)
	plainLine  = regexp.MustCompile(`^(?:\[(?:INFO|ERROR|WARN|WARNING|DEBUG|CRITICAL)\]\t)?\d{4}-\d\d-\d\dT[0-9:.]+Z\t([0-9a-f-]{36})\t`)
)

var reportNames = map[string]string{"Init Duration": "@initDuration", "Billed Duration": "@billedDuration", "Duration": "@duration",
	"Restore Duration": "@restoreDuration", "Billed Restore Duration": "@billedRestoreDuration", "Memory Size": "@memorySize",
	"Max Memory Used": "@maxMemoryUsed", "XRAY TraceId": "@xrayTraceId", "SegmentId": "@xraySegmentId"}

// lambda are the fields of the lines that Lambda writes. Sizes of memory are in bytes.
func (r *row) lambda() map[string]value {
	if r.ownTried || !r.rec.Lambda {
		return r.own
	}
	r.ownTried = true
	m := r.rec.Message
	if f := startLine.FindStringSubmatch(m); f != nil {
		r.own = map[string]value{"@type": textOf(f[1]), "@requestId": textOf(f[2])}
		return r.own
	}
	f := reportLine.FindStringSubmatch(m)
	if f == nil {
		if f := plainLine.FindStringSubmatch(m); f != nil {
			r.own = map[string]value{"@requestId": textOf(f[1])}
		}
		return r.own
	}
	r.own = map[string]value{"@type": textOf("REPORT"), "@requestId": textOf(f[1])}
	for _, part := range reportPart.FindAllStringSubmatch(m, -1) {
		v := textOf(part[2])
		if n, ok := parseNumber(part[2]); ok {
			if strings.Contains(part[1], "Memory") {
				n *= 1_000_000
			}
			v = numberOf(n)
		}
		r.own[reportNames[part[1]]] = v
	}
	return r.own
}

// Fields are all that a record has, by name.
func (rec *Record) Fields() map[string]string {
	r := &row{rec: rec}
	out := map[string]string{}
	for _, name := range [...]string{"@message", "@timestamp", "@ingestionTime", "@logStream", "@log", "@ptr"} {
		if v := r.system(name); v.kind == moment {
			out[name] = strconv.FormatFloat(v.num, 'f', 0, 64)
		} else if v.kind != missing {
			out[name] = v.String()
		}
	}
	for name, v := range r.lambda() {
		out[name] = v.String()
	}
	flatten(out, "", r.document(), 0)
	return out
}

// maxFields is how many fields of a document are found.
const maxFields = 1000

func flatten(out map[string]string, path string, v any, depth int) {
	if len(out) >= maxFields || depth > 100 {
		return
	}
	join := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			flatten(out, join(name), v[name], depth+1)
		}
	case []any:
		for i, e := range v {
			flatten(out, join(strconv.Itoa(i)), e, depth+1)
		}
	default:
		if found := fromJSON(v); found.kind != missing && path != "" {
			out[path] = found.String()
		}
	}
}

// bytes is about how much memory the row takes.
func (r *row) bytes() int {
	n := 256
	if r.rec != nil {
		n += len(r.rec.Message)
	}
	for k, v := range r.added {
		n += 96 + len(k) + len(v.text)
	}
	return n
}
