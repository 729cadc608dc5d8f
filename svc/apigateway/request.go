package apigateway

import (
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// A request is what the data plane knows of a caller's request. It knows no
// net/http, so that TestInvokeMethod runs the same way.
type request struct {
	id, extendedID string
	at             time.Time
	verb           string
	path           string // below the stage, as it was sent
	whole          string // with the stage, for $context.path
	host, protocol string
	params         []gateway.Param // of the path, still encoded
	query          []gateway.Param // as sent, in order
	header         []gateway.Param // sorted by name
	body           []byte
	caller         aws.Caller
	sourceIP       string
	userAgent      string
	trace          string      // X-Amzn-Trace-Id
	cert           *clientCert // by mutual TLS
	stranger       error       // why that is not a good one
}

// A reply is what the caller gets.
type reply struct {
	status int
	header []gateway.Param
	body   []byte
}

func (r *reply) set(name, value string) {
	for i := range r.header {
		if strings.EqualFold(r.header[i].Name, name) {
			r.header[i] = gateway.Param{Name: name, Value: value}
			return
		}
	}
	r.header = append(r.header, gateway.Param{Name: name, Value: value})
}

func (r *reply) has(name string) bool {
	_, ok := last(r.header, name)
	return ok
}

// last is the last value of a header.
func last(ps []gateway.Param, name string) (string, bool) {
	for i := len(ps) - 1; i >= 0; i-- {
		if strings.EqualFold(ps[i].Name, name) {
			return ps[i].Value, true
		}
	}
	return "", false
}

// all are the values of a name; of a header without regard to case.
func all(ps []gateway.Param, name string, fold bool) (out []string) {
	for _, p := range ps {
		if p.Name == name || fold && strings.EqualFold(p.Name, name) {
			out = append(out, p.Value)
		}
	}
	return out
}

// single and multi are the two views that functions get of parameters: the last
// value of each, and all.
func single(ps []gateway.Param) map[string]string {
	if len(ps) == 0 {
		return nil
	}
	out := make(map[string]string, len(ps))
	for _, p := range ps {
		out[p.Name] = p.Value
	}
	return out
}

func multi(ps []gateway.Param) map[string][]string {
	if len(ps) == 0 {
		return nil
	}
	out := make(map[string][]string, len(ps))
	for _, p := range ps {
		out[p.Name] = append(out[p.Name], p.Value)
	}
	return out
}

// javaMap is parameters as Java prints a map.
func javaMap(ps []gateway.Param) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, p := range ps {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name + "=" + p.Value)
	}
	b.WriteByte('}')
	return b.String()
}

// requestTime is the time of $context.requestTime.
const requestTime = "02/Jan/2006:15:04:05 -0700"

// requestContext is $context as functions get it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html#context-variable-reference
type requestContext struct {
	ResourceID        string   `json:"resourceId"`
	ResourcePath      string   `json:"resourcePath"`
	HTTPMethod        string   `json:"httpMethod"`
	ExtendedRequestID string   `json:"extendedRequestId"`
	RequestTime       string   `json:"requestTime"`
	Path              string   `json:"path"`
	AccountID         string   `json:"accountId"`
	Protocol          string   `json:"protocol"`
	Stage             string   `json:"stage"`
	DomainPrefix      string   `json:"domainPrefix"`
	RequestTimeEpoch  int64    `json:"requestTimeEpoch"`
	RequestID         string   `json:"requestId"`
	Identity          identity `json:"identity"`
	DomainName        string   `json:"domainName"`
	DeploymentID      string   `json:"deploymentId"`
	APIID             string   `json:"apiId"`
	// Authorizer is what an authorizer passes on: texts, its claims, and how long it took.
	Authorizer map[string]any `json:"authorizer,omitempty"`
}

// identity is $context.identity. Who calls is known of those who signed.
type identity struct {
	CognitoIdentityPoolID         *string     `json:"cognitoIdentityPoolId"`
	AccountID                     *string     `json:"accountId"`
	CognitoIdentityID             *string     `json:"cognitoIdentityId"`
	Caller                        *string     `json:"caller"`
	APIKey                        *string     `json:"apiKey"`
	APIKeyID                      *string     `json:"apiKeyId,omitempty"`
	SourceIP                      string      `json:"sourceIp"`
	PrincipalOrgID                *string     `json:"principalOrgId"`
	AccessKey                     *string     `json:"accessKey"`
	CognitoAuthenticationType     *string     `json:"cognitoAuthenticationType"`
	CognitoAuthenticationProvider *string     `json:"cognitoAuthenticationProvider"`
	UserARN                       *string     `json:"userArn"`
	UserAgent                     string      `json:"userAgent"`
	User                          *string     `json:"user"`
	ClientCert                    *clientCert `json:"clientCert,omitempty"`
}

