package sandbox

import (
	"embed"
	"runtime"
)

// initbin holds the init programs that `go run ./sandbox/build` has made, one folder for each
// architecture. A plain `go build` finds only the notes in there; then see Self.
//
//go:embed initbin
var initbin embed.FS

// embeddedInit is the init program for this machine, or nil.
func embeddedInit() []byte {
	b, err := initbin.ReadFile("initbin/" + runtime.GOARCH + "/init")
	if err != nil {
		return nil
	}
	return b
}
