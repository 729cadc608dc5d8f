package sam

// mark marks what Python 2.7 held as Unicode, where that shows in the ids of deployments:
// in the APIs of templates that have one for REST.
func (t *transform) mark() {
	t.marked = t.hasRestAPI() || t.hasDefaultAuthorizer()
	if !t.marked {
		return
	}
	if g, ok := t.source.get("Globals").(*dict); ok && g.has("Api") {
		g.set("Api", mark(g.get("Api")))
	}
	if p, ok := t.source.get("Parameters").(*dict); ok {
		declared := hashed()
		for _, n := range p.names() {
			one := p.get(n.text)
			if d, ok := one.(*dict); ok && d.has("Default") {
				d.set("Default", mark(d.get("Default")))
			}
			declared.put(name{n.text, true}, one)
		}
		t.source.set("Parameters", declared)
	}
	all := hashed()
	for _, n := range t.resources().names() {
		r := members(t.resources().get(n.text))
		markResource(r)
		all.put(name{n.text, true}, r)
	}
	t.source.set("Resources", all)
}

func markResource(r *dict) {
	properties := r.get("Properties")
	switch text(r.get("Type")) {
	case prefix + "Api", prefix + "HttpApi":
		if properties != nil {
			r.set("Properties", mark(properties))
		}
	case prefix + "Function", prefix + "StateMachine":
		d, ok := properties.(*dict)
		if !ok {
			return
		}
		if r.has("Condition") {
			r.set("Condition", mark(r.get("Condition")))
		}
		for _, n := range []string{"FunctionName", "Events"} {
			if d.has(n) {
				d.set(n, mark(d.get(n)))
			}
		}
	}
}

// hasEvent reports whether a resource has an event of a type.
func hasEvent(r *dict, typ string) bool {
	properties, _ := r.get("Properties").(*dict)
	events, _ := properties.get("Events").(*dict)
	for _, n := range events.names() {
		if e, ok := events.get(n.text).(*dict); ok && is(e.get("Type"), typ) {
			return true
		}
	}
	return false
}

func (t *transform) hasRestAPI() bool {
	for _, v := range t.resources().values {
		r := members(v)
		switch text(r.get("Type")) {
		case prefix + "Api":
			return true
		case prefix + "Function", prefix + "StateMachine":
			if hasEvent(r, "Api") {
				return true
			}
		}
	}
	return false
}

// hasDefaultAuthorizer reports whether there is an API for HTTP with a default authorizer.
func (t *transform) hasDefaultAuthorizer() bool {
	has := func(properties any) bool {
		p, _ := properties.(*dict)
		auth, _ := p.get("Auth").(*dict)
		return truthy(auth.get("DefaultAuthorizer"))
	}
	g, _ := t.source.get("Globals").(*dict)
	everywhere := has(g.get("HttpApi"))
	for _, v := range t.resources().values {
		r := members(v)
		switch text(r.get("Type")) {
		case prefix + "HttpApi":
			if everywhere || has(r.get("Properties")) {
				return true
			}
		case prefix + "Function":
			if everywhere && hasEvent(r, "HttpApi") {
				return true
			}
		}
	}
	return false
}
