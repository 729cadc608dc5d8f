package runtimes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// What functions find without packaging it, at fixed versions.
//
// aws-sdk 2.1693.0 is the last of its line. boto3 has left old interpreters behind
// one by one, so those have the last that they can run.
var (
	nodePackages = []string{
		"aws-sdk@2.1693.0", "dynamodb-doc@1.0.0", "imagemagick@0.1.3",
		"@aws-sdk/client-apigatewaymanagementapi@3.1169.0", "@aws-sdk/client-cloudwatch@3.1164.0",
		"@aws-sdk/client-cloudwatch-logs@3.1169.0", "@aws-sdk/client-dynamodb@3.1164.0",
		"@aws-sdk/client-eventbridge@3.1169.0", "@aws-sdk/client-firehose@3.1169.0",
		"@aws-sdk/client-iam@3.1169.0", "@aws-sdk/client-kinesis@3.1143.0",
		"@aws-sdk/client-lambda@3.1164.0", "@aws-sdk/client-s3@3.1169.0",
		"@aws-sdk/client-secrets-manager@3.1163.0", "@aws-sdk/client-sfn@3.1163.0",
		"@aws-sdk/client-sns@3.1169.0", "@aws-sdk/client-sqs@3.1169.0",
		"@aws-sdk/client-ssm@3.1169.0", "@aws-sdk/client-sts@3.1169.0",
		"@aws-sdk/lib-dynamodb@3.1162.0", "@aws-sdk/s3-request-presigner@3.1163.0",
		"@aws-sdk/util-dynamodb@3.996.9",
	}
	boto3 = map[string]string{
		"python2.7": "1.17.112", "python3.6": "1.23.10", "python3.7": "1.33.13", "python3.8": "1.37.38",
		"python3.9": "1.42.97", "python3": "1.44.5",
	}
)

// pythonGroup names the folder of modules for an interpreter. The Pythons that
// today's boto3 supports share one.
func pythonGroup(i *interpreter) string {
	if i.major > 2 && i.minor >= 10 {
		return "python3"
	}
	return fmt.Sprintf("python%d.%d", i.major, i.minor)
}

// Provision is Find and Set.Provision, for a command of its own.
func Provision(ctx context.Context, dir string, progress io.Writer, runtimes ...string) error {
	s, err := Find(ctx, FindOptions{Dir: dir})
	if err != nil {
		return err
	}
	return s.Provision(ctx, progress, runtimes...)
}

// Provision fetches by npm and pip what functions find without packaging it, for
// the named runtimes; for none named, Node, the newest Python and Python 2.7, as
// far as they are there. It tells progress what it does, changes nothing where all
// is there already, and leaves each folder as it was or complete.
func (s *Set) Provision(ctx context.Context, progress io.Writer, runtimes ...string) error {
	return s.provision(ctx, progress, run, runtimes)
}

// A runner runs a program, whose output is progress.
type runner func(ctx context.Context, progress io.Writer, argv []string) error

