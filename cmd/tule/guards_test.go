package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	apigatewayapi "github.com/tule-cloud/tule/api/apigateway"
	dynamodbapi "github.com/tule-cloud/tule/api/dynamodb"
	iamapi "github.com/tule-cloud/tule/api/iam"
	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	organizationsapi "github.com/tule-cloud/tule/api/organizations"
	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/wire"
)

// TestEveryRouteAsks walks every route of the house: each names at least one action on
// a resource that its caller needs permission for, but those that AWS leaves open.
func TestEveryRouteAsks(t *testing.T) {
	w := newWalk(t)
	seen := map[string]bool{}
	for _, r := range w.house.front.Routes() {
		id := r.Op.Service.Package + " " + r.Op.Name
		seen[id] = true
		for _, asked := range w.ask(t, r) {
			needs := asked.needs
			why, open := free[id]
			switch {
			case open && len(needs) > 0:
				t.Errorf("%s is free for all (%s), and asks for %s on %s", id, why, needs[0].Action, needs[0].Resource)
			case !open && len(needs) == 0:
				t.Errorf("%s asks for nothing: anybody may call it", id)
			}
			for _, n := range needs {
				prefix, name, ok := strings.Cut(n.Action, ":")
				if _, isARN := aws.ParseARN(n.Resource); !ok || prefix == "" || name == "" || !isARN && n.Resource != "*" {
					t.Errorf("%s asks for %q on %q", id, n.Action, n.Resource)
				}
			}
		}
	}
	for id := range free {
		if !seen[id] {
			t.Errorf("%s is free for all, and there is no such route", id)
		}
	}
}

// TestRolesArePassed looks for roles in the inputs of all routes: whoever hands one to
// a service needs iam:PassRole for it.
func TestRolesArePassed(t *testing.T) {
	w := newWalk(t)
	passes := map[string]bool{}
	for _, r := range w.house.front.Routes() {
		for _, a := range w.ask(t, r) {
			passed := slices.ContainsFunc(a.needs, func(n aws.Access) bool {
				return n.Action == "iam:PassRole" && n.Resource == exampleRole && len(n.Keys["iam:PassedToService"]) == 1
			})
			text, err := json.Marshal(a.in)
			if err != nil {
				t.Fatal(err)
			}
			if named := strings.Contains(string(text), `"`+exampleRole+`"`); named && !passed && !w.excused(keptRoles, r.Op, "") {
				t.Errorf("%s %s takes a role and does not ask for iam:PassRole", r.Op.Service.Package, r.Op.Name)
			} else if passed {
				passes[r.Op.Service.Package+" "+r.Op.Name] = true
			}
		}
	}
	w.stale(t, keptRoles)
	t.Logf("roles are passed by %s", strings.Join(sortedKeys(passes), ", "))
}

// TestGuardsKnowReference holds what routes ask for against AWS's own reference: the
// action is one, the resource of a type that it takes, the condition keys are those
// that it has; and none of those that it has is missing. What differs has a reason in
// one of the tables.
func TestGuardsKnowReference(t *testing.T) {
	ref := openReference(t)
	w := newWalk(t)
	w.arns = func(op *aws.Operation, member string) []string { return ref.arns(t, op, member) }
	for _, r := range w.house.front.Routes() {
		missing := map[string]map[string]bool{} // by action
		for _, asked := range w.ask(t, r) {
			for _, n := range asked.needs {
				w.hold(t, ref, r, n, missing)
			}
		}
		for _, action := range sortedKeys(missing) {
			for _, key := range sortedKeys(missing[action]) {
				if missing[action][key] && !w.excused(absentKeys, r.Op, action+" "+key) {
					t.Errorf("%s %s: %s has the condition key %s, which no input gave", r.Op.Service.Package, r.Op.Name, action, key)
				}
			}
		}
	}
	w.stale(t, differentResources, furtherKeys, absentKeys)
}

