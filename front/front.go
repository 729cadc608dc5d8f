// Package front is the door of Tule: every request from outside, and every call
// from one service to another, comes through it. It recognises what is called,
// authenticates who calls, decodes, authorises, dispatches, encodes and records,
// one file each. It knows routes, and no service.
//
// What differs from AWS on purpose: a request may reach any service on any host
// name and port, since the scope of its signature says which it means; and while
// Tule listens on loopback alone, an access key that nobody issued is the root of
// its account (see Options.TrustUnknown).
package front

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/wire/sigv4"
)

// A Mode says what policies are for.
type Mode string

// The modes of the --iam switch. Policies are evaluated in each but Off.
const (
	Enforce Mode = "enforce" // what is not allowed is refused
	Audit   Mode = "audit"   // what would be refused is logged, and happens
	Off     Mode = "off"
)

// Identity knows access keys and what their owners may do. IAM and STS are behind
// it.
type Identity interface {
	// Key is the secret and the owner of an access key. An id that was never issued
	// gives aws.ErrUnknownKey; one that is over, an *aws.Error for its holder.
	Key(ctx context.Context, id, token string) (secret string, owner aws.Caller, err error)
	// Policies is every policy that bears on what the caller does, but for those on
	// the resource.
	Policies(ctx context.Context, c *aws.Caller) (policy.Set, error)
}

// An Auditor keeps account of what was done. Record is called with every call, after
// it, and must not wait for the disk.
type Auditor interface {
	Record(ctx context.Context, e *aws.Event)
}

// A Service is what the door knows of a service: its model, and who answers.
type Service struct {
	Model      *aws.Service
	Operations []*aws.Operation // all, whether answered or not
	Routes     []aws.Route
	// Within, if set, says where among the operations' paths a host's paths lie:
	// "/photos" for S3's photos.s3.amazonaws.com. False means that the host, in lower
	// case and without a port, is none of the service's.
	Within func(host string) (folder string, ok bool)
	// CORS, if set, is asked about each request of a web page before the door's own rules
	// are. A header goes on the answer in their stead, and answers a preflight; an error
	// refuses it. Both nil: there is nothing to say.
	CORS func(r *http.Request) (http.Header, error)
}

// Options furnish a Front. Clock, Random, Logger and Identity are required.
type Options struct {
	Clock    aws.Clock
	Random   io.Reader
	Logger   *slog.Logger
	Identity Identity
	Mode     Mode
	// Organizations, if set, binds accounts by the policies of their organization.
	Organizations Organizations
	// Audit, if set, is told of every call.
	Audit Auditor
	// Keys, if set, seal why a request was denied into its answer.
	Keys *seal.Keys
	// TrustUnknown makes an access key that nobody issued the root of its account:
	// for a Tule that only its own machine can reach. Web pages of other origins, and
	// public names that lead here, do not share in that trust.
	TrustUnknown bool
	Region       string // where an unsigned request is taken to be; us-east-1
	// AnyRegion serves regions that AWS does not have.
	AnyRegion bool
	Version   string
	// Reset empties an account and service, or all where empty; nil where this
	// Tule is not one for tests.
	Reset func(ctx context.Context, account, service string) error
	// Advance moves Clock forward and gives the time then; nil where this Tule is not
	// one for tests.
	Advance func(d time.Duration) (time.Time, error)
	// Signers, if set, is the clock that callers sign by where Clock is moved.
	Signers aws.Clock
	// Metrics, if set, is served at /metrics.
	Metrics http.Handler
	// Origins are web origins that may call beside those of localhost.
	Origins []string
}

// A Front is the door. It is an http.Handler for requests from outside and
// aws.Peers for calls from within.
type Front struct {
	Options
	directory
	planes   []aws.Plane
	keys     sigv4.Keys
	cache    *policy.Cache
	messages *seal.Box
	metrics  *metrics
}

var (
	_ http.Handler = (*Front)(nil)
	_ aws.Peers    = (*Front)(nil)
)

// New returns a door that leads nowhere yet. Services need it as their peers
// before they can be added; nothing may be called until all are.
func New(o Options) *Front {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Signers == nil {
		o.Signers = o.Clock
	}
	f := &Front{Options: o, directory: newDirectory(), cache: policy.NewCache(0), metrics: newMetrics()}
	if o.Keys != nil {
		f.messages = o.Keys.For(MessagePurpose)
	}
	return f
}

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 && strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		// AWS says so even where nothing is to come, which net/http does not, and boto3 then
		// takes the answer itself for it, and loses the next one on its connection.
		w.WriteHeader(http.StatusContinue)
	}
	c := f.open(w, r)
	defer f.close(c)
	if f.cors(c) {
		return
	}
	for _, p := range f.planes { // before tools: the paths of functions' URLs are their own
		if p.Match(r) {
			f.enter(c, p)
			return
		}
	}
	if f.tool(c) {
		return
	}
	if err := f.answer(c); err != nil {
		f.refuse(c, err)
	}
}

// answer takes an API call from its bytes to its answer's.
func (f *Front) answer(c *call) error {
	if err := f.recognise(c); err != nil {
		return err
	}
	if err := f.authenticate(c); err != nil {
		return err
	}
	if err := f.match(c); err != nil {
		return err
	}
	c.event = aws.Event{Request: &c.req, Op: c.op, Decisions: c.decisions[:0]}
	in, err := f.decode(c)
	if err != nil {
		return err
	}
	c.event.In = in
	if err := f.dispatch(c.context(), c.route, &c.event); err != nil {
		return err
	}
	return f.respond(c, c.event.Out)
}

// enter leads a request into a data plane. A signature is checked if there is
// one; what an anonymous caller may do the plane knows.
func (f *Front) enter(c *call, p aws.Plane) {
	c.plane = p.Name
	err := f.authenticate(c)
	if err == nil && c.sig != nil && !c.trusted && p.SigningName != "" && c.sig.Service != p.SigningName {
		err = badService(p.SigningName)
	}
	if err != nil && !isMissing(err) {
		f.refuse(c, err)
		return
	}
	if c.read {
		c.r.Body = io.NopCloser(bytes.NewReader(c.body)) // it was read to check the signature
	}
	p.Handler.ServeHTTP(c.w, c.r.WithContext(c.context()))
}

// slow is how long a caller may take to send a body that does not stream.
const slow = 60 * time.Second
