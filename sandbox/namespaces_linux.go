//go:build amd64 || arm64

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tule-cloud/tule/sandbox/plan"
)

// namespaces is the engine that isolates.
type namespaces struct {
	opts    Options
	found   Features
	layout  layout
	common  []byte // the encoded first half of every plan
	cgroups *cgroups
	spawner *spawner

	mu     sync.Mutex
	spare  []*jail // half made, waiting for a spec
	making int
	serial int
	closed bool
	wg     sync.WaitGroup // makers of spare jails
}

// openNamespaces finds out what there is, removes what a predecessor left, and proves by one
// empty sandbox that sandboxes can be made here.
func openNamespaces(o Options) (engine, error) {
	e := &namespaces{opts: o}
	e.found = probe()
	e.found.Isolation = Namespaces.String()
	if err := e.openCgroups(); err != nil {
		return nil, err
	}
	var err error
	if e.spawner, e.found.Init, err = openSpawner(o, e.found.User); err != nil {
		return nil, errors.Join(err, e.cgroups.close())
	}
	e.layout = layout{
		root: filepath.Join(o.Dir, "root"), landlock: e.found.Landlock, rootless: e.found.User,
		nproc: e.found.Pids == "rlimit",
	}
	if users, err := os.ReadFile("/proc/self/uid_map"); err == nil {
		e.layout.apart = !e.found.User && usersApart(string(users))
	}
	e.layout.findRuntime("")
	if e.layout.filter, err = filter(hostArch); err == nil {
		err = os.MkdirAll(e.layout.root, 0o755)
	}
	if err == nil {
		e.common = plan.Append(nil, e.layout.common())
		err = e.prove()
	}
	if err != nil {
		e.spawner.close()
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), e.cgroups.close())
	}
	e.refill()
	return e, nil
}

// openCgroups opens this host's groups, after sweeping those that the predecessor with the same
// folder wrote down, and refuses a machine that cannot limit what it runs.
func (e *namespaces) openCgroups() error {
	note := filepath.Join(e.opts.Dir, "cgroups")
	if b, err := os.ReadFile(note); err == nil {
		for dir := range strings.Lines(string(b)) {
			if err := sweep(strings.TrimSpace(dir)); err != nil {
				e.opts.Logger.Warn("sandbox: a predecessor's cgroup stays behind", "error", err)
			}
		}
	}
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	sum := fnv.New32a()
	sum.Write([]byte(e.opts.Dir))
	var why error
	e.cgroups, why = openCgroups(parseTrees(string(mountinfo), string(self)), fmt.Sprintf("tule-%08x", sum.Sum32()))
	if err := os.WriteFile(note, []byte(strings.Join(e.cgroups.dirs(), "\n")), 0o600); err != nil {
		return errors.Join(fmt.Errorf("sandbox: %w", err), e.cgroups.close())
	}
	f := &e.found
	f.Memory = e.cgroups.version(func(b base) bool { return b.memory })
	f.Pids = e.cgroups.version(func(b base) bool { return b.pids })
	f.CPU = e.cgroups.version(func(b base) bool { return b.cpu })
	f.Freezer = e.cgroups.version(func(b base) bool { return b.freeze })
	f.KillFrozen = f.Freezer != "cgroup v1"
	if f.Freezer == "" {
		f.Freezer = "signals"
	}
	if f.Pids == "" && f.User {
		f.Pids = "rlimit"
	}
	if (f.Memory == "" || f.Pids == "") && !e.opts.WithoutLimits {
		err := fmt.Errorf("sandbox: %w: no cgroup that limits memory and processes can be made (memory: %q, pids: %q): %w; "+
			"run as root, or as a systemd unit with Delegate=yes (systemd-run --user --scope -p Delegate=yes tule start)",
			ErrUnavailable, f.Memory, f.Pids, errors.Join(why, errNoController))
		return errors.Join(err, e.cgroups.close())
	}
	return nil
}

var errNoController = errors.New("the controller is missing or not delegated")

// prove makes one sandbox up to where its spec would begin.
func (e *namespaces) prove() error {
	j, err := e.make(context.Background())
	if err != nil {
		if e.found.User && errors.Is(err, syscall.EPERM) {
			err = fmt.Errorf("%w (some systems let user namespaces be made and forbid all use of them: "+
				"see kernel.apparmor_restrict_unprivileged_userns)", err)
		}
		return fmt.Errorf("%w: %w; start with --isolation=process to run functions as plain processes",
			ErrUnavailable, err)
	}
	e.mu.Lock()
	e.spare = append(e.spare, j)
	e.mu.Unlock()
	return nil
}

