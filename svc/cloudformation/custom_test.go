package cloudformation

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/cloudformation"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// A provider is a double of Lambda behind which custom resources stand.
type provider struct {
	s     *Service
	asked []map[string]any
	say   func(request map[string]any) string // the answer's body; "" for none
}

func (p *provider) invoke(_ context.Context, in *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
	var request map[string]any
	if err := json.Unmarshal(in.Payload, &request); err != nil {
		return nil, err
	}
	p.asked = append(p.asked, request)
	if body := p.say(request); body != "" {
		r := httptest.NewRequest(http.MethodPut, request["ResponseURL"].(string), strings.NewReader(body))
		w := httptest.NewRecorder()
		if !p.s.Planes()[0].Match(r) {
			return nil, fmt.Errorf("nobody answers at %s", request["ResponseURL"])
		}
		p.s.takeAnswer(w, r)
		if w.Code != 200 {
			return nil, fmt.Errorf("the answer is refused: %d", w.Code)
		}
	}
	return &lambdaapi.InvocationResponse{}, nil
}

// A hasty clock does not let anybody wait.
type hasty struct{ *aws.ManualClock }

func (h hasty) After(d time.Duration) (<-chan time.Time, func()) {
	h.Advance(d)
	come := make(chan time.Time, 1)
	come <- h.Now()
	return come, func() {}
}

const customTemplate = `{"Resources": {"C": {"Type": "Custom::Thing", "Properties": {"ServiceToken": "arn:aws:lambda:us-east-1:000000000000:function:f", "Number": 5, "Yes": true}}},
	"Outputs": {"Out": {"Value": {"Fn::GetAtt": ["C", "Word"]}}, "Ref": {"Value": {"Ref": "C"}}}}`

func newCustom(t *testing.T, say func(map[string]any) string) (*provider, func(op *aws.Operation, in any) any) {
	t.Helper()
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	p := &provider{say: say}
	p.s = New(Options{Store: h.Store, Clock: hasty{h.Clock}, Random: h.Random, Peers: h, Together: 1})
	h.Add(settled(p.s))
	h.Add([]aws.Route{lambdaapi.Invoke.To(p.invoke, aws.Nothing)})
	return p, func(op *aws.Operation, in any) any {
		t.Helper()
		out, err := h.Call(h.Context(t.Context()), op, in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func TestCustomResource(t *testing.T) {
	p, call := newCustom(t, func(request map[string]any) string {
		properties := request["ResourceProperties"].(map[string]any)
		return `{"Status": "SUCCESS", "PhysicalResourceId": "thing-` + properties["Number"].(string) + `", "Data": {"Word": "w` + properties["Number"].(string) + `"}}`
	})
	call(&api.CreateStack.Operation, &api.CreateStackInput{StackName: new("c"), TemplateBody: new(customTemplate)})
	call(&api.UpdateStack.Operation, &api.UpdateStackInput{StackName: new("c"), TemplateBody: new(strings.Replace(customTemplate, "5", "6", 1))})
	st := call(&api.DescribeStacks.Operation, &api.DescribeStacksInput{StackName: new("c")}).(*api.DescribeStacksOutput).Stacks[0]
	if *st.StackStatus != "UPDATE_COMPLETE" || *st.Outputs[0].OutputValue != "w6" || *st.Outputs[1].OutputValue != "thing-6" {
		t.Errorf("%s %s %s", *st.StackStatus, *st.Outputs[0].OutputValue, *st.Outputs[1].OutputValue)
	}
	call(&api.DeleteStack.Operation, &api.DeleteStackInput{StackName: new("c")})
	var got []string
	for _, r := range p.asked {
		got = append(got, fmt.Sprint(r["RequestType"], " ", r["PhysicalResourceId"], " ", r["ResourceProperties"].(map[string]any)["Yes"]))
	}
	if want := "Create <nil> true; Update thing-5 true; Delete thing-5 true; Delete thing-6 true"; strings.Join(got, "; ") != want {
		t.Errorf("the provider was asked %s; want %s", strings.Join(got, "; "), want)
	}
	if old := p.asked[1]["OldResourceProperties"].(map[string]any)["Number"]; old != "5" {
		t.Errorf("the old number is %v", old)
	}
}

func TestCustomResourceFails(t *testing.T) {
	for _, c := range []struct{ answer, reason string }{
		{`{"Status": "FAILED", "Reason": "no luck", "PhysicalResourceId": "p"}`, "Received response status [FAILED] from custom resource. Message returned: no luck (RequestId: "},
		{`{"Status": "SUCCESS"}`, "Invalid PhysicalResourceId"},
		{``, `Resource handler returned message: "CloudFormation did not receive a response from your Custom Resource.`},
	} {
		p, call := newCustom(t, func(request map[string]any) string {
			if request["RequestType"] == "Delete" {
				return `{"Status": "SUCCESS", "PhysicalResourceId": "p"}`
			}
			return c.answer
		})
		call(&api.CreateStack.Operation, &api.CreateStackInput{StackName: new("c"), TemplateBody: new(customTemplate)})
		found := false
		for _, e := range call(&api.DescribeStackEvents.Operation, &api.DescribeStackEventsInput{StackName: new("c")}).(*api.DescribeStackEventsOutput).StackEvents {
			found = found || *e.ResourceStatus == "CREATE_FAILED" && strings.HasPrefix(aws.Value(e.ResourceStatusReason), c.reason)
		}
		st := call(&api.DescribeStacks.Operation, &api.DescribeStacksInput{StackName: new("c")}).(*api.DescribeStacksOutput).Stacks[0]
		if !found || *st.StackStatus != "ROLLBACK_COMPLETE" {
			t.Errorf("%s: %v, %s", c.answer, found, *st.StackStatus)
		}
		if last := p.asked[len(p.asked)-1]["RequestType"]; strings.Contains(c.answer, "FAILED") && last != "Delete" {
			t.Errorf("%s: the provider was asked to %s at last", c.answer, last)
		}
	}
}
