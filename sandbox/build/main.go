// The build command builds the sandbox's first program and puts it where package sandbox embeds it:
//
//	go run ./sandbox/build              for this machine's architecture
//	go run ./sandbox/build -arch arm64
//
// It runs before `go build ./cmd/tule`. What it makes is never committed.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

func main() {
	arch := flag.String("arch", runtime.GOARCH, "architecture: amd64 or arm64")
	flag.Parse()
	if err := build(*arch); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox/build:", err)
		os.Exit(1)
	}
}

func build(arch string) error {
	if arch != "amd64" && arch != "arm64" {
		return fmt.Errorf("no sandbox for architecture %q", arch)
	}
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/tule-cloud/tule/sandbox").Output()
	if err != nil {
		return fmt.Errorf("finding package sandbox: %w", err)
	}
	dir := string(out[:len(out)-1])
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w",
		"-o", filepath.Join(dir, "initbin", arch, "init"), "github.com/tule-cloud/tule/sandbox/init")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
