package apigatewayv2

import "strings"

// A node is a segment of routes' paths, with those below it.
type node struct {
	literal  map[string]*node
	variable *node
	greedy   *node
	routes   map[string]*route // by method, ANY among them
}

// insert adds a route at its path.
func (n *node) insert(r *route) {
	for p := range strings.SplitSeq(strings.TrimPrefix(r.path, "/"), "/") {
		switch {
		case !strings.HasPrefix(p, "{"):
			if n.literal == nil {
				n.literal = map[string]*node{}
			}
			if n.literal[p] == nil {
				n.literal[p] = &node{}
			}
			n = n.literal[p]
		case strings.HasSuffix(p, "+}"):
			if n.greedy == nil {
				n.greedy = &node{}
			}
			n = n.greedy
		default:
			if n.variable == nil {
				n.variable = &node{}
			}
			n = n.variable
		}
	}
	if n.routes == nil {
		n.routes = map[string]*route{}
	}
	n.routes[r.verb] = r
}

// at is the route of a node for a method.
func (n *node) at(verb string) *route {
	if r := n.routes[verb]; r != nil {
		return r
	}
	return n.routes["ANY"]
}

// find is the route for a method on a path, by its segments: one that matches the whole
// path goes before one with a greedy variable, a literal segment before a variable, and
// a method before ANY. Nil if there is none.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
func (n *node) find(verb string, segments []string) *route {
	if r := n.whole(verb, segments); r != nil {
		return r
	}
	return n.prefix(verb, segments)
}

func (n *node) whole(verb string, segments []string) *route {
	if len(segments) == 0 {
		return n.at(verb)
	}
	if next := n.literal[segments[0]]; next != nil {
		if r := next.whole(verb, segments[1:]); r != nil {
			return r
		}
	}
	if n.variable != nil && segments[0] != "" {
		return n.variable.whole(verb, segments[1:])
	}
	return nil
}

func (n *node) prefix(verb string, segments []string) *route {
	if len(segments) == 0 {
		return nil
	}
	if next := n.literal[segments[0]]; next != nil {
		if r := next.prefix(verb, segments[1:]); r != nil {
			return r
		}
	}
	if n.variable != nil && segments[0] != "" {
		if r := n.variable.prefix(verb, segments[1:]); r != nil {
			return r
		}
	}
	if n.greedy != nil && (len(segments) > 1 || segments[0] != "") {
		return n.greedy.at(verb)
	}
	return nil
}

// params are the values of a route's variables on a path that it matches, as they are
// in the path: decode says how.
func (r *route) params(segments []string, decode func(string) string) []param {
	var out []param
	i := 0
	for p := range strings.SplitSeq(strings.TrimPrefix(r.path, "/"), "/") {
		name, ok := strings.CutPrefix(p, "{")
		switch {
		case ok && strings.HasSuffix(name, "+}"):
			out = append(out, param{strings.TrimSuffix(name, "+}"), decode(strings.Join(segments[min(i, len(segments)):], "/"))})
		case ok:
			out = append(out, param{strings.TrimSuffix(name, "}"), decode(segments[i])})
		}
		i++
	}
	return out
}
