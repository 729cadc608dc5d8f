// Command gen writes the packages below api from botocore's service models.
//
//	go run ./api/gen -models DIR [-out DIR]
//
// DIR is a folder botocore/data of the botocore release that the Makefile pins.
// The services are those that patches.json names, which also carries what AWS
// does and does not model; a further service is one line there. AWS's prose is
// not copied. What is written is committed, and a test proves that it is current.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	models := flag.String("models", "", "the folder botocore/data")
	out := flag.String("out", "api", "the folder that holds the packages and patches.json")
	flag.Parse()
	if err := run(*models, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run generates every service that patches.json in out names.
func run(models, out string) error {
	text, err := os.ReadFile(filepath.Join(out, "patches.json"))
	if err != nil {
		return err
	}
	var patches map[string]*patch
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&patches); err != nil {
		return fmt.Errorf("patches.json: %w", err)
	}
	var failed []error
	for _, name := range slices.Sorted(maps.Keys(patches)) {
		if err := service(models, out, name, patches[name]); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

// service generates one package.
func service(models, out, name string, p *patch) error {
	m, err := load(models, name, p)
	if err != nil {
		return err
	}
	g, err := newGenerator(name, m, p)
	if err != nil {
		return err
	}
	dir := filepath.Join(out, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for file, write := range map[string]func(){
		"operations.go": g.operations,
		"types.go":      g.types,
		"errors.go":     g.errors,
		"enums.go":      g.enums,
	} {
		g.begin(file == "operations.go")
		write()
		source, err := format.Source(g.buf.Bytes())
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), source, 0o644); err != nil {
			return err
		}
	}
	return g.problem()
}

// load reads the newest model of a service.
func load(models, name string, p *patch) (*model, error) {
	folder := name
	if p.Model != "" {
		folder = p.Model
	}
	versions, err := filepath.Glob(filepath.Join(models, folder, "*", "service-2.json"))
	if err != nil || len(versions) == 0 {
		return nil, fmt.Errorf("no model in %s", filepath.Join(models, folder))
	}
	slices.Sort(versions)
	text, err := os.ReadFile(versions[len(versions)-1])
	if err != nil {
		return nil, err
	}
	m := new(model)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s: %w", versions[len(versions)-1], err)
	}
	for _, name := range p.Without {
		if m.Operations[name] == nil {
			return nil, fmt.Errorf("there is no operation %s to leave out", name)
		}
		delete(m.Operations, name)
	}
	for name, text := range p.Shapes {
		if m.Shapes[name] == nil {
			m.Shapes[name] = new(shape)
		}
		if err := json.Unmarshal(text, m.Shapes[name]); err != nil {
			return nil, fmt.Errorf("shape %s: %w", name, err)
		}
	}
	for name := range p.Also {
		if m.Operations[name] == nil {
			return nil, fmt.Errorf("there is no operation %s for an address", name)
		}
	}
	for shape, values := range p.Enums {
		s := m.Shapes[shape]
		if s == nil {
			return nil, fmt.Errorf("there is no shape %s for the values %q", shape, values)
		}
		s.Enum = append(s.Enum, values...)
	}
	return m, nil
}
