// The build command compiles the bootstrap for Java and puts it where package runtimes embeds it:
//
//	go run ./runtimes/build
//
// It runs before `go build ./cmd/tule`, does nothing where there is no javac, and where the jar is there
// already. What it makes is never committed.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tule-cloud/tule/runtimes"
)

func main() {
	if err := build(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "runtimes/build:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context) error {
	javac, err := exec.LookPath("javac")
	if err != nil {
		return nil // a JDK on the machine where Tule runs does as well
	}
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/tule-cloud/tule/runtimes").Output()
	if err != nil {
		return fmt.Errorf("finding package runtimes: %w", err)
	}
	dir := filepath.Join(string(out[:len(out)-1]), "bootbin")
	path := filepath.Join(dir, runtimes.JavaJar())
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	jar, err := runtimes.CompileJava(ctx, javac)
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.jar"))
	if err != nil {
		return err
	}
	for _, p := range old {
		if err := os.Remove(p); err != nil {
			return err
		}
	}
	return os.WriteFile(path, jar, 0o644)
}
