package organizations

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A handshake asks for somebody's consent.
type handshake struct {
	ID, Action string
	// From manages the organization, whose id is Organization, that asks.
	From, Organization string
	To                 string // the account that is asked
	Address            string `json:",omitempty"` // by which To was invited, if not by its id
	Notes              string `json:",omitempty"`
	Parent             string `json:",omitempty"` // the handshake that this one is part of
	State              string
	Requested, Expires time.Time
	Tags               map[string]string `json:",omitempty"` // of the account, once it joins
}

var (
	// handshakes belong to the installation as a whole, each account's mailbox has the
	// ids of those that it sent or got.
	handshakes = store.NewTable[handshake]("organizations", "handshake") // id
	mailboxes  = store.NewTable[struct{}]("organizations", "mailbox")    // id
)

const (
	openFor        = 15 * 24 * time.Hour
	openForAll     = 90 * 24 * time.Hour // of enabling all features
	keepHandshakes = 30 * 24 * time.Hour
)

func (s *Service) handshakeRoutes() []aws.Route {
	return []aws.Route{
		api.InviteAccountToOrganization.To(s.invite, andTagging(on(s, management, invited), func(in *api.InviteAccountToOrganizationRequest) []api.Tag { return in.Tags })),
		api.EnableAllFeatures.To(s.enableAllFeatures, anywhere[api.EnableAllFeaturesRequest](s, management)),
		api.AcceptHandshake.To(s.accept, onHandshake(s, func(in *api.AcceptHandshakeRequest) string { return *in.HandshakeId })),
		api.DeclineHandshake.To(s.decline, onHandshake(s, func(in *api.DeclineHandshakeRequest) string { return *in.HandshakeId })),
		api.CancelHandshake.To(s.cancel, onHandshake(s, func(in *api.CancelHandshakeRequest) string { return *in.HandshakeId })),
		api.DescribeHandshake.To(s.describeHandshake, onHandshake(s, func(in *api.DescribeHandshakeRequest) string { return *in.HandshakeId })),
		api.ListHandshakesForAccount.To(s.listHandshakesForAccount, aws.Anywhere),
		api.ListHandshakesForOrganization.To(s.listHandshakesForOrganization, anywhere[api.ListHandshakesForOrganizationRequest](s, reader)),
	}
}

func invited(in *api.InviteAccountToOrganizationRequest) []string {
	if isAccount(*in.Target.Id) {
		return []string{*in.Target.Id}
	}
	return nil
}

// onHandshake guards an operation on a handshake, by either party.
func onHandshake[In any](s *Service, id func(*In) string) aws.Guard[In] {
	return func(ctx context.Context, in *In) (needs []aws.Access, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			h, err := handshakes.Get(ctx, r, store.Scope{}, id(in))
			needs = []aws.Access{{Resource: "*"}}
			if err == nil {
				needs = []aws.Access{{Resource: h.arn(), Account: account(ctx)}}
			}
			return ignoreMissing(err)
		})
		return needs, err
	}
}

func (h *handshake) arn() string {
	return aws.NewARN("organizations", "", h.From, "handshake/"+h.Organization+"/"+strings.ToLower(h.Action)+"/"+h.ID).String()
}

// pending reports whether the handshake waits for somebody.
func (h *handshake) pending() bool {
	return h.State == api.HandshakeStateOpen || h.State == api.HandshakeStateRequested
}

// at is the handshake at a time.
func (h *handshake) at(now time.Time) *handshake {
	if h.pending() && !now.Before(h.Expires) {
		h.State = api.HandshakeStateExpired
	}
	return h
}

func (h *handshake) save(tx store.Tx, now time.Time) error {
	until := now.Add(keepHandshakes)
	if h.pending() {
		until = h.Expires.Add(keepHandshakes)
	}
	return errors.Join(handshakes.PutExpiring(tx, store.Scope{}, *h, until, h.ID),
		mailboxes.PutExpiring(tx, scope(h.From), struct{}{}, until, h.ID), mailboxes.PutExpiring(tx, scope(h.To), struct{}{}, until, h.ID))
}

