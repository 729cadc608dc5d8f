package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// provider is a provider of three services, of which one needs another.
var provider = map[string]string{
	"main.go":               "package main\n",
	"go.mod":                "module github.com/hashicorp/terraform-provider-aws\n",
	"website/docs/index.md": "long",
	"names/names.go":        "package names\n",
	packages: `// Copyright of theirs

package sdkv2

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-provider-aws/internal/conns"
	"github.com/hashicorp/terraform-provider-aws/internal/service/iam"
	"github.com/hashicorp/terraform-provider-aws/internal/service/kms"
	"github.com/hashicorp/terraform-provider-aws/internal/service/sts"
)

func servicePackages(ctx context.Context) []conns.ServicePackage {
	v := []conns.ServicePackage{
		iam.ServicePackage(ctx),
		kms.ServicePackage(ctx),
		sts.ServicePackage(ctx),
	}
	return slices.Clone(v)
}
`,
	clients: `package conns

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	s3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func (c *AWSClient) IAMClient(ctx context.Context) *iam.Client { return client[*iam.Client](ctx, c) }
func (c *AWSClient) KMSClient(ctx context.Context) *kms.Client { return client[*kms.Client](ctx, c) }
func (c *AWSClient) S3Client(ctx context.Context) *s3.Client   { return client[*s3.Client](ctx, c) }
func (c *AWSClient) STSClient(ctx context.Context) *sts.Client { return client[*sts.Client](ctx, c) }
`,
	"internal/conns/awsclient.go":           "package conns\n\nvar s = c.S3Client(ctx)\n",
	"internal/provider/framework/wrap.go":   "package framework\n",
	"internal/tags/tags.go":                 "package tags\n",
	"internal/service/smarterr.hcl":         "all",
	"internal/service/iam/role.go":          "package iam\n\nvar c = meta.IAMClient(ctx)\n",
	"internal/service/iam/role_test.go":     "package iam\n\nvar c = meta.KMSClient(ctx)\n",
	"internal/service/iam/testdata/main.tf": "long",
	"internal/service/kms/key.go":           "package kms\n\nvar c = meta.KMSClient(ctx)\n",
	"internal/service/kms/smarterr.hcl":     "own",
	"internal/service/sts/identity.go":      "package sts\n\nimport \"github.com/hashicorp/terraform-provider-aws/internal/service/iam\"\n\nvar c = meta.STSClient(ctx)\n",
}

func trimmed(t *testing.T, keep ...string) (string, error) {
	t.Helper()
	module, out := t.TempDir(), t.TempDir()
	for path, text := range provider {
		path = filepath.Join(module, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return out, trim(module, out, keep)
}

func TestTrim(t *testing.T) {
	out, err := trimmed(t, "sts")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"main.go": true, "go.mod": true, "names/names.go": true, "internal/tags/tags.go": true,
		"internal/service/smarterr.hcl": true, "internal/service/kms/smarterr.hcl": true,
		"internal/service/sts/identity.go":  true,
		"internal/service/iam/role.go":      true, // which sts imports
		"internal/service/kms/key.go":       false,
		"internal/service/iam/role_test.go": false, "internal/service/iam/testdata/main.tf": false,
		"website/docs/index.md": false,
	} {
		if _, err := os.Stat(filepath.Join(out, path)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", path, err == nil, want)
		}
	}
	holds(t, filepath.Join(out, packages), map[string]bool{
		`service/sts"`: true, "sts.ServicePackage(ctx)": true, `"slices"`: true, "conns.ServicePackage": true,
		`service/iam"`: false, "iam.ServicePackage": false, "kms": false,
	})
	holds(t, filepath.Join(out, clients), map[string]bool{
		"STSClient": true, "IAMClient": true, "S3Client": true, `s3 "github.com`: true, `service/iam"`: true,
		"KMSClient": false, `service/kms"`: false,
	})
}

func holds(t *testing.T, file string, want map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for part, want := range want {
		if strings.Contains(string(text), part) != want {
			t.Errorf("%s holds %q: %v, want %v\n%s", filepath.Base(file), part, !want, want, text)
		}
	}
}

func TestTrimNamesUnknownServices(t *testing.T) {
	if _, err := trimmed(t, "sts", "lamda"); err == nil || !strings.Contains(err.Error(), "no internal/service/lamda") {
		t.Errorf("an unknown service: %v", err)
	}
}