// stale finds exceptions that nothing needs any more.
func (w *walk) stale(t *testing.T, tables ...[]exception) {
	t.Helper()
	for _, table := range tables {
		for _, e := range table {
			if !w.used[e] {
				t.Errorf("no route needs the exception %s %s: take it out", e.op, e.what)
			}
		}
	}
}

// hold compares one access, and notes which condition keys nobody has given yet.
func (w *walk) hold(t *testing.T, ref *reference, r aws.Route, n aws.Access, missing map[string]map[string]bool) {
	id := r.Op.Service.Package + " " + r.Op.Name
	prefix, _, _ := strings.Cut(n.Action, ":")
	service, action := ref.action(t, n.Action)
	if action == nil {
		if !w.excused(differentResources, r.Op, n.Action) {
			t.Errorf("%s asks for %s, which AWS does not know", id, n.Action)
		}
		return
	}
	arn := n.Resource
	if prefix == "logs" { // as AWS's refusals name a group; see svc/logs/guard.go
		arn = strings.TrimSuffix(arn, ":log-stream:")
	}
	types := service.matching(action, prefix, arn)
	optional := !slices.ContainsFunc(action.ResourceTypes, func(row referenceRow) bool { return row.Required })
	if len(types) == 0 && (n.Resource != "*" || !optional) && !w.excused(differentResources, r.Op, n.Action) {
		t.Errorf("%s: %s is not on %s", id, n.Action, n.Resource)
	}
	has := action.keysOf(types)
	given := givenKeys(n)
	for _, key := range sortedKeys(given) {
		global := strings.HasPrefix(key, "aws:") && !isTagKey(key)
		if read := n.Tags != nil && strings.HasSuffix(key, ":ResourceTag/${TagKey}"); has[key] || global || read {
			continue
		}
		if !w.excused(furtherKeys, r.Op, n.Action+" "+key) {
			t.Errorf("%s gives %s the condition key %s, which AWS does not", id, n.Action, key)
		}
	}
	if missing[n.Action] == nil {
		missing[n.Action] = map[string]bool{}
	}
	for key := range has {
		_, old := missing[n.Action][key]
		own := strings.HasPrefix(key, prefix+":") || isTagKey(key)
		if given[key] {
			missing[n.Action][key] = false
		} else if !old && own && possible(key, r, n.Action, service.keys[strings.ToLower(key)].Description) {
			missing[n.Action][key] = true
		}
	}
}

const resourceTag = "aws:ResourceTag/${TagKey}"

func isTagKey(key string) bool { return key == "aws:TagKeys" || strings.HasSuffix(key, "/${TagKey}") }

// givenKeys are the condition keys of an access in the reference's words.
func givenKeys(n aws.Access) map[string]bool {
	given := map[string]bool{}
	for _, key := range slices.Concat(slices.Collect(maps.Keys(n.Keys)), slices.Collect(maps.Keys(n.Late))) {
		if head, _, ok := strings.Cut(key, "Tag/"); ok {
			key = head + "Tag/${TagKey}"
		}
		given[key] = true
	}
	if n.Tags != nil {
		given[resourceTag] = true
		if strings.HasPrefix(n.Action, "iam:") || strings.HasPrefix(n.Action, "sts:") { // the door answers to both names
			given["iam:ResourceTag/${TagKey}"] = true
		}
	}
	return given
}

