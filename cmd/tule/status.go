package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func statusCommand() *cobra.Command {
	var s steering
	c := &cobra.Command{
		Use:   "status",
		Short: "Say whether a Tule runs, and what it serves",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			out := c.OutOrStdout()
			health, err := askHealth(s.address())
			if err != nil {
				return fmt.Errorf("no Tule answers at %s: %w\nStart one: tule start --data %s", s.address(), err, s.data)
			}
			fmt.Fprintf(out, "Tule %s serves at http://%s\n", health.Version, s.address())
			for _, name := range slices.Sorted(maps.Keys(health.Services)) {
				fmt.Fprintf(out, "  %-18s %s\n", name, paint(out, green, health.Services[name]))
			}
			return nil
		},
	}
	s.flags(c)
	return c
}

type health struct {
	Version  string
	Services map[string]string
}

func askHealth(addr string) (health, error) {
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get("http://" + addr + "/_localstack/health")
	if err != nil {
		return health{}, err
	}
	defer res.Body.Close()
	var h health
	err = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&h)
	return h, err
}

// shellQuote quotes NAME=value for a shell, where that is needed.
func shellQuote(assignment string) string {
	name, value, _ := strings.Cut(assignment, "=")
	if strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:-,=@") == "" {
		return assignment
	}
	return name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
