package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// callers is how many connections call an API at once.
const callers = 64

// answering is what the floor's server answers, and MOCK the same.
const answering = `{"hello":"world"}`

// proxied greets as API Gateway wants it.
const proxied = `exports.handler = async () => ({ statusCode: 200, body: '{"hello":"world"}' })`

// A gatewayRow is a measurement in turns with its floor.
type gatewayRow struct {
	what        string
	tule, floor func(time.Duration) (float64, error)
	least       float64
}

// benchGateway calls REST APIs on 64 connections: each kind of integration beside what does as
// much without an API, one with all that may be asked of a caller beside one without, and a small
// API beside a large one.
func benchGateway(ctx context.Context, r *rig) (rows []row, err error) {
	r.stop()
	// An account's limit is not what is measured, and a back end is outside Tule.
	r.more = []string{"--request-rate", "0", "--egress", "nat"}
	defer func() { r.stop(); r.more = nil }()
	if err := r.need(); err != nil {
		return nil, err
	}
	server, stop, err := r.answerer()
	if err != nil {
		return nil, err
	}
	defer stop()
	g := &gatewayBench{ctx: ctx, rig: r, server: server}
	if err := g.prepare(); err != nil {
		return nil, err
	}
	for _, m := range g.rows() {
		for _, warm := range []func(time.Duration) (float64, error){m.tule, m.floor} {
			if _, err := warm(2 * time.Second); err != nil {
				return nil, fmt.Errorf("%s: %w", m.what, err)
			}
		}
		a, b, ratio, err := inTurns(5, time.Second, m.tule, m.floor)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.what, err)
		}
		rows = append(rows, row{m.what, perSecond(a), perSecond(b), fmt.Sprintf("%.2f ×", ratio), fmt.Sprintf("≥ %.2f ×", m.least), ratio >= m.least})
	}
	more, err := g.nginx()
	if err != nil {
		return nil, err
	}
	mapped, err := benchTemplate(ctx)
	return append(append(rows, more...), mapped...), err
}

// answerer runs Go's HTTP server, which answers at once.
func (r *rig) answerer() (address string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	address = freeAddress()
	stop, err = r.peer(address, exec.Command(self, "floor-server", address))
	return address, stop, err
}

// gatewayBench has the APIs that are measured.
type gatewayBench struct {
	ctx            context.Context
	rig            *rig
	server         string // what answers at once
	small, metered string // ids
	large          string
}

// by measures requests of an address; make gives the one that all connections send. Each time
// they are new: servers hang up on those that are silent.
func (g *gatewayBench) by(address string, make func() *http.Request) func(time.Duration) (float64, error) {
	return func(d time.Duration) (float64, error) {
		var all []*loader
		defer func() { closeAll(all) }()
		for range callers {
			l, err := newLoader(address, 1, func(int) *http.Request { return make() })
			if err != nil {
				return 0, err
			}
			all = append(all, l)
		}
		return rate(g.ctx, callers, d, func(w, i int) error { return all[w].send(i) })
	}
}

// get measures a GET of a URL.
func (g *gatewayBench) get(address, path string, header ...string) func(time.Duration) (float64, error) {
	return g.by(address, func() *http.Request {
		q, err := http.NewRequest("GET", "http://"+address+path, nil)
		if err != nil {
			panic(err)
		}
		for i := 0; i < len(header); i += 2 {
			q.Header.Set(header[i], header[i+1])
		}
		return q
	})
}

// called is the path of a method that is deployed.
func called(api, path string) string { return "/_aws/execute-api/" + api + "/prod" + path }

// rows are those that Tule's own parts and Go's are enough for.
func (g *gatewayBench) rows() []gatewayRow {
	tule := g.rig.address
	mock := g.get(tule, called(g.small, "/mock"))
	direct := func() *http.Request {
		return g.rig.request("POST", "/2015-03-31/functions/proxied/invocations", "lambda", "", []byte("{}"))
	}
	return []gatewayRow{
		{"MOCK, 64 connections, floor: Go's server", mock, g.get(g.server, "/"), 0.5},
		{"AWS_PROXY to a warm Node function, floor: its signed invoke", g.get(tule, called(g.small, "/function")), g.by(tule, direct), 0.6},
		{"MOCK with key, plan, throttle, log INFO, floor: without", g.get(tule, called(g.metered, "/mock"), "X-Api-Key", benchKey), mock, 0.7},
		{"MOCK among 10,000 resources, floor: among 10", g.get(tule, called(g.large, "/group50/thing50")), g.get(tule, called(g.small, "/group0/thing0")), 1 / 1.3},
	}
}

// nginx is HTTP_PROXY beside Debian's nginx, where it is installed.
func (g *gatewayBench) nginx() ([]row, error) {
	const what = "HTTP_PROXY, 64 connections, floor: nginx"
	address, stop, err := g.rig.nginx(g.server)
	if os.IsNotExist(err) {
		return []row{{what: what, tule: "not measured: no nginx is installed"}}, nil
	}
	if err != nil {
		return nil, err
	}
	defer stop()
	a, b, ratio, err := inTurns(5, time.Second, g.get(g.rig.address, called(g.small, "/http")), g.get(address, "/"))
	return []row{{what, perSecond(a), perSecond(b), fmt.Sprintf("%.2f ×", ratio), "≥ 0.50 ×", ratio >= 0.5}}, err
}

