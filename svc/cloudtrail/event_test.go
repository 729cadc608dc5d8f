package cloudtrail

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	apigatewayapi "github.com/tule-cloud/tule/api/apigateway"
	api "github.com/tule-cloud/tule/api/cloudtrail"
	dynamodbapi "github.com/tule-cloud/tule/api/dynamodb"
	streamsapi "github.com/tule-cloud/tule/api/dynamodbstreams"
	iamapi "github.com/tule-cloud/tule/api/iam"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

func TestParameters(t *testing.T) {
	var p parameters
	for _, c := range []struct {
		in   any
		data bool
		want string
	}{
		{nil, false, ""},
		{(*iamapi.GetUserRequest)(nil), false, ""},
		{&iamapi.ListUsersRequest{}, false, ""},
		{&iamapi.CreateUserRequest{UserName: new("a\"\\\n\x01\xff\u2028b"), Tags: []iamapi.Tag{{Key: new("k"), Value: new("v")}}}, false,
			`{"tags":[{"key":"k","value":"v"}],"userName":"a\"\\\n\u0001` + "\ufffd" + `\u2028b"}`},
		{&iamapi.CreateLoginProfileRequest{UserName: new("a"), Password: new("swordfish")}, false, `{"password":` + hidden + `,"userName":"a"}`},
		{&lambdaapi.CreateFunctionRequest{FunctionName: new("f"), Timeout: new(int32(3)), Publish: new(true), Code: &lambdaapi.FunctionCode{ZipFile: []byte("swordfish"), S3Bucket: new("b")},
			Environment: &lambdaapi.Environment{Variables: map[string]string{"SECRET": "swordfish"}}, Tags: map[string]string{"b": "2", "A": "1"}}, false,
			`{"code":{"s3Bucket":"b","zipFile":` + hidden + `},"environment":{"variables":` + hidden + `},"functionName":"f","publish":true,"tags":{"A":"1","b":"2"},"timeout":3}`},
		{&lambdaapi.InvocationRequest{FunctionName: new("f"), Payload: []byte("swordfish"), InvocationType: new("Event")}, true, `{"functionName":"f","invocationType":"Event"}`},
		{&dynamodbapi.PutItemInput{TableName: new("t"), Item: dynamodbapi.Item{}, ConditionExpression: new("swordfish")}, true, `{"tableName":"t"}`},
		{&stsapi.AssumeRoleResponse{Credentials: &stsapi.Credentials{AccessKeyId: new("A"), SessionToken: new("swordfish"), Expiration: new(time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC))}}, false,
			`{"credentials":{"accessKeyId":"A","expiration":"Jan 2, 2026, 3:04:05 PM","sessionToken":` + hidden + `}}`},
		{&apigatewayapi.ApiKey{Name: new("k"), Value: new("swordfish")}, false, `{"name":"k","value":` + hidden + `}`},
		{&lambdaapi.InvokeAsyncRequest{FunctionName: new("f"), InvokeArgs: strings.NewReader("swordfish")}, false, `{"functionName":"f"}`},
	} {
		got := string(p.marshal(c.in, "requestParameters", c.data))
		if got != c.want {
			t.Errorf("%T: %s", c.in, got)
		}
		if got != "" && !json.Valid([]byte(got)) {
			t.Errorf("%T: not JSON: %s", c.in, got)
		}
	}
	long := &iamapi.PutUserPolicyRequest{PolicyDocument: new(strings.Repeat("x", maxParameters))}
	if got := string(p.marshal(long, "requestParameters", false)); got != `{"omitted":true,"originalSize":102421,"reason":"requestParameters too large"}` {
		t.Error(got)
	}
}

// Values of items are nowhere in the log.
func TestNoItems(t *testing.T) {
	var p parameters
	if got := string(p.value(nil, reflect.ValueOf(dynamodbapi.AttributeValue{}), 0)); got != hidden {
		t.Errorf("an attribute value is %s", got)
	}
}

