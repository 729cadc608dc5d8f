package apigateway

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/domain"
	"github.com/tule-cloud/tule/store"
)

// askCreateDomain sets the keys of a domain name as it will be.
func askCreateDomain(_ context.Context, in *api.CreateDomainNameRequest, need *aws.Access) ([]aws.Access, error) {
	set(need, ofRequest+"EndpointType", api.EndpointTypeEdge)
	if e := in.EndpointConfiguration; e != nil {
		set(need, ofRequest+"EndpointType", e.Types...)
	}
	setText(need, ofRequest+"SecurityPolicy", ptr(api.SecurityPolicyTls12))
	setText(need, ofRequest+"SecurityPolicy", in.SecurityPolicy)
	if m := in.MutualTlsAuthentication; m != nil {
		setText(need, ofRequest+"MtlsTrustStoreUri", m.TruststoreUri)
		setText(need, ofRequest+"MtlsTrustStoreVersion", m.TruststoreVersion)
	}
	aws.RequestTags(need.Keys, in.Tags)
	return nil, nil
}

func (s *Service) askUpdateDomain(ctx context.Context, in *api.UpdateDomainNameRequest, need *aws.Access) ([]aws.Access, error) {
	for _, p := range in.PatchOperations {
		switch path := aws.Value(p.Path); {
		case path == "/securityPolicy":
			setText(need, ofRequest+"SecurityPolicy", p.Value)
		case path == "/mutualTlsAuthentication/truststoreUri":
			setText(need, ofRequest+"MtlsTrustStoreUri", p.Value)
		case path == "/mutualTlsAuthentication/truststoreVersion":
			setText(need, ofRequest+"MtlsTrustStoreVersion", p.Value)
		case strings.HasPrefix(path, "/endpointConfiguration/types") && p.Value != nil:
			need.Keys[ofRequest+"EndpointType"] = append(need.Keys[ofRequest+"EndpointType"], *p.Value)
		}
	}
	return nil, s.presentDomain(ctx, in.DomainName, need)
}

func (s *Service) askDeleteDomain(ctx context.Context, in *api.DeleteDomainNameRequest, need *aws.Access) ([]aws.Access, error) {
	return nil, s.presentDomain(ctx, in.DomainName, need)
}

// presentDomain sets the keys of a domain name as it stands.
func (s *Service) presentDomain(ctx context.Context, name *string, need *aws.Access) error {
	return s.present(ctx, func(r store.Reader) error {
		n, err := readDomain(ctx, r, name)
		if err == nil {
			describeDomainKeys(need, &n)
		}
		return err
	})
}

func describeDomainKeys(need *aws.Access, n *domain.Name) {
	set(need, ofResource+"EndpointType", n.Endpoint.Type)
	setText(need, ofResource+"SecurityPolicy", filledText(n.Security))
	if n.Mutual != nil {
		setText(need, ofResource+"MtlsTrustStoreUri", &n.Mutual.URI)
		setText(need, ofResource+"MtlsTrustStoreVersion", filledText(n.Mutual.Version))
	}
}

func askCertificate(_ context.Context, in *api.GenerateClientCertificateRequest, need *aws.Access) ([]aws.Access, error) {
	aws.RequestTags(need.Keys, in.Tags)
	return nil, nil
}

func askCreateLink(_ context.Context, in *api.CreateVpcLinkRequest, need *aws.Access) ([]aws.Access, error) {
	aws.RequestTags(need.Keys, in.Tags)
	return nil, nil
}
