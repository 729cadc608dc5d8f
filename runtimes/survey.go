package runtimes

import (
	"os"
	"path/filepath"
	"strconv"
)

// Names are the runtimes that AWS has or has had, those of a language together and the
// oldest first.
var Names = []string{
	"nodejs", "nodejs4.3", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x", "nodejs16.x", "nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x",
	"python2.7", "python3.6", "python3.7", "python3.8", "python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14",
	"java8", "java8.al2", "java11", "java17", "java21", "java25",
	"dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "dotnet6", "dotnet8", "dotnet10",
	"ruby2.5", "ruby2.7", "ruby3.2", "ruby3.3", "ruby3.4", "ruby4.0",
	"go1.x", "provided", "provided.al2", "provided.al2023",
}

// A Support says what runs a runtime on this machine.
type Support struct {
	Runtime string
	// Language is "Node.js", "Python", …; "" for runtimes that bring their own bootstrap.
	Language string
	Path     string // of the interpreter; "" if there is none or none is needed
	Version  string // "20.20.2"
	// Missing is what the machine has not got, in words, and Install how to get it; ""
	// where nothing is missing.
	Missing, Install string
	// Library is what AWS provides unpackaged, and Fetched whether Provision has put it there.
	Library string
	Fetched bool
}

// Survey says of every runtime in Names what runs it here.
func (s *Set) Survey() []Support {
	list := make([]Support, 0, len(Names))
	for _, name := range Names {
		list = append(list, s.support(name))
	}
	return list
}

func (s *Set) support(name string) Support {
	g := generationOf(name)
	out := Support{Runtime: name, Language: languages[g.family]}
	if g.family == provided {
		return out
	}
	found := s.closest(g)
	if found == nil {
		out.Missing, out.Install = wanted(g), install(g)
		return out
	}
	out.Path, out.Version = found.path, found.version
	if found.family == dotnet && found.net == nil {
		out.Language = "Mono"
	}
	if out.Library = libraries[g.family]; out.Library != "" {
		host, _ := s.modules(found)
		_, err := os.Stat(filepath.Join(filepath.Dir(host), manifest))
		out.Fetched = err == nil
	}
	return out
}

var languages = map[family]string{node: "Node.js", python: "Python", dotnet: ".NET", java: "Java", ruby: "Ruby"}

// libraries are the chief ones that AWS provides unpackaged.
var libraries = map[family]string{node: "aws-sdk", python: "boto3"}

// wanted is what runs a generation, in words.
func wanted(g generation) string {
	version := strconv.Itoa(g.major) + "." + strconv.Itoa(g.minor)
	switch {
	case g.family == node:
		return "Node.js"
	case g.family == python && g.major == 2:
		return "Python 2.7"
	case g.family == python:
		return "Python " + version + " or newer"
	case g.family == dotnet:
		return ".NET " + strconv.Itoa(g.major) + " or newer, or Mono (Debian's mono-runtime and mono-mcs)"
	case g.family == java:
		return "Java " + strconv.Itoa(g.major) + " or newer"
	case g.family == ruby:
		return "Ruby"
	}
	return "an interpreter for it"
}

// install is how people get what wanted says.
func install(g generation) string {
	version := strconv.Itoa(g.major) + "." + strconv.Itoa(g.minor)
	switch g.family {
	case node:
		return "apt-get install nodejs, or nvm install --lts"
	case python:
		if g.major == 2 {
			return "pyenv install 2.7.18"
		}
		return "pyenv install " + version + ", or uv python install " + version
	case dotnet:
		return "apt-get install mono-runtime mono-mcs, or .NET's own installer"
	case java:
		return "apt-get install openjdk-" + strconv.Itoa(max(g.major, 17)) + "-jre-headless, or sdk install java"
	case ruby:
		return "apt-get install ruby"
	}
	return ""
}
