package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/sandbox"
)

func doctorCommand() *cobra.Command {
	var s steering
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine lacks to run functions, and how to get it",
		Long: "Doctor looks at the languages that functions can be written in, at what isolates them,\n" +
			"at the disk and the ports. The exit status is 1 if Tule could not run here at all;\n" +
			"a language that is missing is no reason for that. It changes nothing.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d := doctor{out: c.OutOrStdout(), steering: s}
			for _, look := range []func(context.Context) error{d.languages, d.isolation, d.disk, d.ports} {
				if err := look(c.Context()); err != nil {
					return err
				}
			}
			if d.ill {
				return exitCode(1)
			}
			return nil
		},
	}
	s.flags(c)
	return c
}

// A doctor prints what it finds.
type doctor struct {
	steering
	out io.Writer
	ill bool // Tule cannot run here
}

func (d *doctor) title(text string) { fmt.Fprintln(d.out, paint(d.out, bold, text)) }

// good, lacks and bad print a line each: all is well; something could be better, and how;
// and what must be mended.
func (d *doctor) good(what, is string) {
	fmt.Fprintf(d.out, "  %s %-16s %s\n", paint(d.out, green, "ok  "), what, is)
}

func (d *doctor) lacks(what, is, remedy string) {
	d.line(paint(d.out, yellow, "lack"), what, is, remedy)
}

func (d *doctor) bad(what, is, remedy string) {
	d.ill = true
	d.line(paint(d.out, red, "BAD "), what, is, remedy)
}

func (d *doctor) line(mark, what, is, remedy string) {
	if remedy != "" {
		is += paint(d.out, cyan, "  → "+remedy)
	}
	fmt.Fprintf(d.out, "  %s %-16s %s\n", mark, what, is)
}

// languages looks for what every runtime needs.
func (d *doctor) languages(ctx context.Context) error {
	set, done, err := d.find(ctx)
	if err != nil {
		return err
	}
	defer done()
	d.title("Runtimes")
	has, lacks := map[string]bool{}, map[string][]string{}
	for _, r := range set.Survey() {
		switch {
		case r.Missing != "":
			d.lacks(r.Runtime, "there is no "+r.Missing+".", r.Install)
		case r.Path == "":
			d.good(r.Runtime, "functions bring their own bootstrap")
		default:
			d.good(r.Runtime, r.Language+" "+r.Version+", "+r.Path)
		}
		if r.Library != "" && r.Fetched {
			has[r.Library] = true
		} else if r.Library != "" {
			lacks[r.Library] = append(lacks[r.Library], r.Runtime)
		}
	}
	d.title("Unpackaged, as on AWS")
	for _, library := range []string{"aws-sdk", "boto3"} {
		switch names := lacks[library]; {
		case len(names) == 0 && has[library]:
			d.good(library, "functions find it")
		case len(names) > 0 && has[library]:
			d.lacks(library, "functions in "+strings.Join(names, ", ")+" have to package it.", "tule runtimes fetch "+strings.Join(names, " "))
		default:
			d.lacks(library, "functions have to package it.", "tule runtimes fetch")
		}
	}
	for _, program := range []string{"convert", "identify"} {
		if path := inView(program); path != "" {
			d.good(program, path)
		} else {
			d.lacks(program, "there is no ImageMagick where functions see it, in /usr/bin.", "apt-get install imagemagick")
		}
	}
	return nil
}

