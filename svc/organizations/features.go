package organizations

import (
	"context"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/store"
)

// enableAllFeatures asks each invited member for consent. When all have given it, or
// there are none, the management account makes the change by accepting its own
// handshake, which is what is answered.
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_org_support-all-features.html
func (s *Service) enableAllFeatures(ctx context.Context, _ *api.EnableAllFeaturesRequest) (*api.EnableAllFeaturesResponse, error) {
	now := s.now()
	out := &api.EnableAllFeaturesResponse{}
	return out, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		if o.Features == api.OrganizationFeatureSetAll {
			return shake(api.HandshakeConstraintViolationExceptionReasonOrganizationAlreadyHasAllFeatures,
				"The handshake request is invalid because the organization has already enabled all features.")
		}
		sent, err := s.shaken(ctx, tx, o.Management)
		if err != nil {
			return err
		}
		for _, h := range sent {
			if h.pending() && h.Action == api.ActionTypeEnableAllFeatures {
				return shake(api.HandshakeConstraintViolationExceptionReasonOrganizationIsAlreadyPendingAllFeaturesMigration,
					"The handshake request is invalid because the organization has already started the process to enable all features.")
			}
		}
		all := &handshake{ID: s.handshakeID(), Action: api.ActionTypeEnableAllFeatures, From: o.Management, Organization: o.ID, To: o.Management,
			State: api.HandshakeStateOpen, Requested: now, Expires: now.Add(openForAll)}
		for n, err := range o.nodes(ctx, tx) {
			if err != nil {
				return err
			}
			if !n.account() || n.ID == o.Management || n.Member.Method != api.AccountJoinedMethodInvited || n.Member.Closed {
				continue
			}
			all.State = api.HandshakeStateRequested
			one := *all
			one.ID, one.Action, one.To, one.State, one.Parent = s.handshakeID(), api.ActionTypeApproveAllFeatures, n.ID, api.HandshakeStateOpen, all.ID
			if err := one.save(tx, now); err != nil {
				return err
			}
		}
		if err := all.save(tx, now); err != nil {
			return err
		}
		out.Handshake, err = all.show(ctx, tx)
		return err
	})
}

// approved lets the management account go on when h was the last consent that it waited
// for.
func (s *Service) approved(ctx context.Context, tx store.Tx, h *handshake) error {
	sent, err := s.shaken(ctx, tx, h.From)
	if err != nil {
		return err
	}
	var all *handshake
	for _, other := range sent {
		if other.Parent == h.Parent && other.ID != h.ID && other.State != api.HandshakeStateAccepted {
			return nil
		}
		if other.ID == h.Parent {
			all = other
		}
	}
	if all == nil || all.State != api.HandshakeStateRequested {
		return nil
	}
	all.State = api.HandshakeStateOpen
	return all.save(tx, s.now())
}
