package runtimes

import (
	"bufio"
	"io"
)

// maxLine is the longest line that is one log event; a longer one is several.
const maxLine = 256 << 10

// CopyOutput logs each line that r delivers, under the invoke at hand, until r
// ends: the standard output and error of the process. Our bootstraps write there
// only what native code and child processes do; for the provided runtimes it is
// all of the function's log. A line that comes after the result of its invoke is
// logged all the same. It returns nil at the end of r.
func (e *Environment) CopyOutput(r io.Reader) error {
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		if n := len(line); n > 0 {
			if line[n-1] == '\n' {
				line = line[:n-1]
			}
			e.mu.Lock()
			request := e.request
			e.mu.Unlock()
			e.log(request, string(line))
		}
		switch err {
		case nil, bufio.ErrBufferFull:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}
