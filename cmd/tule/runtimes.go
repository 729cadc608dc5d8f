package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/tule-cloud/tule/runtimes"
)

// lazyRuntimes looks for the machine's interpreters once Tule is ready, since that
// takes longer than all the rest of a start. Who needs one before that waits; a
// search that failed is repeated.
type lazyRuntimes struct {
	dir string
	log *slog.Logger
	mu  sync.Mutex
	set *runtimes.Set
}

func (l *lazyRuntimes) get(ctx context.Context) (*runtimes.Set, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.set != nil {
		return l.set, nil
	}
	set, err := runtimes.Find(ctx, runtimes.FindOptions{Dir: l.dir})
	if err == nil {
		l.set = set
	}
	return set, err
}

// warm looks before anybody has to wait for it.
func (l *lazyRuntimes) warm(ctx context.Context) error {
	_, err := l.get(ctx)
	if err != nil && ctx.Err() == nil {
		l.log.Warn("the machine's interpreters were not found; they are looked for again when a function needs one", "error", err)
	}
	return nil
}

// runtimesDir is where, within the data folder, bootstraps and libraries are.
func runtimesDir(data string) string { return filepath.Join(data, "runtimes") }

func runtimesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "runtimes",
		Short: "The languages that functions can be written in here",
	}
	var data string
	fetch := &cobra.Command{
		Use:   "fetch [RUNTIME …]",
		Short: "Fetch the libraries that functions find unpackaged, as on AWS: aws-sdk and boto3",
		Long: "Fetch installs, with npm and pip, the libraries that AWS's runtimes provide, into\n" +
			"Tule's data folder: for the runtimes named, or for Node.js, the newest Python and\n" +
			"Python 2.7. Functions see them read-only. Nothing is ever fetched while a function\n" +
			"runs.",
		Example: "  tule runtimes fetch\n  tule runtimes fetch python3.8 python3.9",
		RunE: func(c *cobra.Command, names []string) error {
			if err := runtimes.Provision(c.Context(), runtimesDir(data), c.OutOrStdout(), names...); err != nil {
				return fmt.Errorf("%w\nFunctions that bring their own libraries run without these", err)
			}
			return nil
		},
	}
	fetch.Flags().StringVar(&data, "data", defaultData(), "Tule's data folder")
	c.AddCommand(fetch)
	return c
}
