package ses

import (
	"encoding/json"
	"net/http"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Planes is the mail that was sent, for inspection: GET /_aws/ses, with ?id= and ?email=
// (the sender), and DELETE, in LocalStack's form.
func (s *Service) Planes() []aws.Plane {
	return []aws.Plane{{Name: "ses-mail", Handler: http.HandlerFunc(s.serveMail), Match: func(r *http.Request) bool {
		return r.URL.Path == "/_aws/ses" || r.URL.Path == "/_aws/ses/"
	}}}
}

// serveMail shows the mail of the account that signs; to this machine, that of all.
func (s *Service) serveMail(w http.ResponseWriter, r *http.Request) {
	req := aws.RequestOf(r.Context())
	known := req.Caller.Kind != aws.Anonymous
	if !known && (req.SourceIP != "127.0.0.1" && req.SourceIP != "::1" || r.Header.Get("Origin") != "") {
		s.answer(w, http.StatusForbidden, map[string]string{"message": "Mail is shown to this machine, and to who signs for their account."})
		return
	}
	mine := func(scope store.Scope) bool { return !known || scope.Account == req.Caller.Account }
	id, from := r.URL.Query().Get("id"), r.URL.Query().Get("email")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		found := []sentMail{}
		err := s.Store.View(r.Context(), func(rd store.Reader) error {
			found = found[:0]
			for e, err := range mails.All(r.Context(), rd) {
				if err != nil {
					return err
				}
				if m := e.Record; mine(e.Scope) && (id == "" || id == m.ID) && (from == "" || from == m.Source) {
					found = append(found, m)
				}
			}
			return nil
		})
		if err != nil {
			s.answer(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
			return
		}
		s.answer(w, http.StatusOK, map[string]any{"messages": found})
	case http.MethodDelete:
		err := s.Store.Update(r.Context(), func(tx store.Tx) error {
			for e, err := range mails.All(r.Context(), tx) {
				if err != nil {
					return err
				}
				if mine(e.Scope) && (id == "" || id == e.Record.ID) {
					if err := mails.Delete(tx, e.Scope, e.Key.Parts()...); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			s.answer(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		s.answer(w, http.StatusMethodNotAllowed, map[string]string{"message": "GET or DELETE"})
	}
}

func (s *Service) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who asked may be gone
}
