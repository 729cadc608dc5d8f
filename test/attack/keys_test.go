package attack

import (
	"bufio"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tule-cloud/tule/test/tule"
)

// operations are a call of each protocol.
func operations(key aws.Credentials) map[string]message {
	ops := map[string]message{
		"JSON":    dynamo(key, "ListTables", "{}"),
		"query":   query(key, "iam", "Action=ListUsers"),
		"STS":     query(key, "sts", "Action=GetCallerIdentity"),
		"REST":    {service: "lambda", method: "GET", path: "/2015-03-31/functions", key: key},
		"gateway": {service: "apigateway", method: "GET", path: "/restapis", key: key},
		"logs":    {service: "logs", method: "POST", path: "/", body: "{}", key: key, header: map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Logs_20140328.DescribeLogGroups"}},
		"session": query(key, "sts", "Action=GetSessionToken"),
	}
	for name, m := range ops {
		m.host = m.service + "." + region + ".amazonaws.com" // what is not signed is recognised by it
		ops[name] = m
	}
	return ops
}

func everyProtocol(t *testing.T, key aws.Credentials, codes string) {
	t.Helper()
	for name, m := range operations(key) {
		if status, body := m.send(t); status != 400 && status != 403 || !containsOne(body, codes) {
			t.Errorf("%s: %d %.300s, want %s", name, status, body, codes)
		}
	}
}

func containsOne(text, of string) bool {
	for s := range strings.SplitSeq(of, "|") {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

const unknown = "InvalidClientTokenId|UnrecognizedClientException"

func TestUnsigned(t *testing.T) {
	t.Parallel()
	everyProtocol(t, aws.Credentials{}, "MissingAuthenticationToken|Missing Authentication Token")
}

func TestUnknownKey(t *testing.T) {
	t.Parallel()
	everyProtocol(t, aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "x"}, unknown)
	everyProtocol(t, aws.Credentials{AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "x", SessionToken: "x"}, unknown)
	everyProtocol(t, aws.Credentials{AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "x"}, unknown)
}

// A key of another installation is a key that this one has not issued.
func TestForeignKey(t *testing.T) {
	t.Parallel()
	other := must(tule.Start(tule.Options{}))(t)
	defer func() { works(t, "stopping", other.Stop()) }()
	there := as(t, other, "123456789012", aws.Credentials{AccessKeyID: "123456789012", SecretAccessKey: "any"})
	name := aws.String("ann")
	must(there.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name}))(t)
	k := must(there.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name}))(t).AccessKey
	key := aws.Credentials{AccessKeyID: *k.AccessKeyId, SecretAccessKey: *k.SecretAccessKey}
	_, err := as(t, other, "123456789012", key).whoami()
	works(t, "at home", err)
	everyProtocol(t, key, unknown)
	s := must(as(t, other, "123456789012", key).sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{}))(t).Credentials
	everyProtocol(t, aws.Credentials{AccessKeyID: *s.AccessKeyId, SecretAccessKey: *s.SecretAccessKey, SessionToken: *s.SessionToken}, unknown)
}

func TestWrongSecret(t *testing.T) {
	t.Parallel()
	a := owner(t)
	ann, bob := a.user("ann", everything), a.user("bob", everything)
	mismatch := "SignatureDoesNotMatch|InvalidSignatureException"
	everyProtocol(t, aws.Credentials{AccessKeyID: ann.key.AccessKeyID, SecretAccessKey: bob.key.SecretAccessKey}, mismatch)
	everyProtocol(t, aws.Credentials{AccessKeyID: ann.key.AccessKeyID}, mismatch)
	everyProtocol(t, aws.Credentials{AccessKeyID: ann.key.AccessKeyID, SecretAccessKey: ann.key.SecretAccessKey[1:]}, mismatch)
}

func TestDeletedKey(t *testing.T) {
	t.Parallel()
	a := owner(t)
	ann := a.user("ann", everything)
	_, err := ann.whoami()
	works(t, "before", err)
	must(a.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: &ann.key.AccessKeyID}))(t)
	everyProtocol(t, ann.key, unknown)
}

