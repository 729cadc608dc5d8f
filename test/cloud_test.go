// Package test calls Tule as its users do: the real binary, by AWS's real clients.
// Here are aws-sdk-go-v2 and Tule's own command line; python/ and node/ hold the
// others, crash/ kills Tule, hostile/ sends it what it should not be sent, and
// movies/ walks a whole published walkthrough.
package test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/tule-cloud/tule/test/tule"
)

// house is the Tule that the tests of this package share. Each test has an account
// of its own in it.
var house *tule.Tule

func TestMain(m *testing.M) {
	var err error
	if house, err = tule.Start(tule.Options{Libraries: true}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if code == 0 {
		if err := everyOperation(); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL", err)
			code = 1
		}
	} else if testing.Verbose() {
		fmt.Fprintln(os.Stderr, house.Log())
	}
	if err := house.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL", err)
		code = 1
	}
	os.Exit(code)
}

// cloud is an account's clients.
type cloud struct {
	testing.TB
	account string
	config  aws.Config
	dynamo  *dynamodb.Client
	lambda  *lambda.Client
	gateway *apigateway.Client
	iam     *iam.Client
	sts     *sts.Client
	logs    *cloudwatchlogs.Client
}

const region = "eu-west-1"

// newCloud is the root of a new account.
func newCloud(t testing.TB) *cloud {
	n, err := rand.Int(rand.Reader, big.NewInt(900_000_000_000))
	if err != nil {
		t.Fatal(err)
	}
	return cloudAs(t, fmt.Sprint(100_000_000_000+n.Int64()), "", "", "")
}

// cloudAs is the clients of who holds a key: without one, the root of the account.
func cloudAs(t testing.TB, account, key, secret, token string) *cloud {
	if key == "" {
		key, secret = account, "any"
	}
	return cloudOf(t, account, aws.Config{
		Region:           region,
		BaseEndpoint:     aws.String(house.URL()),
		Credentials:      credentials.NewStaticCredentialsProvider(key, secret, token),
		RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient,
	})
}

func cloudOf(t testing.TB, account string, c aws.Config) *cloud {
	c.APIOptions = append(c.APIOptions, called)
	return &cloud{TB: t, account: account, config: c,
		dynamo: dynamodb.NewFromConfig(c), lambda: lambda.NewFromConfig(c), gateway: apigateway.NewFromConfig(c),
		iam: iam.NewFromConfig(c), sts: sts.NewFromConfig(c), logs: cloudwatchlogs.NewFromConfig(c)}
}

// arn is an ARN of the account in the tests' region.
func (c *cloud) arn(service, resource string) string {
	r := region
	if service == "iam" {
		r = ""
	}
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, r, c.account, resource)
}

// must gives the answer of a call that may not fail.
func must[T any](out T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// fails checks that a call failed with the error type E, and gives it.
func fails[E error](t testing.TB, err error, text string) E {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want a %T", err, e)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("got error %v, want one that says %q", err, text)
	}
	return e
}

// refused checks that a call failed with a code that SDKs have no type for.
func refused(t testing.TB, err error, code, text string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), text) {
		t.Errorf("got error %v, want %s that says %q", err, code, text)
	}
}

// equal compares what is comparable.
func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// eventually asks until f is content or the deadline has come.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// zipped packs files, name and content by turns.
func zipped(files ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err == nil {
			_, err = w.Write([]byte(files[i+1]))
		}
		if err != nil {
			panic(err) // a buffer in memory takes all
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

var ctx = context.Background()

// has checks that a text holds all of words.
func has(text string, words ...string) error {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return fmt.Errorf("%q is not in:\n%s", w, text)
		}
	}
	return nil
}
