package apigateway

import (
	"encoding/pem"
	"net/http"
	"strings"

	"github.com/tule-cloud/tule/gateway/domain"
	"github.com/tule-cloud/tule/store"
)

// leads reports whether a request is for this service: by an invoke URL, or by a custom
// domain name whose path does not lead to an API of another kind.
func (s *Service) leads(r *http.Request) bool {
	if _, ok := parseTarget(r); ok {
		return true
	}
	hit, err := s.find(r)
	return err == nil && hit != nil && (hit.Mapping == nil || hit.Mapping.Kind == domain.REST)
}

// find is what a custom domain name leads to; nil where the host is none.
func (s *Service) find(r *http.Request) (hit *domain.Hit, err error) {
	if !domain.Foreign(r.Host) {
		return nil, nil
	}
	err = s.Store.View(r.Context(), func(rd store.Reader) (err error) {
		hit, err = domain.Find(r.Context(), rd, r.Host, r.URL.EscapedPath(), "")
		return err
	})
	return hit, err
}

// target is what a request leads to.
func (s *Service) target(r *http.Request) (target, error) {
	if t, ok := parseTarget(r); ok {
		return t, nil
	}
	hit, err := s.find(r)
	if err != nil {
		return target{}, err
	}
	if hit == nil || hit.Mapping == nil {
		return target{}, forbidden("")
	}
	t := target{apiID: hit.Mapping.APIID, stage: hit.Mapping.Stage, path: hit.Rest, domain: hit}
	if t.stage == "" {
		below, _ := splitStage(t.apiID, strings.TrimPrefix(hit.Rest, "/"))
		t.stage, t.path = below.stage, below.path
	}
	if m := hit.Name.Mutual; m != nil {
		t.stranger = m.Verify(r.TLS, s.Clock.Now())
	}
	return t, nil
}

// whole is the path of $context.path: with the stage, or as a custom domain has it.
func (t target) whole() string {
	if t.domain != nil {
		return t.domain.Base + t.domain.Rest
	}
	return "/" + t.stage + t.path
}

// certificateOf is whom a client's certificate, held to a trust store, names.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html#context-variable-reference
func certificateOf(r *http.Request, t target) *clientCert {
	if t.domain == nil || t.domain.Name.Mutual == nil || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	leaf := r.TLS.PeerCertificates[0]
	const form = "Jan _2 15:04:05 2006 GMT"
	return &clientCert{PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})), Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(),
		Serial: leaf.SerialNumber.String(), Validity: validity{leaf.NotBefore.UTC().Format(form), leaf.NotAfter.UTC().Format(form)}}
}
