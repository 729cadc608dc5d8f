// Command tule is a serverless cloud in one binary: functions, HTTP APIs, tables,
// identity and logs, behind AWS's own wire protocols.
//
// The package is the contents page of the system: house.go builds the parts in
// order, each from those before it, and start.go runs them until told to stop.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // schedules know their zones on machines that know none

	"github.com/spf13/cobra"

	"github.com/tule-cloud/tule/sandbox"
	"github.com/tule-cloud/tule/steer"
)

// version is set by the linker.
var version = "dev"

func main() {
	// Both return at once, unless this process was started to become a sandbox or
	// a steered command.
	self := sandbox.MaybeInit()
	steer.MaybeChild()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(self).ExecuteContext(ctx)
	stop()
	var code exitCode
	switch {
	case errors.As(err, &code):
		os.Exit(int(code))
	case err != nil:
		fmt.Fprintln(os.Stderr, paint(os.Stderr, red, "tule: ")+err.Error())
		os.Exit(1)
	}
}

// exitCode is the error of a command whose exit status is all there is to say.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func command(self sandbox.Self) *cobra.Command {
	root := &cobra.Command{
		Use:           "tule",
		Short:         "Your own serverless cloud: functions, APIs, tables, identity and logs in one binary",
		SilenceErrors: true,
		SilenceUsage:  true,
		// A mistyped command is answered with the nearest ones.
		SuggestionsMinimumDistance: 2,
		Version:                    version,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w\nSee `%s --help`", err, c.CommandPath())
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(startCommand(self), execCommand(), envCommand(), statusCommand(), doctorCommand(), invokeCommand(), logsCommand(), whyCommand(), auditCommand(), policyCommand(), runtimesCommand(), accountCommand(), rootKeyCommand(), versionCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), "tule", version) },
	}
}
