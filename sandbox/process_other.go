//go:build unix && !linux

package sandbox

import "syscall"

// processAttr puts a plain process into a group of its own.
func processAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// limitProcess does nothing: one process cannot limit another here.
func limitProcess(int) {}
