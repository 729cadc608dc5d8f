package policy_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tule-cloud/tule/policy"
)

// FuzzParse: no text makes the parser panic; what it accepts is JSON to the
// standard library too, compiles, and says the same when read again.
func FuzzParse(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"a","Effect":"Allow","Action":["s3:*"],"Resource":"*"}]}`)
	f.Add(`{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":["*","123456789012"]},"NotAction":"a:b","NotResource":[]}}`)
	f.Add(`{"Statement":{"Effect":"Allow","Principal":"*","Condition":{"ForAnyValue:StringLikeIfExists":{"a":["${b, 'c'}",1,true]}}}}`)
	f.Add(`{"Statement":{"Effect":"Allow","Sid":"\u00e9\ud83d\ude00\n","Condition":{"DateLessThan":{"a":-1.5e3}}}}`)
	f.Add("{\"Statement\":{\"Effect\":\"Allow\"}}\xff")
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := policy.Parse(text)
		if err != nil {
			if e := err.(*policy.Error); e.Message == "" || !e.TooLarge && e.Line < 1 {
				t.Fatalf("an error without a message or a place: %#v", e)
			}
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("not JSON: %q", text)
		}
		for k := policy.Identity; k <= policy.ResourceControl; k++ {
			_ = doc.Validate(policy.Rules{Kind: k, MaxSize: 6144, IgnoreSpace: true})
		}
		p := policy.Compile(doc)
		p.ContextKeys()
		set := &policy.Set{Identity: []policy.Source{{ID: "p", Policy: p}}, Resource: []policy.Source{{ID: "p", Policy: p}}}
		req := &policy.Request{Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::1:user/u", AccountID: one}, Action: "s3:Get", Resource: "*"}
		_ = policy.Explain(req, set).String()
	})
}

// FuzzEvaluate: both evaluators agree on whatever the bytes make of the generator,
// with a resource, a condition value and a key's value out of the fuzzer's hand.
func FuzzEvaluate(f *testing.F) {
	f.Add(uint64(1), "arn:aws:s3:::b/ana", "a*", "ana")
	f.Add(uint64(2), "arn:aws:s3:::", "${aws:username}?", "*")
	f.Add(uint64(3), "*", "?*?${*}", "x\x80y")
	f.Fuzz(func(t *testing.T, seed uint64, resource, pattern, value string) {
		if len(pattern)+len(resource)+len(value) > 1000 || !utf8.ValidString(pattern) || !utf8.ValidString(resource) || !utf8.ValidString(value) {
			return // JSON would change it; size is FuzzWildcard's matter
		}
		if strings.Contains(pattern, "${") {
			return // what is a variable's form and what is not, variables.txt says
		}
		text, _ := json.Marshal(map[string]any{"Version": policy.Version2012, "Statement": []any{
			map[string]any{"Effect": "Allow", "Action": "*", "Resource": []string{pattern}},
			map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": map[string]any{"StringLike": map[string]any{"k:v": pattern}}},
		}})
		p, err := policy.ParseAndCompile(string(text))
		if err != nil {
			t.Fatal(err)
		}
		g := generator{rand.New(rand.NewPCG(seed, 11))}
		req, set := g.request(), g.set()
		set.Identity = append(set.Identity, policy.Source{ID: "fuzz", Policy: p})
		req.Resource = resource
		req.Context.(*policy.Values).Set("k:v", value)
		want := (&reference{req}).decide(set)
		d := policy.Evaluate(req, set)
		if got := (outcome{d.Allowed, d.Explicit, d.By}); got != want {
			t.Fatalf("got %+v, want %+v\nrequest %+v\n%s", got, want, *req, describe(set))
		}
	})
}

// FuzzWildcard: the matcher agrees with a regular expression.
func FuzzWildcard(f *testing.F) {
	f.Add("a*b?c", "aXXbYc")
	f.Add("*a*a*a*", "aaa")
	f.Add("???", "éèê")
	f.Add("*?", "")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) || strings.Contains(pattern, "$") || len(pattern) > 200 {
			return
		}
		if got, want := matchesResource(t, pattern, text), glob("", pattern).MatchString(text); got != want {
			t.Fatalf("%q on %q: got %v, want %v", pattern, text, got, want)
		}
	})
}

// matchesResource asks the matcher through the front door.
func matchesResource(t *testing.T, pattern, text string) bool {
	doc, _ := json.Marshal(map[string]any{"Version": policy.Version2012,
		"Statement": map[string]any{"Effect": "Allow", "Action": "*", "Resource": pattern}})
	p, err := policy.ParseAndCompile(string(doc))
	if err != nil {
		t.Fatal(err)
	}
	req := &policy.Request{Principal: policy.Principal{Type: policy.User, AccountID: one}, Action: "a:b", Resource: text, ResourceAccount: one}
	return policy.Evaluate(req, &policy.Set{Identity: []policy.Source{{Policy: p}}}).Allowed
}

// TestWildcardBlowUp: patterns that take a backtracking matcher longer than the
// universe lasts are answered at once.
func TestWildcardBlowUp(t *testing.T) {
	text := strings.Repeat("a", 2000)
	for _, pattern := range []string{
		strings.Repeat("a*", 3000) + "b",
		strings.Repeat("*a", 1500) + "*b",
		strings.Repeat("*?", 1500) + "*b",
		"*" + strings.Repeat("a", 1500) + "*" + strings.Repeat("a", 499) + "b",
	} {
		done := make(chan bool, 1)
		go func() { done <- matchesResource(t, pattern, text) }()
		select {
		case matched := <-done:
			if matched {
				t.Errorf("%.20s… matched", pattern)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%.20s… is still at it", pattern)
		}
	}
}

// TestHostileDocuments: texts as long as Parse reads, made to be slow, are read,
// compiled and matched in the time of any other.
func TestHostileDocuments(t *testing.T) {
	wrap := func(resource string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"` + resource + `"}}`
	}
	for name, text := range map[string]string{
		"dollars":       wrap(strings.Repeat("$", 130900)),
		"open braces":   wrap(strings.Repeat("${", 65000)),
		"open defaults": wrap(strings.Repeat("${a,'", 26000)),
		"variables":     wrap(strings.Repeat("${k:v}", 21000)),
		"stars":         wrap(strings.Repeat("a*", 65000)),
		"question":      wrap("*" + strings.Repeat("?", 130000)),
		"statements":    `{"Statement":[` + strings.Repeat(`{"Effect":"Deny"},`, 7000) + `{"Effect":"Deny"}]}`,
		"brackets":      strings.Repeat("[", 131000),
		"one string":    `"` + strings.Repeat(`\u0041`, 21000) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			if len(text) > policy.MaxDocument {
				t.Fatal("longer than is read")
			}
			start := time.Now()
			if p, err := policy.ParseAndCompile(text); err == nil {
				req := &policy.Request{Action: "a:b", Resource: strings.Repeat("a", 2048), Context: policy.ContextFunc(func(string) []string { return []string{"a"} })}
				policy.Evaluate(req, &policy.Set{Identity: []policy.Source{{Policy: p}}})
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
	if _, err := policy.Parse(strings.Repeat(" ", policy.MaxDocument+1)); err == nil || !err.(*policy.Error).TooLarge {
		t.Error("read a text over the limit")
	}
}
