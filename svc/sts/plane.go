package sts

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/tule-cloud/tule/aws"
)

const (
	// issuerDomain is what the hosts of issuers end in.
	issuerDomain = ".tokens.sts.global.api.aws"
	// issuerPath is where the same is had by those who reach Tule by another name:
	// /_tule/issuers/ID/.well-known/…
	issuerPath = "/_tule/issuers/"
)

// Planes are the entrances beside the API: where those to whom a token of an account is
// shown find the keys to verify it, by OpenID Connect Discovery.
func (s *Service) Planes() []aws.Plane {
	return []aws.Plane{{
		Name: "issuers",
		Match: func(r *http.Request) bool {
			id, _ := issuerAsked(r)
			return id != ""
		},
		Handler: http.HandlerFunc(s.serveIssuer),
	}}
}

// issuerAsked is the id of the issuer that is asked, and for what.
func issuerAsked(r *http.Request) (id, path string) {
	if id, ok := strings.CutSuffix(r.URL.Hostname(), issuerDomain); ok {
		return id, r.URL.Path
	}
	host, _, _ := strings.Cut(r.Host, ":")
	if id, ok := strings.CutSuffix(host, issuerDomain); ok {
		return id, r.URL.Path
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, issuerPath); ok {
		id, path, _ := strings.Cut(rest, "/")
		return id, "/" + path
	}
	return "", ""
}

// serveIssuer answers what an issuer is, and its keys. The addresses that it gives are
// under the name that tokens have for it.
func (s *Service) serveIssuer(w http.ResponseWriter, r *http.Request) {
	id, path := issuerAsked(r)
	issuer := "https://" + id + issuerDomain
	account := ""
	if s.outbound != nil && s.store != nil {
		var err error
		if account, err = s.outbound.OutboundAccount(r.Context(), issuer); err != nil {
			http.Error(w, "the issuer could not be read", http.StatusInternalServerError)
			return
		}
	}
	if account == "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.NotFound(w, r)
		return
	}
	var answer any
	switch path {
	case "/.well-known/openid-configuration":
		answer = map[string]any{"issuer": issuer, "jwks_uri": issuer + "/.well-known/jwks.json", "response_types_supported": []string{"id_token"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": outboundAlgorithms,
			"claims_supported": []string{"iss", "sub", "aud", "iat", "exp", "jti", claimsSpace}}
	case "/.well-known/jwks.json":
		set := jose.JSONWebKeySet{}
		for _, a := range outboundAlgorithms {
			key, err := s.outboundKey(r.Context(), account, a)
			if err != nil {
				http.Error(w, "the keys could not be read", http.StatusInternalServerError)
				return
			}
			set.Keys = append(set.Keys, key.Public())
		}
		answer = set
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a caller who is gone needs no answer
}
