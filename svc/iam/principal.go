package iam

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A kind is a sort of principal, by the word that ARNs and messages have for it.
type kind string

const (
	user  kind = "user"
	group kind = "group"
	role  kind = "role"
)

// title is the kind as it begins a message.
func (k kind) title() string { return strings.ToUpper(string(k[:1])) + string(k[1:]) }

// idPrefix begins the unique ids of a kind.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
func (k kind) idPrefix() string {
	return map[kind]string{user: "AIDA", group: "AGPA", role: "AROA"}[k]
}

// A principal is a user, a group or a role.
type principal struct {
	Kind           kind
	Name, Path, ID string
	Created        time.Time
	Boundary       string            `json:",omitempty"` // ARN of the permissions boundary
	Tags           map[string]string `json:",omitempty"`
	Inline         map[string]string `json:",omitempty"` // policy name to document
	Attached       []string          `json:",omitempty"` // ARNs, in the order of attachment

	Groups []string `json:",omitempty"` // of a user: names
	Keys   []string `json:",omitempty"` // of a user: access key ids, the oldest first

	Trust       string            `json:",omitempty"` // of a role: its trust policy, as written
	Trusted     map[string]string `json:",omitempty"` // of a role: the unique ids of the ARNs in Trust
	Description string            `json:",omitempty"`
	MaxSession  int32             `json:",omitempty"` // of a role, in seconds
}

// entry says which principal has a unique id.
type entry struct {
	Kind kind
	Name string
}

var (
	principals = store.NewTable[principal]("iam", "principal") // kind, name in lower case
	byID       = store.NewTable[entry]("iam", "id")            // unique id
	members    = store.NewTable[string]("iam", "member")       // group and user in lower case: the user's name
)

func key(name string) string { return strings.ToLower(name) }

func (p *principal) arn(account string) string {
	return aws.NewARN("iam", "", account, string(p.Kind)+p.Path+p.Name).String()
}

func notFound(k kind, name string) error {
	return api.NoSuchEntityException("The %s with name %s cannot be found.", k, name)
}

// load reads a principal, for AWS's error where there is none.
func load(ctx context.Context, r store.Reader, account string, k kind, name string) (*principal, error) {
	p, err := principals.Get(ctx, r, scope(account), string(k), key(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound(k, name)
	}
	return &p, err
}

func (p *principal) save(tx store.Tx, account string) error {
	return principals.Put(tx, scope(account), *p, string(p.Kind), key(p.Name))
}

// view reads a principal of the caller's account, for showing.
func (s *Service) view(ctx context.Context, k kind, name string) (p *principal, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		if p, err = load(ctx, r, account(ctx), k, name); err == nil {
			p, err = p.shown(ctx, r)
		}
		return err
	})
	return p, err
}

// edit changes a principal of the caller's account.
func (s *Service) edit(ctx context.Context, k kind, name string, fn func(tx store.Tx, p *principal) error) error {
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		p, err := load(ctx, tx, a, k, name)
		if err != nil {
			return err
		}
		if err := fn(tx, p); err != nil {
			return err
		}
		return p.save(tx, a)
	})
}

// create adds p, whose kind and name are set, to the caller's account.
func (s *Service) create(ctx context.Context, p *principal) error {
	if p.Path == "" {
		p.Path = "/"
	}
	p.ID, p.Created = p.Kind.idPrefix()+aws.RandomID(s.random, aws.Base32, 17), s.now()
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		if err := vacant(ctx, tx, a, p.Kind, p.Name); err != nil {
			return err
		}
		if err := meter(ctx, tx, a, quotaOf(p.Kind), 1); err != nil {
			return err
		}
		if p.Boundary != "" {
			if err := s.bound(ctx, tx, a, p, p.Boundary); err != nil {
				return err
			}
		}
		if p.Kind == role {
			var err error
			if p.Trusted, err = pin(ctx, tx, p.Trust); err != nil {
				return err
			}
		}
		if err := byID.Put(tx, scope(a), entry{p.Kind, p.Name}, p.ID); err != nil {
			return err
		}
		return p.save(tx, a)
	})
}

// vacant refuses a name that is taken. Names differ by more than case.
func vacant(ctx context.Context, r store.Reader, account string, k kind, name string) error {
	taken, err := principals.Has(ctx, r, scope(account), string(k), key(name))
	if taken {
		return api.EntityAlreadyExistsException("%s with name %s already exists.", k.title(), name)
	}
	return err
}

// remove deletes a principal that has nothing left that would have to go first.
func (s *Service) remove(ctx context.Context, k kind, name string) error {
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		p, err := load(ctx, tx, a, k, name)
		if err != nil {
			return err
		}
		if err := p.removable(ctx, tx, a); err != nil {
			return err
		}
		if p.Boundary != "" {
			if err := detached(tx, a, p, p.Boundary, boundaryUse); err != nil {
				return err
			}
		}
		if err := meter(ctx, tx, a, quotaOf(k), -1); err != nil {
			return err
		}
		return errors.Join(byID.Delete(tx, scope(a), p.ID), lastUses.Delete(tx, scope(a), p.ID), principals.Delete(tx, scope(a), string(k), key(name)))
	})
}

