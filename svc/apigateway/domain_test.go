package apigateway

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/domain"
	"github.com/tule-cloud/tule/store"
)

// A signer is a certificate with its key.
type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// sign makes a certificate for a name; by itself where by is nil.
func sign(by *signer, name string, ca bool) *signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: ca, BasicConstraintsValid: true,
		NotBefore: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	parent, with := template, crypto.Signer(key)
	if by != nil {
		parent, with = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), with)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &signer{cert, key}
}

func (s *signer) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw}))
}

func (s *signer) keyPEM(t testing.TB) string {
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func (s *signer) pair() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{s.cert.Raw}, PrivateKey: s.key}
}

// trusted is the one authority in the trust store of tests.
var trusted = sync.OnceValue(func() *signer { return sign(nil, "trusted", true) })

func trustStore() string { return trusted().pem() }

const whoCalls = `swagger: "2.0"
info: {title: open}
paths:
  /pets:
    get:
      responses: {}
      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: "{statusCode: 200}"}, responses: {default: {statusCode: 200, responseTemplates: {application/json: '$context.path $context.domainName $context.domainPrefix $context.stage $context.identity.clientCert.subjectDN $context.identity.clientCert.serialNumber $context.identity.clientCert.validity.notAfter'}}}}
`

// domains is a stand with names that lead to one API on the stages prod and test.
func domains(t testing.TB, inputs ...*api.CreateDomainNameRequest) *stand {
	st := newStand(t)
	st.house.Add(fakeObjects())
	st.must(t, st.deploy(t, whoCalls, "prod"))
	ctx := st.house.Context(t.Context())
	_, err := api.CreateDeployment.Do(ctx, st.house, &api.CreateDeploymentRequest{RestApiId: &st.apiID, StageName: ptr("test")})
	st.must(t, err)
	for _, in := range inputs {
		_, err := api.CreateDomainName.Do(ctx, st.house, in)
		st.must(t, err)
		for base, stage := range map[string]string{"(none)": "prod", "v2": "test", "any": ""} {
			m := &api.CreateBasePathMappingRequest{DomainName: in.DomainName, BasePath: &base, RestApiId: &st.apiID}
			if stage != "" {
				m.Stage = &stage
			}
			_, err := api.CreateBasePathMapping.Do(ctx, st.house, m)
			st.must(t, err)
		}
	}
	return st
}

func TestDomainRouting(t *testing.T) {
	st := domains(t, &api.CreateDomainNameRequest{DomainName: ptr("api.example.com")}, &api.CreateDomainNameRequest{DomainName: ptr("*.example.org")})
	for _, c := range []struct{ host, path, want string }{
		{"api.example.com", "/pets", "200 /pets api.example.com api prod"},
		{"API.example.com:4566", "/v2/pets", "200 /v2/pets API.example.com:4566 API test"},
		{"api.example.com", "/any/prod/pets", "200 /any/prod/pets api.example.com api prod"},
		{"api.example.com", "/any/none/pets", "403 {\"message\":\"Forbidden\"}"},
		{"api.example.com", "/v2", "403 {\"message\":\"Missing Authentication Token\"}"},
		{"shop.example.org", "/v2/pets", "200 /v2/pets shop.example.org shop test"},
		{"none.example.com", "/pets", "not an invoke URL"},
		{"localhost:4566", "/pets", "not an invoke URL"},
	} {
		if got := st.ask(t, c.host, c.path); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s%s: %s", c.host, c.path, got)
		}
	}
	// What is called by its own name alone still answers by its others.
	ctx := st.house.Context(t.Context())
	_, err := api.UpdateRestApi.Do(ctx, st.house, &api.UpdateRestApiRequest{RestApiId: &st.apiID, PatchOperations: []api.PatchOperation{
		{Op: ptr("replace"), Path: ptr("/disableExecuteApiEndpoint"), Value: ptr("true")}}})
	st.must(t, err)
	_, err = api.CreateDeployment.Do(ctx, st.house, &api.CreateDeploymentRequest{RestApiId: &st.apiID, StageName: ptr("prod")})
	st.must(t, err)
	if got := st.ask(t, st.apiID+".execute-api.us-east-1.amazonaws.com", "/prod/pets"); got != `403 {"message":"Forbidden"}` {
		t.Error(got)
	}
	if got := st.ask(t, "api.example.com", "/pets"); !strings.HasPrefix(got, "200") {
		t.Error(got)
	}
	// A path that leads to an API of the other version is not this service's.
	st.must(t, st.Store.Update(ctx, func(tx store.Tx) error {
		return domain.Map(tx, store.Scope{Account: "000000000000", Region: "us-east-1"}, "api.example.com", domain.Mapping{Path: "http", APIID: "other", Stage: "x", Kind: domain.HTTP})
	}))
	if got := st.ask(t, "api.example.com", "/http/pets"); got != "not an invoke URL" {
		t.Error(got)
	}
}

