package iam

import (
	"reflect"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
)

func build(_ *testing.T, h *script.House) []aws.Route {
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Keys: seal.New([32]byte{1}, h.Random)})
	return withCodes(s, s.Routes())
}

func TestScripts(t *testing.T) { script.Run(t, "testdata", build) }

// Every route is IAM's, is there once, and asks for a permission of its own name on
// a resource of the caller's account, for whatever name it is called with.
func TestRoutes(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	seen := map[string]bool{}
	for _, r := range build(t, h) {
		if r.Op.Service != api.Service || seen[r.Op.Name] {
			t.Errorf("%s: twice, or of another service", r.Op.Name)
		}
		seen[r.Op.Name] = true
		in := r.New()
		for i, v := 0, reflect.ValueOf(in).Elem(); i < v.NumField(); i++ {
			if f := v.Field(i); f.Type() == reflect.TypeFor[*string]() {
				text := "x"
				switch name := v.Type().Field(i).Name; {
				case strings.HasSuffix(name, "Arn") || name == "PermissionsBoundary":
					text = "arn:aws:iam::000000000000:policy/x"
				case strings.HasSuffix(name, "Path"):
					text = "/x/"
				}
				f.Set(reflect.ValueOf(&text))
			}
		}
		needs, err := r.Guard(h.Context(t.Context()), in)
		if err != nil || len(needs) == 0 {
			t.Errorf("%s: %v, %v", r.Op.Name, needs, err)
			continue
		}
		if needs[0].Action != "iam:"+r.Op.Name {
			t.Errorf("%s asks for %s", r.Op.Name, needs[0].Action)
		}
		for _, n := range needs {
			if n.Resource != "*" && !strings.HasPrefix(n.Resource, "arn:aws:iam::000000000000:") {
				t.Errorf("%s asks for %s", r.Op.Name, n.Resource)
			}
		}
	}
	if len(seen) < 80 {
		t.Errorf("%d routes", len(seen))
	}
}

// AWS's managed policies are policies, and managed ones.
func TestCatalog(t *testing.T) {
	c := newCatalog()
	for arn, p := range c {
		doc, err := policy.Parse(p.inForce().Document)
		if err != nil {
			t.Errorf("%s: %v", arn, err)
			continue
		}
		if err := doc.Validate(policy.Rules{Kind: policy.Identity, MaxSize: maxManaged, IgnoreSpace: true, Require2012: true}); err != nil {
			t.Errorf("%s: %v", arn, err)
		}
	}
	for _, arn := range []string{
		"AdministratorAccess", "PowerUserAccess", "ReadOnlyAccess", "IAMFullAccess", "AWSLambdaFullAccess", "AWSLambda_FullAccess",
		"AmazonDynamoDBFullAccess", "AmazonDynamoDBReadOnlyAccess", "AmazonSNSFullAccess", "AmazonS3FullAccess", "AmazonS3ReadOnlyAccess",
		"AmazonAPIGatewayAdministrator", "AmazonAPIGatewayInvokeFullAccess", "CloudWatchLogsFullAccess",
		"service-role/AWSLambdaBasicExecutionRole", "service-role/AWSLambdaDynamoDBExecutionRole", "service-role/AWSLambdaKinesisExecutionRole",
		"service-role/AWSLambdaVPCAccessExecutionRole", "service-role/AmazonAPIGatewayPushToCloudWatchLogs", "service-role/AWSConfigRulesExecutionRole",
	} {
		if c["arn:aws:iam::aws:policy/"+arn] == nil {
			t.Errorf("there is no %s", arn)
		}
	}
}
