package steer

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// dialTime bounds how long a client waits for the Tule that it is forwarded to.
const dialTime = 5 * time.Second

// join connects c to addr and copies both ways until both have ended. The end of
// one direction is passed on as such: HTTP/1.0 and plain TCP clients send one.
func join(ctx context.Context, c net.Conn, addr string) {
	defer c.Close()
	d := net.Dialer{Timeout: dialTime}
	up, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return
	}
	defer up.Close()
	defer context.AfterFunc(ctx, func() { up.Close() })()
	back := make(chan struct{})
	go func() {
		defer close(back)
		pour(c, up)
	}()
	pour(up, c)
	<-back
}

// pour copies src to dst and ends dst's incoming side. It copies between the
// kernel's own connections where it can, so that no byte passes through us.
func pour(dst, src net.Conn) {
	_, err := io.Copy(bare(dst), bare(src))
	if err != nil {
		// One direction is broken: nothing useful can come by the other.
		dst.Close()
		src.Close()
		return
	}
	if half, ok := dst.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

func bare(c net.Conn) net.Conn {
	if s, ok := c.(*conn); ok {
		return s.Conn
	}
	return c
}

// temporary reports whether a listener that failed with err will work again once
// other connections have gone.
func temporary(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// pause waits a moment, and reports whether ctx is still alive after it.
func pause(ctx context.Context) bool {
	t := time.NewTimer(20 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
