package apigatewayv2

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// preflight reports whether a request is one that the API's CORS configuration answers.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
func (x *exchange) preflight() bool {
	return x.program.api.CorsConfiguration != nil && x.req.verb == http.MethodOptions && len(x.req.values("Origin")) > 0 &&
		len(x.req.values("Access-Control-Request-Method")) > 0
}

// cors puts the API's own headers on an answer, in the place of the back end's.
func (x *exchange) cors(out *reply) {
	c := x.program.api.CorsConfiguration
	if c == nil {
		return
	}
	out.header = slices.DeleteFunc(out.header, func(p param) bool { return strings.HasPrefix(strings.ToLower(p.name), "access-control-") })
	origin := strings.Join(x.req.values("Origin"), "")
	allowed := originOf(c.AllowOrigins, origin)
	if origin == "" || allowed == "" {
		return
	}
	set := func(name, value string) {
		if value != "" {
			out.header = append(out.header, param{name, value})
		}
	}
	set("Access-Control-Allow-Origin", allowed)
	if allowed != "*" {
		set("Vary", "Origin")
	}
	if aws.Value(c.AllowCredentials) {
		set("Access-Control-Allow-Credentials", "true")
	}
	set("Access-Control-Expose-Headers", strings.Join(c.ExposeHeaders, ","))
	if !x.preflight() {
		return
	}
	set("Access-Control-Allow-Methods", wanted(c.AllowMethods, strings.Join(x.req.values("Access-Control-Request-Method"), "")))
	set("Access-Control-Allow-Headers", wanted(c.AllowHeaders, strings.Join(x.req.values("Access-Control-Request-Headers"), ",")))
	if c.MaxAge != nil && *c.MaxAge >= 0 {
		set("Access-Control-Max-Age", strconv.Itoa(int(*c.MaxAge)))
	}
}

// wanted is a list as it is configured; where it is everything, what was asked for.
func wanted(list []string, asked string) string {
	if slices.Contains(list, "*") && asked != "" {
		return "*"
	}
	return strings.Join(list, ",")
}

// originOf is what an origin is told: itself, "*" where all may, "" where it may not. An
// entry such as https://* stands for all of a scheme, *://example.com for all schemes.
func originOf(list []string, origin string) string {
	for _, o := range list {
		if o == "*" {
			return "*"
		}
		before, after, star := strings.Cut(strings.ToLower(o), "*")
		lower := strings.ToLower(origin)
		if lower == strings.ToLower(o) || star && len(lower) >= len(before)+len(after) && strings.HasPrefix(lower, before) && strings.HasSuffix(lower, after) {
			return origin
		}
	}
	return ""
}
