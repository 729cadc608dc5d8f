package policy

// Request is one question: may this principal do this to that?
type Request struct {
	Principal Principal
	Action    string // "dynamodb:GetItem"; case does not matter
	Resource  string // an ARN, or "*" for actions that have no resource
	// ResourceAccount owns the resource. Empty: taken from the ARN; an ARN without
	// one (S3's) counts as foreign then, so that forgetting it denies.
	ResourceAccount string
	// Context holds the request's condition keys. Keys that follow from the
	// principal (aws:PrincipalArn, aws:username, aws:PrincipalTag/…) need not be
	// in it. Nil is an empty one.
	Context Context
	// Quoted puts the resource into quotes in messages, as some services do.
	Quoted bool
}

// Context looks a condition key up. The key comes in lower case; the answer is
// read-only. No values means that the key is not in the request.
type Context interface {
	Values(key string) []string
}

// ContextFunc is a Context that is a function.
type ContextFunc func(key string) []string

// Values implements Context.
func (f ContextFunc) Values(key string) []string { return f(key) }

// Values is a Context in a map, filled by Set. The zero Values is empty. The map is
// hidden since a key in mixed case would be one that no policy finds.
type Values struct {
	lower map[string][]string
}

// Set gives a key its values; none take it away. The key's case does not matter.
func (m *Values) Set(key string, values ...string) {
	if m.lower == nil {
		m.lower = make(map[string][]string)
	}
	m.lower[lowerASCII(key)] = values
}

// Values implements Context.
func (m *Values) Values(key string) []string { return m.lower[key] }

var (
	_ Context = ContextFunc(nil)
	_ Context = (*Values)(nil)
)

// env is a request under evaluation.
type env struct {
	req *Request
}

// values is what a key holds in a request, without allocating for a single one.
type values struct {
	list   []string
	single string
	one    bool
}

func single(s string) values { return values{single: s, one: true} }

func (v values) len() int {
	if v.one {
		return 1
	}
	return len(v.list)
}

func (v values) at(i int) string {
	if v.one {
		return v.single
	}
	return v.list[i]
}

// lookup finds a key, which is in lower case: in the context, else among what the
// principal itself says.
func (e *env) lookup(key string) values {
	if e.req.Context != nil {
		if list := e.req.Context.Values(key); len(list) > 0 {
			return values{list: list}
		}
	}
	return e.req.Principal.lookup(key)
}
