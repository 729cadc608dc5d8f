package authorize_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/authorize"
	"github.com/tule-cloud/tule/policy"
)

const arn = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/prod/GET/pets/1"

func answer(statements string) string {
	return `{"principalId": "ann", "policyDocument": {"Version": "2012-10-17", "Statement": [` + statements + `]}}`
}

func statement(effect, resource string) string {
	return `{"Effect": "` + effect + `", "Action": "execute-api:Invoke", "Resource": "` + resource + `"}`
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       authorize.Verdict
	}{
		{"the method itself", answer(statement("Allow", arn)), authorize.Allowed},
		{"everything below a stage", answer(statement("Allow", "arn:aws:execute-api:*:*:a1b2c3/prod/*")), authorize.Allowed},
		{"another stage", answer(statement("Allow", "arn:aws:execute-api:*:*:a1b2c3/test/*")), authorize.Silent},
		{"another verb", answer(statement("Allow", "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/prod/POST/*")), authorize.Silent},
		{"a denial", answer(statement("Deny", "*")), authorize.Denied},
		{"a denial beside", answer(statement("Allow", "*") + "," + statement("Deny", "arn:aws:execute-api:*:*:*/*/GET/pets/*")), authorize.Denied},
		{"a denial of another", answer(statement("Allow", "*") + "," + statement("Deny", "arn:aws:execute-api:*:*:*/*/GET/cats/*")), authorize.Allowed},
		{"no statements that speak of it", answer(`{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}`), authorize.Silent},
		{"a condition that holds", answer(`{"Effect": "Allow", "Action": "execute-api:*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}`), authorize.Allowed},
		{"a condition that does not", answer(`{"Effect": "Allow", "Action": "execute-api:*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}}`), authorize.Silent},
	} {
		a, err := authorize.Parse([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := a.Judge(arn, policy.ContextFunc(func(key string) []string {
			if key == "aws:sourceip" {
				return []string{"192.0.2.7"}
			}
			return nil
		}))
		if got != c.want || a.Principal != "ann" {
			t.Errorf("%s: %d for %q, want %d", c.name, got, a.Principal, c.want)
		}
	}
}

const allowAll = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`

func TestParse(t *testing.T) {
	a, err := authorize.Parse([]byte(`{"principalId": 7, "policyDocument": ` + allowAll + `,
		"context": {"text": "a", "number": 1.50, "yes": true, "nothing": null}, "usageIdentifierKey": "key-of-ann", "more": [1]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range []string{"text", "number", "yes"} {
		got = append(got, authorize.Text(a.Context[name]))
	}
	if s := strings.Join(got, " "); s != "a 1.50 true" || len(a.Context) != 3 || a.UsageKey != "key-of-ann" || a.Principal != "7" {
		t.Errorf("%s, %v", s, a)
	}
	for name, body := range map[string]string{
		"nothing":            ``,
		"no object":          `"allow"`,
		"null":               `null`,
		"no principal":       `{"policyDocument": ` + allowAll + `}`,
		"a list for one":     `{"principalId": ["a"], "policyDocument": ` + allowAll + `}`,
		"no policy":          `{"principalId": "a"}`,
		"a policy as text":   `{"principalId": "a", "policyDocument": "{}"}`,
		"an unknown effect":  answer(`{"Effect": "Maybe", "Action": "*", "Resource": "*"}`),
		"a list in context":  `{"principalId": "a", "policyDocument": ` + allowAll + `, "context": {"a": []}}`,
		"an object there":    `{"principalId": "a", "policyDocument": ` + allowAll + `, "context": {"a": {}}}`,
		"a context of texts": `{"principalId": "a", "policyDocument": ` + allowAll + `, "context": "a"}`,
		"more than one":      answer(statement("Allow", "*")) + `{}`,
		"deep":               `{"context": ` + strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000) + `}`,
	} {
		if a, err := authorize.Parse([]byte(body)); err == nil {
			t.Errorf("%s: %v", name, a)
		}
	}
}

func TestParseSimple(t *testing.T) {
	a, err := authorize.ParseSimple([]byte(`{"isAuthorized": true, "context": {"list": [1, "a"]}}`))
	if err != nil || a.Judge(arn, nil) != authorize.Allowed || authorize.Text(a.Context["list"]) != `[1,"a"]` {
		t.Errorf("%v %v", a, err)
	}
	if a, err = authorize.ParseSimple([]byte(`{"isAuthorized": false}`)); err != nil || a.Judge(arn, nil) != authorize.Denied || a.Context == nil {
		t.Errorf("%v %v", a, err)
	}
	for _, body := range []string{`{}`, `{"isAuthorized": "true"}`, `{"isAuthorized": 1}`, `[]`, `{"isAuthorized": true, "context": []}`} {
		if a, err := authorize.ParseSimple([]byte(body)); err == nil {
			t.Errorf("%s: %v", body, a)
		}
	}
}

func TestCache(t *testing.T) {
	clock := aws.NewManualClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	c := authorize.NewCache(clock)
	key := authorize.Key{API: "a", Stage: "prod", Authorizer: "z", Identity: "token"}
	first, other := &authorize.Answer{Principal: "ann"}, &authorize.Answer{Principal: "ben"}
	c.Put(key, first, 5*time.Minute)
	c.Put(authorize.Key{API: "a", Stage: "test", Authorizer: "z", Identity: "token"}, other, 5*time.Minute)
	c.Put(authorize.Key{API: "none"}, other, 0)
	if got, ok := c.Get(key); !ok || got != first || c.Len() != 2 {
		t.Errorf("%v %v, %d", got, ok, c.Len())
	}
	clock.Advance(5*time.Minute - 1)
	if _, ok := c.Get(key); !ok {
		t.Error("forgotten before its time")
	}
	clock.Advance(1)
	if _, ok := c.Get(key); ok || c.Len() != 1 {
		t.Error("kept beyond its time")
	}
	c.Put(key, first, time.Minute)
	c.Put(key, other, time.Minute)
	if got, _ := c.Get(key); got != other {
		t.Error("the later answer does not go before")
	}
	c.Flush("a", "prod")
	if _, ok := c.Get(key); ok {
		t.Error("a flush forgot nothing")
	}
}

// What is kept is bounded, and what was used last stays.
func TestCacheBounds(t *testing.T) {
	c := authorize.NewCache(aws.NewManualClock(time.Unix(0, 0)))
	large := &authorize.Answer{Size: 1 << 20}
	first := authorize.Key{Identity: "first"}
	c.Put(first, large, time.Hour)
	for i := range 200 {
		c.Put(authorize.Key{Identity: fmt.Sprint(i)}, large, time.Hour)
		if _, ok := c.Get(first); !ok {
			t.Fatalf("after %d others what was in use is gone", i)
		}
	}
	if n := c.Len(); n < 50 || n > 64 {
		t.Errorf("%d answers of a mebibyte are kept", n)
	}
}

// Whatever is parsed is judged without a panic, and what is no answer allows nothing.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{answer(statement("Allow", "*")), answer(statement("Deny", arn)), `{"isAuthorized": true, "context": {"a": 1}}`, `{`, `null`,
		`{"principalId": "a", "policyDocument": {"Statement": {"Effect": "Allow", "NotAction": "a:b", "Resource": ["*"]}}, "context": {"n": 1e999}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if a, err := authorize.Parse(body); err == nil {
			a.Judge(arn, nil)
			for _, v := range a.Context {
				authorize.Text(v)
			}
		}
		if a, err := authorize.ParseSimple(body); err == nil && a.Judge(arn, nil) == authorize.Silent {
			t.Error("a simple answer that says nothing")
		}
	})
}
