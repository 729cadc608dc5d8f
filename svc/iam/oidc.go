package iam

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An oidcProvider is somebody outside whose ID tokens the account trusts.
type oidcProvider struct {
	URL         string // as in tokens, without "https://"
	Created     time.Time
	Clients     []string          `json:",omitempty"` // the audiences that tokens may have
	Thumbprints []string          `json:",omitempty"` // SHA-1, in lower-case hex
	Tags        map[string]string `json:",omitempty"`
}

// oidcProviders are kept by URL. The issuer in a token is compared to the byte, and
// so are URLs: another case or a slash at the end makes another provider.
var oidcProviders = store.NewTable[oidcProvider]("iam", "oidc-provider")

// Limits on OpenID Connect providers.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxOIDCProviders = 100
	maxClients       = 100 // of a provider
	maxThumbprints   = 5
)

func (s *Service) oidcRoutes() []aws.Route {
	return []aws.Route{
		api.CreateOpenIDConnectProvider.To(s.createOpenIDConnectProvider, guardCreateOIDC),
		api.GetOpenIDConnectProvider.To(s.getOpenIDConnectProvider, onOIDC(s, func(in *api.GetOpenIDConnectProviderRequest) *string { return in.OpenIDConnectProviderArn }, nil)),
		api.DeleteOpenIDConnectProvider.To(s.deleteOpenIDConnectProvider, onOIDC(s, func(in *api.DeleteOpenIDConnectProviderRequest) *string { return in.OpenIDConnectProviderArn }, nil)),
		api.ListOpenIDConnectProviders.To(s.listOpenIDConnectProviders, aws.Anywhere),
		api.AddClientIDToOpenIDConnectProvider.To(s.addClientIDToOpenIDConnectProvider,
			onOIDC(s, func(in *api.AddClientIDToOpenIDConnectProviderRequest) *string { return in.OpenIDConnectProviderArn }, nil)),
		api.RemoveClientIDFromOpenIDConnectProvider.To(s.removeClientIDFromOpenIDConnectProvider,
			onOIDC(s, func(in *api.RemoveClientIDFromOpenIDConnectProviderRequest) *string {
				return in.OpenIDConnectProviderArn
			}, nil)),
		api.UpdateOpenIDConnectProviderThumbprint.To(s.updateOpenIDConnectProviderThumbprint,
			onOIDC(s, func(in *api.UpdateOpenIDConnectProviderThumbprintRequest) *string { return in.OpenIDConnectProviderArn }, nil)),
		api.TagOpenIDConnectProvider.To(s.tagOpenIDConnectProvider, onOIDC(s, func(in *api.TagOpenIDConnectProviderRequest) *string { return in.OpenIDConnectProviderArn },
			func(in *api.TagOpenIDConnectProviderRequest) map[string][]string { return requestTags(nil, in.Tags) })),
		api.UntagOpenIDConnectProvider.To(s.untagOpenIDConnectProvider, onOIDC(s, func(in *api.UntagOpenIDConnectProviderRequest) *string { return in.OpenIDConnectProviderArn },
			func(in *api.UntagOpenIDConnectProviderRequest) map[string][]string {
				return map[string][]string{"aws:TagKeys": in.TagKeys}
			})),
		api.ListOpenIDConnectProviderTags.To(s.listOpenIDConnectProviderTags, onOIDC(s, func(in *api.ListOpenIDConnectProviderTagsRequest) *string { return in.OpenIDConnectProviderArn }, nil)),
	}
}

func (p *oidcProvider) arn(account string) string {
	return aws.NewARN("iam", "", account, "oidc-provider/"+p.URL).String()
}

// issuer takes the URL of a provider apart: what follows "https://". A port is let
// pass, which AWS advises against, since a provider on the same machine or network
// as Tule often has one.
func issuer(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", aws.Errorf(400, "ValidationError", "Invalid Open ID Connect Provider URL")
	}
	rest, ok := strings.CutPrefix(text, "https://")
	if !ok {
		return "", api.InvalidInputException("Invalid Open ID Connect Provider URL. The URL must begin with https://.")
	}
	if u.User != nil || u.Hostname() == "" || strings.ContainsAny(rest, "?#*% \\") {
		return "", api.InvalidInputException("Invalid Open ID Connect Provider URL. The URL has a host and a path, and no query, fragment, user or escapes.")
	}
	return rest, nil
}

// thumbprints checks a list of certificate thumbprints.
func thumbprints(list []string) ([]string, error) {
	if len(list) > maxThumbprints {
		return nil, api.InvalidInputException("Thumbprint list must contain fewer than %d entries.", maxThumbprints)
	}
	out := make([]string, 0, len(list))
	for _, t := range list {
		t = strings.ToLower(t)
		if strings.Trim(t, aws.Hex) != "" {
			return nil, api.InvalidInputException("Invalid thumbprint %s: a thumbprint has 40 hexadecimal digits.", t)
		}
		out = append(out, t)
	}
	return out, nil
}

