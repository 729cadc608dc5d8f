package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/iam"
	"github.com/tule-cloud/tule/svc/sts"
	"github.com/tule-cloud/tule/wire/sigv4"
)

// An accessKey is printed once.
type accessKey struct {
	ID     string `xml:"AccessKeyId"`
	Secret string `xml:"SecretAccessKey"`
}

// print writes the key as assignments, for a shell or a file of variables.
func (k accessKey) print(out io.Writer) error {
	_, err := fmt.Fprintf(out, "AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n", k.ID, k.Secret)
	return err
}

func rootKeyCommand() *cobra.Command {
	var s steering
	var account string
	c := &cobra.Command{
		Use:   "root-key",
		Short: "Make an access key for the root of an account",
		Long: "Root-key makes an access key that may do everything in an account, and prints it\n" +
			"once: its secret cannot be read again. It takes the right to read the data folder's\n" +
			"key file, and works whether Tule is running on the folder or not.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !aws.ValidAccount(account) {
				return fmt.Errorf("--account %s: an account is twelve digits", account)
			}
			key, err := makeRootKey(c.Context(), s.data, account)
			if errors.Is(err, store.ErrLocked) { // by the Tule that runs on it
				key, err = newClient(s.address(), s.region).rootKey(c.Context(), s.data, account)
			}
			if err != nil {
				return err
			}
			return key.print(c.OutOrStdout())
		},
	}
	s.flags(c)
	c.Flags().StringVar(&account, "account", defaultAccount, "the account")
	return c
}

// makeRootKey makes the key in a store that nobody else has open.
func makeRootKey(ctx context.Context, data, account string) (accessKey, error) {
	house := &house{settings: settings{data: data}}
	st, err := store.Open(house.in("store"), store.Options{Clock: systemClock{}})
	if err != nil {
		return accessKey{}, err
	}
	defer st.Close()
	keys, err := seal.Open(house.in("key"), rand.Reader)
	if err != nil {
		return accessKey{}, err
	}
	people := iam.New(iam.Options{Store: st, Clock: systemClock{}, Random: rand.Reader, Keys: keys, Logger: slog.Default()})
	id, secret, err := people.CreateRootKey(ctx, account)
	return accessKey{id, secret}, err
}

// firstRootKey makes the root credential of a Tule that others can reach, where it has
// none, and prints it, once. The store has the secret under the key file alone.
func (h *house) firstRootKey(ctx context.Context, out io.Writer) error {
	if h.loopback() {
		return nil
	}
	have, err := h.iam.RootKeys(ctx)
	if err != nil || have {
		return err
	}
	id, secret, err := h.iam.CreateRootKey(ctx, defaultAccount)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nListening on %s, others can reach this Tule, and it had no root credential.\n"+
		"This one, of account %s, may do everything there. It is not shown again.\n\n", strings.Join(h.listen, " and "), defaultAccount)
	if err := (accessKey{id, secret}).print(out); err != nil {
		return fmt.Errorf("the root credential could not be printed: %w\nMake another: tule root-key --data %s", err, h.data)
	}
	_, err = fmt.Fprintln(out)
	return err
}

// rootSession is a quarter of an hour as the root of an account, for who may read the
// key file. Nobody need have made it: what is sealed with that file is believed, and
// holding it is the second factor that IAM wants of sessions.
func rootSession(ctx context.Context, data, account string) (sigv4.Credentials, error) {
	path := filepath.Join(data, "key")
	if _, err := os.Stat(path); err != nil { // where there is none, seal would make one
		return sigv4.Credentials{}, err
	}
	keys, err := seal.Open(path, rand.Reader)
	if err != nil {
		return sigv4.Credentials{}, err
	}
	now := systemClock{}.Now()
	ctx = aws.WithRequest(ctx, &aws.Request{Time: now, Caller: aws.Caller{Kind: aws.Root, Account: account, UserID: account,
		ARN: aws.NewARN("iam", "", account, "root").String(), MFAAt: now}})
	for _, r := range sts.New(sts.Options{Clock: systemClock{}, Random: rand.Reader, Keys: keys}).Routes() {
		if r.Op != &stsapi.GetSessionToken.Operation {
			continue
		}
		length := int32(900)
		out, err := r.Call(ctx, &stsapi.GetSessionTokenRequest{DurationSeconds: &length})
		if err != nil {
			return sigv4.Credentials{}, err
		}
		lent := out.(*stsapi.GetSessionTokenResponse).Credentials
		return sigv4.Credentials{AccessKeyID: *lent.AccessKeyId, Secret: *lent.SecretAccessKey, Token: *lent.SessionToken}, nil
	}
	return sigv4.Credentials{}, aws.Unanswered(&stsapi.GetSessionToken.Operation)
}