// inView is where functions find a program of the host.
func inView(program string) string {
	for _, dir := range []string{"/usr/bin", "/bin"} {
		if path := filepath.Join(dir, program); isFile(path) {
			return path
		}
	}
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// find looks for interpreters as a start would. What has to be written for that goes to
// a folder of its own; the libraries that were fetched are the data folder's.
func (d *doctor) find(ctx context.Context) (*runtimes.Set, func(), error) {
	dir, err := os.MkdirTemp("", "tule-doctor-")
	if err != nil {
		return nil, nil, err
	}
	done := func() { os.RemoveAll(dir) }
	modules, err := filepath.Abs(filepath.Join(runtimesDir(d.data), "modules"))
	if err == nil {
		err = os.Symlink(modules, filepath.Join(dir, "modules"))
	}
	if err == nil {
		var set *runtimes.Set
		if set, err = runtimes.Find(ctx, runtimes.FindOptions{Dir: dir}); err == nil {
			return set, done, nil
		}
	}
	done()
	return nil, nil, err
}

// isolation proves by one sandbox that functions can be walled in.
func (d *doctor) isolation(context.Context) error {
	d.title("Isolation")
	dir, err := os.MkdirTemp("", "tule-doctor-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	host, err := sandbox.Open(sandbox.Options{Dir: dir, Mode: sandbox.Namespaces, Clock: systemClock{}})
	if errors.Is(err, sandbox.ErrUnavailable) {
		d.bad("namespaces", err.Error(), "or run functions without walls: tule start --isolation=process")
		return nil
	}
	if err != nil {
		return err
	}
	defer host.Close()
	f := host.Features()
	d.good("namespaces", map[bool]string{true: "in a user namespace, Tule not being root", false: "as root"}[f.User])
	for _, c := range []struct{ name, is, lost string }{
		{"memory", f.Memory, "functions' memory is not limited"},
		{"processes", f.Pids, "the number of functions' processes is not limited"},
		{"cpu", f.CPU, "processor time is not shared by memory size"},
		{"freezer", f.Freezer, "idle functions go on running"},
	} {
		if c.is == "" {
			d.lacks(c.name, c.lost+": there are no cgroups that Tule may use.", "run Tule as root, or delegate a cgroup to it (systemd: Delegate=yes)")
		} else {
			d.good(c.name, c.is)
		}
	}
	for _, c := range []struct {
		name       string
		has        bool
		is, lost   string
		remedyText string
	}{
		{"landlock", f.Landlock > 0, fmt.Sprintf("version %d", f.Landlock), "one wall of several is missing.", "a kernel of 5.13 or newer with lsm=…,landlock"},
		{"overlayfs", f.Overlay, "functions can have several layers", "a function can have one layer only.", "modprobe overlay"},
		{"/dev/net/tun", f.Tun, "--egress=nat works", "functions cannot reach the outside (--egress=nat).", "modprobe tun"},
		{"prewarming", f.Furnish, "cold starts find an interpreter waiting", "every cold start waits for its interpreter.", "a kernel of 5.2 or newer, and root"},
	} {
		if c.has {
			d.good(c.name, c.is)
		} else {
			d.lacks(c.name, c.lost, c.remedyText)
		}
	}
	return nil
}

// enough is the space that a Tule in use should have, in bytes; files are the inodes.
const (
	enough      = 2 << 30
	enoughFiles = 100_000
)

// disk looks at where the data folder is or would be.
func (d *doctor) disk(context.Context) error {
	d.title("Disk")
	dir, err := filepath.Abs(d.data)
	if err != nil {
		return err
	}
	for !isFolder(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		d.bad("data folder", dir+" cannot be written to.", "choose another with --data")
		return nil
	}
	d.good("data folder", d.data)
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	free := fs.Bavail * uint64(fs.Bsize)
	text := fmt.Sprintf("%.1f GB free at %s", float64(free)/(1<<30), dir)
	if free < enough {
		d.lacks("space", text+", which code and tables soon fill.", "choose another disk with --data")
	} else {
		d.good("space", text)
	}
	if fs.Files > 0 && fs.Ffree < enoughFiles {
		d.lacks("files", fmt.Sprintf("room for %d files, and functions' packages have many.", fs.Ffree), "choose another disk with --data")
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// ports looks who has the ports that Tule listens on, if asked to.
func (d *doctor) ports(context.Context) error {
	d.title("Ports")
	at := d.address()
	health, err := askHealth(at)
	if err == nil {
		d.good(at, "Tule "+health.Version+" serves "+fmt.Sprint(len(health.Services))+" services")
	}
	listen := []string{"127.0.0.1:80", "127.0.0.1:443"}
	if err != nil {
		listen = slices.Insert(listen, 0, at)
	}
	for i, addr := range listen {
		l, err := net.Listen("tcp", addr)
		switch {
		case err == nil:
			l.Close()
			d.good(addr, "free")
		case errors.Is(err, syscall.EADDRINUSE) && i == 0 && len(listen) == 3:
			d.bad(addr, "is taken by another program that is no Tule.", "stop it, or choose another port with --listen")
		case errors.Is(err, syscall.EADDRINUSE):
			d.lacks(addr, "is taken; AWS's own names need `tule exec`.", "")
		case errors.Is(err, syscall.EACCES):
			d.lacks(addr, "needs root, or the capability CAP_NET_BIND_SERVICE; AWS's own names need `tule exec`.", "")
		default:
			d.lacks(addr, strings.TrimPrefix(err.Error(), "listen tcp "), "choose another address with --listen")
		}
	}
	return nil
}
