package apigatewayv2

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/accesslog"
	"github.com/tule-cloud/tule/gateway/memo"
	"github.com/tule-cloud/tule/store"
)

// A program is a deployment made ready to run. It does not change.
type program struct {
	at           store.Scope
	api          api.Api
	deploymentID string
	root         node
	byKey        map[string]*route
	selection    expression // of routes, for WebSocket APIs
	keySource    expression // of API keys
	models       map[string]*api.Model
}

// A route is one of a program, with what it leads to.
type route struct {
	raw         api.Route
	key         string
	verb, path  string // of HTTP APIs
	integration *integration
	authorizer  *api.Authorizer
	answers     bool       // a WebSocket route's back end answers its client
	response    expression // which selects what the client gets
}

type integration struct {
	raw       api.Integration
	uri       expression
	timeout   time.Duration
	request   []mapping
	response  map[string][]mapping // by status
	subtype   map[string]expression
	templates socketTemplates // of WebSocket APIs
}

func compileIntegration(in api.Integration, responses []api.IntegrationResponse) *integration {
	out := &integration{raw: in, timeout: time.Duration(aws.Value(in.TimeoutInMillis)) * time.Millisecond, response: map[string][]mapping{}}
	if uri, err := parseExpression(aws.Value(in.IntegrationUri)); err == nil {
		out.uri = uri
	} else {
		out.uri = expression{{text: aws.Value(in.IntegrationUri)}}
	}
	if in.IntegrationSubtype != nil {
		out.subtype = compileSubtype(in.RequestParameters)
	} else {
		out.request = compileMappings(in.RequestParameters, true)
	}
	for status, m := range in.ResponseParameters {
		out.response[status] = compileMappings(m, false)
	}
	out.templates = compileTemplates(&in, responses)
	return out
}

// compile makes a deployment ready to run.
func compile(at store.Scope, deploymentID string, shot *snapshot) *program {
	p := &program{at: at, api: shot.API, deploymentID: deploymentID, byKey: map[string]*route{}, models: map[string]*api.Model{}}
	built := map[string]*integration{}
	for _, i := range shot.Integrations {
		built[*i.IntegrationId] = compileIntegration(i, shot.IntegrationResponses[*i.IntegrationId])
	}
	auths := map[string]*api.Authorizer{}
	for i := range shot.Authorizers {
		auths[*shot.Authorizers[i].AuthorizerId] = &shot.Authorizers[i]
	}
	for i := range shot.Models {
		p.models[*shot.Models[i].Name] = &shot.Models[i]
	}
	for _, raw := range shot.Routes {
		r := &route{raw: raw, key: *raw.RouteKey, authorizer: auths[aws.Value(raw.AuthorizerId)]}
		r.integration = built[strings.TrimPrefix(aws.Value(raw.Target), "integrations/")]
		r.answers = len(shot.RouteResponses[*raw.RouteId]) > 0 || aws.Value(raw.RouteResponseSelectionExpression) != ""
		r.response, _ = parseExpression(aws.Value(raw.RouteResponseSelectionExpression))
		p.byKey[r.key] = r
		if verb, path, ok := strings.Cut(r.key, " "); ok && isHTTP(&p.api) {
			r.verb, r.path = verb, path
			p.root.insert(r)
		}
	}
	p.selection, _ = parseExpression(aws.Value(shot.API.RouteSelectionExpression))
	p.keySource, _ = parseExpression(aws.Value(shot.API.ApiKeySelectionExpression))
	return p
}

// A programCache keeps compiled deployments, which never change, and the stages last
// seen. Until some stage is written a request reads nothing; after that, its stage's
// record: if that is to the byte the one seen, what was made of it still holds.
type programCache struct {
	mu       sync.RWMutex
	fresh    *memo.Memo[stageChoice, *staged]
	stages   map[stageKey]*staged
	sessions map[string]session // assumed roles, by role and region
}

type stageKey struct{ apiID, stage string }

// stageChoice is the first of two stages that there is.
type stageChoice struct{ api, first, second string }

// staged is a stage with the program that it shows.
type staged struct {
	record  string
	owner   store.Scope
	stage   *api.Stage
	program *program          // nil where nothing is deployed
	access  *accesslog.Format // nil where nothing is logged
}

// maxStages is how many stages stay compiled.
const maxStages = 1000

func newProgramCache(st store.Store) programCache {
	ctx := context.Background() // as long as the store
	return programCache{fresh: memo.New[stageChoice, *staged](maxStages, stages.WatchAll(ctx, st), owners.WatchAll(ctx, st)),
		stages: map[stageKey]*staged{}, sessions: map[string]session{}}
}

// load is the first of an API's stages by the names given that there is;
// store.ErrNotFound if there is none.
func (s *Service) load(ctx context.Context, apiID string, names ...string) (st *staged, err error) {
	key := stageChoice{api: apiID, first: names[0]}
	if len(names) > 1 {
		key.second = names[1]
	}
	return s.programs.fresh.Get(key, func() (*staged, error) { return s.reload(ctx, apiID, names...) })
}

// reload reads what load keeps.
func (s *Service) reload(ctx context.Context, apiID string, names ...string) (st *staged, err error) {
	var key stageKey
	var kept bool
	err = s.Store.View(ctx, func(r store.Reader) error {
		owner, err := owners.Get(ctx, r, store.Scope{}, apiID)
		if err != nil {
			return err
		}
		var record []byte
		for _, name := range names {
			key = stageKey{apiID, name}
			if record, err = stages.Get(ctx, r, owner, apiID, name); err != store.ErrNotFound {
				break
			}
		}
		if err != nil {
			return err
		}
		have := s.programs.get(key)
		if kept = have != nil && have.record == string(record) && have.owner == owner; kept {
			st = have
			return nil
		}
		st = &staged{record: string(record), owner: owner, stage: new(api.Stage)}
		if err := json.Unmarshal(record, st.stage); err != nil {
			return err
		}
		if log := st.stage.AccessLogSettings; log != nil {
			st.access, _ = accesslog.Parse(aws.Value(log.Format)) // it was held against when it was set
		}
		return st.link(ctx, r, have, apiID)
	})
	if err == nil && !kept {
		s.programs.put(key, st)
	}
	return st, err
}

// link finds the program of a stage: that of the stage as it was, or a new one.
func (st *staged) link(ctx context.Context, r store.Reader, have *staged, apiID string) error {
	id := aws.Value(st.stage.DeploymentId)
	switch {
	case id == "":
		return nil
	case have != nil && have.program != nil && have.owner == st.owner && have.program.deploymentID == id:
		st.program = have.program
		return nil
	}
	shot, err := snapshots.Get(ctx, r, st.owner, apiID, id)
	if err == nil {
		st.program = compile(st.owner, id, &shot)
	}
	return err
}

func (c *programCache) get(key stageKey) *staged {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.stages[key]
}

func (c *programCache) put(key stageKey, st *staged) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.stages) >= maxStages {
		clear(c.stages)
	}
	c.stages[key] = st
}
