package front

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/aws"
)

// A request that one service sends another is answered as one from outside, for the
// caller of its context, in the protocol of the service that is called.
func TestForward(t *testing.T) {
	f, _ := door(t, nil)
	root := aws.Caller{Kind: aws.Root, Account: "111111111111", ARN: "arn:aws:iam::111111111111:root", UserID: "111111111111"}
	nobody := aws.Caller{Kind: aws.User, Account: "111111111111", ARN: "arn:aws:iam::111111111111:user/nobody", AccessKeyID: "AKIANOBODY0000000000"}
	for _, c := range []struct {
		name, verb, url, action, body string
		caller                        aws.Caller
		header                        [2]string
		status                        int
		want                          string
	}{
		{"query by action", "POST", "https://sts.eu-west-1.amazonaws.com/", "GetCallerIdentity", "", root, [2]string{}, 200, "<Arn>arn:aws:iam::111111111111:root</Arn>"},
		{"query with a body that is none", "POST", "https://sts.eu-west-1.amazonaws.com/", "GetCallerIdentity", `{"a": "100%"}`, root, [2]string{"Content-Type", "application/json"}, 200, "<Arn>"},
		{"query in the URL", "GET", "https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15", "", "", root, [2]string{}, 200, "<Account>111111111111</Account>"},
		{"json by action", "POST", "https://logs.eu-west-1.amazonaws.com/", "CreateLogGroup", `{"logGroupName": "taken"}`, root, [2]string{}, 400, "ResourceAlreadyExistsException"},
		{"json by target", "POST", "https://logs.eu-west-1.amazonaws.com/", "", `{"logGroupName": "a"}`, root, [2]string{"X-Amz-Target", "Logs_20140328.CreateLogGroup"}, 200, ""},
		{"rest by path", "GET", "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/f", "", "", root, [2]string{}, 404, "Function not found: f"},
		{"rest by action", "GET", "https://lambda.eu-west-1.amazonaws.com/", "GetFunction", "", root, [2]string{}, 400, "takes its operations by path"},
		{"not allowed", "POST", "https://logs.eu-west-1.amazonaws.com/", "CreateLogGroup", `{"logGroupName": "a"}`, nobody, [2]string{}, 400, "AccessDenied"},
		{"against the model", "POST", "https://logs.eu-west-1.amazonaws.com/", "CreateLogGroup", `{"logGroupName": ""}`, root, [2]string{}, 400, "logGroupName"},
		{"no such operation", "POST", "https://logs.eu-west-1.amazonaws.com/", "Sing", `{}`, root, [2]string{}, 400, "Sing"},
		{"not built", "POST", "https://iam.amazonaws.com/", "CreateUser", "UserName=a", root, [2]string{"Content-Type", "application/x-www-form-urlencoded"}, 501, "CreateUser"},
		{"no such service", "POST", "https://sing.eu-west-1.amazonaws.com/", "Sing", "", root, [2]string{}, 501, "sing.eu-west-1"},
		{"a panic", "POST", "https://logs.eu-west-1.amazonaws.com/", "CreateLogGroup", `{"logGroupName": "panic"}`, root, [2]string{}, 500, "InternalFailure"},
	} {
		r, err := http.NewRequest(c.verb, c.url, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.header[0] != "" {
			r.Header.Set(c.header[0], c.header[1])
		}
		w := httptest.NewRecorder()
		ctx := aws.WithRequest(t.Context(), &aws.Request{ID: "id", Caller: c.caller, Region: "eu-west-1"})
		f.Forward(ctx, w, r, c.action)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || w.Header().Get("X-Amzn-Requestid") != "id" {
			t.Errorf("%s: %d %v %s", c.name, w.Code, w.Header(), w.Body)
		}
	}
}
