package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tule-cloud/tule/steer"
)

// steering are the flags of the commands that lead others to a running Tule.
type steering struct {
	data, tule, region string
}

func (s *steering) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.data, "data", defaultData(), "the running Tule's data folder")
	c.Flags().StringVar(&s.tule, "tule", "", "the running Tule's host:port, if its data folder does not say")
	c.Flags().StringVar(&s.region, "region", "", "AWS_REGION for commands whose environment has none")
}

func (s *steering) address() string {
	if s.tule != "" {
		return s.tule
	}
	return address(s.data)
}

// trust is the running Tule's authority, by its public certificate. Its files for
// clients go where this user may write.
func (s *steering) trust() (*steer.Trust, error) {
	pem, err := os.ReadFile(filepath.Join(s.data, rootFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no Tule has run on %s yet. Start one: tule start --data %s", s.data, s.data)
	}
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "tule")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return steer.NewTrust(dir, pem, "")
}

func execCommand() *cobra.Command {
	var s steering
	var private bool
	c := &cobra.Command{
		Use:   "exec -- command [argument …]",
		Short: "Run a command for which AWS's own names lead to Tule",
		Long: "Exec runs any command so that *.amazonaws.com leads to the running Tule and its\n" +
			"certificates are trusted: old SDKs, which honour no endpoint variable, work\n" +
			"unchanged. Nothing else on the machine sees anything of it.",
		Example: "  tule exec -- node old-script.js\n  tule exec -- curl https://sts.amazonaws.com/",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			trust, err := s.trust()
			if err != nil {
				return err
			}
			code, err := steer.Exec(c.Context(), steer.ExecOptions{
				Command: args, Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
				Tule: s.address(), Trust: trust, Region: s.region, Private: private,
				Notice: func(text string) { fmt.Fprintln(os.Stderr, paint(os.Stderr, yellow, "tule: ")+text) },
			})
			if err != nil {
				fmt.Fprintln(os.Stderr, paint(os.Stderr, red, "tule: ")+err.Error())
			}
			if code != 0 {
				return exitCode(code)
			}
			return err
		},
	}
	s.flags(c)
	c.Flags().BoolVar(&private, "private", false, "give the command a network in which there is nothing but Tule")
	return c
}

func envCommand() *cobra.Command {
	var s steering
	c := &cobra.Command{
		Use:     "env",
		Short:   "Print the variables that lead tools to Tule",
		Long:    "Env prints what to set so that tools which honour such variables talk to Tule.",
		Example: "  eval \"$(tule env)\"\n  aws s3 ls",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			trust, err := s.trust()
			if err != nil {
				return err
			}
			files, err := trust.Files()
			if err != nil {
				return err
			}
			for _, v := range steer.Environ(steer.EnvironOptions{Base: os.Environ(), Files: files, Endpoint: "http://" + s.address(), Region: s.region}) {
				fmt.Fprintln(c.OutOrStdout(), "export "+shellQuote(v))
			}
			return nil
		},
	}
	s.flags(c)
	return c
}
