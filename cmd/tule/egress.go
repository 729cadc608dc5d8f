package main

import (
	"context"

	"golang.org/x/net/netutil"

	"github.com/tule-cloud/tule/sandbox/nat"
	"github.com/tule-cloud/tule/sandbox/proxy"
	"github.com/tule-cloud/tule/svc/lambda"
)

// Where functions find their proxy, in their own network, and how many connections of one function
// to it are served at a time; the others wait.
const (
	proxyInside = "127.0.0.1:3128"
	proxyConns  = 256
)

// attacher is lambda.Options.Attach.
type attacher func(ctx context.Context, name string, n lambda.Network) (detach func(), err error)

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
