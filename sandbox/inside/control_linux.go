package inside

import (
	"github.com/tule-cloud/tule/sandbox/plan"
	"golang.org/x/sys/unix"
)

// maxFiles is how many descriptors the kernel lets one message carry (SCM_MAX_FD).
const maxFiles = 253

// readFrame reads one frame and the descriptors that came with it. ok is false when Tule is gone.
func readFrame() (f plan.Frame, files []int, ok bool) {
	var buf [plan.FrameSize]byte
	oob := make([]byte, unix.CmsgSpace(maxFiles*4))
	for got := 0; got < len(buf); {
		n, oobn, _, _, err := unix.Recvmsg(ControlFD, buf[got:], oob, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return f, nil, false
		}
		got += n
		if oobn > 0 {
			msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
			if err != nil {
				return f, nil, false
			}
			for i := range msgs {
				fds, err := unix.ParseUnixRights(&msgs[i])
				if err != nil {
					return f, nil, false
				}
				files = append(files, fds...)
			}
		}
	}
	return plan.ParseFrame(buf), files, true
}

func readFull(b []byte) bool {
	for len(b) > 0 {
		n, err := unix.Read(ControlFD, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return false
		}
		b = b[n:]
	}
	return true
}

// sendFrame tells Tule something. A failure means that Tule is gone, which the next read finds out.
func sendFrame(f plan.Frame, files ...int) {
	b := f.Encode()
	var oob []byte
	if len(files) > 0 {
		oob = unix.UnixRights(files...)
	}
	for {
		_, err := unix.SendmsgN(ControlFD, b[:], oob, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return
		}
	}
}
