package cloudformation

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/cloudformation/resource"
)

// Answers of custom resources' providers come by PUT, as to a signed address of an object,
// at a host name of AWS's, which leads here from functions. What makes the address one's
// own is the step's token in it.
const responseHost = "cloudformation-custom-resource-response-"

// maxAnswer is how long an answer may be, as AWS has it.
const maxAnswer = 4096

// kept is how long an answer waits for whoever asked.
const kept = 24 * time.Hour

// Planes are the entrances beside the API.
func (s *Service) Planes() []aws.Plane {
	return []aws.Plane{{Name: "cloudformation-response", Match: func(r *http.Request) bool { return strings.HasPrefix(r.Host, responseHost) },
		Handler: http.HandlerFunc(s.takeAnswer)}}
}

// responseURL is where the answer to a step goes.
func (d *drive) responseURL(rec *record) string {
	path := url.PathEscape(d.ID + "|" + rec.Logical + "|" + rec.Step.Token)
	return "https://" + responseHost + strings.ReplaceAll(d.k.Region, "-", "") + ".s3.amazonaws.com/" + path
}

func (s *Service) takeAnswer(w http.ResponseWriter, r *http.Request) {
	part := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "|")
	if r.Method != http.MethodPut || len(part) != 3 {
		http.Error(w, "", http.StatusForbidden)
		return
	}
	a, ok := aws.ParseARN(part[0])
	_, uuid, _ := strings.Cut(strings.TrimPrefix(a.Resource, "stack/"), "/")
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	if !ok || err != nil || len(body) > maxAnswer {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	k := workKey{store.Scope{Account: a.Account, Region: a.Region}, uuid}
	err = s.Store.Update(r.Context(), func(tx store.Tx) error {
		rec, err := resources.Get(r.Context(), tx, k.Scope, uuid, part[1])
		if err != nil {
			return err
		}
		if (rec.Step == nil || rec.Step.Token != part[2]) && !rec.waits(part[2]) {
			return store.ErrNotFound
		}
		return answers.PutExpiring(tx, k.Scope, body, s.Clock.Now().Add(kept), uuid, part[1], part[2])
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		http.Error(w, "", http.StatusForbidden)
	case err != nil:
		http.Error(w, "", http.StatusServiceUnavailable)
	}
}

// waits reports whether the removal of what the resource was before asks by the token.
func (r *record) waits(token string) bool { return r.Before != nil && r.Before.Token == token }

// await waits for the answer to a step.
func (d *drive) await(ctx context.Context, logical, token string) func(time.Duration) (*resource.Answer, error) {
	return func(timeout time.Duration) (*resource.Answer, error) {
		watch, cancel := context.WithCancel(ctx)
		defer cancel()
		came := answers.Watch(watch, d.s.Store, d.k.Scope, d.k.UUID, logical, token)
		late, stop := d.s.Clock.After(timeout)
		defer stop()
		for {
			var body []byte
			err := d.s.Store.View(ctx, func(r store.Reader) (err error) {
				body, err = answers.Get(ctx, r, d.k.Scope, d.k.UUID, logical, token)
				return err
			})
			if err == nil {
				return readAnswer(body), nil
			}
			if !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			if timeout == 0 {
				return nil, nil
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-late:
				return nil, nil
			case <-came:
			}
		}
	}
}

// readAnswer reads what a provider has put.
func readAnswer(body []byte) *resource.Answer {
	a := &resource.Answer{Status: "FAILED", Reason: "Invalid response object: it is no JSON"}
	v, err := ordered.Parse(body)
	o, ok := v.(*ordered.Object)
	if err != nil || !ok {
		return a
	}
	if json.Unmarshal(body, &struct {
		Status, Reason, PhysicalResourceId *string
	}{&a.Status, &a.Reason, &a.PhysicalResourceId}) != nil {
		return &resource.Answer{Status: "FAILED", Reason: "Invalid response object"}
	}
	if !o.Has("Reason") {
		a.Reason = ""
	}
	a.Data, _ = o.Get("Data").(*ordered.Object)
	return a
}
