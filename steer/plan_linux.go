package steer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// plan writes the files that the command is to see in place of the host's, and
// says what is to be mounted where.
func (x *execution) plan() (*childPlan, error) {
	files, err := x.opts.Trust.Files()
	if err != nil {
		return nil, err
	}
	p := &childPlan{Command: x.opts.Command, Dir: x.opts.Dir}
	for _, edit := range []struct {
		path string
		by   func([]byte) []byte
	}{
		{"/etc/resolv.conf", func(b []byte) []byte { return steerResolvConf(b, x.ground.address) }},
		{"/etc/nsswitch.conf", steerNSSwitch},
	} {
		if err := x.replace(p, edit.path, edit.by); err != nil {
			return nil, err
		}
	}
	// Where a person's file is mounted over the system's, it is what the variables
	// name: it can be read even by those who cannot enter Tule's folder.
	for _, target := range bundleTargets() {
		p.Binds = append(p.Binds, bind{files.Bundle, target})
	}
	if len(p.Binds) > 0 && p.Binds[len(p.Binds)-1].From == files.Bundle {
		files.Bundle = p.Binds[len(p.Binds)-1].To
	}
	// The name service cache answers by a socket, from the host's own resolver.
	if real, err := filepath.EvalSymlinks("/var/run/nscd"); err == nil {
		p.Hide = append(p.Hide, real)
	}
	set := Environ(EnvironOptions{Base: x.opts.Env, Files: files, Region: x.opts.Region, Direct: x.opts.Zones})
	p.Env = mergeEnviron(x.opts.Env, set)
	if x.ground.private {
		p.Listen = privatePorts(&x.opts, x.ground.address)
	}
	return p, nil
}

// replace plans an edited copy of the file at path over it. A system without
// nsswitch.conf needs none.
func (x *execution) replace(p *childPlan, path string, by func([]byte) []byte) error {
	body, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) && path != "/etc/resolv.conf" {
		return nil
	}
	if err != nil {
		return err
	}
	from := filepath.Join(x.temp, filepath.Base(path))
	if err := os.WriteFile(from, by(body), 0o644); err != nil {
		return err
	}
	if err := os.Chmod(from, 0o644); err != nil { // whatever the umask
		return err
	}
	p.Binds = append(p.Binds, bind{from, path})
	return nil
}

// bundleTargets are the host's certificate bundles, each once by its real path.
func bundleTargets() []string {
	var out []string
	for _, path := range hostBundles() {
		real, err := filepath.EvalSymlinks(path)
		if err == nil && !slices.Contains(out, real) {
			out = append(out, real)
		}
	}
	return out
}
