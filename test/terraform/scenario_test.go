package terraform

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/test/tule"
)

// limit is how long one command of Terraform may take on a busy machine.
const limit = 8 * time.Minute

// A scenario is a folder of HCL, in an account of its own.
type scenario struct {
	*testing.T
	house   *tule.Tule
	account string
	command string // terraform or tofu
	dir     string // where it works
	env     []string
}

// start copies the scenario's HCL to where Terraform may write, and starts a Tule for it.
// Variables of the scenario are name=value.
func start(t *testing.T, name string, variables ...string) *scenario {
	command, provider := tools(t)
	t.Parallel()
	house, err := tule.Start(tule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(house.Failures())
		}
		if err := house.Stop(); err != nil {
			t.Error(err)
		}
	})
	n, err := rand.Int(rand.Reader, big.NewInt(900_000_000_000))
	try(t, err)
	s := &scenario{T: t, house: house, account: fmt.Sprint(100_000_000_000 + n.Int64()), command: command, dir: t.TempDir()}
	for _, pattern := range []string{"aws.tf", filepath.Join(name, "*.tf")} {
		files, err := filepath.Glob(pattern)
		try(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			try(t, err)
			try(t, os.WriteFile(filepath.Join(s.dir, filepath.Base(file)), text, 0o600))
		}
	}
	settings := filepath.Join(s.dir, "cli.tfrc")
	try(t, os.WriteFile(settings, fmt.Appendf(nil, `
		disable_checkpoint = true
		provider_installation {
			dev_overrides { "hashicorp/aws" = %q }
			direct { exclude = ["*/*"] }
		}`, filepath.Dir(provider)), 0o600))
	for _, v := range os.Environ() { // nothing of the machine's own settings reaches the provider
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "TF_") {
			s.env = append(s.env, v)
		}
	}
	s.env = append(s.env, "TF_CLI_CONFIG_FILE="+settings, "TF_IN_AUTOMATION=1", "TF_INPUT=0",
		"HOME="+s.dir, "TF_VAR_endpoint="+house.URL(), "TF_VAR_account="+s.account)
	for _, v := range variables {
		s.env = append(s.env, "TF_VAR_"+v)
	}
	return s
}

// arn is the ARN of something of IAM in the scenario's account.
func (s *scenario) arn(what string) string { return "arn:aws:iam::" + s.account + ":" + what }

// tools are Terraform, or OpenTofu, and the provider. The test is skipped without them.
// The variable TERRAFORM names another Terraform than that of the path.
func tools(t *testing.T) (command, provider string) {
	built := filepath.Join(tule.Root(), ".cache", "terraform", "bin")
	provider = filepath.Join(built, "terraform-provider-aws")
	if _, err := os.Stat(provider); err != nil {
		t.Skip("the provider is not built: make terraform builds it")
	}
	for _, name := range []string{os.Getenv("TERRAFORM"), "terraform", "tofu", filepath.Join(built, "tofu")} {
		if command, err := exec.LookPath(name); err == nil {
			return command, provider
		}
	}
	t.Skip("there is neither terraform nor tofu: make terraform builds one")
	return "", ""
}

// run runs a command of Terraform and returns what it said, and its status.
func (s *scenario) run(later bool, args ...string) (stdout []byte, status int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.command, args...)
	cmd.Dir, cmd.Env = s.dir, append(s.env, fmt.Sprint("TF_VAR_later=", later))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it stops its providers
	cmd.WaitDelay = 20 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	began := time.Now()
	stdout, err := cmd.Output()
	if exited := (*exec.ExitError)(nil); errors.As(err, &exited) {
		status = exited.ExitCode()
		s.Logf("%s", stderr.Bytes())
	} else {
		try(s.T, err)
	}
	s.Logf("%s %s: status %d after %v", filepath.Base(s.command), args[0], status, time.Since(began).Round(100*time.Millisecond))
	return stdout, status
}

// applies applies the scenario, as it is first or later, after which a plan is empty.
func (s *scenario) applies(later bool) {
	s.Helper()
	if _, status := s.run(later, "apply", "-auto-approve", "-no-color", "-compact-warnings"); status != 0 {
		s.Fatalf("apply (later: %v) failed", later)
	}
	if differs, status := s.run(later, "plan", "-detailed-exitcode", "-no-color", "-compact-warnings"); status == 2 {
		s.Errorf("after apply (later: %v) this reads back as another:\n%s", later, differs)
	} else if status != 0 {
		s.Fatalf("plan (later: %v) failed", later)
	}
}

// imports forgets resources, by address, and finds them again by their ids: nothing
// of them may read back as another.
func (s *scenario) imports(ids map[string]string) {
	s.Helper()
	if _, status := s.run(true, append([]string{"state", "rm"}, slices.Sorted(maps.Keys(ids))...)...); status != 0 {
		s.Fatal("state rm failed")
	}
	var blocks bytes.Buffer
	for address, id := range ids {
		fmt.Fprintf(&blocks, "import {\n  to = %s\n  id = %q\n}\n", address, id)
	}
	try(s.T, os.WriteFile(filepath.Join(s.dir, "imports.tf"), blocks.Bytes(), 0o600))
	text, _ := s.run(true, "apply", "-auto-approve", "-no-color", "-compact-warnings")
	if want := fmt.Sprintf("%d imported, 0 added, 0 changed, 0 destroyed", len(ids)); !bytes.Contains(text, []byte(want)) {
		s.Errorf("want %s:\n%s", want, text)
	}
}

// reads checks what the scenario's data sources read.
func (s *scenario) reads(want map[string]any) {
	s.Helper()
	text, _ := s.run(false, "output", "-json", "read")
	var got map[string]any
	try(s.T, json.Unmarshal(text, &got))
	for name := range got {
		if _, ok := want[name]; !ok {
			s.Errorf("%s is read, and not tested", name)
		}
	}
	for name, value := range want {
		if !reflect.DeepEqual(got[name], value) {
			s.Errorf("%s reads %v, want %v", name, got[name], value)
		}
	}
}

// destroys destroys what the scenario made, after which nothing is left of it.
func (s *scenario) destroys() {
	s.Helper()
	if _, status := s.run(true, "destroy", "-auto-approve", "-no-color", "-compact-warnings"); status != 0 {
		s.Fatal("destroy failed")
	}
	if state, _ := s.run(true, "state", "list"); len(state) > 0 {
		s.Errorf("left in the state:\n%s", state)
	}
	for what, names := range left(s) {
		if len(names) > 0 {
			s.Errorf("%s left in the account: %s", what, names)
		}
	}
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
