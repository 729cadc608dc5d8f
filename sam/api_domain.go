package sam

import (
	"slices"
	"strings"
)

// domain are the API's own domain name, what maps paths of it to the stage, and its
// records in Route 53.
func (a *api) domain(rest *resource) []*resource {
	given := a.get("Domain")
	if given == nil {
		return nil
	}
	d := at(a.id, "Domain").object(given)
	at(a.id, "Domain.DomainName").some(d.get("DomainName"))
	at(a.id, "Domain.CertificateArn").some(d.get("CertificateArn"))
	if is(d.get("EndpointConfiguration"), "PRIVATE") {
		return a.privateDomain(rest, d)
	}
	id := logicalID("ApiGatewayDomainName", d.get("DomainName"))
	d.set("ApiDomainName", id)
	r := newResource("AWS::ApiGateway::DomainName", id, a.inherited()).set("DomainName", d.get("DomainName"))
	endpoint := d.get("EndpointConfiguration")
	if endpoint == nil {
		endpoint = "REGIONAL"
		d.set("EndpointConfiguration", endpoint)
	}
	switch text(endpoint) {
	case "REGIONAL":
		r.set("RegionalCertificateArn", d.get("CertificateArn"))
	case "EDGE":
		r.set("CertificateArn", d.get("CertificateArn"))
	default:
		a.bad("EndpointConfiguration for Custom Domains must be one of ['EDGE', 'REGIONAL', 'PRIVATE'].")
	}
	r.set("EndpointConfiguration", endpointTypes(d))
	if m := mutualTLS(a.id, d, "Domain.MutualTlsAuthentication"); m != nil {
		r.set("MutualTlsAuthentication", m)
	}
	for _, n := range []string{"SecurityPolicy", "EndpointAccessMode", "OwnershipVerificationCertificateArn"} {
		if v := d.get(n); truthy(v) {
			r.set(n, v)
		}
	}
	out := append([]*resource{r}, a.mappings(rest, d, "AWS::ApiGateway::BasePathMapping", "DomainName", id)...)
	if s := a.recordSet(d, id); s != nil {
		out = append(out, s)
	}
	return out
}

func endpointTypes(d *dict) *dict {
	out := object(pair{"Types", []any{d.get("EndpointConfiguration")}})
	if t := d.get("IpAddressType"); truthy(t) {
		out.set("IpAddressType", t)
	}
	return out
}

var trustProperties = []string{"TruststoreUri", "TruststoreVersion"}

// mutualTLS is a domain's, nil if it has none.
func mutualTLS(id string, d *dict, path string) *dict {
	given := d.get("MutualTlsAuthentication")
	if !truthy(given) {
		return nil
	}
	m := at(id, path).object(given)
	out := object()
	for _, n := range m.names() {
		if !slices.Contains(trustProperties, n.text) {
			badResource(id, "Available %s fields are ['TruststoreUri', 'TruststoreVersion'].", path)
		}
	}
	for _, n := range trustProperties {
		if v := m.get(n); truthy(v) {
			out.set(n, v)
		}
	}
	return out
}

// privateDomain is a domain name that only networks of its owner see.
func (a *api) privateDomain(rest *resource, d *dict) []*resource {
	id := logicalID("ApiGatewayDomainNameV2", d.get("DomainName"))
	r := newResource("AWS::ApiGateway::DomainNameV2", id, a.inherited()).set("DomainName", d.get("DomainName"))
	r.set("CertificateArn", d.get("CertificateArn")).set("EndpointConfiguration", endpointTypes(d))
	for _, n := range []string{"SecurityPolicy", "EndpointAccessMode", "Policy", "OwnershipVerificationCertificateArn"} {
		if v := d.get(n); truthy(v) {
			r.set(n, v)
		}
	}
	out := append([]*resource{r}, a.mappings(rest, d, "AWS::ApiGateway::BasePathMappingV2", "DomainNameArn", id)...)
	var access *resource
	if v := d.get("AccessAssociation"); v != nil {
		endpoint := at(a.id, "Domain.AccessAssociation").object(v).get("VpcEndpointId")
		access = newResource("AWS::ApiGateway::DomainNameAccessAssociation",
			logicalID("DomainNameAccessAssociation", []any{endpoint, id}), a.inherited())
		access.set("DomainNameArn", ref(id)).set("AccessAssociationSourceType", "VPCE").set("AccessAssociationSource", endpoint)
	}
	if s := a.recordSet(d, text(d.get("DomainName"))); s != nil {
		out = append(out, s)
	}
	if access != nil {
		out = append(out, access)
	}
	return out
}

