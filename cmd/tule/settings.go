package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tule-cloud/tule/sandbox"
)

// settings are what `tule start` is told, by flags, by TULE_* variables, or by the
// variables that tools of this ecosystem set.
type settings struct {
	data       string
	listen     []string
	iam        string
	isolation  string
	egress     string
	allow      []string
	forward    []string // port=host:port
	images     []string
	registries []string
	region     string
	anyRegion  bool
	logFormat  string
	logLevel   string
	keepAlive  time.Duration
	// concurrency is how many invokes of an account may run at once in a region.
	concurrency int
	origins     []string
	test        bool
	host        string // by which others know this Tule, with its port
	queueURLs   string
	shardLimit  int
	requestRate float64
	buckets     string
	smtp        smtpSettings
	blobs       blobSettings
	mailListen  string // where mail is received
	developing
	// self starts sandboxes from this very program, if it was built without the
	// small one that is made for it.
	self sandbox.Self
}

// smtpSettings are the relay that mail goes through; without an address it is kept.
type smtpSettings struct{ address, user, password, sender string }

// blobSettings are the S3-compatible store that objects' bytes are in, with its key;
// without a URL they are in the data folder.
type blobSettings struct{ url, key, secret string }

// aliases are the variables that set a flag which is not given: Tule's own name
// first. A LocalStack variable is honoured with or without LOCALSTACK_ before it.
var aliases = []struct {
	flag  string
	names []string
	read  func(value string) (string, error)
}{
	{"data", []string{"TULE_DATA"}, same},
	{"listen", []string{"TULE_LISTEN", "GATEWAY_LISTEN"}, readListen},
	{"iam", []string{"TULE_IAM"}, same},
	{"iam", []string{"ENFORCE_IAM"}, choose("enforce", "off")},
	{"iam", []string{"IAM_SOFT_MODE"}, choose("audit", "")},
	{"isolation", []string{"TULE_ISOLATION"}, same},
	{"egress", []string{"TULE_EGRESS"}, same},
	{"egress-allow", []string{"TULE_EGRESS_ALLOW"}, same},
	{"forward", []string{"TULE_FORWARD"}, same},
	{"images", []string{"TULE_IMAGES"}, same},
	{"registry", []string{"TULE_REGISTRY"}, same},
	{"region", []string{"TULE_REGION"}, same},
	{"any-region", []string{"TULE_ANY_REGION", "ALLOW_NONSTANDARD_REGIONS"}, choose("true", "false")},
	{"log-format", []string{"TULE_LOG_FORMAT"}, same},
	{"log-level", []string{"TULE_LOG_LEVEL"}, same},
	{"log-level", []string{"LS_LOG"}, readLevel},
	{"log-level", []string{"DEBUG"}, choose("debug", "")},
	{"keep-alive", []string{"TULE_KEEP_ALIVE"}, same},
	{"keep-alive", []string{"LAMBDA_KEEPALIVE_MS"}, func(v string) (string, error) { return v + "ms", nil }},
	{"concurrency", []string{"TULE_CONCURRENCY", "LAMBDA_LIMITS_CONCURRENT_EXECUTIONS"}, same},
	{"origin", []string{"TULE_ORIGIN", "EXTRA_CORS_ALLOWED_ORIGINS"}, same},
	{"test", []string{"TULE_TEST"}, same},
	{"host", []string{"TULE_HOST", "LOCALSTACK_HOST"}, same},
	{"queue-urls", []string{"TULE_QUEUE_URLS", "SQS_ENDPOINT_STRATEGY"}, same},
	{"shard-limit", []string{"TULE_SHARD_LIMIT", "KINESIS_SHARD_LIMIT"}, same},
	{"request-rate", []string{"TULE_REQUEST_RATE"}, same},
	{"buckets", []string{"TULE_BUCKETS"}, same},
	{"smtp", []string{"TULE_SMTP", "SMTP_HOST"}, same},
	{"smtp-user", []string{"TULE_SMTP_USER", "SMTP_USER"}, same},
	{"smtp-password", []string{"TULE_SMTP_PASSWORD", "SMTP_PASS"}, same},
	{"smtp-sender", []string{"TULE_SMTP_SENDER", "SMTP_EMAIL"}, same},
	{"blobs", []string{"TULE_BLOBS"}, same},
	{"blobs-key", []string{"TULE_BLOBS_KEY"}, same},
	{"blobs-secret", []string{"TULE_BLOBS_SECRET"}, same},
	{"mail-listen", []string{"TULE_MAIL_LISTEN"}, same},
	{"hot-reload", []string{"TULE_HOT_RELOAD"}, same},
	{"hot-reload-ignore", []string{"TULE_HOT_RELOAD_IGNORE"}, same},
	{"hot-reload-bucket", []string{"TULE_HOT_RELOAD_BUCKET", "BUCKET_MARKER_LOCAL"}, same},
	{"debug-port", []string{"TULE_DEBUG_PORT"}, same},
}

