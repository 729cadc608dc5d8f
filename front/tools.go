package front

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/tule-cloud/tule/wire/sigv4"
)

// tool answers what tools of this ecosystem ask beside the API: is it up, what is
// it, forget everything. It reports whether the request was one of these.
func (f *Front) tool(c *call) bool {
	path := strings.TrimSuffix(c.r.URL.Path, "/")
	get := c.r.Method == http.MethodGet || c.r.Method == http.MethodHead
	post := c.r.Method == http.MethodPost && (path == "/_localstack/state/reset" || path == "/_tule/clock")
	page := f.checkPage(c.r)
	signed, err := sigv4.Parse(c.r)
	plain := signed == nil && err == nil // else a bucket may have the name
	switch {
	case post && page != nil:
		f.json(c, http.StatusForbidden, map[string]any{"message": page.Error()})
	case get && (path == "/_localstack/health" || path == "/health" && plain):
		f.health(c)
	case get && path == "/_localstack/info":
		f.json(c, http.StatusOK, map[string]any{"version": f.Version, "edition": "tule", "is_license_activated": false})
	case get && path == "/metrics" && plain && f.Metrics != nil:
		f.Metrics.ServeHTTP(c.w, c.r)
	case post && path == "/_localstack/state/reset":
		f.reset(c)
	case (get || post) && path == "/_tule/clock":
		f.clock(c)
	default:
		return false
	}
	c.tool = true
	return true
}

// health says of each service that it runs. Whatever has routes does: services are
// not started one by one.
func (f *Front) health(c *call) {
	services := map[string]string{}
	for _, s := range f.services {
		services[s.Model.Package] = "running"
	}
	f.json(c, http.StatusOK, map[string]any{"services": services, "edition": "tule", "version": f.Version})
}

// reset empties what the query's account and service name, or everything.
func (f *Front) reset(c *call) {
	if f.Reset == nil {
		f.json(c, http.StatusForbidden, map[string]any{"message": "This Tule keeps its state. One that can be reset is started with --test."})
		return
	}
	q := c.values()
	if err := f.Reset(c.r.Context(), q.Get("account"), q.Get("service")); err != nil {
		f.Logger.Error("reset failed", "error", err)
		f.json(c, http.StatusInternalServerError, map[string]any{"message": err.Error()})
		return
	}
	f.json(c, http.StatusOK, map[string]any{"status": "reset"})
}

// clock says what time it is, after moving the clock by the query's advance, a duration
// such as "900s" or "24h", where it is a POST with one. Callers sign by their own
// clocks, which stay.
func (f *Front) clock(c *call) {
	if f.Advance == nil {
		f.json(c, http.StatusForbidden, map[string]any{"message": "The clock of this Tule is its machine's. One whose clock can be moved is started with --test."})
		return
	}
	var d time.Duration
	var err error
	now := f.Clock.Now()
	if text := c.values().Get("advance"); text != "" && c.r.Method == http.MethodPost {
		if d, err = time.ParseDuration(text); err == nil {
			now, err = f.Advance(d)
		}
	}
	if err != nil {
		f.json(c, http.StatusBadRequest, map[string]any{"message": err.Error()})
		return
	}
	f.json(c, http.StatusOK, map[string]any{"now": now.Format(time.RFC3339Nano)})
}

func (f *Front) json(c *call, status int, body any) {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_ = json.NewEncoder(c.w).Encode(body) // a caller who is gone needs no answer
	}
}