// mappings lead base paths of the domain to the API's stage.
func (a *api) mappings(rest *resource, d *dict, typ, domain, id string) []*resource {
	mapping := func(id string) *resource {
		return newResource(typ, id, a.inherited()).set("RestApiId", ref(rest.id)).set("Stage", ref(rest.id+".Stage"))
	}
	given := d.get("BasePath")
	if t, ok := textOf(given); ok && t != "" {
		given = []any{given}
	}
	list, ok := given.([]any)
	if !ok || len(list) == 0 {
		return []*resource{mapping(a.id+"BasePathMapping").set(domain, ref(id))}
	}
	var out []*resource
	for _, v := range at(a.id, "Domain.BasePath").texts(list) {
		path := strings.Map(func(r rune) rune {
			if isAlnum(string(r)) {
				return r
			}
			return -1
		}, text(v))
		base := v
		if preflight(d, "NormalizeBasePath") {
			base = path
		}
		out = append(out, mapping(a.id+path+"BasePathMapping").set(domain, ref(id)).set("BasePath", base))
	}
	return out
}

// route53 is a domain's configuration of its records, nil if it has none.
func route53(id string, d *dict) *dict {
	given := d.get("Route53")
	if given == nil {
		return nil
	}
	r := at(id, "Domain.Route53").object(given)
	if r.get("HostedZoneId") == nil && r.get("HostedZoneName") == nil {
		badResource(id, "HostedZoneId or HostedZoneName is required to enable Route53 support on Custom Domains.")
	}
	return r
}

// zone is what names the hosted zone.
func zone(r *dict) any {
	if id := r.get("HostedZoneId"); truthy(id) {
		return id
	}
	return r.get("HostedZoneName")
}

// recordSet are the domain's records: with those of all domains of the zone, or apart.
func (a *api) recordSet(d *dict, id string) *resource {
	r := route53(a.id, d)
	if r == nil {
		return nil
	}
	if apart := r.get("SeparateRecordSetGroup"); truthy(apart) {
		at(a.id, "Domain.Route53.SeparateRecordSetGroup").bool(apart)
		s := newResource("AWS::Route53::RecordSetGroup", logicalID("RecordSetGroup", []any{zone(r), d.get("DomainName")}), a.inherited())
		for _, n := range []string{"HostedZoneId", "HostedZoneName"} {
			if v := r.get(n); truthy(v) {
				s.set(n, v)
			}
		}
		return s.set("RecordSets", records(d, r, a.alias(d, r, id)))
	}
	key := logicalID("RecordSetGroup", zone(r))
	s := a.recordSets[key]
	if s == nil {
		s = newResource("AWS::Route53::RecordSetGroup", key, a.inherited())
		s.set("HostedZoneId", r.get("HostedZoneId")).set("HostedZoneName", r.get("HostedZoneName")).set("RecordSets", []any{})
		a.recordSets[key] = s
	}
	return s.set("RecordSets", append(elements(s.get("RecordSets")), records(d, r, a.alias(d, r, id))...))
}

// records are a domain's: one of IPv4, and one of IPv6 if it wants that.
func records(d, r, alias *dict) []any {
	record := func(typ string) *dict {
		out := object(pair{"Name", d.get("DomainName")}, pair{"Type", typ}, pair{"AliasTarget", alias})
		for _, n := range []string{"Region", "SetIdentifier"} {
			if v := r.get(n); v != nil {
				out.set(n, v)
			}
		}
		return out
	}
	out := []any{record("A")}
	if r.get("IpV6") == true {
		out = append(out, record("AAAA"))
	}
	return out
}

// alias is what a record leads to.
func (a *api) alias(d, r *dict, id string) *dict {
	out := object()
	if h := r.get("EvaluateTargetHealth"); h != nil {
		out.set("EvaluateTargetHealth", h)
	}
	switch text(d.get("EndpointConfiguration")) {
	case "REGIONAL":
		return out.set("HostedZoneId", getAtt(id, "RegionalHostedZoneId")).set("DNSName", getAtt(id, "RegionalDomainName"))
	case "EDGE":
		if r.get("DistributionDomainName") == nil {
			r.set("DistributionDomainName", getAtt(id, "DistributionDomainName"))
		}
		return out.set("HostedZoneId", "Z2FDTNDATAQYW2").set("DNSName", r.get("DistributionDomainName"))
	}
	return out.set("HostedZoneId", r.get("VpcEndpointHostedZoneId")).set("DNSName", r.get("VpcEndpointDomainName"))
}
