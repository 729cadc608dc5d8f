package front

import (
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/wire"
	"github.com/tule-cloud/tule/wire/sigv4"
)

// directory finds services by what requests call them.
type directory struct {
	services []*Service
	signing  map[string][]*Service // several services may sign alike
	target   map[string]*Service
	host     map[string]*Service
	routers  map[*Service]*wire.Router
	named    map[*Service]map[string]*aws.Operation
	routes   map[*aws.Operation]aws.Route
}

func newDirectory() directory {
	return directory{signing: map[string][]*Service{}, target: map[string]*Service{}, host: map[string]*Service{},
		routers: map[*Service]*wire.Router{}, named: map[*Service]map[string]*aws.Operation{}, routes: map[*aws.Operation]aws.Route{}}
}

// Add opens the door to a service and its data planes.
func (f *Front) Add(s Service, planes ...aws.Plane) {
	d, m := &f.directory, s.Model
	d.services = append(d.services, &s)
	d.signing[m.SigningName] = append(d.signing[m.SigningName], &s)
	d.host[m.EndpointPrefix] = &s
	for _, name := range m.Hosts {
		d.host[name] = &s
	}
	if m.TargetPrefix != "" {
		d.target[m.TargetPrefix] = &s
	}
	if m.Speaks(aws.RestJSON) || m.Speaks(aws.RestXML) {
		d.routers[&s] = wire.NewRouter(s.Operations)
	}
	d.named[&s] = map[string]*aws.Operation{}
	for _, op := range s.Operations {
		d.named[&s][op.Name] = op
	}
	for _, r := range s.Routes {
		d.routes[r.Op] = r
	}
	f.planes = append(f.planes, planes...)
}

// recognise finds the service and the protocol: by the name that signed, else the
// X-Amz-Target, else the host, else the path, else the operation.
func (f *Front) recognise(c *call) error {
	sig, err := sigv4.Parse(c.r)
	c.sig = sig
	target, _ := cutTarget(c.r.Header.Get("X-Amz-Target"))
	if s := f.target[target]; s != nil {
		c.service = s
	}
	if c.service == nil && sig != nil {
		c.service = f.bySigner(c, sig.Service)
	}
	if c.service == nil {
		c.service = f.byHost(c.r.Host)
	}
	if c.service == nil && err == nil && sig == nil {
		c.service = f.byAction(c)
	}
	if c.service == nil && (sig == nil || len(f.signing[sig.Service]) > 0) { // else it is for a service that is not here
		c.service = f.byPath(c)
	}
	if c.service != nil {
		c.protocol, c.req.Service = protocolOf(c), c.service.Model.SigningName
	}
	if err != nil {
		return err
	}
	if c.service == nil {
		return f.unrecognised(c)
	}
	return nil
}

func (f *Front) bySigner(c *call, name string) *Service {
	switch list := f.signing[name]; len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	default:
		if s := f.byHost(c.r.Host); s != nil && slices.Contains(list, s) && !slices.ContainsFunc(list, func(o *Service) bool {
			return o != s && o.Model.EndpointPrefix == s.Model.EndpointPrefix // whose host it is as much
		}) {
			return s
		}
		for _, s := range list {
			if router := f.routers[s]; router != nil {
				if _, _, ok := router.Match(c.r.Method, c.r.URL.EscapedPath(), c.values(), c.r.Header); ok {
					return s
				}
			}
		}
		return list[0]
	}
}

// byHost reads dynamodb.eu-west-1.amazonaws.com, streams.dynamodb.…,
// lambda.localhost.localstack.cloud:4566.
func (f *Front) byHost(host string) *Service {
	host = bareHost(host)
	if region, rest, ok := strings.Cut(host, "."); ok && aws.KnownRegion(region) {
		host = rest // us-west-2.queue.amazonaws.com
	}
	within := f.within(host)
	if within != nil && strings.Contains(host, "."+within.Model.EndpointPrefix) {
		return within // lambda.s3.amazonaws.com is a bucket, and no function
	}
	for name := host; ; {
		if s := f.host[name]; s != nil {
			return s
		}
		i := strings.LastIndexByte(name, '.')
		if i < 0 {
			break
		}
		name = name[:i]
	}
	return within
}

// within is the service that has a folder for a host.
func (f *Front) within(host string) *Service {
	for _, s := range f.services {
		if s.Within != nil {
			if _, ok := s.Within(host); ok {
				return s
			}
		}
	}
	return nil
}

// folder is where the host's paths lie among those of its service's operations.
func (c *call) folder() string {
	if c.service == nil || c.service.Within == nil {
		return ""
	}
	folder, ok := c.service.Within(bareHost(c.r.Host))
	if !ok {
		return ""
	}
	return folder
}

// bareHost is a host without its port, in lower case.
func bareHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(host)
}

// byPath tries the REST services' paths, for callers that say nothing else.
func (f *Front) byPath(c *call) *Service {
	for _, s := range f.services {
		if router := f.routers[s]; router != nil && c.r.URL.Path != "/" {
			if _, _, ok := router.Match(c.r.Method, c.r.URL.EscapedPath(), c.values(), c.r.Header); ok {
				return s
			}
		}
	}
	return nil
}

