package steer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// childVariable names the variable that turns this program into Exec's child: its
// value is the number of the socket to the parent.
const childVariable = "TULE_STEER_CHILD"

// A childPlan is what the parent tells the child to do, as JSON over the socket.
type childPlan struct {
	Command []string
	Dir     string
	Env     []string
	Binds   []bind   // files to put over others
	Hide    []string // directories to cover with an empty one
	Listen  []port   // to open in the child's own network, and to send back
}

type bind struct{ From, To string }

// A port is what net.Listen or, for udp, net.ListenPacket take.
type port struct{ Network, Addr string }

// A childReport is what the child says when it has failed.
type childReport struct {
	Error string
	Code  int
}

// childSocket is the socket's number in the child.
const childSocket = 3

// MaybeChild is called first in main by every program that calls Exec. In such a
// program it returns at once, unless the process is the one that Exec started to
// become the command: then it never returns.
//
// (Namespaces hold for a process from its start, and so the steps between start
// and command, the mounts, have to be taken by the process itself.)
func MaybeChild() {
	if os.Getenv(childVariable) == "" {
		return
	}
	os.Unsetenv(childVariable)
	f := os.NewFile(childSocket, "parent")
	conn, err := net.FileConn(f)
	f.Close()
	parent, ok := conn.(*net.UnixConn)
	if err != nil || !ok {
		fmt.Fprintln(os.Stderr, "tule: "+childVariable+" is for Tule's own use")
		os.Exit(exitFailed)
	}
	// Capabilities are a thread's: all that follows happens on this one.
	runtime.LockOSThread()
	report := childReport{Code: exitFailed}
	report.Error = becomeCommand(parent, &report).Error()
	json.NewEncoder(parent).Encode(report)
	os.Exit(report.Code)
}

// becomeCommand does what the parent plans. It returns only if it failed.
func becomeCommand(parent *net.UnixConn, report *childReport) error {
	var plan childPlan
	if err := json.NewDecoder(parent).Decode(&plan); err != nil {
		return fmt.Errorf("no plan: %w", err)
	}
	if err := arrange(&plan); err != nil {
		return err
	}
	if err := sendPorts(parent, plan.Listen); err != nil {
		return err
	}
	if err := awaitParent(parent); err != nil {
		return fmt.Errorf("the parent has gone: %w", err)
	}
	if err := giveUpCapabilities(); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return execute(&plan, report)
}

// awaitParent waits for the word that the ports are served. What may come before it
// is the white space behind the plan.
func awaitParent(parent *net.UnixConn) error {
	for b := make([]byte, 1); b[0] != readyByte; {
		if _, err := parent.Read(b); err != nil {
			return err
		}
	}
	return nil
}

// arrange makes the mount namespace what the command is to see.
func arrange(plan *childPlan) error {
	// What the host mounts later is still seen here; what is mounted here is not there.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("separate mounts from the host's: %w", err)
	}
	for _, b := range plan.Binds {
		if err := unix.Mount(b.From, b.To, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("put %s over %s: %w", b.From, b.To, err)
		}
	}
	for _, dir := range plan.Hide {
		if err := unix.Mount("none", dir, "tmpfs", unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOEXEC, "size=4k,mode=755"); err != nil {
			return fmt.Errorf("cover %s: %w", dir, err)
		}
	}
	return nil
}

// sendPorts opens the ports and sends their descriptors; with none, only the word
// that all is arranged.
func sendPorts(parent *net.UnixConn, ports []port) error {
	var fds []int
	if len(ports) > 0 {
		if err := loopbackUp(); err != nil {
			return fmt.Errorf("raise the loopback: %w", err)
		}
	}
	for _, p := range ports {
		f, err := openPort(p)
		if err != nil {
			return err
		}
		defer f.Close()
		fds = append(fds, int(f.Fd()))
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if _, _, err := parent.WriteMsgUnix([]byte{readyByte}, oob, nil); err != nil {
		return fmt.Errorf("send the ports: %w", err)
	}
	return nil
}

// readyByte is the word of either side that its part is done; reports begin with '{'.
const readyByte = '+'

func openPort(p port) (*os.File, error) {
	if p.Network == "udp" {
		pc, err := net.ListenPacket(p.Network, p.Addr)
		if err != nil {
			return nil, err
		}
		defer pc.Close()
		return pc.(*net.UDPConn).File()
	}
	l, err := HostNetwork{}.Listen(p.Network, p.Addr)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.(*net.TCPListener).File()
}

// loopbackUp raises lo, which is down in a new network namespace.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req)
}

// giveUpCapabilities gives up, from the next program on, what the user namespace
// brought to a person who is not root. A root keeps what a root has.
func giveUpCapabilities() error {
	if os.Geteuid() == 0 {
		return nil
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&head, &none[0])
}

// execute becomes the command. It returns only if it failed, with the code that a
// shell would give.
func execute(plan *childPlan, report *childReport) error {
	os.Clearenv()
	for name, value := range environMap(plan.Env) {
		os.Setenv(name, value)
	}
	if plan.Dir != "" {
		if err := os.Chdir(plan.Dir); err != nil {
			return err
		}
	}
	path, err := exec.LookPath(plan.Command[0])
	if err == nil {
		err = &fs.PathError{Op: "run", Path: path, Err: syscall.Exec(path, plan.Command, plan.Env)}
	}
	report.Code = exitNotRunnable
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		report.Code = exitNotFound
	}
	return err
}
