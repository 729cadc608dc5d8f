package sandbox

import (
	"fmt"
	"strings"
)

// Features is what a machine offers for isolation.
type Features struct {
	Isolation  string // "namespaces", or "process" for none
	User       bool   // sandboxes have a user namespace, Tule not being root
	Memory     string // what limits it: "cgroup v1", "cgroup v2" or ""
	Pids       string // likewise; "rlimit" in a user namespace without cgroups
	CPU        string
	Freezer    string // "cgroup v1", "cgroup v2", or "signals"
	KillFrozen bool   // frozen sandboxes die with Tule even when it is killed
	Landlock   int    // the kernel's version of it; 0 is none
	Overlay    bool   // more than one layer can be shown as /opt
	Tun        bool   // there is /dev/net/tun, which egress needs
	Furnish    bool   // sandboxes can be given their code after their start
	Init       string // which first process is used: "embedded", "self" or a path
}

// String is the features on one line.
func (f Features) String() string {
	if f.Isolation != Namespaces.String() {
		return "no isolation: functions run as plain processes"
	}
	or := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	landlock := "none"
	if f.Landlock > 0 {
		landlock = fmt.Sprintf("v%d", f.Landlock)
	}
	return strings.Join([]string{
		fmt.Sprintf("user namespace %t", f.User), "memory " + or(f.Memory), "pids " + or(f.Pids), "cpu " + or(f.CPU),
		"freezer " + or(f.Freezer), "landlock " + landlock, fmt.Sprintf("overlay %t", f.Overlay), fmt.Sprintf("tun %t", f.Tun), fmt.Sprintf("furnish %t", f.Furnish), "init " + f.Init,
	}, ", ")
}
