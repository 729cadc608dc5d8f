package apigateway

import (
	"context"
	"slices"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/gateway/domain"
	"github.com/tule-cloud/tule/store"
)

// updateDomainName reads a trust store before its transaction, since what is in S3 is not
// in it.
func (s *Service) updateDomainName(ctx context.Context, in *api.UpdateDomainNameRequest) (*api.DomainName, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	n, err := view(ctx, s, func(r store.Reader) (*domain.Name, error) {
		n, err := readDomain(ctx, r, in.DomainName)
		return &n, err
	})
	if err != nil {
		return nil, err
	}
	read, err := s.patchDomain(ctx, n, ops)
	if err == nil && read && n.Mutual != nil {
		err = s.readTrustStore(ctx, n)
	}
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.DomainName, error) {
		now, err := readDomain(ctx, tx, in.DomainName)
		if err != nil {
			return nil, err
		}
		target := n.Endpoint
		if _, err := s.patchDomain(ctx, &now, ops); err != nil {
			return nil, err
		}
		if now.Mutual != nil && n.Mutual != nil && now.Mutual.URI == n.Mutual.URI {
			now.Mutual.PEM = n.Mutual.PEM
		}
		if now.Endpoint.Type == target.Type {
			now.Endpoint.Target, now.Endpoint.Zone = target.Target, target.Zone
		}
		return describeDomain(ctx, &now), domain.Put(tx, scope(ctx), now)
	})
}

// patchDomain applies patches, and reports whether a trust store has to be read.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateDomainName-Patch
func (s *Service) patchDomain(ctx context.Context, n *domain.Name, ops []patch) (read bool, err error) {
	for _, p := range ops {
		switch {
		case len(p.parts) > 1 && p.parts[0] == "endpointConfiguration":
			err = s.patchDomainEndpoint(ctx, n, p)
		case p.parts[0] == "mutualTlsAuthentication":
			read = true
			err = patchMutual(n, p)
		default:
			err = patchDomainText(n, p)
		}
		if err != nil {
			return false, err
		}
	}
	return read, nil
}

func patchDomainText(n *domain.Name, p patch) error {
	edge := n.Endpoint.Type == api.EndpointTypeEdge
	fields := map[string]*string{"/securityPolicy": &n.Security, "/ownershipVerificationCertificateArn": &n.Ownership, "/routingMode": &n.Routing,
		"/endpointAccessMode": &n.Access, "/policy": &n.Policy, "/managementPolicy": &n.Management}
	if edge {
		fields["/certificateArn"], fields["/certificateName"] = &n.Endpoint.ARN, &n.Endpoint.CertName
	} else {
		fields["/regionalCertificateArn"], fields["/regionalCertificateName"] = &n.Endpoint.ARN, &n.Endpoint.CertName
	}
	field := fields[p.path]
	if field == nil {
		return badPath(p.path)
	}
	if err := p.replaces(); err != nil {
		return err
	}
	if p.path == "/routingMode" && p.value != api.RoutingModeBasePathMappingOnly {
		return noRoutingRules()
	}
	if p.path == "/securityPolicy" && !slices.Contains(securityPolicies, p.value) {
		return api.BadRequestException("Invalid security policy specified: %s", p.value)
	}
	*field = p.value
	if field == &n.Endpoint.ARN { // it takes the place of one that was uploaded
		n.Endpoint.Certificate, n.Endpoint.Uploaded = nil, nil
	}
	return nil
}

// securityPolicies are those that a domain name may have.
var securityPolicies = []string{"TLS_1_0", "TLS_1_2", "SecurityPolicy_TLS13_1_3_2025_09", "SecurityPolicy_TLS13_1_3_FIPS_2025_09",
	"SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09", "SecurityPolicy_TLS13_1_2_FIPS_PQ_2025_09", "SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09",
	"SecurityPolicy_TLS13_1_2_PQ_2025_09", "SecurityPolicy_TLS13_1_2_2021_06", "SecurityPolicy_TLS13_2025_EDGE", "SecurityPolicy_TLS12_PFS_2025_EDGE", "SecurityPolicy_TLS12_2018_EDGE"}

func (s *Service) patchDomainEndpoint(ctx context.Context, n *domain.Name, p patch) error {
	switch {
	case len(p.parts) == 2 && p.parts[1] == "ipAddressType":
		if p.value != api.IpAddressTypeIpv4 && p.value != api.IpAddressTypeDualstack {
			return api.BadRequestException("ipAddressType must be either ipv4 or dualstack.")
		}
		n.Endpoint.IPAddress = p.value
		return nil
	case p.parts[1] != "types" || len(p.parts) > 3:
		return badPath(p.path)
	case p.value == api.EndpointTypePrivate:
		return privateDomains()
	case p.value != api.EndpointTypeRegional && p.value != api.EndpointTypeEdge:
		return api.BadRequestException("Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE")
	case p.op == "replace" && n.Endpoint.Type != p.value:
		n.Endpoint.Type = p.value
		s.place(ctx, &n.Endpoint)
	case p.op != "replace" && p.op != "add" && p.op != "remove":
		return api.BadRequestException("Invalid patch operation specified. Must be 'add'|'remove'|'replace'")
	case p.op != "replace":
		return api.BadRequestException("Cannot create a domain name with multiple Endpoint Types.")
	}
	return nil
}

func patchMutual(n *domain.Name, p patch) error {
	if p.op == "remove" && len(p.parts) == 1 {
		n.Mutual = nil
		return nil
	}
	if err := p.replaces(); err != nil {
		return err
	}
	m := domain.Mutual{}
	if n.Mutual != nil {
		m = *n.Mutual
	}
	switch p.path {
	case "/mutualTlsAuthentication/truststoreUri":
		m.URI = p.value
	case "/mutualTlsAuthentication/truststoreVersion":
		m.Version = p.value
	default:
		return badPath(p.path)
	}
	if n.Mutual = &m; m.URI == "" {
		n.Mutual = nil
	}
	return nil
}
