// Package tule_test holds the rules of the house, so that `go test ./...` says
// whether it still stands as ARCHITECTURE.md describes it.
package tule_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tule-cloud/tule"

// floors says which packages of Tule a package may import: those on the right and
// those below it in the same tree. It is a statement of policy. A package that
// needs more than its floor gives belongs on another floor, or its need does.
const floors = `
aws                <
vtl                <
policy             <
seal               <
ordered            <
template           < aws ordered
sam                < aws ordered template
blob               < aws
api/gen            <
api/*              < aws
wire               < aws
store              < aws
sandbox            < aws
steer              < aws
runtimes           < aws
script             < aws store wire
gateway/*          < aws
gateway/authorize  < aws policy
gateway/courier    < aws api
gateway/domain     < aws store seal
svc/lambda         < aws api store blob sandbox runtimes seal
svc/apigateway     < aws api store vtl gateway policy seal ordered
svc/apigatewayv2   < aws api store vtl gateway policy seal ordered
svc/cloudformation < aws api store policy ordered template sam
svc/iam            < aws api store policy seal
svc/sts            < aws api store seal gateway/jwt
svc/ssm            < aws api store seal
svc/ecr            < aws api store policy
svc/organizations  < aws api store policy
svc/s3             < aws api store blob policy
svc/*              < aws api store
front              < aws wire policy seal
cmd                < *
bench              < *
`

// impure lists who may read the machine's clock and dice: main, and what has
// nothing else to go by.
var impure = []string{"cmd/", "bench/", "sandbox/init", "api/gen", "setup/", "examples/"}

// source is one Go file of the house.
type source struct {
	path, dir string // relative to the root, with slashes
	test      bool
	generated bool
	lines     int
	file      *ast.File
	fset      *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); p != "." && (strings.HasPrefix(n, ".") || n == "testdata" || n == "node_modules" || n == "bin" || n == "test") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		s := source{path: filepath.ToSlash(p), test: strings.HasSuffix(p, "_test.go") || strings.HasSuffix(filepath.Dir(p), "test"), fset: token.NewFileSet(), lines: strings.Count(string(text), "\n")}
		s.dir = path.Dir(s.path)
		if s.file, err = parser.ParseFile(s.fset, p, text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return err
		}
		s.generated = ast.IsGenerated(s.file)
		out = append(out, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("found %d files only", len(out))
	}
	return out
}

// floor is what the policy lets dir import.
func floor(dir string) (allowed []string, ok bool) {
	best := -1
	for line := range strings.Lines(floors) {
		who, what, found := strings.Cut(line, "<")
		who = strings.TrimSpace(who)
		if !found {
			continue
		}
		if trimmed := strings.TrimSuffix(who, "/*"); (dir == trimmed || strings.HasPrefix(dir, trimmed+"/")) && len(who) > best {
			best, ok, allowed = len(who), true, strings.Fields(what)
			if trimmed != who { // the members of a family do not import each other
				member, _, _ := strings.Cut(strings.TrimPrefix(dir, trimmed+"/"), "/")
				trimmed += "/" + member
			}
			allowed = append(allowed, trimmed)
		}
	}
	return allowed, ok
}

func TestFloors(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.dir == "." {
			continue
		}
		allowed, ok := floor(s.dir)
		if !ok {
			t.Errorf("%s: no floor of the house has room for this package", s.path)
			continue
		}
		for _, i := range s.file.Imports {
			name, _ := strconv.Unquote(i.Path.Value)
			room, inside := strings.CutPrefix(name, module+"/")
			if inside && !slices.ContainsFunc(allowed, func(a string) bool {
				return a == "*" || room == a || strings.HasPrefix(room, a+"/")
			}) {
				t.Errorf("%s imports %s; its floor has %v", s.path, room, allowed)
			}
			if name == "net/http" && strings.HasPrefix(s.dir, "svc/") && !dataPlane(s.path) {
				t.Errorf("%s imports net/http: a service sees no HTTP but in its data plane", s.path)
			}
		}
	}
}

// dataPlane reports whether a service's file serves other HTTP than its API.
func dataPlane(p string) bool {
	for _, name := range []string{"plane", "fault", "integrate_", "function_url", "website", "runtime_api"} {
		if strings.HasPrefix(path.Base(p), name) {
			return true
		}
	}
	return false
}

func TestPackageDocs(t *testing.T) {
	docs := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test {
			docs[s.dir] = docs[s.dir] || s.file.Doc != nil
		}
	}
	for dir, has := range docs {
		if !has {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, s := range sources(t) {
		if s.generated {
			continue
		}
		if s.lines > 800 {
			t.Errorf("%s has %d lines; 800 are the most", s.path, s.lines)
		}
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > 60 && !table(f) {
					t.Errorf("%s: %s has %d lines; 60 are the most", s.path, f.Name.Name, n)
				}
			}
		}
	}
}

// table reports whether a function is one long list: a single return or switch.
func table(f *ast.FuncDecl) bool {
	for _, s := range f.Body.List {
		switch s.(type) {
		case *ast.ReturnStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt:
		default:
			return false
		}
	}
	return true
}

func TestNames(t *testing.T) {
	for _, s := range sources(t) {
		if s.path == "vtl/gateway/util.go" {
			continue // it is what templates call $util
		}
		for _, bad := range []string{"pkg", "util", "utils", "common", "helpers", "misc"} {
			if slices.Contains(strings.Split(s.dir, "/"), bad) || path.Base(s.path) == bad+".go" {
				t.Errorf("%s: a name that says nothing", s.path)
			}
		}
	}
}

func TestPurity(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || slices.ContainsFunc(impure, func(p string) bool { return strings.HasPrefix(s.path, p) }) {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "init" && f.Recv == nil && !s.generated {
				t.Errorf("%s: init functions have no place here", s.path)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until"}, sel.Sel.Name) {
				t.Errorf("%s: time.%s; take an aws.Clock", s.fset.Position(n.Pos()), sel.Sel.Name)
			}
			return true
		})
		for _, i := range s.file.Imports {
			if name, _ := strconv.Unquote(i.Path.Value); name == "math/rand" || name == "math/rand/v2" {
				if s.dir != "script" {
					t.Errorf("%s imports %s; take an io.Reader", s.path, name)
				}
			}
		}
	}
}
