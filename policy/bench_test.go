package policy_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/tule-cloud/tule/policy"
)

// tenByTen is a principal with ten policies of ten statements, as roles that grew
// over years have them; the statement that allows is the last one.
func tenByTen(tb testing.TB) (texts []string, req *policy.Request) {
	services := []string{"s3", "sqs", "sns", "logs", "kinesis", "lambda", "iam", "ec2", "events", "dynamodb"}
	for _, svc := range services {
		lines := ""
		for k := range 10 {
			if k > 0 {
				lines += "\n"
			}
			switch {
			case k == 4:
				lines += fmt.Sprintf("Deny %s:Delete*|%s:Remove* arn:aws:%s:*:*:protected/* if StringNotEquals aws:PrincipalTag/Team ops", svc, svc, svc)
			case k == 9:
				lines += fmt.Sprintf("Allow %s:Get*|%s:List*|%s:Batch* arn:aws:%s:*:%s:table/Movies|arn:aws:%s:*:%s:table/${aws:PrincipalTag/Team}-* if IpAddress aws:SourceIp 10.0.0.0/8|192.168.0.0/16",
					svc, svc, svc, svc, one, svc, one)
			default:
				lines += fmt.Sprintf("Allow %s:Describe%d*|%s:Put%d|%s:Get%dThing arn:aws:%s:us-east-1:%s:thing/%d/*", svc, k, svc, k, svc, k, svc, one, k)
			}
		}
		text, err := shortPolicy(lines)
		if err != nil {
			tb.Fatal(err)
		}
		texts = append(texts, text)
	}
	ctx := &policy.Values{}
	ctx.Set("aws:SourceIp", "192.168.7.9")
	req = &policy.Request{Action: "dynamodb:GetItem", Resource: "arn:aws:dynamodb:us-east-1:" + one + ":table/red-1", Context: ctx}
	if err := shortCaller("role/R@1", &req.Principal); err != nil {
		tb.Fatal(err)
	}
	req.Principal.Tags = []policy.Tag{{Key: "Cost", Value: "1"}, {Key: "team", Value: "red"}}
	return texts, req
}

// BenchmarkAuthorize is an authorisation on a warm cache: ten look-ups by text and
// the evaluation. The budget is 5 µs.
func BenchmarkAuthorize(b *testing.B) {
	texts, req := tenByTen(b)
	cache := policy.NewCache(0)
	sources := make([]policy.Source, len(texts))
	b.ReportAllocs()
	for b.Loop() {
		for i, text := range texts {
			p, err := cache.Get(text)
			if err != nil {
				b.Fatal(err)
			}
			sources[i] = policy.Source{ID: "p", Policy: p}
		}
		if d := policy.Evaluate(req, &policy.Set{Identity: sources}); !d.Allowed {
			b.Fatal(d)
		}
	}
}

func tenByTenSet(tb testing.TB) (*policy.Request, *policy.Set) {
	texts, req := tenByTen(tb)
	set := &policy.Set{}
	for i, text := range texts {
		p, err := policy.ParseAndCompile(text)
		if err != nil {
			tb.Fatal(err)
		}
		set.Identity = append(set.Identity, policy.Source{ID: fmt.Sprint(i), Policy: p})
	}
	return req, set
}

// BenchmarkEvaluate is the evaluation alone, for a principal whose set is kept.
func BenchmarkEvaluate(b *testing.B) {
	req, set := tenByTenSet(b)
	b.ReportAllocs()
	for b.Loop() {
		if d := policy.Evaluate(req, set); !d.Allowed {
			b.Fatal(d)
		}
	}
}

func BenchmarkParseAndCompile(b *testing.B) {
	texts, _ := tenByTen(b)
	b.SetBytes(int64(len(texts[0])))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policy.ParseAndCompile(texts[0]); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEvaluateDoesNotAllocate(t *testing.T) {
	req, set := tenByTenSet(t)
	for name, change := range map[string]func(){
		"allow":    func() {},
		"deny":     func() { req.Action = "dynamodb:DeleteItem" },
		"implicit": func() { req.Action = "x:y" },
	} {
		change()
		if n := testing.AllocsPerRun(100, func() { policy.Evaluate(req, set) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestCache(t *testing.T) {
	texts, _ := tenByTen(t)
	c := policy.NewCache(3)
	first, err := c.Get(texts[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts[1:3] {
		if _, err := c.Get(text); err != nil {
			t.Fatal(err)
		}
	}
	if again, _ := c.Get(texts[0]); again != first {
		t.Error("compiled twice")
	}
	second, _ := c.Get(texts[1]) // leaves texts[2] as the oldest
	if _, err := c.Get(texts[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(texts[3]); err != nil {
		t.Fatal(err)
	}
	if c.Len() != 3 {
		t.Errorf("%d policies in a cache of 3", c.Len())
	}
	if again, _ := c.Get(texts[1]); again != second {
		t.Error("forgot a policy that was used later than another")
	}
	if _, err := c.Get("{}"); err == nil || c.Len() != 3 {
		t.Error("kept a text that is no policy")
	}
}

// TestConcurrent is for the race detector: one cache, one set, many callers.
func TestConcurrent(t *testing.T) {
	texts, req := tenByTen(t)
	c := policy.NewCache(5)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				p, err := c.Get(texts[i%len(texts)])
				if err != nil {
					t.Error(err)
					return
				}
				policy.Explain(req, &policy.Set{Identity: []policy.Source{{Policy: p}}})
			}
		})
	}
	wg.Wait()
}