func (s *Set) provision(ctx context.Context, progress io.Writer, do runner, runtimes []string) error {
	chosen, err := s.choose(runtimes)
	if err != nil {
		return err
	}
	if len(chosen) == 0 && len(runtimes) == 0 {
		return errors.New("runtimes: neither Node.js nor Python was found on this machine")
	}
	var failed []error
	for _, i := range chosen {
		if err := s.fetch(ctx, progress, do, i); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// choose is one interpreter for each folder of modules.
func (s *Set) choose(runtimes []string) ([]*interpreter, error) {
	var chosen []*interpreter
	seen := map[string]bool{}
	add := func(i *interpreter) {
		if i != nil && (i.family == node || i.family == python) && !seen[s.group(i)] {
			seen[s.group(i)] = true
			chosen = append(chosen, i)
		}
	}
	for _, r := range runtimes {
		g := generationOf(r)
		i := s.closest(g)
		if i == nil && g.family != provided {
			return nil, s.unsupported(r, g, nil)
		}
		if g.family == java {
			continue // finds what AWS gives it without further ado
		}
		add(i)
	}
	if len(runtimes) == 0 {
		add(s.closest(generation{family: node}))
		var newest *interpreter
		for n := range s.list {
			if i := &s.list[n]; i.family == python && i.major == 3 && (newest == nil || i.minor > newest.minor) {
				newest = i
			}
		}
		add(newest)
		add(s.closest(generation{family: python, major: 2, minor: 7}))
	}
	return chosen, nil
}

func (s *Set) group(i *interpreter) string {
	switch i.family {
	case node:
		return "node"
	case ruby:
		return "ruby" // has none
	}
	return pythonGroup(i)
}

// manifest is the file that says what a folder of modules was made of.
const manifest = "tule-modules.txt"

// fetch fills the folder of modules for an interpreter.
func (s *Set) fetch(ctx context.Context, progress io.Writer, do runner, i *interpreter) error {
	group := s.group(i)
	packages := nodePackages
	if i.family == python {
		packages = []string{"boto3==" + boto3[group]}
	}
	want := strings.Join(packages, "\n") + "\n"
	final := filepath.Join(s.dir, "modules", group)
	if have, err := os.ReadFile(filepath.Join(final, manifest)); err == nil && string(have) == want {
		fmt.Fprintf(progress, "%s: %s is there already\n", group, strings.Join(packages[:1], " "))
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return fmt.Errorf("runtimes: %w", err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(final), "tmp-")
	if err != nil {
		return fmt.Errorf("runtimes: %w", err)
	}
	defer os.RemoveAll(temp)
	fmt.Fprintf(progress, "%s: fetching %d packages for %s %s\n", group, len(packages), i.path, i.version)
	if i.family == node {
		err = fetchNode(ctx, progress, do, temp, packages)
	} else {
		err = s.fetchPython(ctx, progress, do, i, temp, packages)
	}
	if err != nil {
		return fmt.Errorf("runtimes: fetching modules for %s: %w", group, err)
	}
	if err := os.WriteFile(filepath.Join(temp, manifest), []byte(want), 0o644); err != nil {
		return fmt.Errorf("runtimes: %w", err)
	}
	if err := replace(temp, final); err != nil {
		return fmt.Errorf("runtimes: %w", err)
	}
	fmt.Fprintf(progress, "%s: done\n", group)
	return nil
}

func fetchNode(ctx context.Context, progress io.Writer, do runner, dir string, packages []string) error {
	argv := []string{"npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts",
		"--no-package-lock", "--no-save", "--omit=dev", "--loglevel=error"}
	return do(ctx, progress, append(argv, packages...))
}

// fetchPython installs by the interpreter's own pip, and compiles for every
// interpreter that shares the folder, since functions see it read-only.
func (s *Set) fetchPython(ctx context.Context, progress io.Writer, do runner, i *interpreter, dir string, packages []string) error {
	target := filepath.Join(dir, sitePackages)
	argv := []string{i.path, "-m", "pip", "install", "--target", target, "--no-compile", "--disable-pip-version-check",
		"--quiet", "--no-input"}
	if err := do(ctx, progress, append(argv, packages...)); err != nil {
		return err
	}
	for n := range s.list {
		if other := &s.list[n]; other.family == python && pythonGroup(other) == pythonGroup(i) {
			fmt.Fprintf(progress, "%s: compiling for %s\n", pythonGroup(i), other.version)
			if err := do(ctx, progress, []string{other.path, "-m", "compileall", "-q", target}); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace puts the folder temp in the place of final. Who has the old one mounted
// keeps it.
func replace(temp, final string) error {
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	old := temp + "-old"
	if err := os.Rename(final, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	defer os.RemoveAll(old)
	if err := os.Rename(temp, final); err != nil {
		return errors.Join(err, os.Rename(old, final))
	}
	return nil
}

// run runs a program in the environment of this process, without what would send
// Python elsewhere.
func run(ctx context.Context, progress io.Writer, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = progress, progress
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PYTHONPATH=") || strings.HasPrefix(v, "PYTHONHOME=") || strings.HasPrefix(v, "PYTHONDONTWRITEBYTECODE=")
	})
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(argv[:min(len(argv), 4)], " "), err)
	}
	return nil
}
