package resource

import (
	"strings"
	"testing"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	s3api "github.com/tule-cloud/tule/api/s3"
)

func TestLambda(t *testing.T) {
	w := newWorld(t)
	w.role()
	f := w.function("Function")

	w.create("AWS::Lambda::Permission", "Permission", `{"FunctionName": "{Function}", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com", "SourceArn": "arn:aws:execute-api:us-east-1:000000000000:a/*/GET/"}`)

	url := w.create("AWS::Lambda::Url", "Url", `{"TargetFunctionArn": "{Function.Arn}", "AuthType": "NONE", "Cors": {"AllowOrigins": ["*"]}, "InvokeMode": "RESPONSE_STREAM"}`)
	if url.ID != f.attribute("Arn") || !strings.Contains(w.filled("{Url.FunctionUrl}"), ".lambda-url.us-east-1.") {
		t.Errorf("the URL is %s: %v", url.ID, url.Attributes)
	}
	w.update(url, `{"TargetFunctionArn": "{Function.Arn}", "AuthType": "AWS_IAM"}`)

	config := w.create("AWS::Lambda::EventInvokeConfig", "Config", `{"FunctionName": "{Function}", "Qualifier": "$LATEST", "MaximumRetryAttempts": "1", "MaximumEventAgeInSeconds": 60}`)
	w.update(config, `{"FunctionName": "{Function}", "Qualifier": "$LATEST", "MaximumRetryAttempts": 0}`)

	signing := w.create("AWS::Lambda::CodeSigningConfig", "Signing", `{"AllowedPublishers": {"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/a/b"]}, "Tags": [{"Key": "a", "Value": "b"}]}`)
	w.update(signing, `{"AllowedPublishers": {"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/a/c"]}, "Description": "d", "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Enforce"}, "Tags": [{"Key": "c", "Value": "d"}]}`)

	w.end()
	if out, err := lambdaapi.ListFunctions.Do(f, f.Peers, &lambdaapi.ListFunctionsRequest{}); err != nil || len(out.Functions) > 0 {
		t.Errorf("left are %v, %v", out, err)
	}
}

func TestVersions(t *testing.T) {
	w := newWorld(t)
	w.role()
	f := w.function("Function")
	v := w.create("AWS::Lambda::Version", "Version", `{"FunctionName": "{Function}", "Description": "one"}`)
	if v.ID != f.attribute("Arn")+":1" {
		t.Errorf("the version is %s", v.ID)
	}
	second := w.call("AWS::Lambda::Version", "Second", `{"FunctionName": "{Function}"}`)
	if err := second.Type.Create(second); err == nil || !strings.Contains(err.Error(), "A version for this Lambda function exists ( 1 ).") {
		t.Errorf("a second version of the same is %q: %v", second.ID, err)
	}
	alias := w.create("AWS::Lambda::Alias", "Alias", `{"FunctionName": "{Function}", "FunctionVersion": "{Version.Version}", "Name": "live"}`)
	w.update(alias, `{"FunctionName": "{Function}", "FunctionVersion": "1", "Name": "live", "Description": "d"}`)

	w.update(f, `{"Role": "{Role.Arn}", "Runtime": "nodejs22.x", "Handler": "index.handler", "Code": {"ZipFile": "exports.handler = async () => 2"}}`)
	w.create("AWS::Lambda::Version", "Second", `{"FunctionName": "{Function}"}`)
	w.last(alias)
	w.update(alias, `{"FunctionName": "{Function}", "FunctionVersion": "{Second.Version}", "Name": "live", "RoutingConfig": {"AdditionalVersionWeights": [{"FunctionVersion": "1", "FunctionWeight": "0.25"}]}}`)
	out, err := lambdaapi.GetAlias.Do(f, f.Peers, &lambdaapi.GetAliasRequest{FunctionName: &f.ID, Name: new("live")})
	if err != nil || out.RoutingConfig == nil || out.RoutingConfig.AdditionalVersionWeights["1"] != 0.25 {
		t.Errorf("the alias is %+v, %v", out, err)
	}
	w.update(alias, `{"FunctionName": "{Function}", "FunctionVersion": "{Second.Version}", "Name": "live"}`)
	if out, err = lambdaapi.GetAlias.Do(f, f.Peers, &lambdaapi.GetAliasRequest{FunctionName: &f.ID, Name: new("live")}); err != nil || out.RoutingConfig != nil && len(out.RoutingConfig.AdditionalVersionWeights) > 0 {
		t.Errorf("the alias is %+v, %v", out, err)
	}
	w.end()
}

func TestMappings(t *testing.T) {
	w := newWorld(t)
	w.role()
	f := w.function("Function")
	w.create("AWS::SQS::Queue", "Queue", `{}`)
	m := w.create("AWS::Lambda::EventSourceMapping", "Mapping", `{"FunctionName": "{Function}", "EventSourceArn": "{Queue.Arn}", "BatchSize": "5", "FilterCriteria": {"Filters": [{"Pattern": "{}"}]}, "Tags": [{"Key": "a", "Value": "b"}]}`)
	w.update(m, `{"FunctionName": "{Function}", "EventSourceArn": "{Queue.Arn}", "BatchSize": 7, "Enabled": false, "ScalingConfig": {"MaximumConcurrency": 2}}`)
	w.update(m, `{"FunctionName": "{Function}", "EventSourceArn": "{Queue.Arn}"}`)
	out, err := lambdaapi.GetEventSourceMapping.Do(f, f.Peers, &lambdaapi.GetEventSourceMappingRequest{UUID: &m.ID})
	if err != nil || *out.BatchSize != 10 || out.FilterCriteria != nil {
		t.Errorf("the mapping is %+v, %v", out, err)
	}
	w.end()
	if out, err := lambdaapi.ListEventSourceMappings.Do(f, f.Peers, &lambdaapi.ListEventSourceMappingsRequest{}); err != nil || len(out.EventSourceMappings) > 0 {
		t.Errorf("left are %v, %v", out, err)
	}
}

func TestLayers(t *testing.T) {
	w := newWorld(t)
	bucket := w.create("AWS::S3::Bucket", "Bucket", `{}`)
	archive, err := (&Call{Properties: object(t, `{"Runtime": "python3.13", "Code": {"ZipFile": "x = 1"}}`)}).functionCode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s3api.PutObject.Do(bucket, bucket.Peers, &s3api.PutObjectRequest{Bucket: &bucket.ID, Key: new("layer.zip"), Body: strings.NewReader(string(archive.ZipFile))}); err != nil {
		t.Fatal(err)
	}
	layer := w.create("AWS::Lambda::LayerVersion", "Layer", `{"Content": {"S3Bucket": "{Bucket}", "S3Key": "layer.zip"}, "CompatibleRuntimes": ["python3.13"], "Description": "d"}`)
	if !strings.HasPrefix(layer.ID, "arn:aws:lambda:us-east-1:000000000000:layer:shop-Layer-") || !strings.HasSuffix(layer.ID, ":1") {
		t.Errorf("the layer is %s", layer.ID)
	}
	w.create("AWS::Lambda::LayerVersionPermission", "Permission", `{"LayerVersionArn": "{Layer}", "Action": "lambda:GetLayerVersion", "Principal": "*"}`)
	if _, err := s3api.DeleteObject.Do(bucket, bucket.Peers, &s3api.DeleteObjectRequest{Bucket: &bucket.ID, Key: new("layer.zip")}); err != nil {
		t.Fatal(err)
	}
	w.end()
}
