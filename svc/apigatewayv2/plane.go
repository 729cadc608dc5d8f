package apigatewayv2

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/memo"
	"github.com/tule-cloud/tule/store"
)

// maxPayload is how long bodies may be.
const maxPayload = 10 << 20

// maxRead is how long a caller may take to send one.
const maxRead = 60 * time.Second

// Planes is the entrance for the callers of the APIs, under any of
//
//	{api}.execute-api.{any domain}/[{stage}]/…
//	/_aws/execute-api/{api}/[{stage}]/…
//	/restapis/{api}/{stage}/_user_request_/…
//
// It claims what is an API of its own; REST APIs have the same addresses.
func (s *Service) Planes() []aws.Plane {
	return []aws.Plane{{Name: "http-api", SigningName: "execute-api", Match: func(r *http.Request) bool {
		t, ok := parseTarget(r)
		return ok && s.has(r.Context(), t.apiID)
	}, Handler: http.HandlerFunc(s.serve)}}
}

// has reports whether an API is one of this service's.
func (s *Service) has(ctx context.Context, id string) bool {
	ok, err := s.known.Get(id, func() (ok bool, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			owner, err := owners.Get(ctx, r, store.Scope{}, id)
			if err == nil {
				ok, err = apis.Has(ctx, r, owner, id)
			}
			return err
		})
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return ok, err
	})
	if err != nil && ctx.Err() == nil {
		s.Logger.Error("whose an API is could not be read", "api", id, "error", err)
	}
	return ok
}

// newKnown is what is known of ids, until some API comes or goes.
func newKnown(st store.Store) *memo.Memo[string, bool] {
	ctx := context.Background() // as long as the store
	return memo.New[string, bool](maxStages, owners.WatchAll(ctx, st), apis.WatchAll(ctx, st))
}

// A target is what a request's URL names.
type target struct {
	apiID string
	stage string // where the URL says so apart from the path
	path  string // encoded, from "/"
	below string // of a custom domain name's mapping: the path that it took
}

// parseTarget reads the invoke URL; false if it is none.
func parseTarget(r *http.Request) (t target, ok bool) {
	path := r.URL.EscapedPath()
	if id, domain, _ := strings.Cut(r.Host, "."); strings.HasPrefix(domain, "execute-api.") && id != "" {
		return target{apiID: strings.ToLower(id), path: "/" + strings.TrimPrefix(path, "/")}, true
	}
	if rest, ok := strings.CutPrefix(path, "/_aws/execute-api/"); ok {
		id, rest, _ := strings.Cut(rest, "/")
		t := target{apiID: strings.ToLower(id), path: "/" + rest}
		if first, below, _ := strings.Cut(rest, "/"); first == defaultKey || strings.EqualFold(first, "%24default") {
			t.stage, t.path = defaultKey, "/"+below
		}
		return t, id != ""
	}
	rest, ok := strings.CutPrefix(path, "/restapis/")
	if !ok {
		return t, false
	}
	id, rest, _ := strings.Cut(rest, "/")
	stage, rest, _ := strings.Cut(rest, "/")
	rest, ok = strings.CutPrefix(rest, "_user_request_")
	if !ok || rest != "" && rest[0] != '/' || id == "" {
		return t, false
	}
	if plain, err := url.PathUnescape(stage); err == nil {
		stage = plain
	}
	return target{apiID: strings.ToLower(id), stage: stage, path: "/" + strings.TrimPrefix(rest, "/")}, true
}

// stageOf is the stage that a target means, and the path below it: the first segment, if
// it names one, else $default.
func (s *Service) stageOf(ctx context.Context, t *target) (st *staged, path string, err error) {
	if t.stage != "" {
		st, err = s.load(ctx, t.apiID, t.stage)
		return st, t.path, err
	}
	first, rest, _ := strings.Cut(t.path[1:], "/")
	if plain, err := url.PathUnescape(first); err == nil && plain != "" && plain != defaultKey {
		st, err = s.load(ctx, t.apiID, plain, defaultKey)
		if err == nil && *st.stage.StageName == plain {
			return st, "/" + rest, nil
		}
		return st, t.path, err
	}
	st, err = s.load(ctx, t.apiID, defaultKey)
	return st, t.path, err
}

// serve answers one request.
func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	var dice [26]byte
	if _, err := io.ReadFull(s.Random, dice[:]); err != nil {
		panic("apigatewayv2: the source of randomness failed: " + err.Error())
	}
	t, _ := parseTarget(r)
	id := base64.URLEncoding.EncodeToString(dice[:11])
	st, path, err := s.stageOf(r.Context(), &t)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && st.program == nil:
		w.Header().Set("Apigw-Requestid", id)
		write(w, r, nowhere(st).reply())
		return
	case err != nil:
		if r.Context().Err() != nil {
			panic(http.ErrAbortHandler) // the caller is gone
		}
		s.Logger.Error("a request failed", "api", t.apiID, "error", err)
		write(w, r, internal("").reply())
		return
	case !isHTTP(&st.program.api):
		s.serveSocket(w, r, st, &t, path, dice[:])
		return
	}
	w.Header().Set("Apigw-Requestid", id)
	x := &exchange{s: s, staged: st, req: s.describe(r, st, &t, path, id, dice[11:])}
	write(w, r, s.exchange(w, r, x))
}

// nowhere is the answer where there is no such stage, or nothing is deployed to it.
func nowhere(st *staged) *fault {
	if st != nil && *st.stage.StageName != defaultKey {
		return forbidden("")
	}
	return notFound()
}

// exchange takes a request to an HTTP API from its route to its answer.
func (s *Service) exchange(w http.ResponseWriter, r *http.Request, x *exchange) (out *reply) {
	defer func() {
		x.finish(r.Context(), out)
		x.cors(out)
	}()
	if aws.Value(x.program.api.DisableExecuteApiEndpoint) && !x.req.custom {
		return x.refuse(notFound())
	}
	if x.preflight() {
		return &reply{status: http.StatusNoContent}
	}
	x.route = x.match()
	if x.route == nil || x.route.integration == nil {
		return x.refuse(notFound())
	}
	if !x.admit() {
		return x.refuse(tooMany())
	}
	_ = http.NewResponseController(w).SetReadDeadline(s.Clock.Now().Add(maxRead)) // a recorder in a test has none
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxPayload))
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return x.refuse(tooLarge())
	case err != nil:
		return x.refuse(badRequest())
	}
	x.req.body = body
	ctx := r.Context()
	if err := x.authorize(ctx); err != nil {
		return x.refuse(err)
	}
	return x.integrate(ctx)
}

// match finds the route of a request.
func (x *exchange) match() *route {
	segments := strings.Split(strings.TrimPrefix(x.req.path, "/"), "/")
	for i := range segments {
		segments[i] = unescape(segments[i])
	}
	r := x.program.root.find(x.req.verb, segments)
	if r == nil {
		return x.program.byKey[defaultKey]
	}
	x.req.params = r.params(segments, func(s string) string { return s })
	x.req.encoded = r.params(strings.Split(strings.TrimPrefix(x.req.path, "/"), "/"), func(s string) string { return s })
	return r
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// write sends an answer. A caller who did not ask for a body gets none.
func write(w http.ResponseWriter, r *http.Request, out *reply) {
	h := w.Header()
	for _, p := range out.header {
		h.Add(p.name, p.value)
	}
	if out.status == http.StatusNoContent || out.status == http.StatusNotModified {
		w.WriteHeader(out.status)
		return
	}
	w.WriteHeader(out.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(out.body) // the caller may be gone
	}
}