// loadOIDC reads the provider with an ARN, for AWS's error where there is none.
func loadOIDC(ctx context.Context, r store.Reader, account, arn string) (*oidcProvider, error) {
	name, err := federated(arn, account, "oidc-provider/")
	if err != nil {
		return nil, err
	}
	p, err := oidcProviders.Get(ctx, r, scope(account), name)
	if name == "" || errors.Is(err, store.ErrNotFound) {
		return nil, api.NoSuchEntityException("OpenIDConnect Provider not found for arn %s", arn)
	}
	return &p, err
}

// federated is the name in the ARN of a provider of the account; "" if the provider
// is another account's, and an error if the ARN is not one of a provider.
func federated(arn, account, prefix string) (string, error) {
	a, ok := aws.ParseARN(arn)
	name, is := strings.CutPrefix(a.Resource, prefix)
	if !ok || !is || name == "" || a.Partition != aws.Partition || a.Service != "iam" || a.Region != "" {
		return "", api.InvalidInputException("ARN %s is not valid.", arn)
	}
	if a.Account != account {
		return "", nil
	}
	return name, nil
}

// onOIDC guards operations on a provider that their input names by ARN.
func onOIDC[In any](s *Service, arn func(*In) *string, own func(*In) map[string][]string) aws.Guard[In] {
	return tagged(arn, own, func(ctx context.Context, arn string) (tags map[string]string, err error) {
		err = s.store.View(ctx, func(r store.Reader) error {
			p, err := loadOIDC(ctx, r, account(ctx), arn)
			if err == nil {
				tags = p.Tags
			}
			return err
		})
		return tags, err
	})
}

// tagged guards operations on what their input names by ARN, with the condition keys
// of its tags. What is not there has none; the operation will say so.
func tagged[In any](arn func(*In) *string, own func(*In) map[string][]string, tags func(context.Context, string) (map[string]string, error)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		need := aws.Access{Resource: *arn(in), Tags: func(ctx context.Context) (map[string]string, error) {
			have, err := tags(ctx, *arn(in))
			if aws.CodeOf(err) != "" {
				err = nil
			}
			return have, err
		}}
		if own != nil {
			need.Keys = own(in)
		}
		return []aws.Access{need}, nil
	}
}

func guardCreateOIDC(ctx context.Context, in *api.CreateOpenIDConnectProviderRequest) ([]aws.Access, error) {
	p := oidcProvider{URL: strings.TrimPrefix(*in.Url, "https://")}
	needs := []aws.Access{{Resource: p.arn(account(ctx)), Keys: requestTags(nil, in.Tags)}}
	return andTagging(needs, "iam:TagOpenIDConnectProvider", in.Tags), nil
}

func (s *Service) createOpenIDConnectProvider(ctx context.Context, in *api.CreateOpenIDConnectProviderRequest) (*api.CreateOpenIDConnectProviderResponse, error) {
	p := oidcProvider{Created: s.now()}
	var err error
	if p.URL, err = issuer(*in.Url); err != nil {
		return nil, err
	}
	if p.Thumbprints, err = thumbprints(in.ThumbprintList); err != nil {
		return nil, err
	}
	for _, c := range in.ClientIDList {
		if err := p.addClient(c); err != nil {
			return nil, err
		}
	}
	if p.Tags, err = newTags(in.Tags); err != nil {
		return nil, err
	}
	a := account(ctx)
	err = s.change(ctx, a, func(tx store.Tx) error {
		n, taken := 0, false
		for e, err := range oidcProviders.List(ctx, tx, scope(a), store.ListOptions{}) {
			if err != nil {
				return err
			}
			n, taken = n+1, taken || e.Record.URL == p.URL
		}
		switch {
		case taken:
			return api.EntityAlreadyExistsException("Provider with url https://%s already exists.", p.URL)
		case n >= maxOIDCProviders:
			return api.LimitExceededException("Cannot exceed quota for OpenIdConnectProvidersPerAccount: %d", maxOIDCProviders)
		}
		return oidcProviders.Put(tx, scope(a), p, p.URL)
	})
	if err != nil {
		return nil, err
	}
	arn := p.arn(a)
	return &api.CreateOpenIDConnectProviderResponse{OpenIDConnectProviderArn: &arn, Tags: tagsOrNil(p.Tags)}, nil
}

// addClient lets tokens be for one more audience.
func (p *oidcProvider) addClient(id string) error {
	if slices.Contains(p.Clients, id) {
		return nil
	}
	if len(p.Clients) >= maxClients {
		return api.LimitExceededException("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClients)
	}
	p.Clients = append(p.Clients, id)
	return nil
}

// viewOIDC reads a provider of the caller's account.
func (s *Service) viewOIDC(ctx context.Context, arn string) (p *oidcProvider, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		p, err = loadOIDC(ctx, r, account(ctx), arn)
		return err
	})
	return p, err
}

// editOIDC changes a provider of the caller's account.
func (s *Service) editOIDC(ctx context.Context, arn string, fn func(p *oidcProvider) error) error {
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		p, err := loadOIDC(ctx, tx, a, arn)
		if err != nil {
			return err
		}
		if err := fn(p); err != nil {
			return err
		}
		return oidcProviders.Put(tx, scope(a), *p, p.URL)
	})
}