func (e *namespaces) features() Features { return e.found }

// make makes a sandbox up to where its spec begins: namespaces, group, the host's runtime.
func (e *namespaces) make(ctx context.Context) (*jail, error) {
	e.mu.Lock()
	e.serial++
	name := fmt.Sprintf("%d-%d", os.Getpid(), e.serial)
	e.mu.Unlock()
	j := &jail{engine: e, dead: make(chan struct{}), events: make(chan plan.Frame, 4), sockets: make(chan socketReply, 1)}
	var err error
	if j.group, err = e.cgroups.create(name); err != nil {
		return nil, err
	}
	if err := j.spawn(); err != nil {
		return nil, errors.Join(err, j.group.remove())
	}
	if err := j.begin(ctx, e.common); err != nil {
		j.kill()
		<-j.dead
		return nil, errors.Join(err, j.release())
	}
	return j, nil
}

// take returns a sandbox for a spec: a spare one that is alive, or a new one.
func (e *namespaces) take(ctx context.Context) (*jail, error) {
	for {
		e.mu.Lock()
		var j *jail
		if n := len(e.spare); n > 0 {
			j, e.spare = e.spare[0], e.spare[1:]
		}
		e.mu.Unlock()
		if j == nil {
			return e.make(ctx)
		}
		select {
		case <-j.dead: // killed from outside, or for want of memory
			if err := j.release(); err != nil {
				e.opts.Logger.Warn("sandbox: a spare one died", "error", err)
			}
		default:
			return j, nil
		}
	}
}

// refillRest is how long making spare ones waits while there still is one: the program that has
// just been started needs the processor more.
const refillRest = 20 * time.Millisecond

// refill brings the spare ones up to their number, in the background.
func (e *namespaces) refill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	rest := time.Duration(0)
	if len(e.spare) > 0 {
		rest = refillRest
	}
	for !e.closed && len(e.spare)+e.making < e.opts.Spare {
		e.making++
		e.wg.Go(func() {
			time.Sleep(rest)
			j, err := e.make(context.Background())
			e.mu.Lock()
			defer e.mu.Unlock()
			e.making--
			if err != nil {
				e.opts.Logger.Warn("sandbox: making a spare one", "error", err)
				return
			}
			e.spare = append(e.spare, j)
		})
	}
}

// start implements engine.
func (e *namespaces) start(ctx context.Context, s *Sandbox) error {
	if len(s.spec.Layers) > 1 && !e.found.Overlay {
		return errors.New("more than one layer needs overlayfs, which this kernel does not offer")
	}
	if s.spec.Root != "" && !e.found.Overlay {
		return errors.New("a root of its own needs overlayfs, which this kernel does not offer")
	}
	if s.spec.Egress == EgressNAT && !e.found.Tun {
		return errors.New("egress needs /dev/net/tun, which is not there or not open to this user (modprobe tun)")
	}
	j, err := e.take(ctx)
	if err != nil {
		return err
	}
	defer e.refill()
	j.adopt(s)
	if err := j.run(ctx, s); err != nil {
		j.kill()
		<-j.dead
		return errors.Join(err, j.release())
	}
	return nil
}

// close implements engine.
func (e *namespaces) close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.wg.Wait()
	var errs []error
	for _, j := range e.spare {
		j.kill()
	}
	for _, j := range e.spare {
		<-j.dead
		errs = append(errs, j.release())
	}
	e.spawner.close()
	errs = append(errs, e.cgroups.close())
	if err := os.Remove(filepath.Join(e.opts.Dir, "cgroups")); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// listen implements cell.
func (j *jail) listen(network, addr string) (net.Listener, error) {
	ap, err := literal(addr)
	if err != nil {
		return nil, err
	}
	if j.engine.found.User {
		f, err := j.socketFrom('s', ap)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return net.FileListener(f)
	}
	return listenIn(j.netns, network, addr)
}

// enter implements cell.
func (j *jail) enter(fn func() error) error {
	if j.engine.found.User { // this process has no rights in the network's user namespace
		return errors.ErrUnsupported
	}
	return inNetwork(j.netns, fn)
}

// listenPacket implements cell.
func (j *jail) listenPacket(network, addr string) (net.PacketConn, error) {
	ap, err := literal(addr)
	if err != nil {
		return nil, err
	}
	if j.engine.found.User {
		f, err := j.socketFrom('d', ap)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return net.FilePacketConn(f)
	}
	return listenPacketIn(j.netns, network, addr)
}