// fill sets every member, a few levels deep; what the model calls sensitive to a word that
// must not be told.
func fill(v reflect.Value, word string, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		if depth < 6 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), word, depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f, facts := v.Type().Field(i), strings.Split(v.Type().Field(i).Tag.Get("aws"), ",")
			w := word
			if slices.Contains(facts[1:], "sensitive") {
				w = "swordfish"
			}
			if f.IsExported() {
				fill(v.Field(i), w, depth+1)
			}
		}
	case reflect.Slice:
		if depth < 6 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			fill(v.Index(0), word, depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		if e := reflect.New(v.Type().Elem()).Elem(); depth < 6 {
			fill(e, word, depth+1)
			v.SetMapIndex(reflect.ValueOf("k").Convert(v.Type().Key()), e)
		}
	case reflect.String:
		v.SetString(word)
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(math.NaN())
	case reflect.Bool:
		v.SetBool(true)
	}
}

// Full inputs and outputs are told as JSON, without what is sensitive in them.
func TestFullParameters(t *testing.T) {
	var p parameters
	for _, x := range []any{
		&dynamodbapi.CreateTableInput{}, &dynamodbapi.TransactWriteItemsInput{}, &dynamodbapi.QueryInput{}, &dynamodbapi.DescribeTableOutput{}, &dynamodbapi.BatchWriteItemInput{},
		&lambdaapi.CreateFunctionRequest{}, &lambdaapi.FunctionConfiguration{}, &lambdaapi.InvokeWithResponseStreamResponse{}, &lambdaapi.GetFunctionResponse{}, &lambdaapi.PublishLayerVersionRequest{},
		&apigatewayapi.RestApi{}, &apigatewayapi.Stage{}, &apigatewayapi.PutIntegrationRequest{}, &apigatewayapi.ImportRestApiRequest{}, &apigatewayapi.CreateApiKeyRequest{},
		&iamapi.GetAccountAuthorizationDetailsResponse{}, &iamapi.CreateVirtualMFADeviceResponse{}, &iamapi.ServiceSpecificCredential{}, &iamapi.ChangePasswordRequest{}, &iamapi.UploadServerCertificateRequest{},
		&stsapi.AssumeRoleWithSAMLRequest{}, &stsapi.AssumeRoleWithWebIdentityResponse{}, &api.LookupEventsResponse{}, &api.CreateEventDataStoreRequest{},
	} {
		fill(reflect.ValueOf(x).Elem(), "x", 0)
		for _, data := range []bool{false, true} {
			got := p.marshal(x, "requestParameters", data)
			if got != nil && !json.Valid(got) || bytes.Contains(got, []byte("swordfish")) || !data && len(got) < 10 {
				t.Errorf("%T: %s", x, got)
			}
		}
	}
}

// Every operation of what is built can be told, with nothing in it and with nothing known.
func TestEveryInput(t *testing.T) {
	s, h := house(t)
	for _, ops := range [][]*aws.Operation{iamapi.Operations(), lambdaapi.Operations(), dynamodbapi.Operations(), stsapi.Operations()} {
		for _, op := range ops {
			v := s.eventOf(&aws.Event{Request: request(h, "", userAnn()), Op: op}, h.Clock.Now())
			if v.RequestID == "" || v.EventName != op.Name || !strings.HasSuffix(v.EventSource, ".amazonaws.com") {
				t.Errorf("%s: %+v", op.Name, v)
			}
		}
	}
}

