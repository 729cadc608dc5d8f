package s3

import (
	"net/http"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// CORS says what a web page may do with what r asks for, by the rules of the bucket that
// it leads to. Both results are nil where r leads to no bucket with rules.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
func (s *Service) CORS(r *http.Request) (http.Header, error) {
	if r.Header.Get("X-Amz-Target") != "" {
		return nil, nil
	}
	b, key := s.addressed(r)
	if b == nil {
		return nil, nil
	}
	var c *api.CORSConfiguration
	err := s.Store.View(r.Context(), func(rd store.Reader) (err error) {
		c, err = setting[api.CORSConfiguration](r.Context(), rd, b, corsSetting)
		return err
	})
	if err != nil || c == nil {
		return nil, err
	}
	v := visit{origin: r.Header.Get("Origin"), method: r.Method}
	if r.Method == http.MethodOptions {
		v.method = r.Header.Get("Access-Control-Request-Method")
		v.headers = preflightHeaders(r.Header.Get("Access-Control-Request-Headers"))
	}
	found, ok := allow(c, v)
	if !ok {
		return nil, notLetIn(v.method, key)
	}
	h := http.Header{}
	for name, value := range found {
		h.Set(name, value)
	}
	return h, nil
}

// notLetIn is the answer to a preflight that no rule allows.
func notLetIn(method, key string) error {
	kindOf := "OBJECT"
	if key == "" {
		kindOf = "BUCKET"
	}
	return aws.Errorf(http.StatusForbidden, "AccessForbidden", "CORSResponse: This CORS request is not allowed. This is usually because the evalution of "+
		"Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.").
		With(&struct{ Method, ResourceType string }{method, kindOf})
}

// addressed is the bucket that a request's host or path leads to, and the key behind it;
// nil if there is none.
func (s *Service) addressed(r *http.Request) (b *bucket, key string) {
	host := strings.ToLower(r.Host)
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	path := r.URL.Path
	if folder, ok := Within(host); ok {
		path = folder + path
	}
	name, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !validBucketName(name) {
		return nil, ""
	}
	b, err := s.find(r.Context(), name)
	if err != nil {
		return nil, ""
	}
	return b, key
}