// show is the handshake as answers have it, who asks with what is known of him.
func (h *handshake) show(ctx context.Context, r store.Reader) (*api.Handshake, error) {
	party := func(kind, id string) api.HandshakeParty { return api.HandshakeParty{Type: &kind, Id: &id} }
	part := func(kind, value string) api.HandshakeResource {
		return api.HandshakeResource{Type: &kind, Value: &value}
	}
	out := &api.Handshake{Id: &h.ID, Arn: ptr(h.arn()), Action: &h.Action, State: &h.State, RequestedTimestamp: &h.Requested, ExpirationTimestamp: &h.Expires,
		Parties: []api.HandshakeParty{party(api.HandshakePartyTypeOrganization, h.Organization)}}
	own := part(api.HandshakeResourceTypeOrganization, h.Organization)
	if h.Action == api.ActionTypeInvite {
		p, err := profileOf(ctx, r, h.From)
		if err != nil {
			return nil, err
		}
		own.Resources = []api.HandshakeResource{part(api.HandshakeResourceTypeMasterEmail, p.Email), part(api.HandshakeResourceTypeMasterName, p.Name)}
		if o, err := organizations.Get(ctx, r, scope(h.From), "organization"); err == nil {
			own.Resources = append(own.Resources, part(api.HandshakeResourceTypeOrganizationFeatureSet, o.Features))
		}
	}
	out.Resources = []api.HandshakeResource{own}
	switch {
	case h.Address != "":
		out.Parties = append(out.Parties, party(api.HandshakePartyTypeEmail, h.Address))
		out.Resources = append(out.Resources, part(api.HandshakeResourceTypeEmail, h.Address))
	case h.To != h.From:
		out.Parties = append(out.Parties, party(api.HandshakePartyTypeAccount, h.To))
		out.Resources = append(out.Resources, part(api.HandshakeResourceTypeAccount, h.To))
	}
	if h.Notes != "" {
		out.Resources = append(out.Resources, part(api.HandshakeResourceTypeNotes, h.Notes))
	}
	if h.Parent != "" {
		out.Resources = append(out.Resources, part(api.HandshakeResourceTypeParentHandshake, h.Parent))
	}
	return out, nil
}

// shaken are the handshakes that an account sent or got.
func (s *Service) shaken(ctx context.Context, r store.Reader, account string) ([]*handshake, error) {
	var out []*handshake
	for e, err := range mailboxes.List(ctx, r, scope(account), store.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		h, err := handshakes.Get(ctx, r, store.Scope{}, e.Key.String(0))
		if missing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, h.at(s.now()))
	}
	return out, nil
}

// invite asks an account to join.
func (s *Service) invite(ctx context.Context, in *api.InviteAccountToOrganizationRequest) (*api.InviteAccountToOrganizationResponse, error) {
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	now := s.now()
	h := &handshake{ID: s.handshakeID(), Action: api.ActionTypeInvite, Notes: aws.Value(in.Notes), State: api.HandshakeStateOpen,
		Requested: now, Expires: now.Add(openFor), Tags: tags}
	out := &api.InviteAccountToOrganizationResponse{}
	return out, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		h.From, h.Organization = o.Management, o.ID
		if err := h.address(ctx, tx, in.Target); err != nil {
			return err
		}
		have, err := of(ctx, tx, h.To)
		if err != nil {
			return err
		}
		if have != nil {
			return shake(api.HandshakeConstraintViolationExceptionReasonAlreadyInAnOrganization,
				"The handshake request is invalid because the invited account is already a member of an organization.")
		}
		sent, err := s.shaken(ctx, tx, o.Management)
		if err != nil {
			return err
		}
		for _, other := range sent {
			if other.pending() && other.To == h.To && other.Action == h.Action {
				return api.DuplicateHandshakeException("A handshake with the same action and target already exists.")
			}
			if other.pending() && other.Action == api.ActionTypeEnableAllFeatures {
				return shake(api.HandshakeConstraintViolationExceptionReasonInviteDisabledDuringEnableAllFeatures,
					"You can't issue new invitations to join an organization while it's in the process of enabling all features.")
			}
		}
		if err := h.save(tx, now); err != nil {
			return err
		}
		out.Handshake, err = h.show(ctx, tx)
		return err
	})
}