// ask is the answer to a request by a host.
func (st *stand) ask(t testing.TB, host, path string) string {
	r := st.request(t, "GET", path, "Host: "+host+"\n")
	if !st.Planes()[0].Match(r) {
		return "not an invoke URL"
	}
	w := httptest.NewRecorder()
	st.handler.ServeHTTP(w, r)
	return w.Result().Status[:3] + " " + w.Body.String()
}

// serveTLS serves the stand as main does, and is how to reach it by any name.
func (st *stand) serveTLS(t *testing.T) func(name string, cfg *tls.Config) *http.Client {
	t.Helper()
	other := sign(nil, "tule", true)
	l, err := tls.Listen("tcp", "127.0.0.1:0", domain.TLS{Store: st.Store, Box: st.Box, Base: &tls.Config{NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { c := other.pair(); return &c, nil }}}.Config())
	st.must(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		st.handler.ServeHTTP(w, r.WithContext(aws.WithRequest(r.Context(), &aws.Request{ID: "id", Region: "us-east-1", Time: st.house.Clock.Now()})))
	}), ErrorLog: nil}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return func(name string, cfg *tls.Config) *http.Client {
		cfg.ServerName = name
		tr := &http.Transport{TLSClientConfig: cfg, DialTLSContext: nil}
		tr.DialContext = (&dialer{l.Addr().String()}).dial
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr}
	}
}

func get(t testing.TB, c *http.Client, url string) string {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		return "no answer"
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.Status[:3] + " " + string(body)
}