func TestKinds(t *testing.T) {
	for op, want := range map[*aws.Operation]string{
		&dynamodbapi.GetItem.Operation: "data read", &dynamodbapi.PutItem.Operation: "data write", &dynamodbapi.DescribeTable.Operation: "management read",
		&lambdaapi.Invoke.Operation: "data write", &iamapi.CreateUser.Operation: "management write", &iamapi.SimulatePrincipalPolicy.Operation: "management read",
		&stsapi.AssumeRole.Operation: "management read", &streamsapi.GetRecords.Operation: "data read", &api.LookupEvents.Operation: "management read",
	} {
		got := map[bool]string{true: "data", false: "management"}[isData(op)] + map[bool]string{true: " read", false: " write"}[isRead(op)]
		if got != want {
			t.Errorf("%s: %s", op.Name, got)
		}
	}
	if got := sourceOf(streamsapi.Service); got != "dynamodb.amazonaws.com" {
		t.Error(got)
	}
	for arn, want := range map[string][2]string{
		"arn:aws:iam::000000000000:user/staff/ann":                          {"AWS::IAM::User", "ann"},
		"arn:aws:iam::000000000000:policy/p":                                {"AWS::IAM::ManagedPolicy", "p"},
		"arn:aws:iam::000000000000:instance-profile/x":                      {"AWS::IAM::InstanceProfile", "x"},
		"arn:aws:dynamodb:us-east-1:000000000000:table/songs/index/by":      {"AWS::DynamoDB::Table", "songs"},
		"arn:aws:lambda:us-east-1:000000000000:function:f:live":             {"AWS::Lambda::Function", "f"},
		"arn:aws:logs:us-east-1:000000000000:log-group:/aws/x:log-stream:s": {"AWS::Logs::LogGroup", "/aws/x"},
		"arn:aws:sns:us-east-1:000000000000:t":                              {"AWS::SNS::Topic", "t"},
		"arn:aws:sqs:us-east-1:000000000000:q":                              {"AWS::SQS::Queue", "q"},
		"arn:aws:s3:::bucket":                                               {"AWS::S3::Bucket", "bucket"},
		"arn:aws:s3:::bucket/a/b":                                           {"AWS::S3::Object", "bucket/a/b"},
		"arn:aws:apigateway:us-east-1::/restapis/a1":                        {"AWS::ApiGateway::RestApi", "a1"},
		"arn:aws:states:us-east-1:000000000000:stateMachine:m":              {"AWS::StepFunctions::StateMachine", "m"},
		"arn:aws:nobody:us-east-1:000000000000:thing/x":                     {"", "x"},
		"*": {"", "*"}, "": {"", ""},
	} {
		if kind, name := resourceOf(arn); kind != want[0] || name != want[1] {
			t.Errorf("%s: %q %q", arn, kind, name)
		}
	}
}

func TestIdentities(t *testing.T) {
	issued := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	mfa := userAnn()
	mfa.IssuedAt, mfa.MFAAt = issued, issued
	web := aws.Caller{Kind: aws.WebIdentity, UserID: "cognito-identity.amazonaws.com:pool:sub", Provider: "cognito-identity.amazonaws.com"}
	session := webSession()
	session.Provider = "accounts.google.com"
	for name, c := range map[string]struct {
		caller aws.Caller
		want   string
	}{
		"root":      {aws.Caller{Kind: aws.Root, Account: account, ARN: "arn:aws:iam::000000000000:root", UserID: account}, `{"type":"Root","principalId":"000000000000","arn":"arn:aws:iam::000000000000:root","accountId":"000000000000"}`},
		"user, MFA": {mfa, `{"type":"IAMUser","principalId":"AIDAANN","arn":"arn:aws:iam::000000000000:user/staff/ann","accountId":"000000000000","accessKeyId":"AKIAANN","userName":"ann","sessionContext":{"attributes":{"creationDate":"2026-01-02T03:00:00Z","mfaAuthenticated":"true"}}}`},
		"federated": {aws.Caller{Kind: aws.Federated, Account: account, ARN: "arn:aws:sts::000000000000:federated-user/guest", UserID: "000000000000:guest", Role: ann},
			`{"type":"FederatedUser","principalId":"000000000000:guest","arn":"arn:aws:sts::000000000000:federated-user/guest","accountId":"000000000000","sessionContext":{"sessionIssuer":{"type":"IAMUser","arn":"arn:aws:iam::000000000000:user/staff/ann","accountId":"000000000000","userName":"ann"},"attributes":{"mfaAuthenticated":"false"}}}`},
		"web identity": {web, `{"type":"WebIdentityUser","principalId":"cognito-identity.amazonaws.com:pool:sub","userName":"sub","identityProvider":"cognito-identity.amazonaws.com"}`},
		"its session": {session, `{"type":"AssumedRole","principalId":"AROAWEB:s1","arn":"arn:aws:sts::000000000000:assumed-role/web/s1","accountId":"000000000000","accessKeyId":"ASIAWEB","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAWEB","arn":"arn:aws:iam::000000000000:role/web","accountId":"000000000000","userName":"web"},` +
			`"webIdFederationData":{"federatedProvider":"accounts.google.com","attributes":{}},"attributes":{"creationDate":"2026-01-02T03:00:00Z","mfaAuthenticated":"false"},"sourceIdentity":"ann"}}`},
		"service": {aws.ServiceCaller("lambda.amazonaws.com", account, ""), `{"type":"AWSService","invokedBy":"lambda.amazonaws.com"}`},
	} {
		if got, err := json.Marshal(identityOf(&c.caller)); err != nil || string(got) != c.want {
			t.Errorf("%s:\n%s", name, got)
		}
	}
	u := userAnn()
	if got, _ := json.Marshal(strangerOf(&u)); string(got) != `{"type":"AWSAccount","principalId":"AIDAANN","accountId":"000000000000"}` {
		t.Errorf("%s", got)
	}
}

