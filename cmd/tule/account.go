package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/wire/sigv4"
)

func accountCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "account",
		Short: "Make and list the accounts of a running Tule",
		Long: "Account manages the accounts of a running Tule by AWS Organizations' own operations,\n" +
			"with the credentials of the environment. Without any, whoever may read the data\n" +
			"folder's key file is the root of account " + defaultAccount + ".",
	}
	c.AddCommand(accountAddCommand(), accountListCommand())
	return c
}

// defaultAccount is the account that manages the others, unless the environment's
// credentials are of another.
const defaultAccount = "000000000000"

func accountAddCommand() *cobra.Command {
	var s steering
	var email, id string
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Make an account, and print an access key of its root",
		Long: "Add makes an account in the organization, which it founds where there is none, and\n" +
			"prints an access key of the new account's root, once: its secret cannot be read again.",
		Example: "  tule account add dev\n  tule account add 'Data team' --email data@example.com",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if id != "" && !aws.ValidAccount(id) {
				return fmt.Errorf("--id %s: an account is twelve digits", id)
			}
			if email == "" {
				email = addressOf(args[0])
			}
			return s.addAccount(c.Context(), c.OutOrStdout(), args[0], email, id)
		},
	}
	s.flags(c)
	c.Flags().StringVar(&email, "email", "", "the account's address, which no other account has; one made of the name else")
	c.Flags().StringVar(&id, "id", "", "the account's id, while Tule listens on loopback alone; one at random else")
	return c
}

func accountListCommand() *cobra.Command {
	var s steering
	c := &cobra.Command{
		Use:   "list",
		Short: "List the accounts of the organization",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return s.listAccounts(c.Context(), c.OutOrStdout()) },
	}
	s.flags(c)
	return c
}

// addressOf is an address for who gave none, below a domain that nobody has.
func addressOf(name string) string {
	local := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789", r) {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	return local + "@account.invalid"
}

// manager is a client with the environment's credentials, or those of the key file.
func (s *steering) manager(ctx context.Context) *client {
	c := newClient(s.address(), s.region)
	if os.Getenv("AWS_ACCESS_KEY_ID") != "" {
		return c
	}
	if own, err := rootSession(ctx, s.data, defaultAccount); err == nil {
		c.keys = own
	}
	return c
}

// organizations calls an operation of Organizations.
func (c *client) organizations(ctx context.Context, op string, in, out any) error {
	return c.json(ctx, "organizations", "AWSOrganizationsV20161128."+op, in, out)
}

// is reports whether err is what Tule answered with that code.
func is(err error, code string) bool {
	var e *apiError
	return errors.As(err, &e) && e.code == code
}

func (s *steering) addAccount(ctx context.Context, out io.Writer, name, email, id string) error {
	type tag struct{ Key, Value string }
	in := struct {
		AccountName, Email string
		Tags               []tag
	}{AccountName: name, Email: email}
	if id != "" {
		in.Tags = []tag{{"_custom_id_", id}}
	}
	var made struct {
		CreateAccountStatus struct{ AccountId, State, FailureReason string }
	}
	c := s.manager(ctx)
	err := c.organizations(ctx, "CreateAccount", in, &made)
	if is(err, "AWSOrganizationsNotInUseException") {
		if err = c.organizations(ctx, "CreateOrganization", struct{}{}, &struct{}{}); err == nil {
			err = c.organizations(ctx, "CreateAccount", in, &made)
		}
	}
	if err != nil {
		return err
	}
	switch st := made.CreateAccountStatus; {
	case st.FailureReason == "EMAIL_ALREADY_EXISTS":
		return fmt.Errorf("another account has the address %s; choose one with --email", email)
	case st.State != "SUCCEEDED":
		return fmt.Errorf("the account was not made: %s", st.FailureReason)
	default:
		id = st.AccountId
	}
	fmt.Fprintf(out, "AWS_ACCOUNT_ID=%s\n", id)
	key, err := c.rootKey(ctx, s.data, id)
	if err != nil {
		return fmt.Errorf("the account is made, but no access key of its root: %w\nMake one where the data folder is: tule root-key --account %s", err, id)
	}
	return key.print(out)
}

func (s *steering) listAccounts(ctx context.Context, out io.Writer) error {
	c := s.manager(ctx)
	type page struct {
		Accounts  []struct{ Id, Name, Email, Status string }
		NextToken string `json:",omitempty"`
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tNAME\tEMAIL\tSTATUS")
	in := struct {
		NextToken string `json:",omitempty"`
	}{}
	for {
		var p page
		err := c.organizations(ctx, "ListAccounts", in, &p)
		if is(err, "AWSOrganizationsNotInUseException") {
			return fmt.Errorf("the account is in no organization yet: `tule account add` founds one")
		}
		if err != nil {
			return err
		}
		for _, a := range p.Accounts {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", a.Id, a.Name, a.Email, a.Status)
		}
		if in.NextToken = p.NextToken; in.NextToken == "" {
			return t.Flush()
		}
	}
}

// rootKey has a running Tule make an access key for the root of an account, as that
// root: by the key file, or else by the account's id, which a Tule on loopback takes.
func (c *client) rootKey(ctx context.Context, data, account string) (accessKey, error) {
	asRoot := *c
	var err error
	if asRoot.keys, err = rootSession(ctx, data, account); err != nil {
		asRoot.keys = sigv4.Credentials{AccessKeyID: account, Secret: account}
	}
	var made struct {
		Key accessKey `xml:"CreateAccessKeyResult>AccessKey"`
	}
	err = asRoot.query(ctx, "iam", url.Values{"Action": {"CreateAccessKey"}, "Version": {"2010-05-08"}}, &made)
	return made.Key, err
}
