package apigateway

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/accesslog"
	"github.com/tule-cloud/tule/gateway/memo"
	"github.com/tule-cloud/tule/gateway/schema"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/vtl"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// A program is a deployment made ready to run. It does not change.
type program struct {
	at           store.Scope
	apiID        string
	apiName      string
	deploymentID string
	binary       []string // media types
	policy       string   // on the API itself, with its ARNs complete
	denials      string   // that policy with its denials alone
	disabled     bool     // the API answers under other names only
	root         *node
	refusals     map[string]*refusal // the API's own gateway responses, by type
	validators   map[string]api.RequestValidator
	models       schema.Models
	compiled     map[string]bodyModel
	authorizers  map[string]*authorizer
	keySource    string // of API keys: HEADER or AUTHORIZER
}

// A method is one method of a program, with its integration.
type method struct {
	verb, resourceID, resourcePath string
	auth, authorizerID             string
	scopes                         []string
	keyRequired                    bool
	rule                           rule
	integration                    *integration
}

type integration struct {
	kind, verb, uri, credentials string
	passthrough, contentHandling string
	function                     bool // the back end is a Lambda function
	cacheNamespace               string
	cacheKeys                    []source
	timeout                      time.Duration
	templates                    map[string]*template
	parameters                   []mapping
	responses                    []*response // patterns first, then defaults; each by status
	raw                          *api.Integration
}

// A mapping sets the parameter to, in place, from a source.
type mapping struct {
	place, name string // "header", "X-Id"
	from        source
	ok          bool
}

type response struct {
	status          string
	pattern         *regexp.Regexp // nil for a default
	contentHandling string
	templates       map[string]*template
	order           []string // of templates' content types
	headers         []mapping
}

// A template keeps why it did not parse: AWS takes any text, and fails when it is run.
type template struct {
	vtl *vtl.Template
	err error
	// fixed is what it always gives; nil where that depends on the request.
	fixed *gateway.Result
	// status is what a MOCK integration answers to what it always gives; 0 for none.
	status int
	// about says that it may look at $context.
	about bool
}

func compileTemplate(contentType, text string) *template {
	t := &template{}
	if t.vtl, t.err = vtl.Parse(contentType, text); t.err != nil {
		return t
	}
	t.about = t.vtl.Mentions("context")
	if text, ok := t.vtl.Text(); ok {
		t.fixed, t.status = &gateway.Result{Body: slices.Clip([]byte(text))}, mockStatus([]byte(text))
	}
	return t
}

func compileTemplates(in map[string]string) map[string]*template {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]*template, len(in))
	for contentType, text := range in {
		out[strings.ToLower(contentType)] = compileTemplate(contentType, text)
	}
	return out
}

func compileMappings(in map[string]string, prefix, own string) []mapping {
	var out []mapping
	for _, to := range slices.Sorted(maps.Keys(in)) {
		place, name, _ := strings.Cut(strings.TrimPrefix(to, prefix), ".")
		src, ok := parseSource(in[to], own)
		out = append(out, mapping{place: place, name: name, from: src, ok: ok})
	}
	return out
}

