package crash

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

// TestEventsSurviveKills kills Tule three times while events come in. Each that was
// answered with 202 comes to its function, and what became of it to the destination.
func TestEventsSurviveKills(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	house := start(t, data)
	destined(t, house)
	const kills, each = 3, 20
	for kill := range kills {
		functions := lambda.NewFromConfig(config(house, "test", "test", ""))
		for n := range each {
			out, err := functions.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("source"), InvocationType: types.InvocationTypeEvent,
				Payload: fmt.Appendf(nil, `{"n":%d}`, kill*each+n)})
			if err != nil || out.StatusCode != 202 {
				t.Fatal(out, err)
			}
		}
		house.Kill()
		house = start(t, data)
	}
	logs := cloudwatchlogs.NewFromConfig(config(house, "test", "test", ""))
	told := map[string]bool{}
	for deadline := time.Now().Add(60 * time.Second); len(told) < kills*each && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		pages := cloudwatchlogs.NewFilterLogEventsPaginator(logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/sink"), FilterPattern: aws.String("told")})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				break // there is no log yet
			}
			for _, e := range page.Events {
				_, n, _ := strings.Cut(strings.TrimSpace(*e.Message), "told ")
				told[n] = true
			}
		}
	}
	if len(told) != kills*each {
		t.Errorf("the destination was told of %d events of %d: %v\n%s", len(told), kills*each, told, house.Failures())
	}
	try(t, house.Stop())
}

// destined makes a function whose successes another one is told of.
func destined(t *testing.T, house *tule.Tule) {
	t.Helper()
	root := config(house, "test", "test", "")
	people, functions := iam.NewFromConfig(root), lambda.NewFromConfig(root)
	role, err := people.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("fn"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	try(t, err)
	_, err = people.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("fn"), PolicyName: aws.String("fn"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:*","lambda:InvokeFunction"],"Resource":"*"}]}`)})
	try(t, err)
	var sink *string
	for _, f := range [][2]string{{"sink", `exports.handler = async (e) => console.log("told", e.requestPayload.n)`}, {"source", `exports.handler = async (e) => e.n`}} {
		var code bytes.Buffer
		z := zip.NewWriter(&code)
		w, err := z.Create("index.js")
		try(t, err)
		_, err = io.WriteString(w, f[1])
		try(t, errors.Join(err, z.Close()))
		made, err := functions.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: &f[0], Role: role.Role.Arn, Runtime: types.RuntimeNodejs22x,
			Handler: aws.String("index.handler"), Timeout: aws.Int32(20), Code: &types.FunctionCode{ZipFile: code.Bytes()}})
		try(t, err)
		if sink == nil {
			sink = made.FunctionArn
		}
	}
	_, err = functions.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("source"),
		DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: sink}}})
	try(t, err)
}
