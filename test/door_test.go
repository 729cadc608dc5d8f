package test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// authority is the root that Tule made for itself.
func authority(t testing.TB) *x509.CertPool {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(must(os.ReadFile(filepath.Join(house.Data, "ca.pem")))(t)) {
		t.Fatal("the authority's certificate cannot be read")
	}
	return pool
}

// HTTPS has the same port as HTTP, and a certificate for each of AWS's names.
func TestDoorTLS(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"dynamodb.eu-west-1.amazonaws.com", "sts.amazonaws.com", "a1b2c3.execute-api.us-west-2.amazonaws.com", "my.bucket.s3-eu-west-1.amazonaws.com", "localhost"} {
		dial := func(network, _ string, config *tls.Config) (net.Conn, error) {
			return tls.Dial("tcp", house.Addr, config)
		}
		for _, protocol := range []string{"h2", "http/1.1"} {
			conn, err := dial("tcp", "", &tls.Config{ServerName: name, RootCAs: authority(t), NextProtos: []string{protocol}})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			equal(t, "the protocol", conn.(*tls.Conn).ConnectionState().NegotiatedProtocol, protocol)
			conn.Close()
		}
	}
	if _, err := tls.Dial("tcp", house.Addr, &tls.Config{ServerName: "localhost"}); err == nil {
		t.Error("a client that does not know the authority trusts it")
	}
}

// The SDK speaks to AWS's own names over HTTPS, in HTTP/2 and 1.1, and plain HTTP/2.
func TestDoorProtocols(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	plain2 := new(http.Protocols)
	plain2.SetUnencryptedHTTP2(true)
	var dialer net.Dialer
	for name, transport := range map[string]*http.Transport{
		"HTTP/2.0 over TLS": {TLSClientConfig: &tls.Config{RootCAs: authority(t)}, ForceAttemptHTTP2: true},
		"HTTP/1.1 over TLS": {TLSClientConfig: &tls.Config{RootCAs: authority(t)}},
		"HTTP/2.0":          {Protocols: plain2},
	} {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", house.Addr)
		}
		config := c.config
		config.Region = "us-east-1" // the only one that sts.amazonaws.com serves
		config.BaseEndpoint = nil   // AWS's own
		seen := ""
		config.HTTPClient = &http.Client{Transport: spy{transport, &seen}}
		if !strings.HasSuffix(name, "TLS") {
			config.BaseEndpoint = aws.String("http://sts.amazonaws.com")
		}
		equal(t, "who calls", cloudOf(t, c.account, config).whoami(), "arn:aws:iam::"+c.account+":root")
		equal(t, "the protocol of "+name, seen, strings.TrimSuffix(name, " over TLS"))
	}
}

// spy notes the protocol of the last answer.
type spy struct {
	http.RoundTripper
	proto *string
}

func (s spy) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := s.RoundTripper.RoundTrip(r)
	if err == nil {
		*s.proto = res.Proto
	}
	return res, err
}

// What is not answered says so by name, with status 501, in each protocol.
func TestDoorUnanswered(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	check := func(err error, operation string) {
		t.Helper()
		var status interface{ HTTPStatusCode() int }
		if !errors.As(err, &status) || status.HTTPStatusCode() != 501 || !strings.Contains(err.Error(), operation) {
			t.Errorf("got %v, want 501 that names %s", err, operation)
		}
	}
	_, err := c.dynamo.ListGlobalTables(ctx, &dynamodb.ListGlobalTablesInput{})
	check(err, "ListGlobalTables")
	_, err = c.logs.ListIntegrations(ctx, &cloudwatchlogs.ListIntegrationsInput{})
	check(err, "ListIntegrations")
	_, err = c.gateway.GetDomainNameAccessAssociations(ctx, &apigateway.GetDomainNameAccessAssociationsInput{})
	check(err, "GetDomainNameAccessAssociations")
	_, err = c.iam.GetHumanReadableSummary(ctx, &iam.GetHumanReadableSummaryInput{EntityArn: aws.String("arn:aws:iam::" + c.account + ":role/r")})
	check(err, "GetHumanReadableSummary")
}

func TestDoorTools(t *testing.T) {
	t.Parallel()
	res := must(http.Get(house.URL() + "/_localstack/health"))(t)
	defer res.Body.Close()
	var health struct{ Services map[string]string }
	if err := json.NewDecoder(res.Body).Decode(&health); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dynamodb", "lambda", "apigateway", "iam", "sts", "logs"} {
		equal(t, "the state of "+name, health.Services[name], "running")
	}
	metrics := must(http.Get(house.URL() + "/metrics"))(t)
	defer metrics.Body.Close()
	if text := string(must(io.ReadAll(metrics.Body))(t)); !strings.Contains(text, "process_resident_memory_bytes") {
		t.Errorf("metrics: %.200s", text)
	}

	c, other := newCloud(t), newCloud(t)
	c.table("songs", false)
	other.table("songs", false)
	reset := must(http.Post(house.URL()+"/_localstack/state/reset?service=dynamodb&account="+c.account, "", nil))(t)
	reset.Body.Close()
	equal(t, "the number of tables after a reset", len(must(c.dynamo.ListTables(ctx, &dynamodb.ListTablesInput{}))(t).TableNames), 0)
	equal(t, "the number of another account's tables", len(must(other.dynamo.ListTables(ctx, &dynamodb.ListTablesInput{}))(t).TableNames), 1)
}
