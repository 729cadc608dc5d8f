package s3

import (
	"context"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const corsSetting = "cors" // api.CORSConfiguration

func (s *Service) corsRoutes() []aws.Route {
	k := kind[api.CORSConfiguration]{s, corsSetting, func(b *bucket) error {
		return notThere(b, "NoSuchCORSConfiguration", "The CORS configuration does not exist")
	}}
	return []aws.Route{
		drop(&api.DeleteBucketCors, k, "s3:PutBucketCORS",
			func(in *api.DeleteBucketCorsRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			}),
		read(&api.GetBucketCors, k, "s3:GetBucketCORS",
			func(in *api.GetBucketCorsRequest) (bucket, owner *string) { return in.Bucket, in.ExpectedBucketOwner },
			func(c *api.CORSConfiguration) *api.GetBucketCorsOutput {
				return &api.GetBucketCorsOutput{CORSRules: c.CORSRules}
			}),
		write(&api.PutBucketCors, k, "s3:PutBucketCORS",
			func(in *api.PutBucketCorsRequest) (bucket, owner *string, c *api.CORSConfiguration) {
				return in.Bucket, in.ExpectedBucketOwner, in.CORSConfiguration
			}, checkCORS),
	}
}

func checkCORS(_ context.Context, _ store.Tx, _ *bucket, c *api.CORSConfiguration) error {
	if len(c.CORSRules) == 0 || len(c.CORSRules) > 100 {
		return errMalformed()
	}
	for _, rule := range c.CORSRules {
		if len(rule.AllowedMethods) == 0 || len(rule.AllowedOrigins) == 0 {
			return errMalformed()
		}
		for _, m := range rule.AllowedMethods {
			switch m {
			case "GET", "PUT", "HEAD", "POST", "DELETE":
			default:
				return errRequest("Found unsupported HTTP method in CORS config. Unsupported method is %s", m)
			}
		}
		for _, o := range rule.AllowedOrigins {
			if strings.Count(o, "*") > 1 {
				return errRequest(`AllowedOrigin "%s" can not have more than one wildcard.`, o)
			}
		}
		for _, h := range rule.AllowedHeaders {
			if strings.Count(h, "*") > 1 {
				return errRequest(`AllowedHeader "%s" can not have more than one wildcard.`, h)
			}
		}
		for _, h := range rule.ExposeHeaders {
			if strings.Contains(h, "*") {
				return errRequest(`ExposeHeader "%s" contains wildcard. We currently do not support wildcard for ExposeHeader.`, h)
			}
		}
	}
	return nil
}

// A visit is what a web page says of the request that it makes, or is about to.
type visit struct {
	origin, method string
	headers        []string // of a preflight
}

// allow finds the first rule that lets the page in, and the headers that tell it.
func allow(c *api.CORSConfiguration, v visit) (header map[string]string, ok bool) {
	for i := range c.CORSRules {
		rule := &c.CORSRules[i]
		origin, ok := matchOne(rule.AllowedOrigins, v.origin)
		if !ok || !contains(rule.AllowedMethods, v.method) {
			continue
		}
		allowed := true
		for _, h := range v.headers {
			_, one := matchOne(lower(rule.AllowedHeaders), strings.ToLower(h))
			allowed = allowed && one
		}
		if !allowed {
			continue
		}
		h := map[string]string{
			"Access-Control-Allow-Origin":  v.origin,
			"Access-Control-Allow-Methods": strings.Join(rule.AllowedMethods, ", "),
			"Vary":                         "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
		}
		if origin == "*" {
			h["Access-Control-Allow-Origin"] = "*"
		} else {
			h["Access-Control-Allow-Credentials"] = "true"
		}
		if len(v.headers) > 0 {
			h["Access-Control-Allow-Headers"] = strings.ToLower(strings.Join(v.headers, ", "))
		}
		if len(rule.ExposeHeaders) > 0 {
			h["Access-Control-Expose-Headers"] = strings.Join(rule.ExposeHeaders, ", ")
		}
		if rule.MaxAgeSeconds != nil {
			h["Access-Control-Max-Age"] = strconv.Itoa(int(*rule.MaxAgeSeconds))
		}
		return h, true
	}
	return nil, false
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}

// matchOne finds the pattern, with one star at most, that s is of.
func matchOne(patterns []string, s string) (string, bool) {
	for _, p := range patterns {
		head, tail, star := strings.Cut(p, "*")
		if p == s || star && len(s) >= len(head)+len(tail) && strings.HasPrefix(s, head) && strings.HasSuffix(s, tail) {
			return p, true
		}
	}
	return "", false
}

// preflightHeaders are those that a preflight asks for.
func preflightHeaders(s string) (out []string) {
	for h := range strings.SplitSeq(s, ",") {
		if h = strings.TrimSpace(h); h != "" {
			out = append(out, h)
		}
	}
	return out
}
