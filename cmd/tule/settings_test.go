package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// given runs a start command's flags and variables through settings.
func given(t *testing.T, vars map[string]string, args ...string) (settings, []string, error) {
	t.Helper()
	var s settings
	c := startCommand(self)
	c.ResetFlags()
	s.flags(c)
	if err := c.ParseFlags(args); err != nil {
		return s, nil, err
	}
	honoured, _, err := environment(c, func(name string) string { return vars[name] })
	if err == nil {
		err = s.check()
	}
	return s, honoured, err
}

func TestSettings(t *testing.T) {
	type vars = map[string]string
	for name, c := range map[string]struct {
		vars vars
		args []string
		want func(settings) bool
		err  string
	}{
		"defaults":                  {want: func(s settings) bool { return s.listen[0] == "127.0.0.1:4566" && s.iam == "enforce" && s.loopback() }},
		"a flag":                    {args: []string{"--iam", "off"}, want: func(s settings) bool { return s.iam == "off" }},
		"a variable":                {vars: vars{"TULE_IAM": "audit"}, want: func(s settings) bool { return s.iam == "audit" }},
		"a flag beats a variable":   {vars: vars{"TULE_IAM": "audit"}, args: []string{"--iam", "off"}, want: func(s settings) bool { return s.iam == "off" }},
		"LocalStack's":              {vars: vars{"GATEWAY_LISTEN": "0.0.0.0"}, want: func(s settings) bool { return s.listen[0] == "0.0.0.0:4566" && !s.loopback() }},
		"LocalStack's, several":     {vars: vars{"GATEWAY_LISTEN": "127.0.0.1:4566,:443"}, want: func(s settings) bool { return slices.Equal(s.listen, []string{"127.0.0.1:4566", "127.0.0.1:443"}) }},
		"LocalStack's, prefixed":    {vars: vars{"LOCALSTACK_DEBUG": "1"}, want: func(s settings) bool { return s.logLevel == "debug" }},
		"IAM off":                   {vars: vars{"ENFORCE_IAM": "0"}, want: func(s settings) bool { return s.iam == "off" }},
		"IAM soft":                  {vars: vars{"ENFORCE_IAM": "1", "IAM_SOFT_MODE": "1"}, want: func(s settings) bool { return s.iam == "audit" }},
		"Tule's own beats an alias": {vars: vars{"TULE_LOG_LEVEL": "error", "LS_LOG": "debug"}, want: func(s settings) bool { return s.logLevel == "error" }},
		"IPv6 loopback":             {args: []string{"--listen", "[::1]:4566"}, want: func(s settings) bool { return s.loopback() }},
		"a name is not loopback":    {args: []string{"--listen", "example.org:4566"}, want: func(s settings) bool { return !s.loopback() }},
		"milliseconds":              {vars: vars{"LAMBDA_KEEPALIVE_MS": "2500"}, want: func(s settings) bool { return s.keepAlive == 2500*time.Millisecond }},
		"origins":                   {vars: vars{"EXTRA_CORS_ALLOWED_ORIGINS": "https://a.example,https://b.example"}, want: func(s settings) bool { return len(s.origins) == 2 }},
		"a proxy's hosts":           {args: []string{"--egress", "proxy", "--egress-allow", "a.example,*.b.example"}, want: func(s settings) bool { return s.egress == "proxy" && len(s.allow) == 2 }},
		"hosts without a proxy":     {args: []string{"--egress-allow", "a.example"}, err: "--egress-allow is for --egress proxy"},
		"a proxy without walls":     {args: []string{"--egress", "proxy", "--isolation", "process"}, err: "--egress proxy needs --isolation namespaces"},
		"a forward":                 {vars: vars{"TULE_FORWARD": "6379=127.0.0.1:1,11211=[::1]:2"}, want: func(s settings) bool { return len(s.forward) == 2 }},
		"a forward of Tule's port":  {args: []string{"--forward", "443=127.0.0.1:1"}, err: "port 443 is Tule's own"},
		"a forward twice":           {args: []string{"--forward", "1=a:1", "--forward", "1=b:1"}, err: "port 1 is forwarded already"},
		"a forward to no port":      {args: []string{"--forward", "6379=127.0.0.1"}, err: "give port=host:port"},
		"a forward from none":       {args: []string{"--forward", "70000=a:1"}, err: "give port=host:port"},
		"a forward without walls":   {args: []string{"--isolation", "process", "--forward", "1=a:1"}, err: "--forward needs --isolation namespaces"},
		"images":                    {vars: vars{"TULE_REGISTRY": "r.example:5000,localhost:1"}, args: []string{"--images", "/srv/images/"}, want: func(s settings) bool { return s.images[0] == "/srv/images" && len(s.registries) == 2 }},
		"no number":                 {vars: vars{"LAMBDA_KEEPALIVE_MS": "soon"}, err: "the variable LAMBDA_KEEPALIVE_MS"},
		"a mode that is none":       {args: []string{"--iam", "maybe"}, err: "choose one of enforce, audit, off"},
		"no port":                   {args: []string{"--listen", "127.0.0.1"}, err: "give host:port"},
		"a switch that is none":     {vars: vars{"DEBUG": "perhaps"}, err: "the variable DEBUG"},
		"a flag that is none":       {args: []string{"--lisen", "x"}, err: "unknown flag"},
	} {
		s, _, err := given(t, c.vars, c.args...)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || !c.want(s) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestHonoured(t *testing.T) {
	_, honoured, err := given(t, map[string]string{"TULE_REGION": "eu-west-1", "LAMBDA_EXECUTOR": "docker"})
	if err != nil || !slices.Equal(honoured, []string{"TULE_REGION"}) {
		t.Errorf("honoured %v, %v", honoured, err)
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{"A=b/c:1": "A=b/c:1", "A=b c": "A='b c'", "A=it's": `A='it'\''s'`, "A=": "A=", "A=$x": "A='$x'"} {
		if got := shellQuote(in); got != want {
			t.Errorf("shellQuote(%q) = %q, want %q", in, got, want)
		}
	}
}
