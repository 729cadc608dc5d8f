package runtimes

import (
	"strconv"
	"strings"
)

// A family is the interpreter that a runtime's name asks for.
type family int

const (
	unknown family = iota
	node
	python
	dotnet // .NET, or Mono
	java
	ruby
	provided // the function brings its own bootstrap
)

// A generation is how the runtimes of an age behave.
type generation struct {
	family       family
	major, minor int
	legacyNode   bool   // nodejs, nodejs4.3, nodejs6.10
	legacyExit   bool   // "Process exited before completing request", billing by 100 ms
	tuples       bool   // Python stack traces are lists of 4-tuples
	ascii        bool   // Python results escape what is not ASCII, before 3.12
	noCallbacks  bool   // Node 24 took callbacks away
	initError    string // X-Amz-Function-Error of a handler that cannot be loaded
}

// generationOf reads a runtime's name. The family of a name that is none is unknown.
func generationOf(name string) generation {
	g := generation{initError: Unhandled}
	switch {
	case strings.HasPrefix(name, "nodejs"):
		g.family = node
		v := strings.TrimSuffix(strings.TrimPrefix(name, "nodejs"), "-edge")
		if v == "" {
			v = "0.10"
		}
		if !g.version(strings.TrimSuffix(v, ".x")) {
			return generation{}
		}
		g.legacyNode = g.major < 8
		g.legacyExit = g.major < 10
		g.noCallbacks = g.major >= 24
		if g.legacyNode {
			g.initError = Handled
		}
	case strings.HasPrefix(name, "python"):
		g.family = python
		if !g.version(strings.TrimPrefix(name, "python")) {
			return generation{}
		}
		g.tuples = g.major == 2 || g.minor < 7
		g.legacyExit = g.tuples
		g.ascii = g.major == 2 || g.minor < 12
	case strings.HasPrefix(name, "dotnet"):
		g.family = dotnet
		if !g.version(strings.TrimPrefix(strings.TrimPrefix(name, "dotnet"), "core")) {
			return generation{}
		}
		g.legacyExit = g.major < 3
	case strings.HasPrefix(name, "java"):
		g.family = java
		var err error
		if g.major, err = strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(name, "java"), ".al2")); err != nil || g.major < 8 {
			return generation{}
		}
	case strings.HasPrefix(name, "ruby"):
		g.family = ruby
		if !g.version(strings.TrimPrefix(name, "ruby")) {
			return generation{}
		}
	case name == "provided" || name == "provided.al2" || name == "provided.al2023" || name == "go1.x":
		g.family = provided
	}
	return g
}

func (g *generation) version(s string) bool {
	major, minor, _ := strings.Cut(s, ".")
	var err error
	if g.major, err = strconv.Atoi(major); err != nil || g.major < 0 {
		return false
	}
	if minor == "" {
		return g.family != python
	}
	g.minor, err = strconv.Atoi(minor)
	return err == nil && g.minor >= 0
}

// DebugPort is where, in its own network, a function listens for a debugger that Config
// asks for: Node's inspector, or debugpy if the function has it with it.
const DebugPort = 9229

// Debugs reports whether functions of a runtime can be debugged.
func Debugs(runtime string) bool {
	f := generationOf(runtime).family
	return f == node || f == python
}

// IsProvided reports whether a runtime speaks the HTTP Runtime API with a
// bootstrap that is part of the function's code.
func IsProvided(runtime string) bool { return generationOf(runtime).family == provided }
