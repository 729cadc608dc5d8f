package iam

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base32"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// files are AWS's managed policies, one each, named as the policy.
//
//go:embed managed
var files embed.FS

// A catalog has AWS's managed policies by their ARNs. It never changes.
type catalog map[string]*managed

// newCatalog reads the policies that are built in; what is wrong with one is wrong
// with the build.
func newCatalog() catalog {
	entries, err := files.ReadDir("managed")
	if err != nil {
		panic(err)
	}
	c := catalog{}
	for _, e := range entries {
		text, err := files.ReadFile("managed/" + e.Name())
		if err != nil {
			panic(err)
		}
		var f struct {
			Path, Description, Version string
			Updated                    time.Time
			Document                   json.RawMessage
		}
		if err := json.Unmarshal(text, &f); err != nil {
			panic("iam: " + e.Name() + ": " + err.Error())
		}
		n, err := strconv.Atoi(strings.TrimPrefix(f.Version, "v"))
		if err != nil {
			panic("iam: " + e.Name() + ": " + err.Error())
		}
		name := strings.TrimSuffix(e.Name(), ".json")
		var document bytes.Buffer
		if err := json.Indent(&document, f.Document, "", "    "); err != nil {
			panic("iam: " + e.Name() + ": " + err.Error())
		}
		sum := sha256.Sum256([]byte(name))
		p := &managed{Name: name, Path: f.Path, ID: "ANPA" + base32.StdEncoding.EncodeToString(sum[:])[:17], Description: f.Description,
			Created: f.Updated, Updated: f.Updated, Default: n, Last: n, Versions: []version{{n, f.Updated, document.String()}}}
		c[aws.NewARN("iam", "", "aws", "policy"+p.Path+p.Name).String()] = p
	}
	return c
}

// ManagedPolicy is the ARN of a managed policy of AWS's by its name, without its path.
func (s *Service) ManagedPolicy(name string) (arn string, ok bool) {
	for arn := range s.catalog {
		if _, n := pathOf(arn); n == name {
			return arn, true
		}
	}
	return "", false
}
