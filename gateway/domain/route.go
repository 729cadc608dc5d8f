package domain

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/tule-cloud/tule/store"
)

// A Hit is what a request by a custom domain name leads to.
type Hit struct {
	At   store.Scope
	Name Name
	// Mapping is nil where the name maps nothing for the path, which is answered with
	// 403 Forbidden.
	Mapping *Mapping
	// Base is the part of the path that the mapping took, "/orders"; "" for none. Rest is
	// what follows it, "" or from "/".
	Base, Rest string
}

// Find is what a request of a host, with or without a port, and an encoded path leads to;
// nil where the host is no custom domain name. Region is that of who signed the request,
// "" for nobody: it chooses where several regions have the name.
func Find(ctx context.Context, r store.Reader, host, path, region string) (*Hit, error) {
	at, n, ok, err := Host(ctx, r, host, region)
	if err != nil || !ok {
		return nil, err
	}
	hit := &Hit{At: at, Name: n}
	m, base, rest, err := longest(ctx, r, at, n.Name, path)
	if err != nil {
		return nil, err
	}
	hit.Mapping, hit.Base, hit.Rest = m, base, rest
	return hit, nil
}

// Host is the name that serves a host: itself, or one with a star for its first label.
func Host(ctx context.Context, r store.Reader, host, region string) (at store.Scope, n Name, ok bool, err error) {
	host = bare(host)
	if !Foreign(host) {
		return at, n, false, nil
	}
	candidates := []string{host}
	if _, domain, found := strings.Cut(host, "."); found {
		candidates = append(candidates, "*."+domain)
	}
	for _, name := range candidates {
		where, err := Homes(ctx, r, name)
		if err != nil {
			return at, n, false, err
		}
		if len(where) == 0 {
			continue
		}
		at = where[0]
		for _, w := range where {
			if w.Region == region {
				at = w
			}
		}
		n, err = names.Get(ctx, r, at, name)
		return at, n, err == nil, err
	}
	return at, n, false, nil
}

// Foreign reports whether a host can be a custom domain name at all: it has a dot, and is
// no address and none of those that AWS and its local stand-ins go by.
func Foreign(host string) bool {
	host = bare(host)
	if !strings.Contains(host, ".") || net.ParseIP(host) != nil {
		return false
	}
	for _, own := range []string{".amazonaws.com", ".amazonaws.com.cn", ".localhost.localstack.cloud", ".localhost", ".on.aws", ".api.aws"} {
		if strings.HasSuffix(host, own) || host == own[1:] {
			return false
		}
	}
	return true
}

// bare is a host in lower case, without its port.
func bare(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return Fold(host)
}

// longest is the mapping with the longest path that a path begins with, part by part.
// What a path's parts are is said by its slashes as they were sent: an encoded one is
// none.
func longest(ctx context.Context, r store.Reader, at store.Scope, name, path string) (m *Mapping, base, rest string, err error) {
	sent := path
	path = strings.TrimLeft(path, "/")
	ends := []int{len(path)}
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '/' {
			ends = append(ends, i)
		}
	}
	if len(ends) > maxParts { // no mapping has more
		ends = ends[len(ends)-maxParts:]
	}
	for _, end := range append(ends, 0) {
		found, err := mappings.Get(ctx, r, at, name, path[:end])
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, "", "", err
		}
		if end > 0 {
			base = "/" + path[:end]
		}
		if rest = path[end:]; end == 0 && sent != "" {
			rest = "/" + path
		}
		return &found, base, rest, nil
	}
	return nil, "", "", nil
}

// maxParts is how many parts the path of a mapping may have: it has 300 bytes at most.
const maxParts = 150
