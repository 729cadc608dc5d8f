package policy_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/policy"
)

// TestReference holds the compiled evaluator against the plain one on random
// policies and requests. Small alphabets make most parts of a statement match
// about half the time, so that the whole flow chart is walked.
func TestReference(t *testing.T) {
	rounds := 10000
	if testing.Short() {
		rounds = 2000
	}
	seen := map[outcome]int{}
	for seed := range rounds {
		g := generator{rand.New(rand.NewPCG(uint64(seed), 7))}
		req, set := g.request(), g.set()
		want := (&reference{req}).decide(set)
		d := policy.Evaluate(req, set)
		got := outcome{d.Allowed, d.Explicit, d.By}
		if got != want {
			t.Fatalf("seed %d: got %+v, want %+v\nrequest %+v\n%s", seed, got, want, *req, describe(set))
		}
		if x := policy.Explain(req, set); x.Decision != d {
			t.Fatalf("seed %d: Explain decided %v, Evaluate %v", seed, x.Decision, d)
		}
		seen[got]++
	}
	// The generator must reach every outcome there is, or it proves little.
	for _, k := range []policy.Kind{policy.Identity, policy.Resource, policy.Trust, policy.Boundary, policy.Session, policy.ServiceControl, policy.ResourceControl} {
		for _, o := range []outcome{{explicit: true, by: k}, {by: k}} {
			if seen[o] == 0 {
				t.Errorf("never saw %+v", o)
			}
		}
	}
	for _, o := range []outcome{{allowed: true}, {allowed: true, by: policy.Identity}, {allowed: true, by: policy.Resource}, {allowed: true, by: policy.Trust}} {
		if seen[o] == 0 {
			t.Errorf("never saw %+v", o)
		}
	}
}

func describe(set *policy.Set) string {
	var b strings.Builder
	show := func(name string, list []policy.Source) {
		for _, s := range list {
			fmt.Fprintf(&b, "%s: %s\n", name, s.Policy.Document().Text())
		}
	}
	show("identity", set.Identity)
	show("resource", set.Resource)
	show("boundary", set.Boundary)
	show("session", set.Session)
	for _, l := range set.SCPs {
		show("scp", l)
	}
	for _, l := range set.RCPs {
		show("rcp", l)
	}
	fmt.Fprintf(&b, "rule %d\n", set.Rule)
	return b.String()
}

type generator struct{ *rand.Rand }

func (g generator) one(list ...string) string { return list[g.IntN(len(list))] }

func (g generator) some(list ...string) []string {
	out := []string{}
	for range 1 + g.IntN(2) {
		out = append(out, g.one(list...))
	}
	return out
}

func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

const one, nine = "111111111111", "999999999999"

func (g generator) request() *policy.Request {
	ctx := &policy.Values{}
	req := &policy.Request{
		Action:   g.one("s3:Get", "S3:Put", "sts:AssumeRole"),
		Resource: g.one("*", "arn:aws:s3:::b/ana", "arn:aws:s3:::b/x", "arn:aws:sqs:r:"+one+":q", "arn:aws:sqs:r:"+nine+":q", "arn:aws:iam::aws:policy/P", "x"),
		Context:  ctx,
	}
	if g.chance(70) {
		req.ResourceAccount = g.one(one, one, nine)
	}
	err := shortCaller(g.one("anonymous", "root@1", "user/ana@1", "user/ana@1", "user/bob@9", "role/R@1", "role/R@1", "role/Q@1",
		"fed/bob@1", "fedroot/bob@1", "service/sns.amazonaws.com", "web/idp"), &req.Principal)
	if err != nil {
		panic(err)
	}
	if g.chance(30) {
		req.Principal.Tags = []policy.Tag{{Key: "Team", Value: g.one("ana", "x", "*")}}
	}
	if g.chance(20) {
		req.Principal.CanonicalUserID = "c0ffee"
	}
	for _, key := range []string{"k:s", "k:n", "k:d", "k:i", "k:a", "k:b", "k:t"} {
		if g.chance(60) {
			ctx.Set(key, g.some(contextValues[key]...)...)
		}
	}
	return req
}

var contextValues = map[string][]string{
	"k:s": {"ana", "Ana", "x", "", "*", "b/ana"},
	"k:n": {"1", "2", "2.5", "-3", "x"},
	"k:d": {"2026-01-01T00:00:00Z", "2026-06-01T00:00:00+02:00", "soon"},
	"k:i": {"10.0.0.1", "10.1.0.1", "2001:db8::1", "::ffff:10.0.0.1", "here"},
	"k:a": {"arn:aws:sns:r:" + one + ":t", "arn:aws:sns:r:" + nine + ":t:u", "arn:aws:s3:::ana", "ana"},
	"k:b": {"true", "FALSE", "yes"},
	"k:t": {"YQ==", "Yg==", "%"},
}

