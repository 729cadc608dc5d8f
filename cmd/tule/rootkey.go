package main

import (
	"crypto/rand"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/iam"
)

func rootKeyCommand() *cobra.Command {
	var data, account string
	c := &cobra.Command{
		Use:   "root-key",
		Short: "Make an access key for the root of an account",
		Long: "Root-key makes an access key that may do everything in an account, and prints it\n" +
			"once: its secret cannot be read again. Tule must not be running on the folder.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !aws.ValidAccount(account) {
				return fmt.Errorf("--account %s: an account is twelve digits", account)
			}
			house := &house{settings: settings{data: data}}
			st, err := store.Open(house.in("store"), store.Options{Clock: systemClock{}})
			if err != nil {
				return err
			}
			defer st.Close()
			keys, err := seal.Open(house.in("key"), rand.Reader)
			if err != nil {
				return err
			}
			people := iam.New(iam.Options{Store: st, Clock: systemClock{}, Random: rand.Reader, Keys: keys, Logger: slog.Default()})
			id, secret, err := people.CreateRootKey(c.Context(), account)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n", id, secret)
			return nil
		},
	}
	c.Flags().StringVar(&data, "data", defaultData(), "Tule's data folder")
	c.Flags().StringVar(&account, "account", "000000000000", "the account")
	return c
}
