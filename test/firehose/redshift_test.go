package firehose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/tule-cloud/tule/test/tule"
)

// A server is PostgreSQL's own, from Debian's package, with a user «loader» whose password
// is asked for.
type server struct {
	port string
	mu   sync.Mutex
	log  bytes.Buffer
}

// Write implements io.Writer: what the server logs.
func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

// said reports whether the server has logged a text.
func (s *server) said(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.log.String(), text)
}

// postgres starts a server; it needs to be no root.
func postgres(t *testing.T) *server {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	owner, err := user.Lookup("postgres")
	if len(found) == 0 || err != nil || os.Getuid() != 0 {
		t.Skip("needs root, and PostgreSQL of Debian's package postgresql")
	}
	bin := filepath.Dir(found[len(found)-1])
	uid, err := strconv.Atoi(owner.Uid)
	try(t, err)
	gid, err := strconv.Atoi(owner.Gid)
	try(t, err)
	dir, err := os.MkdirTemp("", "tule-postgres-")
	try(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	password := filepath.Join(dir, "password")
	try(t, os.WriteFile(password, []byte("o'pen sesame"), 0o600))
	for _, path := range []string{dir, password} {
		try(t, os.Chown(path, uid, gid))
	}
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir, c.SysProcAttr = dir, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, Pdeathsig: syscall.SIGQUIT}
		return c
	}
	if out, err := command("initdb", "-D", filepath.Join(dir, "data"), "-U", "loader", "--pwfile", password, "-A", "scram-sha-256", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address, err := tule.FreeAddr()
	try(t, err)
	s := &server{}
	_, s.port, err = net.SplitHostPort(address)
	try(t, err)
	c := command("postgres", "-D", filepath.Join(dir, "data"), "-p", s.port, "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
	c.Stderr = s
	try(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGQUIT)
		_ = c.Wait() // killed
	})
	for end := time.Now().Add(30 * time.Second); !s.said("ready to accept connections"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("PostgreSQL is not ready\n%s", s.log.String())
		}
	}
	return s
}

// TestRedshift has a real PostgreSQL take the connection, the password and the command. COPY
// from S3 is Redshift's alone: PostgreSQL says where it stops understanding, and the manifest
// is put among the errors.
func TestRedshift(t *testing.T) {
	s := postgres(t)
	c := start(t, "")
	defer c.stop()
	bucket := c.bucket("loads")
	role := c.role("deliver", allow("s3:PutObject", bucket+"/*"))
	for name, password := range map[string]string{"right": "o'pen sesame", "wrong": "shut sesame"} {
		_, err := c.firehose.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: &name, RedshiftDestinationConfiguration: &types.RedshiftDestinationConfiguration{
			RoleARN: &role, ClusterJDBCURL: aws.String("jdbc:redshift://127.0.0.1:" + s.port + "/postgres"), Username: aws.String("loader"), Password: &password,
			CopyCommand: &types.CopyCommand{DataTableName: aws.String("events"), DataTableColumns: aws.String("a,b"), CopyOptions: aws.String("json 'auto'")}, RetryOptions: &types.RedshiftRetryOptions{DurationInSeconds: aws.Int32(0)},
			S3Configuration: &types.S3DestinationConfiguration{RoleARN: &role, BucketARN: &bucket, Prefix: aws.String(name + "/"), BufferingHints: &types.BufferingHints{IntervalInSeconds: aws.Int32(60), SizeInMBs: aws.Int32(1)}}}})
		try(t, err)
		c.put(name, `{"a":1,"b":"x"}`, `{"a":2,"b":"y"}`)
	}
	c.pass(61 * time.Second)
	for _, name := range []string{"right", "wrong"} {
		c.delivered("loads", name+"/errors/manifests/", 1)
		manifests := c.delivered("loads", name+"/manifests/", 1)
		key := keys(manifests)[0]
		var m struct {
			Entries []struct {
				URL       string
				Mandatory bool
			}
		}
		try(t, json.Unmarshal([]byte(manifests[key]), &m))
		data := slices.DeleteFunc(keys(c.objects("loads", name+"/")), func(k string) bool { return strings.Contains(k, "manifests/") })
		if len(data) != 1 || len(m.Entries) != 1 || m.Entries[0].URL != "s3://loads/"+data[0] || !m.Entries[0].Mandatory {
			t.Errorf("the manifest of %q is %+v", data, m)
		}
		statement := fmt.Sprintf("STATEMENT:  COPY events (a,b) FROM 's3://loads/%s' CREDENTIALS 'aws_iam_role=%s' MANIFEST json 'auto'", key, role)
		if got := s.said(statement); got != (name == "right") {
			t.Errorf("with the %s password PostgreSQL was told %q: %v\n%s", name, statement, got, s.log.String())
		}
	}
	for _, want := range []string{`FATAL:  password authentication failed for user "loader"`, `ERROR:  syntax error at or near "CREDENTIALS"`} {
		if !s.said(want) {
			t.Errorf("PostgreSQL did not say %q\n%s", want, s.log.String())
		}
	}
}
