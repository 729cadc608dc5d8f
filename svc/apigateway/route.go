package apigateway

import (
	"strings"

	"github.com/tule-cloud/tule/vtl/gateway"
)

// A node is a resource in a deployment's tree of routes.
type node struct {
	id, path string
	literal  map[string]*node
	variable *node
	name     string // of the path variable that a variable or greedy node takes
	greedy   *node
	methods  map[string]*method
}

// child is the node for a path part, made if need be.
func (n *node) child(part string) *node {
	switch {
	case isGreedy(part):
		if n.greedy == nil {
			n.greedy = &node{name: part[1 : len(part)-2]}
		}
		return n.greedy
	case isVariable(part):
		if n.variable == nil {
			n.variable = &node{name: part[1 : len(part)-1]}
		}
		return n.variable
	}
	if n.literal == nil {
		n.literal = map[string]*node{}
	}
	if n.literal[part] == nil {
		n.literal[part] = &node{}
	}
	return n.literal[part]
}

// at is the node of a resource's whole path.
func (n *node) at(path string) *node {
	for _, part := range strings.Split(strings.Trim(path, "/"), "/") {
		if part != "" {
			n = n.child(part)
		}
	}
	return n
}

// match finds the resource that a path, as it was sent, leads to: literal parts
// before a variable, a variable before a greedy one, and on from there; where that
// leads nowhere, the next best. A resource without methods is no destination. The
// values of variables stay encoded, as API Gateway passes them on. A slash at the
// end makes no difference.
func (n *node) match(path string, params []gateway.Param) (*node, []gateway.Param) {
	return n.find(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), params)
}

func (n *node) find(rest string, params []gateway.Param) (*node, []gateway.Param) {
	if rest == "" {
		if len(n.methods) > 0 {
			return n, params
		}
		return nil, nil
	}
	part, after, more := strings.Cut(rest, "/")
	dangling := more && after == "" // an empty part, which only a greedy variable takes
	if next := n.literal[part]; next != nil && !dangling {
		if to, found := next.find(after, params); to != nil {
			return to, found
		}
	}
	if next := n.variable; next != nil && part != "" && !dangling {
		if to, found := next.find(after, append(params, gateway.Param{Name: next.name, Value: part})); to != nil {
			return to, found
		}
	}
	if next := n.greedy; next != nil && len(next.methods) > 0 {
		return next, append(params, gateway.Param{Name: next.name, Value: rest})
	}
	return nil, nil
}

// method is the one that answers verb.
func (n *node) method(verb string) *method {
	if m := n.methods[verb]; m != nil {
		return m
	}
	return n.methods["ANY"]
}