// benchKey opens the metered API.
const benchKey = "bench-key-0123456789abcdef"

// prepare makes the APIs, and the function.
func (g *gatewayBench) prepare() (err error) {
	r := g.rig
	if err := r.function("proxied", "nodejs20.x", "index.handler", 256, map[string]string{"index.js": proxied}); err != nil {
		return err
	}
	if _, err := r.call(r.request("POST", "/2015-03-31/functions/proxied/policy", "lambda", "",
		[]byte(`{"StatementId":"api","Action":"lambda:InvokeFunction","Principal":"apigateway.amazonaws.com"}`))); err != nil {
		return err
	}
	if g.small, err = r.api(document(g.server, 1, 5, false)); err != nil {
		return err
	}
	if g.large, err = r.api(document(g.server, 98, 101, false)); err != nil {
		return err
	}
	if g.metered, err = r.api(document(g.server, 0, 0, true)); err != nil {
		return err
	}
	return r.meter(g.metered)
}

// document is an API of 4 + groups + groups × things resources: MOCK, HTTP_PROXY, AWS_PROXY, and
// things in groups.
func document(server string, groups, things int, keyed bool) map[string]any {
	type object = map[string]any
	method := func(verb string, integration object) object {
		integration["responses"] = object{"default": object{"statusCode": "200", "responseTemplates": object{"application/json": answering}}}
		m := object{"responses": object{"200": object{"description": ""}}, "x-amazon-apigateway-integration": integration}
		if keyed {
			m["security"] = []object{{"api_key": []string{}}}
		}
		return object{verb: m}
	}
	mock := func() object {
		return method("get", object{"type": "mock", "requestTemplates": object{"application/json": `{"statusCode": 200}`}})
	}
	paths := object{
		"/": mock(), "/mock": mock(),
		"/http": method("get", object{"type": "http_proxy", "httpMethod": "GET", "uri": "http://" + server + "/"}),
		"/function": method("get", object{"type": "aws_proxy", "httpMethod": "POST",
			"uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:proxied/invocations"}),
	}
	for i := range groups {
		for j := range things {
			paths[fmt.Sprintf("/group%d/thing%d", i, j)] = mock()
		}
	}
	return object{"swagger": "2.0", "info": object{"title": "bench", "version": "1"}, "paths": paths,
		"securityDefinitions": object{"api_key": object{"type": "apiKey", "name": "x-api-key", "in": "header"}}}
}

// api imports an API, deploys it on the stage prod, and gives its id.
func (r *rig) api(document map[string]any) (id string, err error) {
	b, err := json.Marshal(document)
	if err != nil {
		return "", err
	}
	if id, err = r.made("/restapis?mode=import", string(b)); err != nil {
		return "", err
	}
	_, err = r.made("/restapis/"+id+"/deployments", `{"stageName":"prod"}`)
	return id, err
}

// made posts to API Gateway, and gives the id of what is made.
func (r *rig) made(path, body string) (string, error) {
	text, err := r.call(r.request("POST", path, "apigateway", "", []byte(body)))
	if err != nil {
		return "", err
	}
	var out struct{ ID string }
	return out.ID, json.Unmarshal([]byte(text), &out)
}

// meter puts an API's stage under a usage plan with a key, limits that nobody comes to, and the
// execution log.
func (r *rig) meter(api string) error {
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"apigateway.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	for _, action := range []string{"CreateRole&RoleName=gateway-logs&AssumeRolePolicyDocument=" + urlEscape(trust),
		"AttachRolePolicy&RoleName=gateway-logs&PolicyArn=" + urlEscape("arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs")} {
		if _, err := r.call(r.request("POST", "/?Action="+action, "iam", "", nil)); err != nil {
			return err
		}
	}
	key, err := r.made("/apikeys", `{"name":"bench","enabled":true,"value":"`+benchKey+`"}`)
	if err != nil {
		return err
	}
	plan, err := r.made("/usageplans", `{"name":"bench","throttle":{"rateLimit":1000000,"burstLimit":1000000},"quota":{"limit":2000000000,"period":"MONTH"},"apiStages":[{"apiId":"`+api+`","stage":"prod"}]}`)
	if err != nil {
		return err
	}
	if _, err := r.made("/usageplans/"+plan+"/keys", `{"keyId":"`+key+`","keyType":"API_KEY"}`); err != nil {
		return err
	}
	for _, change := range [][]string{
		{"/account", "/cloudwatchRoleArn", "arn:aws:iam::000000000000:role/gateway-logs"},
		{"/restapis/" + api + "/stages/prod", "/*/*/throttling/rateLimit", "1000000", "/*/*/throttling/burstLimit", "1000000", "/*/*/logging/loglevel", "INFO"},
	} {
		var ops []string
		for i := 1; i < len(change); i += 2 {
			ops = append(ops, fmt.Sprintf(`{"op":"replace","path":%q,"value":%q}`, change[i], change[i+1]))
		}
		if _, err := r.call(r.request("PATCH", change[0], "apigateway", "", []byte(`{"patchOperations":[`+strings.Join(ops, ",")+`]}`))); err != nil {
			return err
		}
	}
	return nil
}