func compileIntegration(in *api.Integration) *integration {
	i := &integration{
		kind: aws.Value(in.Type), verb: aws.Value(in.HttpMethod), uri: aws.Value(in.Uri), credentials: aws.Value(in.Credentials),
		passthrough: aws.Value(in.PassthroughBehavior), contentHandling: aws.Value(in.ContentHandling),
		timeout:    time.Duration(aws.Value(in.TimeoutInMillis)) * time.Millisecond,
		templates:  compileTemplates(in.RequestTemplates),
		parameters: compileMappings(in.RequestParameters, "integration.request.", methodRequest), raw: in,
	}
	_, i.function = functionOf(i.uri)
	i.cacheNamespace = aws.Value(in.CacheNamespace)
	for _, key := range slices.Sorted(slices.Values(in.CacheKeyParameters)) {
		if rest, ok := strings.CutPrefix(key, "integration.request."); ok {
			key = methodRequest + rest
		}
		if src, ok := parseSource(key, methodRequest); ok {
			i.cacheKeys = append(i.cacheKeys, src)
		}
	}
	if i.timeout <= 0 {
		i.timeout = maxTimeout * time.Millisecond
	}
	var defaults []*response
	for _, status := range slices.Sorted(maps.Keys(in.IntegrationResponses)) {
		r := in.IntegrationResponses[status]
		c := &response{status: status, contentHandling: aws.Value(r.ContentHandling), templates: compileTemplates(r.ResponseTemplates),
			headers: compileMappings(r.ResponseParameters, "method.response.", integrationResponse)}
		c.order = slices.Sorted(maps.Keys(c.templates))
		if pattern, err := selection(aws.Value(r.SelectionPattern)); pattern != nil && err == nil {
			c.pattern = pattern
			i.responses = append(i.responses, c)
		} else if err == nil {
			defaults = append(defaults, c)
		}
	}
	i.responses = append(i.responses, defaults...)
	return i
}

func (p *program) compileMethod(r resource, verb string, m api.Method) *method {
	out := &method{verb: verb, resourceID: r.ID, resourcePath: r.Path, auth: aws.Value(m.AuthorizationType),
		authorizerID: aws.Value(m.AuthorizerId), scopes: m.AuthorizationScopes, keyRequired: aws.Value(m.ApiKeyRequired)}
	if v, ok := p.validators[aws.Value(m.RequestValidatorId)]; ok {
		out.rule = p.compileRule(&m, v)
	}
	if m.MethodIntegration != nil {
		out.integration = compileIntegration(m.MethodIntegration)
	}
	return out
}

// newProgram is a program without resources.
func newProgram(at store.Scope, a api.RestApi, deploymentID string) *program {
	p := &program{at: at, apiID: *a.Id, apiName: aws.Value(a.Name), deploymentID: deploymentID, binary: a.BinaryMediaTypes, disabled: aws.Value(a.DisableExecuteApiEndpoint),
		keySource: aws.Value(a.ApiKeySource), root: &node{}}
	if p.policy = aws.Value(a.Policy); p.policy != "" {
		// A policy may name resources from the stage on.
		p.policy = strings.ReplaceAll(p.policy, `"execute-api:/`, `"arn:aws:execute-api:`+at.Region+`:`+at.Account+`:`+p.apiID+`/`)
		p.denials = onlyDenials(p.policy)
	}
	return p
}

func (p *program) add(r resource) {
	n := p.root.at(r.Path)
	n.id, n.path = r.ID, r.Path
	if len(r.Methods) == 0 {
		return
	}
	n.methods = make(map[string]*method, len(r.Methods))
	for verb, m := range r.Methods {
		n.methods[verb] = p.compileMethod(r, verb, m)
	}
}

// compile reads and compiles a deployment.
func (s *Service) compile(ctx context.Context, at store.Scope, apiID, deploymentID string) (*program, error) {
	return view(ctx, s, func(r store.Reader) (*program, error) {
		d, err := deployments.Get(ctx, r, at, apiID, deploymentID)
		if err != nil {
			return nil, err
		}
		p := newProgram(at, d.API, deploymentID)
		p.refusals = compileResponses(d.Responses)
		p.authorizers = compileAuthorizers(d.Authorizers)
		p.validators, p.models = d.Validators, texts(d.Models)
		for e, err := range snapshots.List(ctx, r, at, store.ListOptions{Prefix: []any{apiID, deploymentID}}) {
			if err != nil {
				return nil, err
			}
			p.add(e.Record)
		}
		return p, nil
	})
}

// A programCache keeps compiled deployments, which never change, and the stages
// last seen. Until some stage is written a request reads nothing; after that, its
// stage's record: if that is to the byte the one seen, what was made of it still holds.
type programCache struct {
	mu       sync.RWMutex
	fresh    *memo.Memo[stageKey, *staged]
	stages   map[stageKey]*staged
	sessions map[string]session // assumed roles, by role and region
}

