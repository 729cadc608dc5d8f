// Package domain keeps the custom domain names of API Gateway and what their paths lead
// to, for both of its versions: a name made by one is changed, mapped and served by the
// other. It checks nothing but what keeps the tables whole; the services' operations say
// what may be written, and their data planes serve.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-custom-domains.html
package domain

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tule-cloud/tule/store"
)

// A Name is a custom domain name.
type Name struct {
	Name     string            `json:"name"` // in lower case; "*.example.com" stands for one label more
	ID       string            `json:"id,omitempty"`
	Made     time.Time         `json:"made"`
	Tags     map[string]string `json:"tags,omitempty"`
	Endpoint Endpoint          `json:"endpoint"`
	// Security is the least TLS it takes: TLS_1_0, TLS_1_2 or a SecurityPolicy_….
	Security string `json:"security,omitempty"`
	// Mutual asks for clients' certificates; nil: nobody is asked.
	Mutual *Mutual `json:"mutual,omitempty"`
	// Ownership is the ARN of the certificate that shows whose the name is.
	Ownership string `json:"ownership,omitempty"`
	// Routing is BASE_PATH_MAPPING_ONLY or one of the modes with routing rules.
	Routing string `json:"routing,omitempty"`
	// Access is the endpoint access mode, BASIC or STRICT.
	Access string `json:"access,omitempty"`
	// Policy and Management are policies of private names.
	Policy     string `json:"policy,omitempty"`
	Management string `json:"management,omitempty"`
}

// An Endpoint is where a name is served, and as whom.
type Endpoint struct {
	Type      string   `json:"type"`                // EDGE, REGIONAL or PRIVATE
	IPAddress string   `json:"ipAddress,omitempty"` // ipv4 or dualstack
	VPCs      []string `json:"vpcs,omitempty"`      // ids of VPC endpoints
	// Target is the host that the name's DNS record is to point at, and Zone its hosted
	// zone's id.
	Target string `json:"target"`
	Zone   string `json:"zone"`
	// ARN is a certificate of ACM; Certificate one that was uploaded. Where both are
	// empty, Tule's own authority vouches.
	ARN         string       `json:"arn,omitempty"`
	CertName    string       `json:"certName,omitempty"`
	Uploaded    *time.Time   `json:"uploaded,omitempty"`
	Certificate *Certificate `json:"certificate,omitempty"`
}

// A Certificate is one that was uploaded with its key.
type Certificate struct {
	PEM string `json:"pem"` // the leaf, and then its chain
	Key []byte `json:"key"` // in PEM, sealed; the context is the domain name
}

// Mutual is how clients' certificates are held to a trust store.
type Mutual struct {
	URI      string   `json:"uri"` // s3://bucket/key
	Version  string   `json:"version,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	PEM      string   `json:"pem"` // the certificates as they were read there
}

// Kinds of what a mapping leads to: the service that serves it.
const (
	REST      = "REST"
	HTTP      = "HTTP"
	WebSocket = "WEBSOCKET"
)

// A Mapping leads the paths of a name to a stage.
type Mapping struct {
	ID    string `json:"id"`
	Path  string `json:"path"` // "" for all, "orders/v1"; without slashes at its ends
	APIID string `json:"apiId"`
	Stage string `json:"stage"` // "": the first part of the path below
	Kind  string `json:"kind"`  // REST, HTTP or WEBSOCKET
}

const service = "apigateway"

var (
	names    = store.NewTable[Name](service, "domain")
	mappings = store.NewTable[Mapping](service, "mapping") // name, path
	// homes says where names are, without a scope of its own: name, region, account.
	homes = store.NewTable[store.Scope](service, "home")
)

// Fold is a name as it is kept.
func Fold(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// Get is a name of a scope, or store.ErrNotFound.
func Get(ctx context.Context, r store.Reader, at store.Scope, name string) (Name, error) {
	return names.Get(ctx, r, at, Fold(name))
}

// Put writes a name.
func Put(tx store.Tx, at store.Scope, n Name) error {
	n.Name = Fold(n.Name)
	return errors.Join(names.Put(tx, at, n, n.Name), homes.Put(tx, store.Scope{}, at, n.Name, at.Region, at.Account))
}

// Delete removes a name with its mappings.
func Delete(tx store.Tx, at store.Scope, name string) error {
	name = Fold(name)
	return errors.Join(names.Delete(tx, at, name), mappings.DeleteAll(tx, at, name),
		homes.Delete(tx, store.Scope{}, name, at.Region, at.Account))
}

// List is up to limit names of a scope behind after; 0: all of them.
func List(ctx context.Context, r store.Reader, at store.Scope, after string, limit int) (out []Name, err error) {
	o := store.ListOptions{Limit: limit}
	if after != "" {
		o.After = []any{Fold(after)}
	}
	for e, err := range names.List(ctx, r, at, o) {
		if err != nil {
			return nil, err
		}
		out = append(out, e.Record)
	}
	return out, nil
}

// Homes are the scopes that have a name, by region: one region has it once, since what
// is asked for by a host alone has to lead to one.
func Homes(ctx context.Context, r store.Reader, name string) (out []store.Scope, err error) {
	for e, err := range homes.List(ctx, r, store.Scope{}, store.ListOptions{Prefix: []any{Fold(name)}}) {
		if err != nil {
			return nil, err
		}
		// The index counts only while the name is there: an account may have been emptied.
		has, err := names.Has(ctx, r, e.Record, Fold(name))
		if err != nil {
			return nil, err
		}
		if has {
			out = append(out, e.Record)
		}
	}
	return out, nil
}

// Map writes a mapping of a name.
func Map(tx store.Tx, at store.Scope, name string, m Mapping) error {
	return mappings.Put(tx, at, m, Fold(name), m.Path)
}

// Unmap removes a mapping of a name.
func Unmap(tx store.Tx, at store.Scope, name, path string) error {
	return mappings.Delete(tx, at, Fold(name), path)
}

// MappingOf is the mapping of a name for exactly a path, or store.ErrNotFound.
func MappingOf(ctx context.Context, r store.Reader, at store.Scope, name, path string) (Mapping, error) {
	return mappings.Get(ctx, r, at, Fold(name), path)
}

// Mappings is up to limit mappings of a name, sorted by path, behind after; 0: all. After
// is nil for the first.
func Mappings(ctx context.Context, r store.Reader, at store.Scope, name string, after *string, limit int) (out []Mapping, err error) {
	o := store.ListOptions{Prefix: []any{Fold(name)}, Limit: limit}
	if after != nil {
		o.After = []any{Fold(name), *after}
	}
	for e, err := range mappings.List(ctx, r, at, o) {
		if err != nil {
			return nil, err
		}
		out = append(out, e.Record)
	}
	return out, nil
}
