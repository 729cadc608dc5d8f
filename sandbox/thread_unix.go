//go:build unix

package sandbox

import "runtime"

// lockedThread does jobs on one thread, which lives until jobs is closed. Linux kills a child that
// asked for it when the *thread* that started it ends, and Go ends threads as it likes.
func lockedThread(jobs <-chan func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for job := range jobs {
		job()
	}
}
