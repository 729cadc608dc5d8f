package sam

import (
	"slices"
)

// authorizers are an API's, by name, in SAM's order.
type authorizers struct{ *dict }

// An authorizing is one of them, of either kind of API.
type authorizing interface {
	scopes() any
	definition() *dict
}

func (a authorizers) find(n string) authorizing {
	v, _ := a.get(n).(authorizing)
	return v
}

// schemes are the authorizers of the definition.
func (e *editor) schemes() *dict {
	d, ok := e.security.(*dict)
	if !ok {
		badTemplate("securityDefinitions must be a dictionary.")
	}
	return d
}

// addAuthorizers writes an API's authorizers.
func (e *editor) addAuthorizers(all authorizers) {
	if !truthy(e.security) {
		e.security = hashed()
	}
	to := e.schemes()
	for _, n := range all.names() {
		to.put(n, all.find(n.text).definition())
	}
}

// addIAM writes the authorizer that IAM is.
func (e *editor) addIAM() {
	e.addScheme(awsIAM, func() *dict {
		return hashed().set("x-amazon-apigateway-authtype", "awsSigv4").set("type", "apiKey").
			set("name", "Authorization").set("in", "header")
	})
}

// addAPIKey writes that there are API keys.
func (e *editor) addAPIKey() {
	e.addScheme("api_key", func() *dict {
		return hashed().set("type", "apiKey").set("name", "x-api-key").set("in", "header")
	})
}

func (e *editor) addScheme(n string, scheme func() *dict) {
	if to := e.schemes(); !to.has(n) {
		to.update(hashed(pair{n, scheme()}))
	}
}

// parted are what a method asks of its callers: what is of these names, and the rest.
func parted(d *dict, path, method string, names []string) (of, rest, all []any) {
	all = securityOf(d, path, method)
	for _, s := range all {
		one, ok := s.(*dict)
		if !ok {
			badStructure("%s in Security for path %s method %s is not a valid dictionary.", str(s), path, method)
		}
		if slices.ContainsFunc(one.names(), func(n name) bool { return slices.Contains(names, n.text) }) {
			of = append(of, s)
		} else {
			rest = append(rest, s)
		}
	}
	return of, rest, all
}

// without is a list less the first of its dicts that has a member of this name.
func without(list []any, n string) ([]any, bool) {
	i := slices.IndexFunc(list, func(s any) bool { return s.(*dict).has(n) })
	if i < 0 {
		return list, false
	}
	return slices.Delete(slices.Clone(list), i, i+1), true
}

// requireDefault makes the methods of a path that ask for no authorizer ask for the API's.
func (e *editor) requireDefault(path string, with any, all authorizers, preflight bool) {
	names := []string{awsIAM}
	for _, n := range all.names() {
		names = append(names, n.text)
	}
	e.everyMethod(path, func(method string, d *dict) {
		if !preflight && method == "options" {
			return
		}
		own, rest, _ := parted(d, path, method, names)
		rest, open := without(rest, none)
		if open {
			own = nil
		} else if len(own) == 0 {
			own = []any{hashed().put(nameOf(with), scopes(all, text(with)))}
		}
		e.ask(d, append(rest, own...))
	})
}

// ask makes a method ask its callers for what is in the list, if it is something.
func (e *editor) ask(d *dict, list []any) {
	if len(list) == 0 {
		return
	}
	d.set("security", list)
	if members(list[0]).has(awsIAM) {
		e.addIAM()
	}
}

// requireKey makes the methods of a path ask for an API key, but for those that say no.
func (e *editor) requireKey(path string, preflight bool) {
	e.everyMethod(path, func(method string, d *dict) {
		keys, rest, all := parted(d, path, method, []string{"api_key", "api_key_false"})
		_, no := without(keys, "api_key_false")
		security := slices.Clone(rest)
		if !no {
			security = append(security, hashed().set("api_key", []any{}))
		}
		if method == "options" && !preflight {
			security = rest
		}
		if !equal(asAny(security), asAny(all)) {
			d.set("security", asAny(security))
		}
	})
}

// asAny is a list that is never nil.
func asAny(list []any) []any {
	if list == nil {
		return []any{}
	}
	return list
}

// authorize makes a method ask for what its event wants.
func (e *editor) authorize(path string, method any, own, api *dict) {
	var all any
	if auth, ok := api.get("Auth").(*dict); ok {
		all = auth.get("Authorizers")
	}
	if by := own.get("Authorizer"); truthy(by) {
		e.requireAuthorizer(path, method, by, all, own.get("AuthorizationScopes"))
	}
	if key := own.get("ApiKeyRequired"); key != nil {
		n := "api_key_false"
		if truthy(key) {
			n = "api_key"
		}
		e.definitions(path, method, false, func(d *dict) {
			if n == "api_key" {
				e.addAPIKey()
			}
			list := securityOf(d, path, str(method))
			d.set("security", append(slices.Clone(list), hashed().set(n, []any{})))
		})
	}
}

func (e *editor) requireAuthorizer(path string, method, by, all, scopes any) {
	e.definitions(path, method, false, func(d *dict) {
		asked := hashed().put(nameOf(by), []any{})
		security := append(slices.Clone(securityOf(d, path, str(method))), asked)
		if !is(by, none) && truthy(all) {
			of := members(all)
			one, ok := of.get(text(by)).(*dict)
			if of.has(text(by)) && !ok {
				badStructure("Type of authorizer '%s' must be a dictionary", str(by))
			}
			want := one.get("AuthorizationScopes")
			if scopes != nil {
				want = scopes
			}
			if one != nil && want != nil {
				asked.put(nameOf(by), want)
			}
		}
		e.ask(d, security)
	})
}