func TestInactiveKey(t *testing.T) {
	t.Parallel()
	a := owner(t)
	ann := a.user("ann", everything)
	in := &iam.UpdateAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: &ann.key.AccessKeyID, Status: iamtypes.StatusTypeInactive}
	must(a.iam.UpdateAccessKey(ctx, in))(t)
	everyProtocol(t, ann.key, unknown)
	_, err := ann.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{AccessKeyId: &ann.key.AccessKeyID, Status: iamtypes.StatusTypeActive})
	refused(t, "switching itself on", err, "InvalidClientTokenId", "")
	in.Status = iamtypes.StatusTypeActive
	must(a.iam.UpdateAccessKey(ctx, in))(t)
	_, err = ann.whoami()
	works(t, "switched on again", err)
}

// Sessions of a user who is gone, or whose permissions were taken away, can do no more
// than the user can.
func TestSessionOfDeletedUser(t *testing.T) {
	t.Parallel()
	a := owner(t)
	a.table("things")
	ann := a.user("ann", allow("dynamodb:*", "*"))
	s := ann.session(a.account, must(ann.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{}))(t).Credentials)
	works(t, "the session", s.get("things"))
	must(a.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("own")}))(t)
	denied(t, "without the policy", s.get("things"), "dynamodb:GetItem")
	must(a.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: &ann.key.AccessKeyID}))(t)
	must(a.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("ann")}))(t)
	a.user("ann", allow("dynamodb:*", "*")) // another, of the same name
	if err := s.get("things"); err == nil {
		t.Error("the session of the first ann is one of the second's")
	}
}

func TestTokenOfAnotherKey(t *testing.T) {
	t.Parallel()
	a := owner(t)
	ann, bob := a.user("ann", everything), a.user("bob")
	session := func(p *party) aws.Credentials {
		return p.session(a.account, must(p.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{}))(t).Credentials).key
	}
	one, two, bobs := session(ann), session(ann), session(bob)
	mix := func(k aws.Credentials, token string) aws.Credentials { k.SessionToken = token; return k }
	everyProtocol(t, mix(one, two.SessionToken), unknown)
	everyProtocol(t, mix(bobs, one.SessionToken), unknown)
	everyProtocol(t, mix(one, ""), unknown)
	everyProtocol(t, mix(one, one.SessionToken[:len(one.SessionToken)-4]), unknown)
	everyProtocol(t, mix(one, one.SessionToken+"AAAA"), unknown)
	everyProtocol(t, mix(ann.key, one.SessionToken), unknown)
	everyProtocol(t, mix(bob.key, one.SessionToken), unknown)
	for i := 0; i < len(one.SessionToken); i += 7 {
		b := []byte(one.SessionToken)
		b[i] ^= 1
		if status, body := query(mix(one, string(b)), "sts", "Action=GetCallerIdentity").send(t); status == 200 {
			t.Fatalf("a token changed at %d: %s", i, body)
		}
	}
	if who, err := a.with(one).whoami(); err != nil || who != a.arn("iam", "user/ann") {
		t.Errorf("the token as it was: %s %v", who, err)
	}
}

// The clock is moved, so this Tule is its own.
func TestExpiredSession(t *testing.T) {
	t.Parallel()
	h := must(tule.Start(tule.Options{}))(t)
	defer func() { works(t, "stopping", h.Stop()) }()
	a := as(t, h, "123456789012", aws.Credentials{AccessKeyID: "123456789012", SecretAccessKey: "any"})
	must(a.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("ann")}))(t)
	must(a.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("own"), PolicyDocument: document(everything)}))(t)
	k := must(a.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("ann")}))(t).AccessKey
	ann := as(t, h, a.account, aws.Credentials{AccessKeyID: *k.AccessKeyId, SecretAccessKey: *k.SecretAccessKey})
	s := must(ann.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(900)}))(t).Credentials
	short := as(t, h, a.account, aws.Credentials{AccessKeyID: *s.AccessKeyId, SecretAccessKey: *s.SecretAccessKey, SessionToken: *s.SessionToken})
	advance(t, h, 890*time.Second)
	_, err := short.whoami()
	works(t, "ten seconds before its end", err)
	advance(t, h, 10*time.Second)
	_, err = short.whoami()
	refused(t, "at its end", err, "ExpiredToken", "The security token included in the request is expired")
	refused(t, "at its end, in JSON", short.get("things"), "ExpiredTokenException", "The security token included in the request is expired")
	_, err = short.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{})
	refused(t, "longer by itself", err, "ExpiredToken", "")
	_, err = ann.whoami()
	works(t, "the user, who signs by a clock that stayed", err)
}

