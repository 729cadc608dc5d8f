package steer

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// passSignals passes on to p what this process is told, until stop is called.
// What the terminal says (interrupt, quit, hang-up, a new size) it says to the
// command as well, and is not said twice. A stop (^Z) stops both by itself.
func passSignals(p *os.Process) (stop func()) {
	var wanted []os.Signal
	for _, s := range []os.Signal{
		syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH,
	} {
		if !signal.Ignored(s) { // by nohup, say: the command ignores it too
			wanted = append(wanted, s)
		}
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, wanted...)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case s := <-signals:
				if !fromTerminal(s) {
					p.Signal(s)
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
		<-ended
	}
}

// fromTerminal reports whether s is one that the terminal sends, and this process
// is among those that it sends it to, as the command then is.
func fromTerminal(s os.Signal) bool {
	switch s {
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGWINCH:
	default:
		return false
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
