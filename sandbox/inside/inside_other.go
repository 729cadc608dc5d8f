//go:build !linux

// Package inside is what happens inside a sandbox. There are sandboxes on Linux only.
package inside

// Run does nothing here.
func Run() {}
