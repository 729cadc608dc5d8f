// Command trim copies HashiCorp's provider for AWS, less the services that nobody
// asked for, so that the rest can be built in minutes.
//
// The provider knows about 250 services; to build them all takes an hour and the
// memory of a larger machine. It names them in two generated files: the list of its
// service packages, and the clients of AWS's SDK. Trim writes these two anew, less
// what was not asked for, and leaves out what only the rest needed. Every other file
// is the provider's own, so what is left behaves as the whole does.
//
//	trim -module <the provider's module> -out <folder> iam sts …
//
// A service goes by the name of its folder below internal/service. Those that it
// imports in turn are copied for their code; their resources are not served.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	packages = "internal/provider/sdkv2/service_packages_gen.go"
	clients  = "internal/conns/awsclient_gen.go"
	services = "github.com/hashicorp/terraform-provider-aws/internal/service/"
)

// code are the folders of the module's root that hold its code. "." is its root.
var code = []string{".", "internal", "names", "version"}

func main() {
	log.SetFlags(0)
	log.SetPrefix("trim: ")
	module := flag.String("module", "", "folder of the provider's module")
	out := flag.String("out", "", "folder to make")
	flag.Parse()
	if *module == "" || *out == "" || flag.NArg() == 0 {
		log.Fatal("usage: trim -module <folder> -out <folder> service…")
	}
	if err := trim(*module, *out, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

// trim copies what the services keep need of the module into the folder out.
func trim(module, out string, keep []string) error {
	use, err := usesOf(module, keep)
	if err != nil {
		return err
	}
	if err := copyModule(module, out, use.folders); err != nil {
		return err
	}
	err = rewrite(filepath.Join(module, packages), filepath.Join(out, packages),
		func(f *ast.File) error { return keepPackages(f, keep) })
	if err != nil {
		return err
	}
	return rewrite(filepath.Join(module, clients), filepath.Join(out, clients),
		func(f *ast.File) error { keepClients(f, use.clients); return nil })
}

// copyModule copies the provider's code, but tests, and but services outside folders.
// Each service's smarterr.hcl is kept: the provider embeds them by a pattern.
func copyModule(module, out string, folders map[string]bool) error {
	source := os.DirFS(module)
	return fs.WalkDir(source, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "testdata" || !strings.Contains(path, "/") && !slices.Contains(code, path) {
				return fs.SkipDir
			}
			return nil
		}
		service := strings.HasPrefix(path, "internal/service/") && path != "internal/service/smarterr.hcl"
		if strings.HasSuffix(path, "_test.go") || service && !within(path, folders) && d.Name() != "smarterr.hcl" {
			return nil
		}
		text, err := fs.ReadFile(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(out, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
}

// within reports whether the file path lies in one of the folders or below it.
func within(path string, folders map[string]bool) bool {
	for path != "." {
		if path = filepath.Dir(path); folders[path] {
			return true
		}
	}
	return false
}

// rewrite parses the file from, edits it, drops the imports that nothing names
// any more, and writes it to the file to.
func rewrite(from, to string, edit func(*ast.File) error) error {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, from, nil, 0)
	if err != nil {
		return err
	}
	if err := edit(f); err != nil {
		return err
	}
	dropImports(f)
	var text bytes.Buffer
	if err := format.Node(&text, files, f); err != nil {
		return err
	}
	return os.WriteFile(to, text.Bytes(), 0o644)
}

// keepPackages leaves in the list of service packages those asked for.
// Each element of it is a call such as iam.ServicePackage(ctx).
func keepPackages(f *ast.File, keep []string) error {
	var missing []string
	ast.Inspect(f, func(n ast.Node) bool {
		list, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		found := map[string]bool{}
		list.Elts = slices.DeleteFunc(list.Elts, func(e ast.Expr) bool {
			name := packageOf(e)
			found[name] = true
			return !slices.Contains(keep, name)
		})
		for _, name := range keep {
			if !found[name] {
				missing = append(missing, name)
			}
		}
		return false
	})
	if missing != nil {
		return fmt.Errorf("the provider has no service %s", strings.Join(missing, ", "))
	}
	return nil
}

// packageOf is the package that a call's function is of: iam in iam.ServicePackage(ctx).
func packageOf(e ast.Expr) string {
	if call, ok := e.(*ast.CallExpr); ok {
		if s, ok := call.Fun.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				return x.Name
			}
		}
	}
	return ""
}

// keepClients leaves the methods of these names. Each hands out one client of the
// SDK, and is what makes the provider depend on that client's package.
func keepClients(f *ast.File, used map[string]bool) {
	f.Decls = slices.DeleteFunc(f.Decls, func(d ast.Decl) bool {
		method, ok := d.(*ast.FuncDecl)
		return ok && !used[method.Name.Name]
	})
}

// dropImports leaves the imports whose package the file names.
func dropImports(f *ast.File) {
	named := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				named[x.Name] = true
			}
		}
		return true
	})
	f.Imports = nil
	for _, d := range f.Decls {
		imports, ok := d.(*ast.GenDecl)
		if !ok || imports.Tok != token.IMPORT {
			continue
		}
		imports.Specs = slices.DeleteFunc(imports.Specs, func(s ast.Spec) bool {
			spec := s.(*ast.ImportSpec)
			if spec.Name != nil {
				return !named[spec.Name.Name]
			}
			path, err := strconv.Unquote(spec.Path.Value)
			return err != nil || !named[filepath.Base(path)]
		})
	}
}

// uses are what the provider's own packages and some services need.
type uses struct {
	clients map[string]bool // names of methods such as IAMClient
	folders map[string]bool // of the services, and of those that they import
}

var (
	clientCall    = regexp.MustCompile(`\.(\w+Client)\(`)
	serviceImport = regexp.MustCompile(`"` + regexp.QuoteMeta(services) + `([\w/]+)"`)
)

// usesOf finds what the services keep use, by name.
func usesOf(module string, keep []string) (uses, error) {
	u := uses{clients: map[string]bool{}, folders: map[string]bool{}}
	for _, dir := range []string{"internal/conns", "internal/provider/sdkv2", "internal/provider/framework", "internal/tags"} {
		if err := u.read(module, dir); err != nil {
			return u, err
		}
	}
	for _, service := range keep {
		if err := u.read(module, "internal/service/"+service); err != nil {
			return u, err
		}
	}
	return u, nil
}

// read notes what the Go files of a folder use, and then the services that they import.
func (u uses) read(module, dir string) error {
	if u.folders[dir] {
		return nil
	}
	u.folders[dir] = true
	files, err := filepath.Glob(filepath.Join(module, dir, "*.go"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("the provider has no %s", dir)
	}
	for _, file := range files {
		rel, err := filepath.Rel(module, file)
		if err != nil {
			return err
		}
		if strings.HasSuffix(rel, "_test.go") || rel == packages || rel == clients {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range clientCall.FindAllSubmatch(text, -1) {
			u.clients[string(m[1])] = true
		}
		for _, m := range serviceImport.FindAllSubmatch(text, -1) {
			if err := u.read(module, "internal/service/"+string(m[1])); err != nil {
				return err
			}
		}
	}
	return nil
}