func (p *principal) removable(ctx context.Context, r store.Reader, account string) error {
	switch {
	case len(p.Keys) > 0:
		return api.DeleteConflictException("Cannot delete entity, must delete access keys first.")
	case len(p.Attached) > 0:
		return api.DeleteConflictException("Cannot delete entity, must detach all policies first.")
	case len(p.Inline) > 0:
		return api.DeleteConflictException("Cannot delete entity, must delete policies first.")
	case len(p.Groups) > 0:
		return api.DeleteConflictException("Cannot delete entity, must remove users from group first.")
	}
	if p.Kind == user {
		if err := bare(ctx, r, account, p.ID); err != nil {
			return err
		}
	}
	if p.Kind == group {
		for _, err := range members.List(ctx, r, scope(account), store.ListOptions{Prefix: []any{key(p.Name)}, Limit: 1}) {
			if err != nil {
				return err
			}
			return api.DeleteConflictException("Cannot delete entity, must remove users from group first.")
		}
	}
	if p.Kind == role {
		in, err := profilesOf(ctx, r, account, p.Name)
		if err != nil {
			return err
		}
		if len(in) > 0 {
			return api.DeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
		}
	}
	return nil
}

// bare refuses a user who still has credentials beside access keys.
func bare(ctx context.Context, r store.Reader, account, id string) error {
	has, err := logins.Has(ctx, r, scope(account), id)
	if err != nil {
		return err
	}
	if has {
		return api.DeleteConflictException("Cannot delete entity, must delete login profile first.")
	}
	return cmp.Or(none(ctx, r, devicesOf, account, id, "must delete MFA device first."),
		none(ctx, r, signingCertificates, account, id, "must delete signing certificates first."),
		none(ctx, r, sshKeys, account, id, "must delete SSH public keys first."),
		none(ctx, r, serviceCredentials, account, id, "must delete service specific credentials first."))
}

// none refuses a user of whom a table has something.
func none[R any](ctx context.Context, r store.Reader, of store.Table[R], account, id, what string) error {
	for _, err := range of.List(ctx, r, scope(account), store.ListOptions{Prefix: []any{id}, Limit: 1}) {
		if err != nil {
			return err
		}
		return api.DeleteConflictException("Cannot delete entity, %s", what)
	}
	return nil
}

// list reads a page of the principals of a kind whose path begins with prefix.
func (s *Service) list(ctx context.Context, k kind, prefix *string, at page) (out []principal, next *string, err error) {
	after, err := at.position()
	if err != nil {
		return nil, nil, err
	}
	o := store.ListOptions{Prefix: []any{string(k)}}
	if after != "" {
		o.After = []any{string(k), after}
	}
	err = s.store.View(ctx, func(r store.Reader) error {
		for e, err := range principals.List(ctx, r, scope(account(ctx)), o) {
			if err != nil {
				return err
			}
			if !strings.HasPrefix(e.Record.Path, aws.Value(prefix)) {
				continue
			}
			if len(out) == at.size() {
				next = marker(key(out[len(out)-1].Name))
				return nil
			}
			p, err := e.Record.shown(ctx, r)
			if err != nil {
				return err
			}
			out = append(out, *p)
		}
		return nil
	})
	return out, next, err
}

// rename gives a user or group another name or path, and takes along what knows it
// by name.
func (s *Service) rename(ctx context.Context, k kind, name string, newName, newPath *string) error {
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		p, err := load(ctx, tx, a, k, name)
		if err != nil {
			return err
		}
		if newPath != nil {
			p.Path = *newPath
		}
		if newName == nil || *newName == p.Name {
			return p.save(tx, a)
		}
		if key(*newName) != key(p.Name) {
			if err := vacant(ctx, tx, a, k, *newName); err != nil {
				return err
			}
		}
		return move(ctx, tx, a, p, *newName)
	})
}

func move(ctx context.Context, tx store.Tx, account string, p *principal, to string) error {
	from := p.Name
	if err := principals.Delete(tx, scope(account), string(p.Kind), key(from)); err != nil {
		return err
	}
	p.Name = to
	if err := byID.Put(tx, scope(account), entry{p.Kind, to}, p.ID); err != nil {
		return err
	}
	uses := map[string]use{}
	for _, arn := range p.Attached {
		uses[arn] = policyUse
	}
	for arn, u := range uses {
		if err := reattach(tx, account, p, from, arn, u); err != nil {
			return err
		}
	}
	if p.Boundary != "" {
		if err := reattach(tx, account, p, from, p.Boundary, boundaryUse); err != nil {
			return err
		}
	}
	if err := moveMembers(ctx, tx, account, p, from); err != nil {
		return err
	}
	for _, id := range p.Keys {
		k, err := keys.Get(ctx, tx, scope(account), id)
		if err != nil {
			return err
		}
		k.User = to
		if err := keys.Put(tx, scope(account), k, id); err != nil {
			return err
		}
	}
	return p.save(tx, account)
}

func apiTags(tags map[string]string) []api.Tag {
	out := make([]api.Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		v := tags[k]
		out = append(out, api.Tag{Key: &k, Value: &v})
	}
	return out
}