// ignored are LocalStack's variables that mean nothing here, or nothing yet.
var ignored = []string{"LOCALSTACK_AUTH_TOKEN", "ACTIVATE_PRO", "LAMBDA_EXECUTOR", "DOCKER_HOST", "DOCKER_FLAGS", "DOCKER_SOCK", "PERSISTENCE", "EAGER_SERVICE_LOADING"}

func same(v string) (string, error) { return v, nil }

// choose reads a switch: what it means when on, and when off; "" leaves the flag.
func choose(on, off string) func(string) (string, error) {
	return func(v string) (string, error) {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return "", fmt.Errorf("%q is neither 1 nor 0", v)
		}
		if b {
			return on, nil
		}
		return off, nil
	}
}

func readLevel(v string) (string, error) {
	switch v = strings.ToLower(v); v {
	case "trace", "trace-internal":
		return "debug", nil
	case "warning":
		return "warn", nil
	}
	return v, nil
}

// readListen reads "host:port,host:port", where either may be missing.
func readListen(v string) (string, error) {
	var out []string
	for one := range strings.SplitSeq(v, ",") {
		if !strings.Contains(one, ":") {
			one += ":4566"
		}
		if strings.HasPrefix(one, ":") {
			one = "127.0.0.1" + one
		}
		out = append(out, one)
	}
	return strings.Join(out, ","), nil
}

func (s *settings) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.data, "data", defaultData(), "folder that holds all state")
	f.StringSliceVar(&s.listen, "listen", []string{"127.0.0.1:4566"}, "host:port to serve HTTP and HTTPS on; may be given more than once")
	f.StringVar(&s.iam, "iam", "enforce", "what policies are for: enforce, audit (log what would be denied) or off")
	f.StringVar(&s.isolation, "isolation", "namespaces", "how functions run: namespaces, or process (no walls)")
	f.StringVar(&s.egress, "egress", "none", "what functions, HTTP integrations of APIs and the check of web identities reach beside Tule: none, proxy (functions alone, the hosts of --egress-allow) or nat")
	f.StringSliceVar(&s.allow, "egress-allow", nil, "host that functions reach with --egress=proxy, or by the tag tule:egress=proxy: example.com, *.example.com for all below it, or *; with :port if it is another than 80 and 443; may be given more than once")
	f.StringSliceVar(&s.forward, "forward", nil, "port of AWS's names that leads functions past Tule, and where to: 6379=127.0.0.1:6379 for a Redis that stands for ElastiCache; may be given more than once")
	f.StringSliceVar(&s.images, "images", nil, "folder whose archives and layouts of container images functions may be made from, by whoever may make functions; may be given more than once")
	f.StringSliceVar(&s.registries, "registry", nil, "registry, host or host:port, that container images of functions may be pulled from, or *; may be given more than once")
	f.StringVar(&s.region, "region", "us-east-1", "region of requests that name none")
	f.BoolVar(&s.anyRegion, "any-region", false, "serve regions that AWS does not have")
	f.StringVar(&s.logFormat, "log-format", "", "text or json; text on a terminal, json elsewhere")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	f.DurationVar(&s.keepAlive, "keep-alive", 10*time.Minute, "how long a function's idle environment is kept for its next invoke")
	f.IntVar(&s.concurrency, "concurrency", 1000, "how many invokes of an account may run at once in a region")
	f.StringSliceVar(&s.origins, "origin", nil, "web origin whose pages may call the API, beside those of this machine; may be given more than once")
	s.serviceFlags(c)
	f.BoolVar(&s.test, "test", false, "an instance for tests: its state can be reset, and its clock moved, over HTTP (POST /_tule/clock?advance=900s)")
	s.developing.flags(c)
}

// serviceFlags are those of single services.
func (s *settings) serviceFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.host, "host", "localhost.localstack.cloud:4566", "host:port by which this Tule is known, where an answer cannot go by the caller's")
	f.StringVar(&s.queueURLs, "queue-urls", "dynamic", "form of queues' URLs: dynamic (the caller's host), standard, domain, path or off")
	f.IntVar(&s.shardLimit, "shard-limit", 20000, "how many shards the provisioned Kinesis streams of an account may have in a region")
	f.Float64Var(&s.requestRate, "request-rate", 10000, "how many requests a second the REST APIs of an account answer in a region, all together; 0 for any number")
	f.StringVar(&s.buckets, "buckets", "auto", "new buckets: blocked (no ACLs, no public access, as AWS has it since 2023), open (as before), or auto: open while only this machine can reach them")
	f.StringVar(&s.smtp.address, "smtp", "", "host:port of the relay that mail goes through; without one mail is kept for /_aws/ses")
	f.StringVar(&s.smtp.user, "smtp-user", "", "user of the relay")
	f.StringVar(&s.smtp.password, "smtp-password", "", "password of the relay; better given as TULE_SMTP_PASSWORD")
	f.StringVar(&s.smtp.sender, "smtp-sender", "", "sender of mail that Tule writes itself")
	f.StringVar(&s.blobs.url, "blobs", "", "where objects' bytes lie, if not in the data folder: s3://bucket/prefix?endpoint=http://host:port&region=us-east-1, in any store that speaks S3")
	f.StringVar(&s.blobs.key, "blobs-key", "", "access key of --blobs")
	f.StringVar(&s.blobs.secret, "blobs-secret", "", "secret key of --blobs; better given as TULE_BLOBS_SECRET")
	f.StringVar(&s.mailListen, "mail-listen", "", "host:port to receive mail on by SMTP, for the receipt rules of SES; none without")
}

