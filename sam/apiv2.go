package sam

import (
	"regexp"
	"slices"
	"strings"
)

// An apiV2 is what APIs for HTTP and for WebSockets have in common.
type apiV2 struct {
	*item
	tag    string // by which SAM marks what it made
	passed *dict  // attributes of what is made of the API
	// zones are the records of hosted zones. SAM does not join those of several APIs for
	// WebSockets.
	zones map[string]*resource
}

// domain are the API's own domain name, what maps paths of it to the stage, and its
// records in Route 53.
func (a *apiV2) domain(api *resource) []*resource {
	d, _ := a.get("Domain").(*dict)
	if a.get("Domain") == nil {
		return nil
	}
	if d.get("DomainName") == nil || d.get("CertificateArn") == nil {
		a.bad("Custom Domains only works if both DomainName and CertificateArn are provided.")
	}
	id := logicalID("ApiGatewayDomainNameV2", d.get("DomainName"))
	d.set("ApiDomainName", id)
	r := newResource("AWS::ApiGatewayV2::DomainName", id, a.passed).set("DomainName", d.get("DomainName"))
	r.set("Tags", object(pair{a.tag, "SAM"}))
	if d.get("EndpointConfiguration") == nil {
		d.set("EndpointConfiguration", "REGIONAL")
	}
	if !is(d.get("EndpointConfiguration"), "REGIONAL") {
		a.bad("EndpointConfiguration for Custom Domains must be one of ['REGIONAL'].")
	}
	conf := object(pair{"CertificateArn", d.get("CertificateArn")}, pair{"EndpointType", d.get("EndpointConfiguration")})
	for _, n := range []string{"OwnershipVerificationCertificateArn", "SecurityPolicy"} {
		if v := d.get(n); truthy(v) {
			conf.set(n, v)
		}
	}
	r.set("DomainNameConfigurations", []any{conf})
	if m := a.trust(d); m != nil {
		r.set("MutualTlsAuthentication", m)
	}
	out := append([]*resource{r}, a.mappings(api, d, id)...)
	if s := a.recordSet(d, id); s != nil {
		out = append(out, s)
	}
	return out
}

// trust is the domain's mutual TLS, nil if it has none.
func (a *apiV2) trust(d *dict) *dict {
	given := d.get("MutualTlsAuthentication")
	if !truthy(given) {
		return nil
	}
	m, ok := given.(*dict)
	if !ok {
		a.bad("MutualTlsAuthentication must be a map with at least one of the following fields ['TruststoreUri', 'TruststoreVersion'].")
	}
	var wrong []string
	for _, n := range m.names() {
		if !slices.Contains(trustProperties, n.text) {
			wrong = append(wrong, n.text)
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		badResource(strings.Join(wrong, ","), "Available MutualTlsAuthentication fields are ['TruststoreUri', 'TruststoreVersion'].")
	}
	return mutualTLS(a.id, d, "MutualTlsAuthentication")
}

var (
	notInPath = regexp.MustCompile(`[^0-9a-zA-Z/\-_]+`)
	notInID   = regexp.MustCompile(`[\-_/]+`)
)

// mappings lead base paths of the domain to the API's stage.
func (a *apiV2) mappings(api *resource, d *dict, domain string) []*resource {
	mapping := func(id string) *resource {
		r := newResource("AWS::ApiGatewayV2::ApiMapping", id, a.passed)
		return r.set("DomainName", ref(domain)).set("ApiId", ref(api.id)).set("Stage", ref(api.id+".Stage"))
	}
	given := d.get("BasePath")
	if t, ok := textOf(given); ok && t != "" {
		given = []any{given}
	}
	list, ok := given.([]any)
	if !ok || len(list) == 0 {
		return []*resource{mapping(a.id + "ApiMapping")}
	}
	var out []*resource
	for _, v := range list {
		path, ok := textOf(v)
		if !ok {
			a.bad("Basepath must be a string.")
		}
		if notInPath.MatchString(path) {
			a.bad("Invalid Basepath name provided.")
		}
		out = append(out, mapping(a.id+notInID.ReplaceAllString(path, "")+"ApiMapping").set("ApiMappingKey", strings.Trim(path, "/")))
	}
	return out
}

// recordSet are the domain's records, with those of all domains of the zone.
func (a *apiV2) recordSet(d *dict, id string) *resource {
	r := route53(a.id, d)
	if r == nil {
		return nil
	}
	key := logicalID("RecordSetGroup", zone(r))
	s := a.zones[key]
	if s == nil {
		s = newResource("AWS::Route53::RecordSetGroup", key, a.passed).set("RecordSets", []any{})
		if r.has("HostedZoneId") {
			s.set("HostedZoneId", r.get("HostedZoneId"))
		} else {
			s.set("HostedZoneName", r.get("HostedZoneName"))
		}
		a.zones[key] = s
	}
	alias := object()
	if h := r.get("EvaluateTargetHealth"); h != nil {
		alias.set("EvaluateTargetHealth", h)
	}
	alias.set("HostedZoneId", getAtt(id, "RegionalHostedZoneId")).set("DNSName", getAtt(id, "RegionalDomainName"))
	return s.set("RecordSets", append(elements(s.get("RecordSets")), records(d, r, alias)...))
}

// authorizerPermission lets the API call an authorizer's function.
func (a *apiV2) authorizerPermission(id string, function any) *resource {
	from := sub(arnOf("${AWS::Partition}", "execute-api", "${__ApiId__}/authorizers/*"), pair{"__ApiId__", ref(a.id)})
	r := newResource("AWS::Lambda::Permission", id, a.passed).set("Action", "lambda:InvokeFunction").set("FunctionName", function)
	return r.set("Principal", "apigateway.amazonaws.com").set("SourceArn", from)
}