// Each account sees what its own policies say, and not what the other's do.
func TestForeignPolicies(t *testing.T) {
	v := event{Additional: &additional{Decisions: []decision{{Resource: "q", By: "resource-based policy", Source: "q", Statement: "secret", owner: other, Remedy: "remedy",
		Evaluation: "denied with an explicit deny in a resource-based policy: q, secret\nservice control policy scp, level 0\n  mine (Allow): applies\nresource-based policy q\n  secret (Deny): applies\nidentity-based policy p\n  mine (Allow): applies\n"}}}}
	u := userAnn()
	mine, theirs := v.of(account, &u, nil).Additional.Decisions[0], v.of(other, &u, nil).Additional.Decisions[0]
	if mine.Source != "" || mine.Statement != "" || mine.Remedy == "" || mine.Evaluation != "denied with an explicit deny in a resource-based policy\n"+
		"service control policy scp, level 0\n  mine (Allow): applies\npolicies of another account\n  (not shown)\nidentity-based policy p\n  mine (Allow): applies\n" {
		t.Errorf("%+v", mine)
	}
	if theirs.Source != "q" || theirs.Statement != "secret" || theirs.Remedy == "" || theirs.Evaluation != "denied with an explicit deny in a resource-based policy: q, secret\n"+
		"policies of another account\n  (not shown)\nresource-based policy q\n  secret (Deny): applies\n" {
		t.Errorf("%+v", theirs)
	}
	d := &v.Additional.Decisions[0]
	d.By, d.Source, d.Statement, d.Evaluation = "identity-based policy", "p", "mine", "denied with an explicit deny in an identity-based policy: p, mine\nidentity-based policy p\n  mine (Deny): applies\n"
	theirs = v.of(other, &u, nil).Additional.Decisions[0]
	if theirs.Source != "" || theirs.Remedy != "" || theirs.Evaluation != "denied with an explicit deny in an identity-based policy\npolicies of another account\n  (not shown)\n" {
		t.Errorf("%+v", theirs)
	}
	d.By, d.Source, d.Statement, d.Evaluation = "resource-based policy", "q", "secret", "denied: q, secret\nresource-based policy q\n  secret (Deny): applies\n"
	nobody := v.of(other, &aws.Caller{Kind: aws.Anonymous}, nil) // the owner alone can tell why
	if text, _ := nobody.encode(); !bytes.Contains(text, []byte("secret (Deny): applies")) || !bytes.Contains(text, []byte(`"accountId":"anonymous"`)) {
		t.Errorf("%s", text)
	}
	if third := v.of("222222222222", &u, nil); len(third.Additional.Decisions) != 0 {
		t.Errorf("%+v", third.Additional)
	}
}

func FuzzRecord(f *testing.F) {
	r := record{ID: "i", Request: "r", Name: "n", Source: "s", User: "u", Key: "k", ReadOnly: true, Resources: []string{"a"}, ResourceTypes: []string{"b"}, ARNs: []string{"c"}, Event: []byte("{}")}
	b, _ := r.MarshalBinary()
	f.Add(b)
	f.Add(b[:8])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var one, two record
		if one.UnmarshalBinary(b) != nil {
			return
		}
		again, err := one.MarshalBinary()
		if err != nil || two.UnmarshalBinary(again) != nil || !reflect.DeepEqual(one, two) {
			t.Fatalf("%+v became %+v", one, two)
		}
	})
}

