package front

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// What browsers may send and read of the API.
const (
	corsMethods = "DELETE, GET, HEAD, PATCH, POST, PUT"
	corsExpose  = "etag, x-amz-version-id, x-amz-request-id, x-amzn-requestid, x-amzn-errortype, x-amz-function-error, x-amz-log-result, x-amz-executed-version"
)

// cors lets web pages of this machine, and of the origins that Options name, call
// the API. It reports whether it has answered a preflight. Data planes answer for
// themselves.
func (f *Front) cors(c *call) bool {
	origin := c.r.Header.Get("Origin")
	if origin == "" || slices.ContainsFunc(f.planes, func(p aws.Plane) bool { return p.Match(c.r) }) {
		return false
	}
	preflight := c.r.Method == http.MethodOptions && c.r.Header.Get("Access-Control-Request-Method") != ""
	if !f.knownOrigin(origin) {
		if preflight {
			c.w.WriteHeader(http.StatusForbidden)
		}
		return preflight
	}
	h := c.w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Expose-Headers", corsExpose)
	if !preflight {
		return false
	}
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", c.r.Header.Get("Access-Control-Request-Headers"))
	h.Set("Access-Control-Max-Age", "600")
	c.w.WriteHeader(http.StatusNoContent)
	return true
}

// knownOrigin is for pages of this machine and those that Options name.
func (f *Front) knownOrigin(origin string) bool {
	if slices.Contains(f.Origins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		strings.HasSuffix(host, ".localhost.localstack.cloud") || ip != nil && ip.IsLoopback()
}
