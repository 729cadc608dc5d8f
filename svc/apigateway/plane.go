package apigateway

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/domain"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// maxPayload is how long a request's body may be.
const maxPayload = 10 << 20

// maxRead is how long a caller may take to send it.
const maxRead = 60 * time.Second

// Planes is the entrance for the callers of the APIs, under any of
//
//	{api}.execute-api.{any domain}/{stage}/…
//	/_aws/execute-api/{api}/{stage}/…
//	/restapis/{api}/{stage}/_user_request_/…
//	a custom domain name
func (s *Service) Planes() []aws.Plane {
	return []aws.Plane{{Name: "execute-api", SigningName: "execute-api", Match: s.leads, Handler: http.HandlerFunc(s.serve)}}
}

// A target is what a request's URL names.
type target struct {
	apiID, stage string
	path         string      // below the stage, as it was sent; "" or from "/"
	domain       *domain.Hit // nil for an invoke URL
	stranger     error       // why a client's certificate is not a good one
}

// parseTarget reads the invoke URL; false if it is none.
func parseTarget(r *http.Request) (target, bool) {
	path := r.URL.EscapedPath()
	if id, domain, _ := strings.Cut(r.Host, "."); strings.HasPrefix(domain, "execute-api.") && id != "" {
		return splitStage(strings.ToLower(id), strings.TrimLeft(path, "/"))
	}
	if rest, ok := strings.CutPrefix(path, "/_aws/execute-api/"); ok {
		id, rest, _ := strings.Cut(rest, "/")
		return splitStage(strings.ToLower(id), rest)
	}
	rest, ok := strings.CutPrefix(path, "/restapis/")
	if !ok {
		return target{}, false
	}
	id, rest, _ := strings.Cut(rest, "/")
	stage, rest, _ := strings.Cut(rest, "/")
	rest, ok = strings.CutPrefix(rest, "_user_request_")
	if !ok || rest != "" && rest[0] != '/' {
		return target{}, false
	}
	return target{apiID: strings.ToLower(id), stage: stage, path: rest}, id != ""
}

func splitStage(id, rest string) (target, bool) {
	stage, path, more := strings.Cut(rest, "/")
	if more {
		path = "/" + path
	}
	return target{apiID: id, stage: stage, path: path}, id != ""
}

// serve answers one request.
func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	if isPetstore(r.Host) {
		petstore(w, r)
		return
	}
	var dice [23]byte
	if _, err := io.ReadFull(s.Random, dice[:]); err != nil {
		panic("apigateway: the source of randomness failed: " + err.Error())
	}
	extended := base64.StdEncoding.EncodeToString(dice[:11])
	h := w.Header()
	h["X-Amzn-Requestid"] = []string{aws.RequestOf(r.Context()).ID}
	h["X-Amz-Apigw-Id"] = []string{extended}
	var out *reply
	t, err := s.target(r)
	if err == nil {
		out, err = s.exchange(w, r, t, extended, dice[11:])
	}
	if err != nil {
		var f *fault
		if !errors.As(err, &f) {
			if r.Context().Err() != nil {
				panic(http.ErrAbortHandler) // the caller is gone
			}
			s.Logger.Error("a request failed", "api", t.apiID, "stage", t.stage, "error", err)
			f = misconfigured("")
		}
		out = f.reply()
	}
	write(w, r, out)
}

// exchange finds the method that is meant and runs it.
func (s *Service) exchange(w http.ResponseWriter, r *http.Request, t target, extended string, dice []byte) (out *reply, err error) {
	ctx, began := r.Context(), s.Clock.Now()
	st, err := s.load(ctx, t.apiID, t.stage)
	if errors.Is(err, store.ErrNotFound) {
		return nil, s.nowhere(r, t)
	}
	if err != nil {
		return nil, err
	}
	if st.program.disabled && t.domain == nil {
		return nil, forbidden("")
	}
	var x *exchange
	defer func() { s.measure(st, t.stage, began, x, out, err) }()
	path := "/" + strings.TrimLeft(t.path, "/")
	p, variables, canary := st.pick(dice[10:])
	n, params := p.root.match(path, nil)
	req := s.describe(r, t, path, extended, dice)
	one := &exchange{s: s, program: p, stage: st.stage, stageName: t.stage, variables: variables, canary: canary, method: &method{}, req: req}
	defer func() {
		if out != nil {
			one.logAccess(ctx, st, began, out)
		}
	}()
	if n == nil || n.method(r.Method) == nil {
		one.failed = missingToken()
		return one.refuse(ctx, one.failed), nil
	}
	x, req.params = one, params
	x.method = n.method(r.Method)
	x.setting, x.ownSetting = st.settings.of(x.method)
	if bad := s.readBody(w, r, req); bad != nil {
		x.failed = bad
		return x.refuse(ctx, bad), nil
	}
	if x.log = newTranscript(s.Clock, req.id, x.setting); x.log != nil {
		defer x.postLog(ctx, st)
	}
	return x.run(ctx), nil
}