// byAction tries the operation that a query names, where it is one that needs no
// signature: AWS's clients sign none, and send it to whatever address they are given.
// Below the root an address is a resource's, "/account/queue".
func (f *Front) byAction(c *call) *Service {
	content, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	form := content == "application/x-www-form-urlencoded"
	if !form && (c.r.Method != http.MethodGet || !c.values().Has("Action")) || form && f.readBody(c) != nil {
		return nil
	}
	name, root := action(c), c.r.URL.Path == "/"
	for _, s := range f.services {
		op := f.named[s][name]
		if op == nil || !s.Model.Speaks(aws.Query) || !op.Anonymous && !s.Model.Unsigned {
			continue
		}
		if root || s.Model.URLMember != "" && strings.Count(c.r.URL.Path, "/") >= 2 {
			return s
		}
	}
	return nil
}

func (f *Front) unrecognised(c *call) error {
	if c.sig != nil {
		return aws.Errorf(http.StatusNotImplemented, "NotImplemented", "The service '%.64s' is not available in this version of Tule.", c.sig.Service)
	}
	if t := c.r.Header.Get("X-Amz-Target"); t != "" {
		return aws.Errorf(http.StatusNotImplemented, "NotImplemented", "The operation '%.128s' belongs to no service of this version of Tule.", t)
	}
	return aws.Errorf(http.StatusNotFound, "UnknownOperationException",
		"This request names no service: it is not signed, and neither its host '%.128s' nor its path leads to one.", c.r.Host)
}

// cutTarget takes an X-Amz-Target apart, at its last dot: a service's prefix may have
// dots of its own (CloudTrail's).
func cutTarget(target string) (service, operation string) {
	i := strings.LastIndexByte(target, '.')
	if i < 0 {
		return target, ""
	}
	return target[:i], target[i+1:]
}

// protocolOf reads the caller's protocol off the request.
func protocolOf(c *call) aws.Protocol {
	m, h := c.service.Model, c.r.Header
	content, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	switch {
	case h.Get("Smithy-Protocol") == "rpc-v2-cbor" && m.Speaks(aws.CBOR):
		return aws.CBOR
	case content == "application/x-amz-cbor-1.1" && m.Speaks(aws.AmzCBOR):
		return aws.AmzCBOR
	case h.Get("X-Amz-Target") != "" && m.Speaks(aws.JSON):
		return aws.JSON
	}
	for _, p := range []aws.Protocol{aws.Query, aws.EC2, aws.RestJSON, aws.RestXML} {
		if m.Speaks(p) {
			return p
		}
	}
	return m.Protocols[0]
}

// match finds the operation, and who answers it.
func (f *Front) match(c *call) error {
	name := ""
	switch c.protocol {
	case aws.JSON, aws.AmzCBOR:
		_, name = cutTarget(c.r.Header.Get("X-Amz-Target"))
	case aws.CBOR:
		_, name, _ = strings.Cut(c.r.URL.Path, "/operation/")
	case aws.Query, aws.EC2:
		if err := f.readBody(c); err != nil {
			return err
		}
		name = action(c)
	default:
		op, params, ok := f.routers[c.service].Match(c.r.Method, c.folder()+c.r.URL.EscapedPath(), c.values(), c.r.Header)
		if !ok {
			return unknownPath(c)
		}
		c.op, c.params = op, params
	}
	if c.op == nil {
		if c.op = f.named[c.service][name]; c.op == nil {
			return unknownOperation(c, name)
		}
	}
	route, ok := f.routes[c.op]
	if !ok {
		return aws.Unanswered(c.op)
	}
	c.route = route
	return nil
}

// action is the operation that a query request names, in its body or its URL.
func action(c *call) string {
	body := c.body
	if strings.EqualFold(c.r.Header.Get("Content-Encoding"), "gzip") {
		if plain, err := wire.Gunzip(body); err == nil {
			body = plain
		}
	}
	for pair := range strings.SplitSeq(string(body), "&") {
		if v, ok := strings.CutPrefix(pair, "Action="); ok {
			return v
		}
	}
	return c.values().Get("Action")
}

func unknownOperation(c *call, name string) *aws.Error {
	switch c.protocol {
	case aws.Query, aws.EC2:
		if name == "" {
			return aws.Errorf(http.StatusBadRequest, "MissingAction", "The request must contain the parameter Action.")
		}
		return aws.Errorf(http.StatusBadRequest, "InvalidAction", "Could not find operation %.128s for version %s", name, c.service.Model.APIVersion)
	}
	return aws.Errorf(http.StatusBadRequest, "UnknownOperationException", "The operation '%.128s' is not known to %s.", name, c.service.Model.ID)
}

func unknownPath(c *call) *aws.Error {
	return aws.Errorf(http.StatusNotFound, "UnknownOperationException", "%s has no operation for %s %.256s.",
		c.service.Model.ID, c.r.Method, c.r.URL.EscapedPath())
}