// possible reports whether an operation can give an action a condition key at all: the
// tags of a request if its input has tags; those of a resource if it is not the one
// that makes it; and a key whose description lists the operations that have it if it
// is among those, for its own action; and one that is called after a header if the
// input has the header.
func possible(key string, r aws.Route, action, description string) bool {
	in := reflect.TypeOf(r.New()).Elem()
	_, tags := in.FieldByName("Tags")
	if f, ok := in.FieldByName("TagsList"); ok {
		tags = tags || f.Type.Kind() == reflect.Slice
	}
	_, gone := in.FieldByName("TagKeys")
	switch key {
	case "aws:RequestTag/${TagKey}":
		return tags && !strings.HasPrefix(r.Op.Name, "Untag")
	case "aws:TagKeys":
		return tags || gone
	}
	if strings.HasSuffix(key, ":ResourceTag/${TagKey}") {
		return !strings.HasPrefix(r.Op.Name, "Create") && !strings.HasPrefix(r.Op.Name, "Import") && !strings.HasPrefix(r.Op.Name, "Upload")
	}
	if head, ok := headerOf(key); ok {
		return hasHeader(in, head)
	}
	_, when, listed := strings.Cut(description, "Available during")
	if !listed {
		return true
	}
	if action != r.Op.IAMAction() && action != r.Op.Service.SigningName+":"+r.Op.Method {
		return false
	}
	return strings.Contains(when, r.Op.Name) ||
		r.Op.Name == "ImportRestApi" && strings.Contains(when, " import") || r.Op.Name == "PutRestApi" && strings.Contains(when, "reimport")
}

// headerOf is the header that a condition key of S3 is called after.
func headerOf(key string) (string, bool) {
	name, _ := strings.CutPrefix(key, "s3:")
	return name, strings.HasPrefix(name, "x-amz-") || name == "if-match" || name == "if-none-match"
}

func hasHeader(in reflect.Type, name string) bool {
	for i := range in.NumField() {
		head, rest, _ := strings.Cut(in.Field(i).Tag.Get("aws"), ",")
		if strings.EqualFold(head, name) && strings.HasPrefix(rest, "header") {
			return true
		}
	}
	return false
}

// A walk is a house with an example of most things in it, and how its routes are asked.
type walk struct {
	house *house
	root  context.Context // of a call by the root of the account
	user  context.Context // of one by its user example
	known map[string]string
	arns  func(op *aws.Operation, member string) []string
	used  map[exception]bool
}

