package apigatewayv2

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// hop are headers that end at the gateway, or that it writes anew.
var hop = map[string]bool{"Connection": true, "Expect": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
	"Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"X-Forwarded-For": true, "X-Forwarded-Port": true, "X-Forwarded-Proto": true, "X-Amzn-Trace-Id": true}

// describe is a request to a stage, without its body.
func (s *Service) describe(r *http.Request, st *staged, t *target, path, id string, dice []byte) *request {
	about := aws.RequestOf(r.Context())
	req := &request{
		id: id, at: s.Clock.Now(), verb: r.Method, path: path, whole: t.path, secure: about.Secure || r.TLS != nil, protocol: r.Proto,
		rawQuery: r.URL.RawQuery, query: parseQuery(r.URL.RawQuery), caller: about.Caller, sourceIP: about.SourceIP, userAgent: r.UserAgent(),
		trace: r.Header.Get("X-Amzn-Trace-Id"),
	}
	if req.protocol == "HTTP/2.0" {
		req.protocol = "HTTP/1.1" // which AWS speaks from its edge on
	}
	if t.stage != "" && t.stage != defaultKey {
		req.whole = "/" + t.stage + t.path
	}
	req.host, req.port = splitHost(r.Host, req.secure)
	if req.trace == "" {
		req.trace = "Root=1-" + strconv.FormatInt(req.at.Unix(), 16) + "-" + hex.EncodeToString(dice[:12])
	}
	proto := "http"
	if req.secure {
		proto = "https"
	}
	forwarded := append(slices.Clone(r.Header.Values("X-Forwarded-For")), about.SourceIP)
	req.header = append(make([]param, 0, len(r.Header)+6), param{"Host", r.Host}, param{"X-Amzn-Trace-Id", req.trace},
		param{"X-Forwarded-For", strings.Join(forwarded, ", ")}, param{"X-Forwarded-Port", req.port}, param{"X-Forwarded-Proto", proto},
		param{"Content-Length", strconv.FormatInt(max(r.ContentLength, 0), 10)})
	for name, values := range r.Header {
		if hop[name] || name == "Content-Length" {
			continue
		}
		for _, v := range values {
			if name == "Cookie" {
				for one := range strings.SplitSeq(v, ";") {
					if one = strings.TrimSpace(one); one != "" {
						req.cookies = append(req.cookies, one)
					}
				}
				continue
			}
			req.header = append(req.header, param{name, v})
		}
	}
	slices.SortStableFunc(req.header, func(a, b param) int { return strings.Compare(a.name, b.name) })
	return req
}