func (g generator) set() *policy.Set {
	set := &policy.Set{Rule: policy.ResourceRule(g.IntN(3)), Identity: g.sources(false, 50), Resource: g.sources(true, 60)}
	if g.chance(40) {
		set.Boundary = g.sources(false, 80)
	}
	if g.chance(40) {
		set.Session = g.sources(false, 80)
	}
	for range g.IntN(3) {
		set.SCPs = append(set.SCPs, g.sources(false, 90))
	}
	for range g.IntN(2) {
		set.RCPs = append(set.RCPs, g.sources(true, 90))
	}
	if set.SCPs == nil && g.chance(5) {
		set.SCPs = [][]policy.Source{}
	}
	return set
}

// sources is a list of up to two policies; open is the chance that one of them
// lets nearly everything through, for the layers behind to be reached.
func (g generator) sources(onResource bool, open int) []policy.Source {
	list := []policy.Source{}
	for i := range g.IntN(3) {
		doc := map[string]any{"Version": g.one(policy.Version2008, policy.Version2012, policy.Version2012)}
		statements := []any{}
		for range 1 + g.IntN(2) {
			statements = append(statements, g.statement(onResource))
		}
		if i == 0 && g.chance(open) {
			all := map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}
			if onResource {
				all["Principal"] = g.one("*", "*", one, nine)
				if all["Principal"] != "*" {
					all["Principal"] = map[string]any{"AWS": all["Principal"]}
				}
			}
			statements = append(statements, all)
		}
		doc["Statement"] = statements
		text, _ := json.Marshal(doc)
		p, err := policy.ParseAndCompile(string(text))
		if err != nil {
			panic(err)
		}
		list = append(list, policy.Source{ID: fmt.Sprint(i), Policy: p})
	}
	return list
}

func (g generator) statement(onResource bool) map[string]any {
	s := map[string]any{"Effect": "Allow"}
	if g.chance(15) {
		s["Effect"] = "Deny"
	}
	not := func(name string) string {
		if g.chance(15) {
			return "Not" + name
		}
		return name
	}
	if !g.chance(3) {
		s[not("Action")] = g.some("s3:*", "s3:get", "*", "s3:?et", "sts:Assume*", "iam:*")
	}
	if !g.chance(5) {
		s[not("Resource")] = g.some("*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/${aws:username}", "arn:*:q", "arn:aws:s3:::?/${k:s, 'x'}", "arn:aws:s3:::b/${aws:PrincipalTag/team}*")
	}
	if onResource && !g.chance(5) || g.chance(2) {
		s[not("Principal")] = g.principals()
	}
	if g.chance(50) {
		s["Condition"] = g.conditions()
	}
	return s
}

func (g generator) principals() any {
	if g.chance(15) {
		return "*"
	}
	m := map[string][]string{}
	for range 1 + g.IntN(3) {
		e := g.one("AWS "+one, "AWS arn:aws:iam::"+one+":root", "AWS arn:aws:iam::"+one+":user/ana", "AWS arn:aws:iam::"+nine+":user/bob",
			"AWS arn:aws:iam::"+one+":role/R", "AWS arn:aws:sts::"+one+":assumed-role/R/s", "AWS AROAR", "AWS AIDAANA", "AWS "+nine,
			"AWS arn:aws:sts::"+one+":federated-user/bob", "Service sns.amazonaws.com", "Federated idp", "CanonicalUser c0ffee", "AWS *")
		kind, value, _ := strings.Cut(e, " ")
		m[kind] = append(m[kind], value)
	}
	return m
}

func (g generator) conditions() any {
	out := map[string]map[string][]string{}
	for range 1 + g.IntN(2) {
		var op, key string
		var values []string
		switch g.IntN(8) {
		case 0, 1:
			op, key = g.one("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"), "k:s"
			values = g.some("ana", "a*", "${aws:username}", "?/${k:s}", "*", "${*}", "${k:none, 'x'}", "x")
		case 2:
			op, key = "Numeric"+g.one("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"), "k:n"
			values = g.some("1", "2", "2.50", "ten")
		case 3:
			op, key = "Date"+g.one("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"), "k:d"
			values = g.some("2026-01-01T00:00:00Z", "2026-05-31T22:00:00Z")
		case 4:
			op, key = g.one("IpAddress", "NotIpAddress"), "k:i"
			values = g.some("10.0.0.0/16", "10.1.0.1", "2001:db8::/32", "10.0.0.0/99")
		case 5:
			op, key = g.one("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"), "k:a"
			values = g.some("arn:aws:sns:*:"+one+":t", "arn:*:sns:r:*:t*", "arn:aws:s3:::${aws:username}", "arn:aws:sns:*:"+nine+":*")
		case 6:
			op, key = g.one("Bool", "Null"), g.one("k:b", "k:s")
			values = g.some("true", "false")
		case 7:
			op, key = "BinaryEquals", "k:t"
			values = g.some("YQ==", "Yg==", "%%")
		}
		if op != "Null" {
			op = g.one("", "", "ForAllValues:", "ForAnyValue:") + op + g.one("", "", "IfExists")
		}
		if out[op] == nil {
			out[op] = map[string][]string{}
		}
		out[op][key] = values
	}
	return out
}
