package front

import (
	"maps"
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
	if own, done := f.sharing(c, preflight); own {
		return done
	}
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

// sharing asks the services whether a page may have what it asks for: a bucket's own
// rules. It reports whether one of them had a word on it, and whether all is said.
func (f *Front) sharing(c *call, preflight bool) (own, done bool) {
	for _, s := range f.services {
		if s.CORS == nil {
			continue
		}
		header, err := s.CORS(c.r)
		switch {
		case header != nil:
			maps.Copy(c.w.Header(), header)
			if preflight {
				c.w.WriteHeader(http.StatusOK)
			}
			return true, preflight
		case err != nil && preflight:
			c.service, c.protocol = s, s.Model.Protocols[0]
			f.refuse(c, err)
			return true, true
		case err != nil:
			return true, false // the page cannot read the answer; its browser sees to that
		}
	}
	return false, false
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

// checkPage refuses what may come from a web page that somebody on this machine has
// open: its browser reaches what the page's author does not, and sends what the page
// says. A key that was not issued proves nothing then. Pages show by their origin; by
// the host where their author made a name of theirs lead here.
func (f *Front) checkPage(r *http.Request) error {
	const remedy = " may not call this Tule by a key that it has not issued. Start it with --origin to let it."
	if origin := r.Header.Get("Origin"); origin != "" && !f.knownOrigin(origin) {
		return aws.AccessDenied("Web pages of %.128q%s", origin, remedy)
	}
	if !f.knownHost(r.Host) {
		return aws.AccessDenied("Who calls this machine %.128q%s", r.Host, remedy)
	}
	return nil
}

// private are ends of names that nobody can make lead to another's machine from
// outside: they are not in the public DNS, or are Amazon's and LocalStack's.
var private = []string{".localhost", ".local", ".internal", ".test", ".lan", ".home.arpa", ".amazonaws.com", ".amazonaws.com.cn",
	".on.aws", ".api.aws", ".localstack.cloud"}

// knownHost is for addresses, names without a dot, private ones, and those of the
// origins that Options name.
func (f *Front) knownHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if !strings.Contains(host, ".") || net.ParseIP(host) != nil {
		return true
	}
	if last := host[strings.LastIndexByte(host, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return true // 111111111111.127.0.0.1: no public name ends in a number
	}
	if slices.ContainsFunc(private, func(end string) bool { return strings.HasSuffix(host, end) }) {
		return true
	}
	return slices.ContainsFunc(f.Origins, func(origin string) bool {
		u, err := url.Parse(origin)
		return err == nil && strings.EqualFold(u.Hostname(), host)
	})
}
