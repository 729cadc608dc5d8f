package sandbox

import (
	"os"

	"github.com/tule-cloud/tule/sandbox/inside"
)

// selfName is the argument by which a program finds itself started as a sandbox's first process.
const selfName = "tule-sandbox-init"

// Self is the promise of a program that it calls MaybeInit first. Its zero value promises nothing.
type Self struct{ ok bool }

// MaybeInit is to be called first in main, and in TestMain of packages whose tests start sandboxes.
// When this process is to become a sandbox's first one, it does that and does not return. Else its
// result, given to Open, allows to start sandboxes from this very program when it was built without
// the embedded init: the same code, slower to start.
func MaybeInit() Self {
	if len(os.Args) == 1 && os.Args[0] == selfName {
		inside.Run()
	}
	return Self{ok: true}
}
