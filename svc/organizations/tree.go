package organizations

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A node is what policies are attached to: the root, a unit or an account. Which, its
// id shows.
type node struct {
	ID, Name string
	Parent   string            `json:",omitempty"`
	Policies []string          `json:",omitempty"` // ids, in the order of attachment
	Tags     map[string]string `json:",omitempty"`
	Member   *membership       `json:",omitempty"` // of an account
}

// A membership is what an account has beside other nodes.
type membership struct {
	Email, Method string
	Joined        time.Time
	Closed        bool `json:",omitempty"`
	// Delegated are the services that the account administers, and since when.
	Delegated map[string]time.Time `json:",omitempty"`
}

var (
	nodes    = store.NewTable[node]("organizations", "node")      // id
	children = store.NewTable[struct{}]("organizations", "child") // parent and id
)

func isAccount(id string) bool { return aws.ValidAccount(id) }
func isUnit(id string) bool    { return strings.HasPrefix(id, "ou-") }

func (n *node) account() bool { return n.Member != nil }

// kind is the node's type as TargetType, ParentType and ChildType all name it.
func (n *node) kind() string {
	switch {
	case n.account():
		return api.TargetTypeAccount
	case isUnit(n.ID):
		return api.TargetTypeOrganizationalUnit
	}
	return api.TargetTypeRoot
}

func (o *organization) nodeARN(id string) string {
	switch {
	case isAccount(id):
		return o.arn("account", id)
	case isUnit(id):
		return o.arn("ou", id)
	}
	return o.arn("root", id)
}

// node reads a root, unit or account, or gives instead where there is none.
func (o *organization) node(ctx context.Context, r store.Reader, id string, instead error) (*node, error) {
	n, err := nodes.Get(ctx, r, scope(o.Management), id)
	if err != nil {
		return nil, or(err, instead)
	}
	return &n, nil
}

// nodes are all of the organization: accounts first, then units, then the root.
func (o *organization) nodes(ctx context.Context, r store.Reader) iter.Seq2[*node, error] {
	return func(yield func(*node, error) bool) {
		for e, err := range nodes.List(ctx, r, scope(o.Management), store.ListOptions{}) {
			if !yield(&e.Record, err) || err != nil {
				return
			}
		}
	}
}

// put writes a node, and its place below its parent.
func (o *organization) put(tx store.Tx, n *node) error {
	err := nodes.Put(tx, scope(o.Management), *n, n.ID)
	if n.Parent == "" {
		return err
	}
	return errors.Join(err, children.Put(tx, scope(o.Management), struct{}{}, n.Parent, n.ID))
}

// take removes a node.
func (o *organization) take(tx store.Tx, n *node) error {
	at := scope(o.Management)
	return errors.Join(nodes.Delete(tx, at, n.ID), children.Delete(tx, at, n.Parent, n.ID))
}

// chain is a node with all above it, the root first.
func (o *organization) chain(ctx context.Context, r store.Reader, id string) ([]*node, error) {
	var out []*node
	for id != "" {
		n, err := o.node(ctx, r, id, noParent())
		if err != nil {
			return nil, err
		}
		out, id = append(out, n), n.Parent
	}
	slices.Reverse(out)
	return out, nil
}

// path is "o-…/r-…/ou-…/" for the nodes of a chain.
func (o *organization) path(chain []*node) string {
	out := o.ID + "/"
	for _, n := range chain {
		out += n.ID + "/"
	}
	return out
}

func (o *organization) pathOf(ctx context.Context, r store.Reader, id string) (string, error) {
	chain, err := o.chain(ctx, r, id)
	return o.path(chain), err
}

func (s *Service) treeRoutes() []aws.Route {
	return []aws.Route{
		api.ListChildren.To(s.listChildren, on(s, reader, func(in *api.ListChildrenRequest) []string { return []string{*in.ParentId} })),
		api.ListParents.To(s.listParents, on(s, reader, func(in *api.ListParentsRequest) []string { return []string{*in.ChildId} })),
	}
}

// below reads a page of what is below a parent and of a kind.
func below[T any](ctx context.Context, r store.Reader, o *organization, parent, kind string, at page, show func(*node) (T, error)) ([]T, *string, error) {
	if isAccount(parent) {
		return nil, nil, noParent()
	}
	if _, err := o.node(ctx, r, parent, noParent()); err != nil {
		return nil, nil, err
	}
	return list(ctx, r, children, scope(o.Management), []any{parent}, at, func(e store.Entry[struct{}]) (out T, ok bool, err error) {
		id := e.Key.String(1)
		if isUnit(id) != (kind == api.ChildTypeOrganizationalUnit) {
			return out, false, nil
		}
		n, err := o.node(ctx, r, id, nil)
		if err != nil || n == nil {
			return out, false, err
		}
		out, err = show(n)
		return out, err == nil, err
	})
}

func (s *Service) listChildren(ctx context.Context, in *api.ListChildrenRequest) (*api.ListChildrenResponse, error) {
	out := &api.ListChildrenResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) (err error) {
		out.Children, out.NextToken, err = below(ctx, r, o, *in.ParentId, *in.ChildType, page{in.NextToken, in.MaxResults},
			func(n *node) (api.Child, error) { return api.Child{Id: &n.ID, Type: ptr(n.kind())}, nil })
		return err
	})
}

// listParents names the one parent that a unit or account has.
func (s *Service) listParents(ctx context.Context, in *api.ListParentsRequest) (*api.ListParentsResponse, error) {
	none := api.ChildNotFoundException("You specified a child that doesn't exist.")
	out := &api.ListParentsResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) error {
		n, err := o.node(ctx, r, *in.ChildId, none)
		if err != nil {
			return err
		}
		if n.Parent == "" {
			return none
		}
		above, err := o.node(ctx, r, n.Parent, noParent())
		if err == nil {
			out.Parents = []api.Parent{{Id: &above.ID, Type: ptr(above.kind())}}
		}
		return err
	})
}