func newWalk(t *testing.T) *walk {
	t.Helper()
	h, err := build(context.Background(), settings{data: t.TempDir(), listen: []string{"127.0.0.1:4566"}, iam: "enforce", isolation: "process", self: self}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	w := &walk{house: h, known: maps.Clone(knownMembers), used: map[exception]bool{},
		arns: func(op *aws.Operation, _ string) []string {
			return []string{"arn:aws:" + op.Service.SigningName + ":us-east-1:000000000000:example"}
		},
		root: by(t, aws.Root, "root", "000000000000")}
	w.furnish(t)
	return w
}

// by is the context of a call by a principal of the account.
func by(t *testing.T, kind aws.PrincipalKind, name, id string) context.Context {
	caller := aws.Caller{Kind: kind, Account: "000000000000", ARN: "arn:aws:iam::000000000000:" + name, UserID: id}
	return aws.WithRequest(t.Context(), &aws.Request{ID: "walk", Region: "us-east-1", Scheme: "http", Host: "localhost:4566", Caller: caller})
}

// asked is what a guard asks for an input.
type asked struct {
	in    any
	needs []aws.Access
}

// ask gives a route's guard the least input and the most, and the most of what is
// current where that can name a version, and returns what each asks for.
func (w *walk) ask(t *testing.T, r aws.Route) []asked {
	t.Helper()
	id := r.Op.Service.Package + " " + r.Op.Name
	var out []asked
	inputs := []string{"least", "full"}
	if f, ok := reflect.TypeOf(r.New()).Elem().FieldByName("VersionId"); ok && !strings.Contains(f.Tag.Get("aws"), ",required") {
		inputs = append(inputs, "current")
	}
	for _, kind := range inputs {
		in, full := r.New(), kind != "least"
		filler{op: r.Op, full: full, known: w.known, arns: w.arns}.fill(in)
		if kind == "current" {
			reflect.ValueOf(in).Elem().FieldByName("VersionId").SetZero()
		}
		if change := adjust[id]; full && change != nil {
			change(in)
		}
		if err := wire.Validate(r.Op, in); err != nil {
			t.Errorf("%s: the walk's input is none: %v", id, err)
			continue
		}
		needs, err := r.Guard(w.user, in)
		if err != nil {
			if w.excused(readTokens, r.Op, "") {
				continue
			}
			t.Errorf("%s: its guard refuses the walk's input: %v", id, err)
			continue
		}
		out = append(out, asked{in, needs})
	}
	return out
}

// excused reports whether a table has a reason for what an operation does.
func (w *walk) excused(table []exception, op *aws.Operation, what string) bool {
	for _, e := range table {
		if a, _ := path.Match(e.op, op.Service.Package+" "+op.Name); !a {
			continue
		}
		if b, _ := path.Match(e.what, strings.ReplaceAll(what, "/", "|")); b {
			w.used[e] = true
			return true
		}
	}
	return false
}

// call does an operation as the root of the account.
func call[In, Out any](t *testing.T, w *walk, op *aws.Op[In, Out], in *In) *Out {
	t.Helper()
	out, err := op.Do(w.root, w.house.front, in)
	if err != nil {
		t.Fatalf("%s: %v", op.Name, err)
	}
	return out
}

func ptr[T any](v T) *T { return &v }

// furnish makes what guards look up to know what stands: a table's key, an API.
func (w *walk) furnish(t *testing.T) {
	t.Helper()
	w.furnishIAM(t)
	w.furnishAPI(t)
	w.furnishOrganization(t)
	w.furnishQueues(t)
	w.furnishStreams(t)
	w.furnishBuckets(t)
	call(t, w, &lambdaapi.CreateFunction, &lambdaapi.CreateFunctionRequest{FunctionName: ptr("example"), Runtime: ptr("nodejs20.x"), Handler: ptr("index.handler"),
		Role: ptr("arn:aws:iam::000000000000:role/example"), Code: &lambdaapi.FunctionCode{ZipFile: emptyZip(t)}})
	call(t, w, &lambdaapi.AddPermission, &lambdaapi.AddPermissionRequest{FunctionName: ptr("example"), StatementId: ptr("example"),
		Action: ptr("lambda:InvokeFunctionUrl"), Principal: ptr("*"), FunctionUrlAuthType: ptr("AWS_IAM")})
	call(t, w, &dynamodbapi.CreateTable, &dynamodbapi.CreateTableInput{TableName: ptr("example"), BillingMode: ptr("PAY_PER_REQUEST"),
		KeySchema:            []dynamodbapi.KeySchemaElement{{AttributeName: ptr("id"), KeyType: ptr("HASH")}},
		AttributeDefinitions: []dynamodbapi.AttributeDefinition{{AttributeName: ptr("id"), AttributeType: ptr("S")}}})
}

// furnishStreams makes a stream with a consumer, and an iterator of its shard.
func (w *walk) furnishStreams(t *testing.T) {
	t.Helper()
	arn := "arn:aws:kinesis:us-east-1:000000000000:stream/example"
	call(t, w, &kinesisapi.CreateStream, &kinesisapi.CreateStreamInput{StreamName: ptr("example"), ShardCount: ptr(int32(1)), Tags: map[string]string{"team": "red"}})
	made := call(t, w, &kinesisapi.RegisterStreamConsumer, &kinesisapi.RegisterStreamConsumerInput{StreamARN: &arn, ConsumerName: ptr("example")})
	it := call(t, w, &kinesisapi.GetShardIterator, &kinesisapi.GetShardIteratorInput{StreamName: ptr("example"), ShardId: ptr("shardId-000000000000"), ShardIteratorType: ptr("LATEST")})
	w.known["kinesis.StreamARN"], w.known["kinesis.ResourceARN"] = arn, arn
	w.known["kinesis.ConsumerARN"], w.known["kinesis.ShardIterator"] = *made.Consumer.ConsumerARN, *it.ShardIterator
}

// furnishBuckets makes a bucket with an object, both with tags.
func (w *walk) furnishBuckets(t *testing.T) {
	t.Helper()
	call(t, w, &s3api.CreateBucket, &s3api.CreateBucketRequest{Bucket: ptr("example")})
	call(t, w, &s3api.PutBucketTagging, &s3api.PutBucketTaggingRequest{Bucket: ptr("example"), Tagging: &s3api.Tagging{TagSet: []s3api.Tag{{Key: ptr("team"), Value: ptr("red")}}}})
	call(t, w, &s3api.PutBucketAbac, &s3api.PutBucketAbacRequest{Bucket: ptr("example"), AbacStatus: &s3api.AbacStatus{Status: ptr(s3api.BucketAbacStatusEnabled)}})
	call(t, w, &s3api.PutObject, &s3api.PutObjectRequest{Bucket: ptr("example"), Key: ptr("example"), Body: strings.NewReader("example"), ContentLength: ptr(int64(7)), Tagging: ptr("team=red")})
	w.known["s3.Bucket"], w.known["s3.Key"], w.known["s3.VersionId"] = "example", "example", "null"
	w.known["s3.CopySource"], w.known["s3.RenameSource"] = "/example/example", "/example/example"
	w.known["s3.ExpectedBucketOwner"], w.known["s3.ExpectedSourceBucketOwner"] = "000000000000", "000000000000"
	w.known["s3.NextToken"] = ""
	w.known["s3control.ResourceArn"] = "arn:aws:s3:::example"
}

// furnishAPI makes an API with a method, deployed to a stage that logs.
func (w *walk) furnishAPI(t *testing.T) {
	t.Helper()
	made := call(t, w, &apigatewayapi.CreateRestApi, &apigatewayapi.CreateRestApiRequest{Name: ptr("example"), Tags: map[string]string{"_custom_id_": "example"}})
	w.known["apigateway.ResourceId"], w.known["apigateway.ParentId"] = *made.RootResourceId, *made.RootResourceId
	call(t, w, &apigatewayapi.PutMethod, &apigatewayapi.PutMethodRequest{RestApiId: made.Id, ResourceId: made.RootResourceId, HttpMethod: ptr("GET"), AuthorizationType: ptr("NONE")})
	call(t, w, &apigatewayapi.PutIntegration, &apigatewayapi.PutIntegrationRequest{RestApiId: made.Id, ResourceId: made.RootResourceId, HttpMethod: ptr("GET"), Type: ptr("MOCK")})
	deployed := call(t, w, &apigatewayapi.CreateDeployment, &apigatewayapi.CreateDeploymentRequest{RestApiId: made.Id})
	call(t, w, &apigatewayapi.CreateStage, &apigatewayapi.CreateStageRequest{RestApiId: made.Id, StageName: ptr("example"), DeploymentId: deployed.Id})
	call(t, w, &apigatewayapi.UpdateStage, &apigatewayapi.UpdateStageRequest{RestApiId: made.Id, StageName: ptr("example"), PatchOperations: []apigatewayapi.PatchOperation{
		{Op: ptr("replace"), Path: ptr("/accessLogSettings/destinationArn"), Value: ptr("arn:aws:logs:us-east-1:000000000000:log-group:example")},
		{Op: ptr("replace"), Path: ptr("/accessLogSettings/format"), Value: ptr("$context.requestId")}}})
}

// furnishIAM makes principals and a policy, with tags and a boundary.
func (w *walk) furnishIAM(t *testing.T) {
	t.Helper()
	tags := []iamapi.Tag{{Key: ptr("team"), Value: ptr("red")}}
	document := ptr(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`)
	trust := ptr(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*", "Service": "lambda.amazonaws.com"}}]}`)
	bound := call(t, w, &iamapi.CreatePolicy, &iamapi.CreatePolicyRequest{PolicyName: ptr("example"), PolicyDocument: document, Tags: tags}).Policy.Arn
	id := call(t, w, &iamapi.CreateUser, &iamapi.CreateUserRequest{UserName: ptr("example"), PermissionsBoundary: bound, Tags: tags}).User.UserId
	w.user = by(t, aws.User, "user/example", *id)
	call(t, w, &iamapi.CreateRole, &iamapi.CreateRoleRequest{RoleName: ptr("example"), AssumeRolePolicyDocument: trust, PermissionsBoundary: bound, Tags: tags})
	call(t, w, &iamapi.CreateGroup, &iamapi.CreateGroupRequest{GroupName: ptr("example")})
	call(t, w, &iamapi.CreateInstanceProfile, &iamapi.CreateInstanceProfileRequest{InstanceProfileName: ptr("example"), Tags: tags})
	call(t, w, &iamapi.AddRoleToInstanceProfile, &iamapi.AddRoleToInstanceProfileRequest{InstanceProfileName: ptr("example"), RoleName: ptr("example")})
	call(t, w, &iamapi.CreateVirtualMFADevice, &iamapi.CreateVirtualMFADeviceRequest{VirtualMFADeviceName: ptr("example"), Tags: tags})
	call(t, w, &iamapi.CreateOpenIDConnectProvider, &iamapi.CreateOpenIDConnectProviderRequest{Url: ptr("https://example.com"),
		ClientIDList: []string{"example"}, ThumbprintList: []string{strings.Repeat("a", 40)}, Tags: tags})
	w.known["iam.AccessKeyId"] = *call(t, w, &iamapi.CreateAccessKey, &iamapi.CreateAccessKeyRequest{UserName: ptr("example")}).AccessKey.AccessKeyId
}

// furnishOrganization makes an organization with a policy, a unit and an invitation.
func (w *walk) furnishOrganization(t *testing.T) {
	t.Helper()
	call(t, w, &organizationsapi.CreateOrganization, &organizationsapi.CreateOrganizationRequest{})
	top := call(t, w, &organizationsapi.ListRoots, &organizationsapi.ListRootsRequest{}).Roots[0].Id
	policy := call(t, w, &organizationsapi.CreatePolicy, &organizationsapi.CreatePolicyRequest{Name: ptr("example"), Description: ptr(""),
		Type: ptr("SERVICE_CONTROL_POLICY"), Content: ptr(`{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]}`)}).Policy.PolicySummary.Id
	unit := call(t, w, &organizationsapi.CreateOrganizationalUnit, &organizationsapi.CreateOrganizationalUnitRequest{Name: ptr("example"), ParentId: top}).OrganizationalUnit.Id
	sent := call(t, w, &organizationsapi.InviteAccountToOrganization, &organizationsapi.InviteAccountToOrganizationRequest{
		Target: &organizationsapi.HandshakeParty{Id: ptr("111111111111"), Type: ptr("ACCOUNT")}}).Handshake.Id
	for member, id := range map[string]*string{"PolicyId": policy, "ResourceId": policy, "OrganizationalUnitId": unit, "ParentId": top, "RootId": top, "HandshakeId": sent} {
		w.known["organizations."+member] = *id
	}
}

// emptyZip is a zip file with one empty file in it.
func emptyZip(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if _, err := z.Create("index.js"); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// patching makes an input's patch operations replace what is at paths.
func patching(pairs ...string) func(in any) {
	return func(in any) {
		var ops []apigatewayapi.PatchOperation
		for i := 0; i < len(pairs); i += 2 {
			ops = append(ops, apigatewayapi.PatchOperation{Op: ptr("replace"), Path: &pairs[i], Value: &pairs[i+1]})
		}
		reflect.ValueOf(in).Elem().FieldByName("PatchOperations").Set(reflect.ValueOf(ops))
	}
}

// without empties members of an input.
func without(members ...string) func(in any) {
	return func(in any) {
		for _, m := range members {
			f := reflect.ValueOf(in).Elem().FieldByName(m)
			if !f.IsValid() {
				panic(fmt.Sprintf("%T has no %s", in, m))
			}
			f.SetZero()
		}
	}
}
