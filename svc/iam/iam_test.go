package iam

import (
	"testing"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/script"
)

func build(_ *testing.T, h *script.House) []aws.Route {
	return New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random}).Routes()
}

func TestScripts(t *testing.T) { script.Run(t, "testdata", build) }

// Every route is IAM's, is there once, and asks for a permission.
func TestRoutes(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	seen := map[string]bool{}
	for _, r := range build(t, h) {
		if r.Op.Service != api.Service || seen[r.Op.Name] {
			t.Errorf("%s: twice, or of another service", r.Op.Name)
		}
		seen[r.Op.Name] = true
		if r.Guard == nil || r.Call == nil {
			t.Errorf("%s has no guard or handler", r.Op.Name)
		}
	}
	if len(seen) < 70 {
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