func (s *Service) handshakeID() string { return "h-" + aws.RandomID(s.Random, aws.LowerAlnm, 10) }

// address finds the account that a party names.
func (h *handshake) address(ctx context.Context, r store.Reader, to *api.HandshakeParty) (err error) {
	switch *to.Type {
	case api.HandshakePartyTypeAccount:
		if !isAccount(*to.Id) {
			return invalid(api.InvalidInputExceptionReasonInvalidPattern, "You provided a value that does not match the required pattern.")
		}
		h.To = *to.Id
		return nil
	case api.HandshakePartyTypeEmail:
		h.Address = *to.Id
		h.To, err = owners.Get(ctx, r, store.Scope{}, strings.ToLower(h.Address))
		return or(err, invalid(api.InvalidInputExceptionReasonInvalidEmailAddressTarget, "You specified an invalid email address for the invited account owner."))
	}
	return invalid(api.InvalidInputExceptionReasonInvalidPartyTypeTarget, "You specified the wrong type of entity (account, organization, or email) as a party.")
}

// settle moves a handshake on, at the word of the party that side gives.
func (s *Service) settle(ctx context.Context, id, state string, side func(*handshake) string, then func(store.Tx, *handshake) error) (out *api.Handshake, err error) {
	now := s.now()
	return out, s.update(ctx, func(tx store.Tx) error {
		h, err := s.mine(ctx, tx, id)
		if err != nil {
			return err
		}
		switch {
		case side(h) != account(ctx):
			return forbidden()
		case h.State == state:
			return api.HandshakeAlreadyInStateException("The specified handshake is already in the requested state.")
		case !h.pending() || state == api.HandshakeStateAccepted && h.State == api.HandshakeStateRequested:
			return api.InvalidHandshakeTransitionException("You can't perform the operation on the handshake in its current state.")
		}
		h.State = state
		if then != nil {
			if err := then(tx, h); err != nil {
				return err
			}
		}
		if err := h.save(tx, now); err != nil {
			return err
		}
		out, err = h.show(ctx, tx)
		return err
	})
}

// mine reads a handshake to which the caller is a party.
func (s *Service) mine(ctx context.Context, r store.Reader, id string) (*handshake, error) {
	h, err := handshakes.Get(ctx, r, store.Scope{}, id)
	if a := account(ctx); missing(err) || err == nil && h.From != a && h.To != a {
		return nil, api.HandshakeNotFoundException("You specified a handshake that doesn't exist.")
	}
	return h.at(s.now()), err
}

func sender(h *handshake) string   { return h.From }
func receiver(h *handshake) string { return h.To }

func (s *Service) accept(ctx context.Context, in *api.AcceptHandshakeRequest) (*api.AcceptHandshakeResponse, error) {
	h, err := s.settle(ctx, *in.HandshakeId, api.HandshakeStateAccepted, receiver, func(tx store.Tx, h *handshake) error { return s.accepted(ctx, tx, h) })
	return &api.AcceptHandshakeResponse{Handshake: h}, err
}

func (s *Service) decline(ctx context.Context, in *api.DeclineHandshakeRequest) (*api.DeclineHandshakeResponse, error) {
	h, err := s.settle(ctx, *in.HandshakeId, api.HandshakeStateDeclined, receiver, nil)
	return &api.DeclineHandshakeResponse{Handshake: h}, err
}

