package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/steer"
	"github.com/tule-cloud/tule/svc/lambda"
)

// developing are the settings for those who write functions.
type developing struct {
	hotFolders []string
	hotIgnore  []string
	hotBucket  string
	debugPort  int
}

func (d *developing) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&d.hotFolders, "hot-reload", nil, "folder from which functions may run as it is, or from folders in it (S3Bucket=hot-reload, S3Key=/the/folder); may be given more than once. Without: on loopback, the accounts' roots may name what everybody on this machine may read")
	f.StringSliceVar(&d.hotIgnore, "hot-reload-ignore", []string{".git", "__pycache__", "*.pyc", "*.swp", "*~", ".DS_Store", ".idea", ".vscode", "node_modules/.cache"}, "names, or paths within the folder, whose changes do not count; * and ? stand for others")
	f.StringVar(&d.hotBucket, "hot-reload-bucket", "hot-reload", "the bucket that stands for folders of this machine")
	f.IntVar(&d.debugPort, "debug-port", 0, "port of this machine where a debugger reaches the function in Node or Python that was invoked last; 0 is none")
}

func (d *developing) check() error {
	for _, pattern := range d.hotIgnore {
		if _, err := path.Match(pattern, "x"); err != nil {
			return fmt.Errorf("--hot-reload-ignore %s: this pattern has no end; a [ needs its ]", pattern)
		}
	}
	for _, folder := range d.hotFolders {
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			return fmt.Errorf("--hot-reload %s: there is no such folder", folder)
		}
	}
	if d.debugPort < 0 || d.debugPort > 65535 {
		return fmt.Errorf("--debug-port %d: give a port such as 9229", d.debugPort)
	}
	return nil
}

// hotReload says who may name folders of this machine, and which: see docs/hot-reload.md.
func (h *house) hotReload() lambda.HotReload {
	return lambda.HotReload{Bucket: h.hotBucket, Ignore: h.hotIgnore, Caller: h.mayNameFolders, Folder: h.mayBeHot}
}

// mayNameFolders refuses functions: they see nothing of this machine, and are not to see it
// by making another function.
func (h *house) mayNameFolders(ctx context.Context) error {
	if _, inside := steer.FromContext(ctx); inside {
		return errors.New("a function cannot name folders of the machine that it runs on")
	}
	if len(h.hotFolders) > 0 {
		return nil // the operator has named them; who may create functions may use them
	}
	if !h.loopback() {
		return errors.New("this Tule listens to other machines: its operator has to name the folders that functions may run from, by `tule start --hot-reload /folder`")
	}
	if kind := aws.RequestOf(ctx).Caller.Kind; kind != aws.Root {
		return errors.New("only the root of the account names folders that the operator has not named, by `tule start --hot-reload /folder`")
	}
	return nil
}

// mayBeHot refuses folders that functions are not to see.
func (h *house) mayBeHot(folder string) error {
	for _, own := range []string{h.data, "/proc", "/sys", "/dev"} {
		if real, err := filepath.EvalSymlinks(own); err == nil {
			own = real
		}
		if below(own, folder) || below(folder, own) {
			return fmt.Errorf("%s is or holds %s, which no function is to see", folder, own)
		}
	}
	for _, named := range h.hotFolders {
		if real, err := filepath.EvalSymlinks(named); err == nil && below(real, folder) {
			return nil
		}
	}
	if len(h.hotFolders) > 0 {
		return fmt.Errorf("%s is in none of the folders that the operator has named: %s", folder, strings.Join(h.hotFolders, ", "))
	}
	if !h.loopback() {
		return errors.New("the operator has not named it")
	}
	if closed := closedTo(folder); closed != "" {
		return fmt.Errorf("not everybody on this machine may read %s: open it (chmod o+rx), or name the folder by `tule start --hot-reload %s`", closed, folder)
	}
	return nil
}

// below reports whether path is dir or lies in it. Both are clean.
func below(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// closedTo is the folder, or the one above it, that others than its owner cannot see; "" if
// there is none.
func closedTo(folder string) string {
	want := os.FileMode(0o005) // to list it, and to go through those above
	for dir := folder; ; dir, want = filepath.Dir(dir), 0o001 {
		info, err := os.Stat(dir)
		missing := dir == folder && errors.Is(err, fs.ErrNotExist) // as everybody may know who sees those above
		if !missing && (err != nil || info.Mode().Perm()&want != want) {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// debugger opens the port at which debuggers connect, for this machine alone: who connects
// there can do in functions what they can.
func (h *house) debugger() (net.Listener, error) {
	if h.debugPort == 0 {
		return nil, nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(h.debugPort)))
	if err != nil {
		return nil, fmt.Errorf("--debug-port: %w\nChoose another port", err)
	}
	h.closers = append(h.closers, func() error { return closed(l.Close()) })
	h.log.Info("functions can be debugged", "at", l.Addr().String())
	return l, nil
}

// closed is the error of closing what may be closed already.
func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
