package main

import (
	"net"
	"os"
	"time"

	"github.com/tule-cloud/tule/steer"
	"github.com/tule-cloud/tule/svc/lambda"
)

// functions makes the service that runs functions: isolated as the settings say,
// with AWS's names leading back here.
func (h *house) functions() (*lambda.Service, error) {
	trust, err := h.authority.Trust().Files()
	if err != nil {
		return nil, err
	}
	debugger, err := h.debugger()
	if err != nil {
		return nil, err
	}
	meter := lambda.NewMeter()
	h.registry.MustRegister(meter)
	o := lambda.Options{
		Store: h.store, Blobs: h.zips, Keys: h.keys, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Allow: h.front.Allow,
		Measures: meter, Meter: h.metrics,
		Host:     h.sandboxes,
		Runtimes: h.runtimes, HotReload: h.hotReload(), Debugger: debugger,
		Dir:    h.in("code"),
		Images: lambda.Images{Dir: h.in("images"), Registries: h.registries, Folders: h.images, Anywhere: h.loopback()},
		// An environment that is not kept is ended as soon as anybody looks.
		KeepAlive:   max(h.keepAlive, time.Millisecond),
		Concurrency: h.concurrency,
		Endpoint:    "http://" + reachable(h.listen[0]),
		Trust: lambda.TrustFiles{Bundle: trust.Bundle, Java: trust.TrustStore, JavaOptions: steer.JavaOptions,
			JavaProperties: steer.JavaProperties},
	}
	if h.settings.isolation == "namespaces" {
		o.Egress, _ = lambda.ParseEgress(h.egress)
		o.Proxy = "http://" + proxyInside
		if o.Attach, err = h.ways(); err != nil {
			return nil, err
		}
		o.Endpoint = insideEndpoint
	}
	return lambda.New(o), nil
}

// insideEndpoint is Tule as programs in a sandbox find it if they look at
// AWS_ENDPOINT_URL: by a name that any service can put another before, and without
// the time that TLS takes. Those that do not look find it by AWS's names.
const insideEndpoint = "http://localhost.localstack.cloud:4566"

// reachable is an address that is listened on, as one to connect to.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// publish puts what the commands of other users need, and nothing secret, where
// they can read it.
func (h *house) publish(a net.Addr) error {
	if err := os.WriteFile(h.in(rootFile), h.authority.PEM(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(h.in(addressFile), []byte(a.String()+"\n"), 0o644)
}
