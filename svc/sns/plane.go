package sns

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Paths beside the API, as tools of this ecosystem know them.
const (
	smsPath   = "/_aws/sns/sms-messages"
	pushPath  = "/_aws/sns/platform-endpoint-messages"
	tokenPath = "/_aws/sns/subscription-tokens/"
)

// Planes are the certificate, and what is kept of messages for phones and apps. A POST
// to the first of a form with accountId, region, phoneNumber and message is a phone's
// answer: "STOP" opts out.
func (s *Service) Planes() []aws.Plane {
	return []aws.Plane{
		{Name: "sns-certificate", Handler: http.HandlerFunc(s.serveCertificate), Match: func(r *http.Request) bool {
			return r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/SimpleNotificationService-") && strings.HasSuffix(r.URL.Path, ".pem")
		}},
		{Name: "sns-messages", Handler: http.HandlerFunc(s.serveMessages), Match: func(r *http.Request) bool {
			return r.URL.Path == smsPath || r.URL.Path == pushPath || strings.HasPrefix(r.URL.Path, tokenPath)
		}},
	}
}

func (s *Service) serveCertificate(w http.ResponseWriter, r *http.Request) {
	if s.signer.load() != nil || r.URL.Path != s.signer.path {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(s.signer.pem) // who asked may be gone
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who asked may be gone
}

// serveMessages shows what is kept of an account in a region, by phone number or
// endpoint, or a subscription's token.
func (s *Service) serveMessages(w http.ResponseWriter, r *http.Request) {
	req := aws.RequestOf(r.Context())
	scope := store.Scope{Account: "000000000000", Region: req.Region}
	if req.Caller.Kind != aws.Anonymous {
		scope.Account = req.Caller.Account
	}
	if v := r.FormValue("accountId"); v != "" && (req.Caller.Kind == aws.Anonymous || v == scope.Account) {
		scope.Account = v
	}
	if v := r.FormValue("region"); v != "" {
		scope.Region = v
	}
	if !trusted(r, req) {
		writeJSON(w, http.StatusForbidden, map[string]string{"message": "Messages are shown to this machine, and to who signs for their account."})
		return
	}
	switch {
	case strings.HasPrefix(r.URL.Path, tokenPath):
		s.showToken(w, r, strings.TrimPrefix(r.URL.Path, tokenPath))
	case r.Method == http.MethodGet:
		s.showMessages(w, r, scope)
	case r.Method == http.MethodDelete:
		err := s.Store.Update(r.Context(), func(tx store.Tx) error { return s.forgetMessages(r, tx, scope) })
		if err != nil {
			writeJSON(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost && r.URL.Path == smsPath && isStop(r.FormValue("message")) && checkNumber(r.FormValue("phoneNumber")) == nil:
		if err := s.optOut(r.Context(), scope, r.FormValue("phoneNumber")); err != nil {
			writeJSON(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"message": "GET, DELETE, or an answer by POST"})
	}
}

// trusted reports whether who asks may see: this machine, without a web page in between,
// or a caller who is known.
func trusted(r *http.Request, req *aws.Request) bool {
	if req.Caller.Kind != aws.Anonymous {
		return true
	}
	return (req.SourceIP == "127.0.0.1" || req.SourceIP == "::1") && r.Header.Get("Origin") == ""
}

func (s *Service) forgetMessages(r *http.Request, tx store.Tx, scope store.Scope) error {
	for e, err := range pushed.List(r.Context(), tx, scope, store.ListOptions{}) {
		if err != nil {
			return err
		}
		if e.Record.SMS == (r.URL.Path == smsPath) {
			if err := pushed.Delete(tx, scope, e.Key.Parts()...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) showMessages(w http.ResponseWriter, r *http.Request, scope store.Scope) {
	sms := r.URL.Path == smsPath
	wanted := r.FormValue("endpointArn")
	if sms {
		wanted = r.FormValue("phoneNumber")
	}
	found := map[string][]map[string]any{}
	err := s.Store.View(r.Context(), func(rd store.Reader) error {
		clear(found)
		for e, err := range pushed.List(r.Context(), rd, scope, store.ListOptions{}) {
			if err != nil {
				return err
			}
			m := e.Record
			if m.SMS != sms || wanted != "" && wanted != m.Target {
				continue
			}
			shown := map[string]any{"MessageId": m.ID, "Message": m.Body, "TopicArn": none(m.Topic), "SubscriptionArn": none(m.Subscription), "Subject": none(m.Subject), "MessageAttributes": nil, "MessageStructure": nil}
			shown[map[bool]string{true: "PhoneNumber", false: "TargetArn"}[sms]] = m.Target
			found[m.Target] = append(found[m.Target], shown)
		}
		return nil
	})
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
		return
	}
	name := map[bool]string{true: "sms_messages", false: "platform_endpoint_messages"}[sms]
	writeJSON(w, http.StatusOK, map[string]any{name: found, "region": scope.Region})
}

func none(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (s *Service) showToken(w http.ResponseWriter, r *http.Request, arn string) {
	var sub subscription
	at, id, err := parseSubscription(&arn)
	if err == nil {
		err = s.Store.View(r.Context(), func(rd store.Reader) (err error) {
			sub, err = getSubscription(r.Context(), rd, at, id)
			return err
		})
	}
	if err != nil || sub.Token == "" {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "The provided SubscriptionARN is not found", "subscription_arn": arn})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"subscription_token": sub.Token, "subscription_arn": arn})
}
