package cloudtrail

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// activityPath is where `tule policy generate` asks what a principal has done.
const activityPath = "/_tule/activity"

// Planes are the entrances beside the API: the activity of a principal, which AWS has
// in no operation. GET /_tule/activity?role=NAME or ?user=NAME, and since=TIME (RFC
// 3339), signed, answers {"Principals": ["arn:…"], "Uses": [aws.Use]} to those who are
// allowed cloudtrail:LookupEvents.
func (s *Service) Planes() []aws.Plane {
	return []aws.Plane{{
		Name:    "activity",
		Match:   func(r *http.Request) bool { return r.URL.Path == activityPath },
		Handler: http.HandlerFunc(s.serveActivity),
	}}
}

// An activityAnswer is what the plane says.
type activityAnswer struct {
	Principals []string
	Uses       []aws.Use
}

func (s *Service) serveActivity(w http.ResponseWriter, r *http.Request) {
	out, err := s.answerActivity(r)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		var e *aws.Error
		if !errors.As(err, &e) {
			s.Logger.Error("the activity of a principal could not be read", "error", err)
			e = aws.InternalFailure(err)
		}
		w.Header().Set("X-Amzn-Errortype", e.Code)
		w.WriteHeader(e.Status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": e.Message})
		return
	}
	_ = json.NewEncoder(w).Encode(out) // a caller who is gone needs no answer
}

func (s *Service) answerActivity(r *http.Request) (*activityAnswer, error) {
	ctx, caller := r.Context(), aws.RequestOf(r.Context()).Caller
	if s.Allow == nil || caller.Kind == aws.Anonymous {
		return nil, aws.AccessDenied("The activity of principals is told to signed requests alone.")
	}
	if err := s.Allow(ctx, aws.Access{Action: "cloudtrail:LookupEvents", Resource: "*"}); err != nil {
		return nil, err
	}
	q := r.URL.Query()
	suffix := "/" + q.Get("role")
	kind := ":role/"
	if user := q.Get("user"); user != "" {
		kind, suffix = ":user/", "/"+user
	}
	since, err := time.Parse(time.RFC3339, q.Get("since"))
	if err != nil || suffix == "/" {
		return nil, aws.Errorf(http.StatusBadRequest, "InvalidParameterException", "Give role=NAME or user=NAME, and since=TIME (RFC 3339).")
	}
	arns, err := s.actors(ctx, caller.Account, suffix)
	if err != nil {
		return nil, err
	}
	out := &activityAnswer{Principals: []string{}, Uses: []aws.Use{}}
	for _, a := range arns {
		if strings.Contains(a, kind) {
			out.Principals = append(out.Principals, a)
		}
	}
	uses, err := s.usesOf(ctx, caller.Account, out.Principals, since)
	out.Uses = append(out.Uses, uses...)
	return out, err
}
