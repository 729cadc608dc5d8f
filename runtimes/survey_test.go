package runtimes

import (
	"errors"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/aws"
)

// Every runtime is found, or Survey and Command both say what is missing.
func TestSurvey(t *testing.T) {
	set := interpreters(t)
	for _, s := range set.Survey() {
		g := generationOf(s.Runtime)
		if g.family == unknown {
			t.Errorf("%s is no runtime", s.Runtime)
		}
		c, err := set.Command(s.Runtime, CommandOptions{})
		if (s.Missing == "") != (err == nil) && !errors.Is(err, ErrUnsupportedRuntime) {
			t.Errorf("%s: surveyed as %+v, and Command says %v", s.Runtime, s, err)
		}
		if err == nil && c.Version != s.Version {
			t.Errorf("%s: surveyed as %s, started as %s", s.Runtime, s.Version, c.Version)
		}
		if s.Missing != "" && (s.Install == "" || s.Path != "") {
			t.Errorf("%s is missing, and nothing says how to get it: %+v", s.Runtime, s)
		}
	}
}

// A machine that has nothing is told what each runtime takes.
func TestSurveyOfNothing(t *testing.T) {
	for _, s := range new(Set).Survey() {
		if IsProvided(s.Runtime) {
			if s.Missing != "" || s.Language != "" {
				t.Errorf("%s needs nothing: %+v", s.Runtime, s)
			}
			continue
		}
		if s.Missing == "" || s.Install == "" || s.Language == "" {
			t.Errorf("%s: %+v", s.Runtime, s)
		}
		_, err := new(Set).Command(s.Runtime, CommandOptions{})
		var e *aws.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, "has not got "+s.Missing) {
			t.Errorf("%s: %v", s.Runtime, err)
		}
	}
}

// Ruby is the oldest that is not older, else the newest.
func TestClosestRuby(t *testing.T) {
	set := &Set{}
	for _, v := range []int{301, 302, 304, 207} {
		set.list = append(set.list, interpreter{family: ruby, major: v / 100, minor: v % 100})
	}
	for name, want := range map[string]int{"ruby2.5": 207, "ruby2.7": 207, "ruby3.2": 302, "ruby3.3": 304, "ruby3.4": 304, "ruby4.0": 304} {
		if got := set.closest(generationOf(name)); got.major*100+got.minor != want {
			t.Errorf("%s: %d.%d, want %d", name, got.major, got.minor, want)
		}
	}
}

// A wrapper starts the interpreter, and the arguments end with the program.
func TestWrapped(t *testing.T) {
	set := interpreters(t)
	for name, program := range map[string]string{"nodejs20.x": "index.cjs", "python3.11": "bootstrap.py", "ruby3.2": "bootstrap.rb"} {
		c, err := set.Command(name, CommandOptions{Wrapper: "/opt/wrap"})
		if errors.Is(err, ErrUnsupportedRuntime) {
			continue
		}
		if err != nil || c.Argv[0] != "/bin/sh" || c.Argv[3] != "/opt/wrap" || !strings.HasSuffix(c.Argv[len(c.Argv)-1], "/"+program) {
			t.Errorf("%s: %q, %v", name, c.Argv, err)
		}
	}
	if c, err := set.Command("provided.al2", CommandOptions{Wrapper: "/opt/wrap"}); err != nil || len(c.Argv) != 1 {
		t.Errorf("provided.al2: %q, %v: its own bootstrap sees to the wrapper", c.Argv, err)
	}
}