// Whatever a lookup is asked, it answers or refuses.
func FuzzLookup(f *testing.F) {
	f.Add("EventId", "r", aws.Token(position{At: time.Unix(0, 0), ID: "x"}), int64(0), int64(1))
	f.Add("Username", "ann", "", int64(-1), int64(1<<40))
	f.Fuzz(func(t *testing.T, key, value, token string, from, to int64) {
		s, h := house(t)
		s.Record(t.Context(), list(h, "r"))
		in := &api.LookupEventsRequest{LookupAttributes: []api.LookupAttribute{{AttributeKey: &key, AttributeValue: &value}}, NextToken: &token}
		start, end := time.Unix(from, 0), time.Unix(to, 0)
		in.StartTime, in.EndTime = &start, &end
		if _, err := s.lookupEvents(h.Context(t.Context()), in); err != nil && aws.CodeOf(err) == "" {
			t.Fatal(err)
		}
		// A token that fits, at a place that nobody gave out.
		var p position
		if aws.ParseToken(token, &p) {
			p.Search = fingerprint(in)
			in.NextToken = new(aws.Token(p))
			if _, err := s.lookupEvents(h.Context(t.Context()), in); err != nil && aws.CodeOf(err) == "" {
				t.Fatal(err)
			}
		}
	})
}

func TestPlane(t *testing.T) {
	s, h := house(t)
	s.Record(t.Context(), get(h, webSession(), table))
	s.Record(t.Context(), get(h, userAnn(), table))
	ask := func(query string, c aws.Caller) (int, string) {
		r := httptest.NewRequest(http.MethodGet, activityPath+"?"+query, nil)
		if !s.Planes()[0].Match(r) {
			t.Error("the plane does not know itself")
		}
		w := httptest.NewRecorder()
		s.Planes()[0].Handler.ServeHTTP(w, r.WithContext(aws.WithRequest(r.Context(), request(h, "r", c))))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	if code, text := ask("role=web&since=2026-01-01T00:00:00Z", userAnn()); code != 403 {
		t.Error(code, text)
	}
	s.Allow = func(_ context.Context, needs ...aws.Access) error {
		if len(needs) != 1 || needs[0].Action != "cloudtrail:LookupEvents" {
			t.Errorf("asked for %v", needs)
		}
		return nil
	}
	for query, want := range map[string]string{
		"role=web&since=2026-01-01T00:00:00Z": `{"Principals":["` + web + `"],"Uses":[{"Action":"dynamodb:GetItem","Resource":"` + table + `","Wide":false,"Region":"us-east-1","Last":"2026-01-02T03:04:05Z","Count":1}]}`,
		"user=ann&since=2026-01-01T00:00:00Z": `{"Principals":["` + ann + `"],"Uses":[{"Action":"dynamodb:GetItem","Resource":"` + table + `","Wide":false,"Region":"us-east-1","Last":"2026-01-02T03:04:05Z","Count":1}]}`,
		"role=web&since=2026-01-03T00:00:00Z": `{"Principals":["` + web + `"],"Uses":[]}`,
		"role=ann&since=2026-01-01T00:00:00Z": `{"Principals":[],"Uses":[]}`,
		"role=web":                            `{"message":"Give role=NAME or user=NAME, and since=TIME (RFC 3339)."}`,
		"since=2026-01-01T00:00:00Z":          `{"message":"Give role=NAME or user=NAME, and since=TIME (RFC 3339)."}`,
	} {
		if _, got := ask(query, userAnn()); got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
	if code, _ := ask("role=web&since=2026-01-01T00:00:00Z", aws.Caller{Kind: aws.Anonymous}); code != 403 {
		t.Error("a stranger was told")
	}
	if _, got := ask("role=web&since=2026-01-01T00:00:00Z", aws.Caller{Kind: aws.Root, Account: other}); got != `{"Principals":[],"Uses":[]}` {
		t.Error("another account was told", got)
	}
}