type stageKey struct{ apiID, stage string }

// staged is a stage with the program that it shows.
type staged struct {
	record  string
	owner   store.Scope
	stage   *api.Stage
	program *program
	canary  *program // nil without one
	// variables are the stage's, and those of its canary.
	variables, canaryVariables map[string]string
	access                     *accesslog.Format // nil where nothing is logged
	settings                   settings
	dims                       [][]string // of what is measured
}

// served is the program for a deployment, if it is one of the stage's.
func (st *staged) served(deploymentID string) *program {
	if st == nil {
		return nil
	}
	for _, p := range []*program{st.program, st.canary} {
		if p != nil && p.deploymentID == deploymentID {
			return p
		}
	}
	return nil
}

// maxStages is how many stages stay compiled.
const maxStages = 1000

func newProgramCache(st store.Store) programCache {
	ctx := context.Background() // as long as the store
	return programCache{fresh: memo.New[stageKey, *staged](maxStages, stages.WatchAll(ctx, st), owners.WatchAll(ctx, st)),
		stages: map[stageKey]*staged{}, sessions: map[string]session{}}
}

// show gives a stage its programs, from the one seen before it where they are the same,
// and what else is made ready of it.
func (s *Service) show(ctx context.Context, fresh, have *staged, apiID string) (err error) {
	deployed := func(id string) (*program, error) {
		if p := have.served(id); p != nil {
			return p, nil
		}
		return s.compile(ctx, fresh.owner, apiID, id)
	}
	if fresh.program, err = deployed(aws.Value(fresh.stage.DeploymentId)); err != nil {
		return err
	}
	fresh.dims = dimensionsOf(fresh.program.apiName, aws.Value(fresh.stage.StageName))
	if c := fresh.stage.CanarySettings; c != nil {
		if fresh.canary, err = deployed(aws.Value(c.DeploymentId)); err != nil {
			return err
		}
		fresh.canaryVariables = map[string]string{}
		maps.Copy(fresh.canaryVariables, fresh.variables)
		maps.Copy(fresh.canaryVariables, c.StageVariableOverrides)
	}
	if log := fresh.stage.AccessLogSettings; log != nil && log.Format != nil && log.DestinationArn != nil {
		fresh.access, _ = accesslog.Parse(*log.Format) // it was held against when it was set
	}
	return nil
}

// load is the stage of an API; store.ErrNotFound if there is none.
func (s *Service) load(ctx context.Context, apiID, stageName string) (*staged, error) {
	return s.programs.fresh.Get(stageKey{apiID, stageName}, func() (*staged, error) { return s.reload(ctx, apiID, stageName) })
}

// reload reads what load keeps.
func (s *Service) reload(ctx context.Context, apiID, stageName string) (*staged, error) {
	var owner store.Scope
	var record []byte
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		if owner, err = owners.Get(ctx, r, store.Scope{}, apiID); err == nil {
			record, err = stages.Get(ctx, r, owner, apiID, stageName)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	key := stageKey{apiID, stageName}
	s.programs.mu.RLock()
	have := s.programs.stages[key]
	s.programs.mu.RUnlock()
	if have != nil && have.record == string(record) && have.owner == owner {
		return have, nil
	}
	st := new(api.Stage)
	if err := json.Unmarshal(record, st); err != nil {
		return nil, err
	}
	if have != nil && have.owner != owner {
		have = nil
	}
	fresh := &staged{record: string(record), owner: owner, stage: st, variables: st.Variables, settings: newSettings(st)}
	if err := s.show(ctx, fresh, have, apiID); err != nil {
		return nil, err
	}
	s.programs.mu.Lock()
	if len(s.programs.stages) >= maxStages {
		clear(s.programs.stages)
	}
	s.programs.stages[key] = fresh
	s.programs.mu.Unlock()
	return fresh, nil
}