func (s *Service) getOpenIDConnectProvider(ctx context.Context, in *api.GetOpenIDConnectProviderRequest) (*api.GetOpenIDConnectProviderResponse, error) {
	p, err := s.viewOIDC(ctx, *in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	return &api.GetOpenIDConnectProviderResponse{ClientIDList: orNone(p.Clients), CreateDate: &p.Created, Tags: apiTags(p.Tags),
		ThumbprintList: orNone(p.Thumbprints), Url: &p.URL}, nil
}

// orNone makes an absent list an empty one.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Who deletes what is gone already has what he wants.
func (s *Service) deleteOpenIDConnectProvider(ctx context.Context, in *api.DeleteOpenIDConnectProviderRequest) (*aws.Empty, error) {
	a := account(ctx)
	name, err := federated(*in.OpenIDConnectProviderArn, a, "oidc-provider/")
	if err != nil || name == "" {
		return nil, err
	}
	return nil, s.change(ctx, a, func(tx store.Tx) error { return oidcProviders.Delete(tx, scope(a), name) })
}

func (s *Service) listOpenIDConnectProviders(ctx context.Context, _ *api.ListOpenIDConnectProvidersRequest) (*api.ListOpenIDConnectProvidersResponse, error) {
	a := account(ctx)
	out := &api.ListOpenIDConnectProvidersResponse{OpenIDConnectProviderList: []api.OpenIDConnectProviderListEntry{}}
	return out, s.store.View(ctx, func(r store.Reader) error {
		for e, err := range oidcProviders.List(ctx, r, scope(a), store.ListOptions{}) {
			if err != nil {
				return err
			}
			arn := e.Record.arn(a)
			out.OpenIDConnectProviderList = append(out.OpenIDConnectProviderList, api.OpenIDConnectProviderListEntry{Arn: &arn})
		}
		return nil
	})
}

func (s *Service) addClientIDToOpenIDConnectProvider(ctx context.Context, in *api.AddClientIDToOpenIDConnectProviderRequest) (*aws.Empty, error) {
	return nil, s.editOIDC(ctx, *in.OpenIDConnectProviderArn, func(p *oidcProvider) error { return p.addClient(*in.ClientID) })
}

func (s *Service) removeClientIDFromOpenIDConnectProvider(ctx context.Context, in *api.RemoveClientIDFromOpenIDConnectProviderRequest) (*aws.Empty, error) {
	return nil, s.editOIDC(ctx, *in.OpenIDConnectProviderArn, func(p *oidcProvider) error {
		p.Clients = slices.DeleteFunc(p.Clients, func(id string) bool { return id == *in.ClientID })
		return nil
	})
}

func (s *Service) updateOpenIDConnectProviderThumbprint(ctx context.Context, in *api.UpdateOpenIDConnectProviderThumbprintRequest) (*aws.Empty, error) {
	list, err := thumbprints(in.ThumbprintList)
	if err != nil {
		return nil, err
	}
	return nil, s.editOIDC(ctx, *in.OpenIDConnectProviderArn, func(p *oidcProvider) error {
		p.Thumbprints = list
		return nil
	})
}

func (s *Service) tagOpenIDConnectProvider(ctx context.Context, in *api.TagOpenIDConnectProviderRequest) (*aws.Empty, error) {
	return nil, s.editOIDC(ctx, *in.OpenIDConnectProviderArn, func(p *oidcProvider) error { return change(&p.Tags, in.Tags, nil) })
}

func (s *Service) untagOpenIDConnectProvider(ctx context.Context, in *api.UntagOpenIDConnectProviderRequest) (*aws.Empty, error) {
	return nil, s.editOIDC(ctx, *in.OpenIDConnectProviderArn, func(p *oidcProvider) error { return change(&p.Tags, nil, in.TagKeys) })
}

func (s *Service) listOpenIDConnectProviderTags(ctx context.Context, in *api.ListOpenIDConnectProviderTagsRequest) (*api.ListOpenIDConnectProviderTagsResponse, error) {
	p, err := s.viewOIDC(ctx, *in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	part, next, err := cut(apiTags(p.Tags), page{in.Marker, in.MaxItems}, func(t *api.Tag) string { return *t.Key })
	return &api.ListOpenIDConnectProviderTagsResponse{Tags: part, IsTruncated: more(next), Marker: next}, err
}

// OIDCProvider is what STS needs of the provider of an account whose tokens name
// issuer, with "https://" or without it: its ARN, the audiences that tokens may be
// for, and the SHA-1 thumbprints, in hex, of a certificate in the chain by which its
// keys are had; none means that a chain to a known authority will do. The ARN is ""
// if the account trusts no such provider.
func (s *Service) OIDCProvider(ctx context.Context, account, issuer string) (arn string, clients, thumbprints []string, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		p, err := oidcProviders.Get(ctx, r, scope(account), strings.TrimPrefix(issuer, "https://"))
		if err == nil {
			arn, clients, thumbprints = p.arn(account), p.Clients, p.Thumbprints
		}
		return ignoreMissing(err)
	})
	return arn, clients, thumbprints, err
}
