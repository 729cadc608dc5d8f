package iam

import (
	"context"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An outbound is an account as an issuer of tokens by which others know its
// principals. The id is for good: what was set up to trust the account trusts it
// again when it is switched on again.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound.html
type outbound struct {
	ID      string
	Enabled bool
}

var outbounds = store.NewTable[outbound]("iam", "outbound") // "outbound"

func (s *Service) outboundRoutes() []aws.Route {
	return []aws.Route{
		api.EnableOutboundWebIdentityFederation.To(s.enableOutbound, aws.Anywhere),
		api.DisableOutboundWebIdentityFederation.To(s.disableOutbound, aws.Anywhere),
		api.GetOutboundWebIdentityFederationInfo.To(s.getOutbound, aws.Anywhere),
	}
}

// issuer is the URL that tokens name, of AWS's form.
func (o outbound) issuer() string { return "https://" + o.ID + ".tokens.sts.global.api.aws" }

func errOutboundDisabled() error {
	return api.FeatureDisabledException("Outbound web identity federation is not enabled for your account.")
}

func loadOutbound(ctx context.Context, r store.Reader, account string) (outbound, error) {
	o, err := outbounds.Get(ctx, r, scope(account), "outbound")
	return o, ignoreMissing(err)
}

func (s *Service) enableOutbound(ctx context.Context, _ *aws.Empty) (*api.EnableOutboundWebIdentityFederationResponse, error) {
	a, id := account(ctx), aws.RandomUUID(s.random)
	out := &api.EnableOutboundWebIdentityFederationResponse{}
	return out, s.change(ctx, a, func(tx store.Tx) error {
		o, err := loadOutbound(ctx, tx, a)
		if err != nil {
			return err
		}
		if o.Enabled {
			return api.FeatureEnabledException("Outbound web identity federation is already enabled for your account.")
		}
		if o.ID == "" {
			o.ID = id
		}
		o.Enabled = true
		url := o.issuer()
		out.IssuerIdentifier = &url
		return outbounds.Put(tx, scope(a), o, "outbound")
	})
}

func (s *Service) disableOutbound(ctx context.Context, _ *aws.Empty) (*aws.Empty, error) {
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		o, err := loadOutbound(ctx, tx, a)
		if err != nil {
			return err
		}
		if !o.Enabled {
			return errOutboundDisabled()
		}
		o.Enabled = false
		return outbounds.Put(tx, scope(a), o, "outbound")
	})
}

func (s *Service) getOutbound(ctx context.Context, _ *aws.Empty) (*api.GetOutboundWebIdentityFederationInfoResponse, error) {
	url, err := s.OutboundIssuer(ctx, account(ctx))
	if err != nil {
		return nil, err
	}
	if url == "" {
		return nil, errOutboundDisabled()
	}
	enabled := true
	return &api.GetOutboundWebIdentityFederationInfoResponse{IssuerIdentifier: &url, JwtVendingEnabled: &enabled}, nil
}

// OutboundIssuer is the issuer that STS names in tokens for the principals of an
// account; "" while the account gives out none.
func (s *Service) OutboundIssuer(ctx context.Context, account string) (url string, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		o, err := loadOutbound(ctx, r, account)
		if o.Enabled {
			url = o.issuer()
		}
		return err
	})
	return url, err
}

// OutboundAccount is the account whose tokens name an issuer; "" if none gives out such.
func (s *Service) OutboundAccount(ctx context.Context, issuer string) (account string, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		account = ""
		for e, err := range outbounds.All(ctx, r) {
			if err != nil {
				return err
			}
			if e.Record.Enabled && e.Record.issuer() == issuer {
				account = e.Scope.Account
			}
		}
		return nil
	})
	return account, err
}
