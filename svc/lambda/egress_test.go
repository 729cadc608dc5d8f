package lambda

import (
	"context"
	"slices"
	"sync"
	"testing"

	api "github.com/tule-cloud/tule/api/lambda"
)

// A tag takes away from what the operator allows, and adds nothing to it.
func TestEgressOf(t *testing.T) {
	for _, c := range []struct {
		operator       Egress
		tag            string
		want           Egress
		inside, direct bool
	}{
		{EgressNone, "", EgressNone, false, false},
		{EgressNone, "nat", EgressNone, false, false},
		{EgressNone, "proxy", EgressNone, false, false},
		{EgressProxy, "", EgressProxy, true, false},
		{EgressProxy, "nat", EgressProxy, true, false},
		{EgressProxy, "none", EgressNone, false, false},
		{EgressNAT, "", EgressNAT, false, true},
		{EgressNAT, "nat", EgressNAT, false, true},
		{EgressNAT, "proxy", EgressProxy, true, false},
		{EgressNAT, "none", EgressNone, false, false},
	} {
		s := &Service{Options: Options{Egress: c.operator, Proxy: "http://127.0.0.1:3128"}}
		f := &function{}
		if c.tag != "" {
			f.Tags = map[string]string{egressTag: c.tag}
		}
		e := &environment{s: s, egress: s.egressOf(f)}
		if e.egress != c.want || (e.proxied()["HTTPS_PROXY"] == s.Proxy) != c.inside || (e.egress.sandboxed() != 0) != c.direct {
			t.Errorf("--egress=%v, tagged %q: %v, %v, %v", c.operator, c.tag, e.egress, e.proxied(), e.egress.sandboxed())
		}
	}
}

// A function whose tag changes gets another environment, of the other kind, from the next invoke on;
// one whose other tags do keeps its own. What waits is of the function's kind, too.
func TestEgressTag(t *testing.T) {
	var mu sync.Mutex
	attached := map[Egress]bool{}
	st := newStand(t, func(o *Options) {
		o.Egress, o.Proxy = EgressProxy, "http://127.0.0.1:3128"
		o.Attach = func(_ context.Context, _ string, out Egress, _ Network) (func(), error) {
			mu.Lock()
			defer mu.Unlock()
			attached[out] = true
			return func() {}, nil
		}
	})
	st.create("f", "nodejs20.x", `let n = 0; exports.handler = async () => [process.env.HTTPS_PROXY || "", ++n];`,
		func(in *api.CreateFunctionRequest) { in.Tags = map[string]string{egressTag: "none"} })
	arn := ref{st.scope(), "f"}.arn("")
	tag := func(name, value string) func() error {
		return func() error {
			_, err := st.tagResource(st.ctx(), &api.TagResourceRequest{Resource: &arn, Tags: map[string]string{name: value}})
			return err
		}
	}
	for i, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return nil }, `["",1]`},
		{tag("stage", "test"), `["",2]`},
		{tag(egressTag, "proxy"), `["http://127.0.0.1:3128",1]`},
		{tag(egressTag, "nat"), `["http://127.0.0.1:3128",2]`}, // the operator's in both cases
		{tag(egressTag, "none"), `["",1]`},
		{func() error {
			_, err := st.untagResource(st.ctx(), &api.UntagResourceRequest{Resource: &arn, TagKeys: []string{egressTag}})
			return err
		}, `["http://127.0.0.1:3128",1]`},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if answer, _ := st.call("f", "{}"); answer != step.want {
			t.Errorf("step %d: %s, want %s", i, answer, step.want)
		}
	}
	if got := st.settled(); st.Host.Features().Furnish && got != "nodejs20.x/128/false/none nodejs20.x/128/false/proxy" {
		t.Errorf("kept ready: %s", got)
	}
	st.stop()
	if !attached[EgressNone] || !attached[EgressProxy] || attached[EgressNAT] {
		t.Error(attached)
	}
}

// An environment that is being started for a function while its tag changes serves that invoke, and
// no further one.
func TestEgressRace(t *testing.T) {
	st := newStand(t, func(o *Options) { o.Egress = EgressNAT })
	at := ref{st.scope(), "f"}
	f := &function{Name: "f"}
	before := &target{at: at, function: f, version: &f.Latest}
	old := st.newEnvironment(before)
	c := &crew{all: map[*environment]struct{}{old: {}}, idle: []*environment{old}}
	old.until = st.Clock.Now().AddDate(1, 0, 0)
	st.fleet.functions[at], st.fleet.count = c, 1
	after := &target{at: at, function: &function{Name: "f", Tags: map[string]string{egressTag: "none"}}, version: &f.Latest}
	st.fleet.mu.Lock()
	defer st.fleet.mu.Unlock()
	if st.fleet.reuse(c, after) != nil || slices.Contains(c.idle, old) || st.fleet.count != 0 {
		t.Error("an environment that reaches more is used for a function that may not")
	}
}
