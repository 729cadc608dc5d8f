package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tule-cloud/tule/front"
	"github.com/tule-cloud/tule/sandbox"
	"github.com/tule-cloud/tule/steer"
)

func startCommand(self sandbox.Self) *cobra.Command {
	s := settings{self: self}
	c := &cobra.Command{
		Use:   "start",
		Short: "Start Tule, and serve until told to stop",
		Long: "Start opens the data folder, serves AWS's APIs on one port, HTTP and HTTPS,\n" +
			"and prints «Ready.» when all is up. SIGINT or SIGTERM stops it gracefully.",
		Example: "  tule start --data ./data\n  aws --endpoint-url http://localhost:4566 dynamodb list-tables",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			honoured, passed, err := environment(c, os.Getenv)
			if err != nil {
				return err
			}
			if err := s.check(); err != nil {
				return err
			}
			logger := s.logger()
			logger.Debug("variables", "honoured", honoured, "ignored", passed)
			return start(c.Context(), s, c.OutOrStdout())
		},
	}
	s.flags(c)
	return c
}

// start builds the house, opens its door and keeps its lifetimes: when one part
// fails, or ctx ends, all of them end.
func start(ctx context.Context, s settings, out io.Writer) (err error) {
	logger := s.logger()
	listeners, err := listen(s.listen)
	if err != nil {
		return err
	}
	for i, l := range listeners {
		s.listen[i] = l.Addr().String() // where a port of 0 was asked for
	}
	h, err := build(ctx, s, logger)
	if err != nil {
		for _, l := range listeners {
			l.Close()
		}
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if err := h.firstRootKey(ctx, out); err != nil {
		return err
	}

	server := front.NewServer(h.front, h.tls(), logger, steer.ConnContext)
	// Background work outlives the door: what requests left behind is still done.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	background, work := errgroup.WithContext(work)
	for _, run := range h.background {
		background.Go(func() error { return ignoreCanceled(run(work)) })
	}
	door, ctx := errgroup.WithContext(ctx)
	for _, l := range append(listeners, h.gate) {
		door.Go(func() error { return server.Serve(l) })
	}
	door.Go(func() error {
		select {
		case <-ctx.Done():
		case <-work.Done():
		}
		return server.Stop(context.WithoutCancel(ctx))
	})
	if err := h.publish(listeners[0].Addr()); err != nil {
		logger.Warn("the data folder does not say how to reach Tule", "error", err)
	}
	logger.Info("started", "version", version, "listen", s.listen, "data", s.data, "iam", s.iam, "isolation", h.isolation())
	fmt.Fprintln(out, "Ready.")

	err = door.Wait()
	logger.Info("stopping")
	stopWork()
	return errors.Join(err, background.Wait())
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// listen opens the ports first: if one is taken there is nothing to undo.
func listen(addrs []string) ([]net.Listener, error) {
	var out []net.Listener
	for _, a := range addrs {
		l, err := net.Listen("tcp", a)
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%s is taken: is another Tule, or another stand-in for AWS, running there? Stop it, or choose another port with --listen", a)
		} else if errors.Is(err, syscall.EACCES) {
			err = fmt.Errorf("%s: ports below 1024 need root, or the capability CAP_NET_BIND_SERVICE", a)
		}
		if err != nil {
			for _, l := range out {
				l.Close()
			}
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// Files within the data folder for commands that talk to its Tule: where it listens,
// and the certificate of its authority.
const (
	addressFile = "address"
	rootFile    = "ca.pem"
)

// address is where the Tule of a data folder listens, or the default.
func address(data string) string {
	b, err := os.ReadFile(filepath.Join(data, addressFile))
	if err != nil {
		return "127.0.0.1:4566"
	}
	return strings.TrimSpace(string(b))
}