// A signature is good for fifteen minutes, and a copy of it for no longer.
func TestReplay(t *testing.T) {
	t.Parallel()
	a := owner(t)
	ann := a.user("ann", everything)
	for _, c := range []struct {
		off  time.Duration
		good bool
	}{{-14 * time.Minute, true}, {14 * time.Minute, true}, {-16 * time.Minute, false}, {16 * time.Minute, false}, {-24 * time.Hour, false}, {24 * time.Hour, false}} {
		for name, m := range operations(ann.key) {
			m.at = c.off
			if status, body := m.send(t); (status == 200) != c.good || !c.good && !strings.Contains(body, "Signature") {
				t.Errorf("%s, signed %v from now: %d %.300s", name, c.off, status, body)
			}
		}
	}
}

// outside is an address that is not the loopback's, in a network where nobody else is.
const outside = "192.0.2.1"

// A Tule that others can reach knows only the keys that it issued. The test runs once
// more in a network of its own, where no one but itself reaches that Tule.
func TestUnknownKeyFromOutside(t *testing.T) {
	t.Parallel()
	if os.Getenv(inside) == "" {
		c := exec.Command(os.Args[0], "-test.run=^TestUnknownKeyFromOutside$", "-test.v")
		c.Env = append(os.Environ(), inside+"=1")
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
		out, err := c.CombinedOutput()
		switch {
		case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC) || strings.Contains(string(out), "--- SKIP"):
			t.Skipf("a network of one's own is not to be had here: %v %s", err, out)
		case err != nil:
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	for _, args := range [][]string{{"link", "set", "lo", "up"}, {"addr", "add", outside + "/32", "dev", "lo"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Skipf("ip %v: %v %s", args, err, out)
		}
	}
	data := filepath.Join(t.TempDir(), "data")
	root := rootKey(t, data)
	c := exec.Command(tule.Bin(), "start", "--data", data, "--listen", outside+":4566", "--isolation", "process")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // a test that dies leaves nobody behind
	stdout := must(c.StdoutPipe())(t)
	works(t, "starting", c.Start())
	defer func() {
		works(t, "stopping", c.Process.Signal(os.Interrupt))
		works(t, "stopping", c.Wait())
	}()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "Ready.\n" {
		t.Fatalf("%q %v", line, err)
	}
	house = &tule.Tule{Addr: outside + ":4566"}
	for _, id := range []string{"test", "123456789012", "000000000000", "LKIAQAAAAAAAAAAAAAAA", "LSIAQAAAAAAAAAAAAAAA", "AKIAIOSFODNN7EXAMPLE", root.AccessKeyID[:19]} {
		everyProtocol(t, aws.Credentials{AccessKeyID: id, SecretAccessKey: "test"}, unknown)
	}
	everyProtocol(t, aws.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: "test"}, "SignatureDoesNotMatch|InvalidSignatureException")
	for name, m := range operations(root) {
		if status, body := m.send(t); status != 200 {
			t.Errorf("%s by the root credential: %d %.300s", name, status, body)
		}
	}
	for _, path := range []string{"/_localstack/state/reset", "/_tule/clock?advance=900s"} {
		res := must(http.Post(house.URL()+path, "", nil))(t)
		res.Body.Close()
		if res.StatusCode != 403 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

// rootKey makes the root credential of a data folder.
func rootKey(t *testing.T, data string) aws.Credentials {
	t.Helper()
	printed := must(exec.Command(tule.Bin(), "root-key", "--data", data).CombinedOutput())(t)
	words := regexp.MustCompile(`(AKIA[A-Z0-9]{16})[\s\S]*?([A-Za-z0-9/+]{40})`).FindStringSubmatch(string(printed))
	if words == nil {
		t.Fatalf("no key in %q", printed)
	}
	return aws.Credentials{AccessKeyID: words[1], SecretAccessKey: words[2]}
}