// clientCert is whom a client's certificate names.
type clientCert struct {
	PEM      string   `json:"clientCertPem"`
	Subject  string   `json:"subjectDN"`
	Issuer   string   `json:"issuerDN"`
	Serial   string   `json:"serialNumber"`
	Validity validity `json:"validity"`
}

type validity struct {
	From string `json:"notBefore"`
	To   string `json:"notAfter"`
}

func (x *exchange) requestContext() requestContext {
	r, m := x.req, x.method
	prefix, _, _ := strings.Cut(r.host, ".")
	c := requestContext{
		ResourceID: m.resourceID, ResourcePath: m.resourcePath, HTTPMethod: r.verb, ExtendedRequestID: r.extendedID,
		RequestTime: r.at.UTC().Format(requestTime), RequestTimeEpoch: r.at.UnixMilli(), Path: r.whole, AccountID: x.program.at.Account,
		Protocol: r.protocol, Stage: x.stageName, DomainPrefix: prefix, DomainName: r.host, RequestID: r.id,
		DeploymentID: x.program.deploymentID, APIID: x.program.apiID,
		Identity: identity{SourceIP: r.sourceIP, UserAgent: r.userAgent, ClientCert: r.cert},
	}
	if m.auth == authIAM && r.caller.Kind != aws.Anonymous {
		i := &c.Identity
		i.AccountID, i.Caller, i.User, i.UserARN = &r.caller.Account, &r.caller.UserID, &r.caller.UserID, &r.caller.ARN
		if r.caller.AccessKeyID != "" {
			i.AccessKey = &r.caller.AccessKeyID
		}
	}
	if who := x.subscriber; who != nil {
		c.Identity.APIKey, c.Identity.APIKeyID = who.key.Value, who.key.Id
	}
	if a := x.authority; a != nil {
		c.Authorizer = a.context
	}
	return c
}

// variables is $context as templates and mappings get it; what is null is left out.
func (c requestContext) variables() map[string]any {
	id := map[string]any{"sourceIp": c.Identity.SourceIP, "userAgent": c.Identity.UserAgent}
	for name, p := range map[string]*string{"accountId": c.Identity.AccountID, "caller": c.Identity.Caller, "user": c.Identity.User,
		"userArn": c.Identity.UserARN, "accessKey": c.Identity.AccessKey, "apiKey": c.Identity.APIKey, "apiKeyId": c.Identity.APIKeyID} {
		if p != nil {
			id[name] = *p
		}
	}
	if cert := c.Identity.ClientCert; cert != nil {
		id["clientCert"] = map[string]any{"clientCertPem": cert.PEM, "subjectDN": cert.Subject, "issuerDN": cert.Issuer, "serialNumber": cert.Serial,
			"validity": map[string]any{"notBefore": cert.Validity.From, "notAfter": cert.Validity.To}}
	}
	out := map[string]any{
		"resourceId": c.ResourceID, "resourcePath": c.ResourcePath, "httpMethod": c.HTTPMethod, "extendedRequestId": c.ExtendedRequestID,
		"requestTime": c.RequestTime, "requestTimeEpoch": c.RequestTimeEpoch, "path": c.Path, "accountId": c.AccountID, "protocol": c.Protocol,
		"stage": c.Stage, "domainPrefix": c.DomainPrefix, "domainName": c.DomainName, "requestId": c.RequestID, "deploymentId": c.DeploymentID,
		"apiId": c.APIID, "identity": id,
	}
	if c.Authorizer != nil {
		out["authorizer"] = c.Authorizer
	}
	return out
}

// contextText is a context variable as text: "identity.sourceIp".
func contextText(vars map[string]any, name string) (string, bool) {
	var v any = vars
	for _, part := range strings.Split(name, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return "", false
		}
		if v, ok = m[part]; !ok {
			return "", false
		}
	}
	switch v := v.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	return "", false
}
