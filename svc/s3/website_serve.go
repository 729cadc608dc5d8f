package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// websitePlane serves buckets as websites, to everybody who may read what is in them:
// visitors sign nothing.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html
func (s *Service) websitePlane() aws.Plane {
	return aws.Plane{Name: "s3-website", Handler: http.HandlerFunc(s.serveWebsite),
		Match: func(r *http.Request) bool { _, ok := websiteBucket(bareHost(r)); return ok }}
}

// bareHost is the host that was asked, in lower case and without its port.
func bareHost(r *http.Request) string {
	host := strings.ToLower(r.Host)
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return host
}

// A page is a visit to a website, with what is known of it on the way.
type page struct {
	s      *Service
	ctx    context.Context
	w      http.ResponseWriter
	r      *http.Request
	bucket *bucket
	site   *api.WebsiteConfiguration
	key    string // without the slash in front
}

func (s *Service) serveWebsite(w http.ResponseWriter, r *http.Request) {
	was := aws.RequestOf(r.Context())
	req := was.As(aws.Caller{Kind: aws.Anonymous})
	p := &page{s: s, ctx: aws.WithRequest(r.Context(), req), w: w, r: r, key: strings.TrimPrefix(r.URL.Path, "/")}
	w.Header().Set("Server", "AmazonS3")
	w.Header().Set("X-Amz-Request-Id", req.ID)
	name, _ := websiteBucket(bareHost(r))
	if err := p.open(name); err != nil {
		p.fail(err, nil)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		p.fail(aws.Errorf(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.").
			With(&struct{ Method, ResourceType string }{r.Method, "OBJECT"}), nil)
		return
	}
	p.serve()
}

// open finds the bucket and how it is set up as a website.
func (p *page) open(name string) (err error) {
	if p.bucket, err = p.s.find(p.ctx, name); err != nil {
		return err
	}
	return p.s.Store.View(p.ctx, func(r store.Reader) error {
		if p.site, err = setting[api.WebsiteConfiguration](p.ctx, r, p.bucket, websiteSetting); err == nil && p.site == nil {
			err = notThere(p.bucket, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
		}
		return err
	})
}

func (p *page) serve() {
	scheme := aws.RequestOf(p.ctx).Scheme
	if all := p.site.RedirectAllRequestsTo; all != nil {
		if all.Protocol != nil {
			scheme = *all.Protocol
		}
		p.redirect(scheme+"://"+*all.HostName+p.r.URL.RequestURI(), http.StatusMovedPermanently)
		return
	}
	if rule := routeFor(p.site.RoutingRules, p.key, 0); rule != nil {
		p.redirect(redirection(rule, scheme, p.r.Host, p.key))
		return
	}
	key := p.key
	if key == "" || strings.HasSuffix(key, "/") {
		key += *p.site.IndexDocument.Suffix
	}
	out, err := p.get(key)
	if err == nil {
		p.answer(http.StatusOK, out)
		return
	}
	var e *aws.Error
	if !errors.As(err, &e) || e.Status < 400 {
		p.fail(err, nil)
		return
	}
	if e.Code == "NoSuchKey" && key == p.key && p.there(key+"/"+*p.site.IndexDocument.Suffix) {
		p.redirect("/"+escapePath(key)+"/", http.StatusFound)
		return
	}
	if rule := routeFor(p.site.RoutingRules, p.key, e.Status); rule != nil {
		p.redirect(redirection(rule, scheme, p.r.Host, p.key))
		return
	}
	p.errorDocument(e)
}

// there reports whether there is an object under a key.
func (p *page) there(key string) (found bool) {
	err := p.s.Store.View(p.ctx, func(r store.Reader) error {
		o, err := latest(p.ctx, r, p.bucket, key)
		found = o != nil && !o.Marker
		return err
	})
	return err == nil && found
}

// get reads an object as a visitor. What is not there is said to be missing, also to
// those who could not list the bucket.
func (p *page) get(key string) (*api.GetObjectOutput, error) {
	if !p.there(key) {
		return nil, errNoKey(key)
	}
	h := p.r.Header
	in := &api.GetObjectRequest{Bucket: &p.bucket.Name, Key: &key, IfMatch: headerValue(h, "If-Match"), IfNoneMatch: headerValue(h, "If-None-Match"),
		Range: headerValue(h, "Range"), IfModifiedSince: headerTime(h, "If-Modified-Since"), IfUnmodifiedSince: headerTime(h, "If-Unmodified-Since")}
	out, err := api.GetObject.Do(p.ctx, p.s.Peers, in)
	if aws.CodeOf(err) == "InvalidRange" && p.r.Method == http.MethodHead {
		in.Range = nil
		out, err = api.GetObject.Do(p.ctx, p.s.Peers, in)
	}
	return out, err
}

func headerValue(h http.Header, name string) *string {
	if v := h.Get(name); v != "" {
		return &v
	}
	return nil
}

func headerTime(h http.Header, name string) *time.Time {
	t, err := http.ParseTime(h.Get(name))
	if err != nil {
		return nil
	}
	return &t
}

// errorDocument answers an error with the website's own page for it, else with S3's.
func (p *page) errorDocument(e *aws.Error) {
	if p.site.ErrorDocument == nil {
		p.fail(e, nil)
		return
	}
	p.r.Header.Del("Range")
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		p.r.Header.Del(name)
	}
	out, err := p.get(*p.site.ErrorDocument.Key)
	if err != nil {
		p.fail(e, err)
		return
	}
	p.answer(e.Status, out)
}

func (p *page) redirect(location string, status int) {
	p.w.Header().Set("Location", location)
	p.w.Header().Set("Content-Length", "0")
	p.w.WriteHeader(status)
}

// answer sends an object, or the visitor to where the object says.
func (p *page) answer(status int, out *api.GetObjectOutput) {
	if out.Body != nil {
		defer out.Body.Close()
	}
	if to := out.WebsiteRedirectLocation; to != nil {
		p.redirect(*to, http.StatusMovedPermanently)
		return
	}
	h := p.w.Header()
	for name, v := range map[string]*string{"Content-Type": out.ContentType, "Cache-Control": out.CacheControl, "Content-Encoding": out.ContentEncoding,
		"Content-Disposition": out.ContentDisposition, "Content-Language": out.ContentLanguage, "Expires": out.Expires, "ETag": out.ETag,
		"Content-Range": out.ContentRange, "X-Amz-Version-Id": out.VersionId} {
		if v != nil {
			h.Set(name, *v)
		}
	}
	for k, v := range out.Metadata {
		h.Set("X-Amz-Meta-"+k, v)
	}
	if out.LastModified != nil {
		h.Set("Last-Modified", out.LastModified.UTC().Format(http.TimeFormat))
	}
	if out.ContentLength != nil {
		h.Set("Content-Length", strconv.FormatInt(*out.ContentLength, 10))
	}
	h.Set("Accept-Ranges", "bytes")
	if out.ContentRange != nil && status == http.StatusOK {
		status = http.StatusPartialContent
	}
	p.w.WriteHeader(status)
	if p.r.Method != http.MethodHead && out.Body != nil {
		_, _ = io.Copy(p.w, out.Body) // a visitor who has gone is no trouble
	}
}
