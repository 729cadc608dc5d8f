package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/netutil"

	"github.com/tule-cloud/tule/sandbox/nat"
	"github.com/tule-cloud/tule/sandbox/proxy"
	"github.com/tule-cloud/tule/steer"
	"github.com/tule-cloud/tule/svc/lambda"
)

// Where functions find their proxy, in their own network, and how many connections of one function
// to it are served at a time; the others wait.
const (
	proxyInside = "127.0.0.1:3128"
	proxyConns  = 256
)

// attacher opens in a sandbox's network what leads out of it.
type attacher func(ctx context.Context, name string, n lambda.Network) (detach func(), err error)

// ways is lambda.Options.Attach: a function's names and ports by what it reaches. Every way up to
// the operator's is there, since a function's tag may ask for less.
func (h *house) ways() (func(context.Context, string, lambda.Egress, lambda.Network) (func(), error), error) {
	none, err := h.attach(steer.ResolverOptions{})
	if err != nil {
		return nil, err
	}
	ways := map[lambda.Egress]attacher{lambda.EgressNone: none}
	if h.egress != "none" {
		if ways[lambda.EgressProxy], err = h.withProxy(none); err != nil {
			return nil, err
		}
	}
	if h.egress == "nat" {
		servers, err := steer.HostServers()
		if err != nil {
			return nil, err
		}
		if ways[lambda.EgressNAT], err = h.attach(steer.ResolverOptions{Upstream: servers}); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, name string, out lambda.Egress, n lambda.Network) (func(), error) {
		return ways[out](ctx, name, n)
	}, nil
}

// attach opens the ports that AWS's names lead to.
func (h *house) attach(names steer.ResolverOptions) (attacher, error) {
	resolver, err := steer.NewResolver(names)
	if err != nil {
		return nil, err
	}
	streams, err := h.forwards()
	if err != nil {
		return nil, err
	}
	for _, port := range ours {
		streams[port] = h.gate
	}
	return func(ctx context.Context, name string, n lambda.Network) (func(), error) {
		return steer.Attach(ctx, n, steer.Services{Name: name, Resolver: resolver, Streams: streams})
	}, nil
}

// ours are the ports of AWS's names that lead to Tule itself.
var ours = [...]uint16{80, 443, 4566}

// forwards are the ports of AWS's names that lead past Tule, by --forward.
func (s *settings) forwards() (map[uint16]steer.Sink, error) {
	out := map[uint16]steer.Sink{}
	for _, f := range s.forward {
		from, to, _ := strings.Cut(f, "=")
		port, err := strconv.ParseUint(from, 10, 16)
		if host, toPort, e := net.SplitHostPort(to); err != nil || port == 0 || e != nil || host == "" || toPort == "" {
			return nil, fmt.Errorf("--forward %s: give port=host:port, such as 6379=127.0.0.1:6379", f)
		}
		if port == 53 || port == 3128 || slices.Contains(ours[:], uint16(port)) {
			return nil, fmt.Errorf("--forward %s: port %d is Tule's own", f, port)
		}
		if out[uint16(port)] != nil {
			return nil, fmt.Errorf("--forward %s: port %d is forwarded already", f, port)
		}
		out[uint16(port)] = steer.Forward(to)
	}
	if len(out) > 0 && s.isolation == "process" {
		return nil, fmt.Errorf("--forward needs --isolation namespaces: a plain process reaches what this machine does")
	}
	return out, nil
}

// withProxy opens the way out by the hosts that the operator allows, beside AWS's names.
func (h *house) withProxy(attach attacher) (attacher, error) {
	out, err := proxy.New(proxy.Options{Allow: h.allow, Check: nat.Outside})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, name string, n lambda.Network) (func(), error) {
		detach, err := attach(ctx, name, n)
		if err != nil {
			return nil, err
		}
		l, err := n.Listen("tcp", proxyInside)
		if err != nil {
			detach()
			return nil, err
		}
		through, end := context.WithCancel(context.WithoutCancel(ctx))
		server := out.Server(through)
		go server.Serve(netutil.LimitListener(l, proxyConns))
		return func() {
			end()
			server.Close()
			detach()
		}, nil
	}, nil
}
