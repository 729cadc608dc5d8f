package blob

import (
	"os"
	"syscall"
)

// startWrite of sync_file_range(2): begin to write, and don't wait.
const startWrite = 2

// ahead has the system begin to write a range of a file, so that less is left to wait for
// when the whole is synced. What it cannot do is done then.
func ahead(f *os.File, offset, length int64) {
	_ = syscall.SyncFileRange(int(f.Fd()), offset, length, startWrite)
}
