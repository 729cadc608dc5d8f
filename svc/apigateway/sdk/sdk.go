// Package sdk writes clients of an API for programs that call it: JavaScript's, in
// the shape that pages written for API Gateway load. An API's export, read by OpenAPI
// Generator, makes clients in the other languages.
package sdk

import (
	"archive/zip"
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"
	"time"
)

// A Method is one method of an API, as a client calls it.
type Method struct {
	Verb, Path string
	Operation  string   // the method's own name for itself, if it has one
	Signed     bool     // by AWS_IAM
	Body       bool     // it has a model for requests' bodies
	Required   []string // parameters that a request must have: their names
	PathParams []string
	Query      []string
	Headers    []string
}

// An API is what a client is written for.
type API struct {
	Name      string
	InvokeURL string // with the stage, without a slash at its end
	Region    string
	Methods   []Method
}

// Root is the folder in the archive.
const Root = "apiGateway-js-sdk"

//go:embed javascript
var javascript embed.FS

// JavaScript is a zip archive of the client, whose files are of the time made.
func JavaScript(a API, made time.Time) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	err := fs.WalkDir(javascript, "javascript", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := javascript.ReadFile(name)
		if err != nil {
			return err
		}
		to := path.Join(Root, strings.TrimPrefix(name, "javascript/"))
		if bare, ok := strings.CutSuffix(to, ".tmpl"); ok {
			to = bare
			if text, err = fill(name, string(text), a); err != nil {
				return err
			}
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: to, Method: zip.Deflate, Modified: made})
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// fill writes a template's text for an API.
func fill(name, text string, a API) ([]byte, error) {
	functions := template.FuncMap{"js": literal, "names": names, "inputs": inputs}
	t, err := template.New(name).Funcs(functions).Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, a); err != nil {
		return nil, fmt.Errorf("sdk: %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// literal is a value as JavaScript. A page may hold it in a script element.
func literal(v any) (string, error) {
	b, err := json.Marshal(v) // which escapes <, >, & and U+2028
	return string(b), err
}

// inputs are the names of all that a method's callers may give it.
func (m Method) inputs() []string {
	all := slices.Concat(m.PathParams, m.Query, m.Headers)
	if m.Body {
		all = append(all, "body")
	}
	if all == nil {
		return []string{}
	}
	return all
}

func inputs(m Method) []string { return m.inputs() }

// A named method is one with the name of its function.
type named struct {
	Name string
	Method
}

// names gives each method a function's name: its operation's, or its path's elements
// and its verb, such as petsPetIdGet. What is taken gets a number.
func names(all []Method) []named {
	taken := map[string]bool{}
	out := make([]named, 0, len(all))
	for _, m := range all {
		name := camel(m.Operation)
		if name == "" {
			if name = camel(m.Path); name == "" {
				name = "root"
			}
			name += strings.ToUpper(m.Verb[:1]) + strings.ToLower(m.Verb[1:])
		}
		free := name
		for n := 2; taken[free]; n++ {
			free = fmt.Sprintf("%s%d", name, n)
		}
		taken[free] = true
		out = append(out, named{free, m})
	}
	return out
}

// camel joins the words of text, whose first begins small: no other letters than
// those of identifiers stay.
func camel(text string) string {
	var b strings.Builder
	upper := false
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r >= '0' && r <= '9' && b.Len() > 0:
			s := string(r)
			if b.Len() == 0 {
				s = strings.ToLower(s)
			} else if upper {
				s = strings.ToUpper(s)
			}
			b.WriteString(s)
			upper = false
		default:
			upper = true
		}
	}
	return b.String()
}
