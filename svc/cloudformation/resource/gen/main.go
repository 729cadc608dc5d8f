// Command gen writes schemas.json from the schemas of resource types that AWS publishes,
// as the pinned wheel of cfn-lint carries them.
//
//	go run ./svc/cloudformation/resource/gen -wheel cfn_lint-….whl [-out FILE]
//
// What is kept is the form of properties, and which of them replace a resource, are
// attributes, or hold tags; AWS's prose is not copied. What is written is committed, and a
// test proves that it is current.
package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// namespaces are the services whose types are kept.
var namespaces = []string{"ApiGateway", "ApiGatewayV2", "CloudFormation", "CloudTrail", "CloudWatch", "DynamoDB", "ECR", "Events", "IAM", "Kinesis",
	"KinesisFirehose", "Lambda", "Logs", "Organizations", "S3", "SES", "SNS", "SQS", "Scheduler", "SSM"}

func main() {
	wheel := flag.String("wheel", "", "the wheel of cfn-lint")
	out := flag.String("out", "svc/cloudformation/resource/schemas.json", "the file to write")
	flag.Parse()
	text, err := generate(*wheel)
	if err == nil {
		err = os.WriteFile(*out, text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// A published schema, as far as it is read.
type published struct {
	TypeName             string
	Properties           map[string]any
	PatternProperties    map[string]any
	Definitions          map[string]any
	Required             []string
	CreateOnlyProperties []string
	ReadOnlyProperties   []string
	PrimaryIdentifier    []string
	Tagging              *struct {
		Taggable    *bool
		TagProperty string
		SystemTags  *bool `json:"cloudFormationSystemTags"`
	}
}

// kept is a schema as it is written: a line of the file.
type kept struct {
	Name        string         `json:"name"`
	Properties  map[string]any `json:"properties,omitempty"`
	Open        bool           `json:"open,omitempty"` // takes properties that it does not name
	Definitions map[string]any `json:"definitions,omitempty"`
	Required    []string       `json:"required,omitempty"`
	CreateOnly  []string       `json:"createOnly,omitempty"`
	ReadOnly    []string       `json:"readOnly,omitempty"`
	Identifier  []string       `json:"identifier,omitempty"`
	Tags        string         `json:"tags,omitempty"`
	SystemTags  bool           `json:"systemTags,omitempty"`
}

// generate is the file's text: a list, one schema a line, by name.
func generate(wheel string) ([]byte, error) {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	lines := map[string][]byte{}
	for _, f := range z.File {
		if !strings.HasPrefix(f.Name, "cfnlint/data/schemas/resources/") || path.Ext(f.Name) != ".json" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		var p published
		err = json.NewDecoder(r).Decode(&p)
		r.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		if part := strings.Split(p.TypeName, "::"); len(part) == 3 && part[0] == "AWS" && slices.Contains(namespaces, part[1]) {
			if lines[p.TypeName], err = json.Marshal(keep(&p)); err != nil {
				return nil, err
			}
		}
	}
	if len(lines) < 100 {
		return nil, fmt.Errorf("%s has %d schemas only", wheel, len(lines))
	}
	var b bytes.Buffer
	b.WriteString("[\n")
	for i, name := range slices.Sorted(maps.Keys(lines)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		b.Write(lines[name])
	}
	b.WriteString("\n]\n")
	return b.Bytes(), nil
}

func keep(p *published) *kept {
	k := &kept{Name: p.TypeName, Open: p.PatternProperties != nil, Required: p.Required, CreateOnly: pointers(p.CreateOnlyProperties),
		ReadOnly: pointers(p.ReadOnlyProperties), Identifier: pointers(p.PrimaryIdentifier)}
	k.Properties, _ = members(p.Properties).(map[string]any)
	k.Definitions, _ = members(p.Definitions).(map[string]any)
	if t := p.Tagging; t != nil && (t.Taggable == nil || *t.Taggable) {
		k.Tags, k.SystemTags = "Tags", t.SystemTags == nil || *t.SystemTags
		if t.TagProperty != "" {
			k.Tags = strings.TrimPrefix(t.TagProperty, "/properties/")
		}
	} else if p.Properties["Tags"] != nil {
		k.Tags = "Tags"
	}
	return k
}

// pointers are the paths of properties, without what all begin with.
func pointers(list []string) (out []string) {
	for _, p := range list {
		out = append(out, strings.TrimPrefix(p, "/properties/"))
	}
	slices.Sort(out)
	return out
}

// members keeps the form of each value of an object.
func members(v map[string]any) any {
	if len(v) == 0 {
		return nil
	}
	out := map[string]any{}
	for name, s := range v {
		out[name] = form(s)
	}
	return out
}

// form is a schema's own form: its type, and what it is made of.
func form(v any) any {
	s, ok := v.(map[string]any)
	if !ok {
		return map[string]any{}
	}
	out := map[string]any{}
	for name, value := range s {
		switch name {
		case "type":
			out[name] = value
		case "required":
			out[name] = value
		case "$ref":
			text, _ := value.(string)
			out["ref"] = strings.TrimPrefix(text, "#/definitions/")
		case "items":
			out[name] = form(value)
		case "properties":
			if m, ok := value.(map[string]any); ok && len(m) > 0 {
				out[name] = members(m)
			}
		case "patternProperties":
			out["open"] = true
		}
	}
	return out
}