func TestMutualTLS(t *testing.T) {
	cert := sign(nil, "mtls.example.com", true)
	st := domains(t, &api.CreateDomainNameRequest{DomainName: ptr("mtls.example.com"), EndpointConfiguration: &api.EndpointConfiguration{Types: []string{"REGIONAL"}},
		CertificateBody: ptr(cert.pem()), CertificatePrivateKey: ptr(cert.keyPEM(t)), MutualTlsAuthentication: &api.MutualTlsAuthenticationInput{TruststoreUri: ptr("s3://bucket/trust.pem")}},
		&api.CreateDomainNameRequest{DomainName: ptr("plain.example.com")})
	reach := st.serveTLS(t)
	roots := x509.NewCertPool()
	roots.AddCert(cert.cert)
	good, foreign, alone := sign(trusted(), "ann", false), sign(sign(nil, "stranger", true), "eve", false), sign(nil, "mallory", false)
	for _, c := range []struct {
		name string
		with []tls.Certificate
		want string
	}{
		{"a client that is trusted", []tls.Certificate{good.pair()}, "200 /v2/pets mtls.example.com mtls test CN=ann 7 Jan  1 00:00:00 2099 GMT"},
		{"a client of another authority", []tls.Certificate{foreign.pair()}, `403 {"message":"Forbidden"}`},
		{"a client that signed for itself", []tls.Certificate{alone.pair()}, `403 {"message":"Forbidden"}`},
		{"a client without a certificate", nil, "no answer"},
	} {
		client := reach("mtls.example.com", &tls.Config{RootCAs: roots, Certificates: c.with})
		if got := get(t, client, "https://mtls.example.com/v2/pets"); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
	// Who came in by another name has shown no certificate, whatever host he then asks for.
	if got := get(t, reach("plain.example.com", &tls.Config{InsecureSkipVerify: true}), "https://mtls.example.com/pets"); got != `403 {"message":"Forbidden"}` {
		t.Error(got)
	}
	if got := st.ask(t, "mtls.example.com", "/pets"); got != `403 {"message":"Forbidden"}` {
		t.Error("over plain HTTP: " + got)
	}
	if got := get(t, reach("plain.example.com", &tls.Config{InsecureSkipVerify: true}), "https://plain.example.com/pets"); !strings.HasPrefix(got, "200 /pets plain.example.com plain prod") {
		t.Error(got)
	}
}

// The key that was uploaded is not on disk as it came, nor in any answer.
func TestUploadedKeysAreSealed(t *testing.T) {
	cert := sign(nil, "own.example.com", true)
	st := domains(t, &api.CreateDomainNameRequest{DomainName: ptr("own.example.com"), CertificateName: ptr("mine"), CertificateBody: ptr(cert.pem()), CertificatePrivateKey: ptr(cert.keyPEM(t))})
	ctx := st.house.Context(t.Context())
	out, err := api.GetDomainName.Do(ctx, st.house, &api.GetDomainNameRequest{DomainName: ptr("own.example.com")})
	st.must(t, err)
	if out.CertificateUploadDate == nil || aws.Value(out.CertificateName) != "mine" {
		t.Errorf("%+v", out)
	}
	var n domain.Name
	st.must(t, st.Store.View(ctx, func(r store.Reader) (err error) {
		n, err = domain.Get(ctx, r, scope(ctx), "own.example.com")
		return err
	}))
	record, err := json.Marshal(n)
	st.must(t, err)
	block, _ := pem.Decode([]byte(cert.keyPEM(t)))
	if bytes.Contains(record, []byte("PRIVATE KEY")) || bytes.Contains(n.Endpoint.Certificate.Key, block.Bytes) {
		t.Error("the key is there to read")
	}
}

// A client certificate is a real one, and a back end that asks for it gets it.
func TestClientCertificates(t *testing.T) {
	st := newStand(t)
	ctx := st.house.Context(t.Context())
	made, err := api.GenerateClientCertificate.Do(ctx, st.house, &api.GenerateClientCertificateRequest{Description: ptr("for the shop"), Tags: map[string]string{"team": "red"}})
	st.must(t, err)
	if made.ExpirationDate.Sub(*made.CreatedDate) != certificateLife {
		t.Errorf("%v to %v", made.CreatedDate, made.ExpirationDate)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(*made.PemEncodedCertificate)) {
		t.Fatal(*made.PemEncodedCertificate)
	}
	st.presents(t, roots, *made.ClientCertificateId)
	got, err := api.GetClientCertificate.Do(ctx, st.house, &api.GetClientCertificateRequest{ClientCertificateId: made.ClientCertificateId})
	st.must(t, err)
	if *got.PemEncodedCertificate != *made.PemEncodedCertificate || got.Tags["team"] != "red" {
		t.Errorf("%+v", got)
	}
	changed, err := api.UpdateClientCertificate.Do(ctx, st.house, &api.UpdateClientCertificateRequest{ClientCertificateId: made.ClientCertificateId,
		PatchOperations: []api.PatchOperation{{Op: ptr("replace"), Path: ptr("/description"), Value: ptr("other")}}})
	st.must(t, err)
	list, err := api.GetClientCertificates.Do(ctx, st.house, &api.GetClientCertificatesRequest{})
	st.must(t, err)
	if *changed.Description != "other" || len(list.Items) != 1 {
		t.Errorf("%v %v", changed, list)
	}
	_, err = api.DeleteClientCertificate.Do(ctx, st.house, &api.DeleteClientCertificateRequest{ClientCertificateId: made.ClientCertificateId})
	st.must(t, err)
	if _, err = api.GetClientCertificate.Do(ctx, st.house, &api.GetClientCertificateRequest{ClientCertificateId: made.ClientCertificateId}); aws.CodeOf(err) != "NotFoundException" {
		t.Error(err)
	}
}

// presents holds back ends' connections to the client certificate and the authority that
// a stage and an integration name.
func (st *stand) presents(t *testing.T, roots *x509.CertPool, id string) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, Time: st.house.Clock.Now}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	lent := Transport()
	defer lent.CloseIdleConnections()
	st.HTTP = lent
	st.must(t, st.deploy(t, `{"swagger": "2.0", "info": {"title": "t"}, "paths": {
		"/private": {"get": {"responses": {}, "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "`+server.URL+`", "tlsConfig": {"insecureSkipVerification": true}}}},
		"/public": {"get": {"responses": {}, "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "`+server.URL+`"}}}}}`, "prod"))
	ask := func(path string) string {
		w := httptest.NewRecorder()
		st.handler.ServeHTTP(w, st.request(t, "GET", "/prod"+path, ""))
		return w.Result().Status[:3] + " " + w.Body.String()
	}
	refused := `500 {"message":"Internal server error"}`
	if got := ask("/private"); got != refused {
		t.Errorf("without a certificate: %s", got)
	}
	if err := st.patchStage(t, "prod", "replace /clientCertificateId nobody"); aws.CodeOf(err) != "NotFoundException" {
		t.Error(err)
	}
	st.must(t, st.patchStage(t, "prod", "replace /clientCertificateId "+id))
	if got := ask("/private"); got != "200 ApiGateway" {
		t.Error(got)
	}
	if got := ask("/public"); got != refused {
		t.Errorf("an authority that nobody knows: %s", got)
	}
}

// An account's requests all together are held to its rate.
func TestAccountThrottle(t *testing.T) {
	st := newStand(t)
	st.Rate = 4
	st.must(t, st.deploy(t, open, "prod"))
	answers := func(n int) (out string) {
		for range n {
			w := httptest.NewRecorder()
			st.handler.ServeHTTP(w, st.request(t, "GET", "/prod/pets", ""))
			out += w.Result().Status[:3] + " "
			if w.Code == 429 && w.Body.String() != `{"message":"Too Many Requests"}` {
				t.Error(w.Body)
			}
		}
		return out
	}
	if got := answers(3); got != "200 200 429 " { // a burst of half a second's
		t.Error(got)
	}
	st.house.Clock.Advance(250 * time.Millisecond)
	if got := answers(2); got != "200 429 " {
		t.Error(got)
	}
}

// dialer connects every name to one address.
type dialer struct{ to string }

func (d *dialer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, d.to)
}