// nowhere is the answer where there is no such stage, or not even such an API.
func (s *Service) nowhere(r *http.Request, t target) error {
	err := s.Store.View(r.Context(), func(rd store.Reader) error {
		owner, err := owners.Get(r.Context(), rd, store.Scope{}, t.apiID)
		if err == nil {
			_, err = apis.Get(r.Context(), rd, owner, t.apiID)
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return &fault{status: http.StatusNotFound, kind: "NotFoundException", message: "The API id '" + t.apiID + "' does not correspond to a deployed API Gateway API"}
	}
	if err != nil {
		return err
	}
	return forbidden("")
}

// lost are headers that end at the gateway.
var lost = map[string]bool{"Connection": true, "Content-Length": true, "Content-Md5": true, "Expect": true, "Keep-Alive": true, "Max-Forwards": true,
	"Proxy-Authenticate": true, "Proxy-Connection": true, "Server": true, "Te": true, "Transfer-Encoding": true, "Trailer": true, "Upgrade": true, "Www-Authenticate": true,
	"X-Forwarded-For": true, "X-Forwarded-Port": true, "X-Forwarded-Proto": true, "X-Amzn-Trace-Id": true}

// describe is the request without its body.
func (s *Service) describe(r *http.Request, t target, path, extended string, dice []byte) *request {
	about := aws.RequestOf(r.Context())
	req := &request{
		id: about.ID, extendedID: extended, at: s.Clock.Now(), verb: r.Method, path: path, whole: t.whole(), cert: certificateOf(r, t), stranger: t.stranger, host: r.Host, protocol: r.Proto,
		query: parseQuery(r.URL.RawQuery), caller: about.Caller, sourceIP: about.SourceIP, userAgent: r.UserAgent(), trace: r.Header.Get("X-Amzn-Trace-Id"),
	}
	if req.trace == "" {
		req.trace = "Root=1-" + strconv.FormatInt(req.at.Unix(), 16) + "-" + hex.EncodeToString(dice)
	}
	port := "80"
	proto := "http"
	if about.Secure || r.TLS != nil {
		port, proto = "443", "https"
	}
	if _, p, err := net.SplitHostPort(r.Host); err == nil {
		port = p
	}
	forwarded := append(r.Header.Values("X-Forwarded-For"), about.SourceIP)
	req.header = append(make([]gateway.Param, 0, len(r.Header)+5),
		gateway.Param{Name: "Host", Value: r.Host}, gateway.Param{Name: "X-Amzn-Trace-Id", Value: req.trace},
		gateway.Param{Name: "X-Forwarded-For", Value: strings.Join(forwarded, ", ")},
		gateway.Param{Name: "X-Forwarded-Port", Value: port}, gateway.Param{Name: "X-Forwarded-Proto", Value: proto})
	for name, values := range r.Header {
		if !lost[name] {
			for _, v := range values {
				req.header = append(req.header, gateway.Param{Name: name, Value: v})
			}
		}
	}
	slices.SortStableFunc(req.header, func(a, b gateway.Param) int { return strings.Compare(a.Name, b.Name) })
	return req
}

// readBody reads the body.
func (s *Service) readBody(w http.ResponseWriter, r *http.Request, req *request) *fault {
	if r.ContentLength == 0 {
		return nil
	}
	_ = http.NewResponseController(w).SetReadDeadline(s.Clock.Now().Add(maxRead)) // a recorder in a test has none
	defer func() { _ = http.NewResponseController(w).SetReadDeadline(time.Time{}) }()
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxPayload))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge()
	case err != nil:
		return badParameters("The request's body could not be read")
	}
	req.body = body
	return nil
}

// parseQuery reads a query string; what is badly encoded stays as it was sent.
func parseQuery(raw string) (out []gateway.Param) {
	plain := func(s string) string {
		if p, err := url.QueryUnescape(s); err == nil {
			return p
		}
		return s
	}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		out = append(out, gateway.Param{Name: plain(name), Value: plain(value)})
	}
	return out
}

// write sends a reply.
func write(w http.ResponseWriter, r *http.Request, out *reply) {
	h := w.Header()
	for _, p := range out.header {
		h.Add(p.Name, p.Value)
	}
	if out.status < 200 {
		out.status = http.StatusBadGateway // 1xx would not end the exchange
	}
	bodiless := out.status == http.StatusNoContent || out.status == http.StatusNotModified
	if !bodiless {
		h.Set("Content-Length", strconv.Itoa(len(out.body)))
	}
	w.WriteHeader(out.status)
	if !bodiless && r.Method != http.MethodHead {
		_, _ = w.Write(out.body) // a caller who is gone is no failure of the API
	}
}