func (s *Service) cancel(ctx context.Context, in *api.CancelHandshakeRequest) (*api.CancelHandshakeResponse, error) {
	h, err := s.settle(ctx, *in.HandshakeId, api.HandshakeStateCanceled, sender, nil)
	return &api.CancelHandshakeResponse{Handshake: h}, err
}

// cancelAll ends what an organization asked and nobody answered.
func (s *Service) cancelAll(ctx context.Context, tx store.Tx, o *organization) error {
	sent, err := s.shaken(ctx, tx, o.Management)
	for _, h := range sent {
		if h.pending() && h.Organization == o.ID {
			h.State = api.HandshakeStateCanceled
			err = errors.Join(err, h.save(tx, s.now()))
		}
	}
	return err
}

// accepted does what a handshake was for.
func (s *Service) accepted(ctx context.Context, tx store.Tx, h *handshake) error {
	o, err := organizations.Get(ctx, tx, scope(h.From), "organization")
	if err != nil || o.ID != h.Organization {
		return or(err, notInUse())
	}
	switch h.Action {
	case api.ActionTypeInvite:
		have, err := of(ctx, tx, h.To)
		if err != nil {
			return err
		}
		if have != nil {
			return shake(api.HandshakeConstraintViolationExceptionReasonAlreadyInAnOrganization,
				"The handshake request is invalid because the invited account is already a member of an organization.")
		}
		return o.join(ctx, tx, h.To, api.AccountJoinedMethodInvited, s.now(), h.Tags)
	case api.ActionTypeApproveAllFeatures:
		return s.approved(ctx, tx, h)
	}
	o.Features = api.OrganizationFeatureSetAll
	return o.save(tx)
}

func (s *Service) describeHandshake(ctx context.Context, in *api.DescribeHandshakeRequest) (*api.DescribeHandshakeResponse, error) {
	out := &api.DescribeHandshakeResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		h, err := s.mine(ctx, r, *in.HandshakeId)
		if err == nil {
			out.Handshake, err = h.show(ctx, r)
		}
		return err
	})
}

// correspondence is a page of the handshakes that side of account, and a filter, select.
func (s *Service) correspondence(ctx context.Context, r store.Reader, account string, side func(*handshake) string, f *api.HandshakeFilter, at page) ([]api.Handshake, *string, error) {
	all, err := s.shaken(ctx, r, account)
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		f = &api.HandshakeFilter{}
	}
	shown := map[string]api.Handshake{}
	for _, h := range all {
		if side(h) != account || f.ActionType != nil && *f.ActionType != h.Action || f.ParentHandshakeId != nil && *f.ParentHandshakeId != h.Parent {
			continue
		}
		one, err := h.show(ctx, r)
		if err != nil {
			return nil, nil, err
		}
		shown[h.ID] = *one
	}
	ids := make([]string, 0, len(shown))
	for id := range shown {
		ids = append(ids, id)
	}
	return cut(slices.Clip(ids), at, func(id string) api.Handshake { return shown[id] })
}

func (s *Service) listHandshakesForAccount(ctx context.Context, in *api.ListHandshakesForAccountRequest) (*api.ListHandshakesForAccountResponse, error) {
	out := &api.ListHandshakesForAccountResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) (err error) {
		out.Handshakes, out.NextToken, err = s.correspondence(ctx, r, account(ctx), receiver, in.Filter, page{in.NextToken, in.MaxResults})
		return err
	})
}

func (s *Service) listHandshakesForOrganization(ctx context.Context, in *api.ListHandshakesForOrganizationRequest) (*api.ListHandshakesForOrganizationResponse, error) {
	out := &api.ListHandshakesForOrganizationResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) (err error) {
		out.Handshakes, out.NextToken, err = s.correspondence(ctx, r, o.Management, sender, in.Filter, page{in.NextToken, in.MaxResults})
		return err
	})
}