// environment fills flags that were not given from variables, and says which of
// the variables it honoured and ignored.
func environment(c *cobra.Command, getenv func(string) string) (honoured, passed []string, err error) {
	set := map[string]bool{}
	for _, a := range aliases {
		for _, name := range a.names {
			for _, name := range []string{name, "LOCALSTACK_" + name} {
				raw := getenv(name)
				if raw == "" || strings.HasPrefix(name, "LOCALSTACK_TULE_") {
					continue
				}
				v, err := a.read(raw)
				if err != nil {
					return nil, nil, fmt.Errorf("the variable %s: %w", name, err)
				}
				if v == "" || c.Flags().Changed(a.flag) && !set[a.flag] || set[a.flag] && !strings.HasPrefix(name, "IAM_SOFT") {
					passed = append(passed, name)
					continue
				}
				if err := c.Flags().Set(a.flag, v); err != nil {
					return nil, nil, fmt.Errorf("the variable %s: %w", name, err)
				}
				set[a.flag] = true
				honoured = append(honoured, name)
			}
		}
	}
	for _, name := range ignored {
		if getenv(name) != "" {
			passed = append(passed, name)
		}
	}
	return honoured, passed, nil
}

func (s *settings) check() error {
	for _, c := range []struct {
		flag, value string
		allowed     []string
	}{
		{"iam", s.iam, []string{"enforce", "audit", "off"}},
		{"isolation", s.isolation, []string{"namespaces", "process"}},
		{"egress", s.egress, []string{"none", "proxy", "nat"}},
		{"log-format", s.logFormat, []string{"", "text", "json"}},
		{"log-level", s.logLevel, []string{"debug", "info", "warn", "error"}},
		{"queue-urls", s.queueURLs, []string{"dynamic", "standard", "domain", "path", "off"}},
		{"buckets", s.buckets, []string{"auto", "open", "blocked"}},
	} {
		if !slices.Contains(c.allowed, c.value) {
			return fmt.Errorf("--%s %s: choose one of %s", c.flag, c.value, strings.Join(slices.DeleteFunc(c.allowed, func(v string) bool { return v == "" }), ", "))
		}
	}
	if len(s.allow) > 0 && s.egress == "none" {
		return fmt.Errorf("--egress-allow is for --egress proxy, or nat and functions whose tag says proxy")
	}
	if s.egress == "proxy" && s.isolation == "process" {
		return fmt.Errorf("--egress proxy needs --isolation namespaces: a plain process reaches what this machine does")
	}
	if _, err := s.forwards(); err != nil {
		return err
	}
	for i, dir := range s.images {
		var err error
		if s.images[i], err = filepath.Abs(dir); err != nil {
			return fmt.Errorf("--images %s: %w", dir, err)
		}
	}
	for _, l := range s.listen {
		if _, port, err := net.SplitHostPort(l); err != nil || port == "" {
			return fmt.Errorf("--listen %s: give host:port, such as 127.0.0.1:4566", l)
		}
	}
	return s.developing.check()
}

// loopback reports whether only this machine can reach all of the addresses.
func (s *settings) loopback() bool {
	return !slices.ContainsFunc(s.listen, func(l string) bool {
		host, _, _ := net.SplitHostPort(l)
		if host == "localhost" {
			return false
		}
		ip := net.ParseIP(host)
		return ip == nil || !ip.IsLoopback()
	})
}

// openBuckets reports whether new buckets take ACLs and public policies.
func (s *settings) openBuckets() bool {
	return s.buckets == "open" || s.buckets == "auto" && s.loopback()
}

// defaultData is where state goes unless said otherwise: the system's place for a
// service of root, the user's own else.
func defaultData() string {
	if os.Getuid() == 0 {
		return "/var/lib/tule"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "tule")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "tule-data"
	}
	return filepath.Join(home, ".local", "share", "tule")
}

// logger makes the log that the settings ask for, on stderr.
func (s *settings) logger() *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if s.logFormat == "text" || s.logFormat == "" && isTerminal(os.Stderr) {
		return slog.New(slog.NewTextHandler(os.Stderr, o))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, o))
}
