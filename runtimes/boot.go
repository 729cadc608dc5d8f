package runtimes

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

//go:embed boot/node/*.cjs boot/node/*.mjs
var nodeSources embed.FS

//go:embed boot/python/bootstrap.py
var pythonSource []byte

//go:embed boot/ruby/bootstrap.rb
var rubySource []byte

// The folders below a laid-out bootstrap onto which Provision's modules are mounted.
const (
	nodeModules  = "node_modules"
	sitePackages = "site-packages"
)

// layOut writes the bootstrap of p below dir, in a folder named after its content,
// and returns the folder. One that is there already is used.
func layOut(dir string, p *probed) (string, error) {
	files := map[string][]byte{}
	mountpoint := nodeModules
	switch p.family {
	case python:
		mountpoint = sitePackages
		files["bootstrap.py"] = pythonSource
		files["bootstrap.bin"] = p.code
	case ruby:
		mountpoint = ""
		files["bootstrap.rb"] = rubySource
	default:
		entries, err := nodeSources.ReadDir("boot/node")
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			if files[e.Name()], err = nodeSources.ReadFile("boot/node/" + e.Name()); err != nil {
				return "", err
			}
		}
	}
	name := map[family]string{node: "node", python: "python", ruby: "ruby"}[p.family]
	final := filepath.Join(dir, "boot", name+"-"+digest(files))
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := writeFolder(final, mountpoint, files, nil); err != nil {
		return "", fmt.Errorf("runtimes: laying out the bootstrap: %w", err)
	}
	return final, nil
}

// writeFolder makes the folder final at one stroke, of the files, an empty folder to mount on, and what more
// adds, if they are not "" and nil.
func writeFolder(final, mountpoint string, files map[string][]byte, more func(dir string) error) error {
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(final), "tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if mountpoint != "" {
		if err := os.Mkdir(filepath.Join(temp, mountpoint), 0o755); err != nil {
			return err
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(temp, name), data, 0o644); err != nil {
			return err
		}
	}
	if more != nil {
		if err := more(temp); err != nil {
			return err
		}
	}
	err = os.Rename(temp, final)
	if err != nil {
		if _, there := os.Stat(final); there == nil {
			return nil // somebody else was first
		}
	}
	return err
}

func digest(files map[string][]byte) string {
	names := make([]string, 0, len(files))
	for n := range files {
		names = append(names, n)
	}
	sort.Strings(names)
	h := sha256.New()
	for _, n := range names {
		fmt.Fprintf(h, "%s %d\n", n, len(files[n]))
		h.Write(files[n])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
