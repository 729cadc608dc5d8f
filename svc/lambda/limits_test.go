package lambda

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// refused creates a function that AWS would not, and holds the error to AWS's.
func (st *stand) refused(what, code, text string, change func(*api.CreateFunctionRequest)) {
	st.t.Helper()
	in := &api.CreateFunctionRequest{FunctionName: ptr("f"), Runtime: ptr("nodejs20.x"), Handler: ptr("index.handler"),
		Role: ptr("arn:aws:iam::000000000000:role/open"), Code: &api.FunctionCode{ZipFile: zipped(st.t, map[string]string{"index.js": ""})}}
	change(in)
	_, err := st.createFunction(st.ctx(), in)
	var e *aws.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) {
		st.t.Errorf("%s: %v", what, err)
	}
}

// Limits of size, which are too long for a script.
func TestSizes(t *testing.T) {
	st := newStandOn(t, nil)
	zeros := zipped(t, map[string]string{"a": string(make([]byte, maxUnzipped)), "b": "x"})
	st.refused("one byte too many, unzipped", "InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes",
		func(in *api.CreateFunctionRequest) { in.Code.ZipFile = zeros })
	st.refused("one byte too many, zipped", "RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes",
		func(in *api.CreateFunctionRequest) { in.Code.ZipFile = make([]byte, maxZipped+1) })
	large := func(n int) func(in *api.CreateFunctionRequest) {
		return func(in *api.CreateFunctionRequest) {
			in.Environment = &api.Environment{Variables: map[string]string{"A": strings.Repeat("x", n-len(`{"A":""}`))}}
		}
	}
	st.refused("a byte of environment too many", "InvalidParameterValueException", `exceeded the 4KB limit. String measured: {"A":"xxx`, large(maxEnvironment+1))
	st.create("fits", "nodejs20.x", "", large(maxEnvironment))
}

// An account has room for 75 GB in a region, and no more.
func TestCodeStorage(t *testing.T) {
	st := newStandOn(t, nil)
	st.layer("l", map[string]string{"a": "b"})
	err := st.Store.Update(t.Context(), func(tx store.Tx) error {
		l := layerRef{st.scope(), "l"}
		v, err := l.version(t.Context(), tx, 1)
		if err != nil {
			return err
		}
		v.Code.Size = accountCode - 200
		return layerVersionRecords.Put(tx, l.scope, *v, l.name, v.Number)
	})
	if err != nil {
		t.Fatal(err)
	}
	st.create("small", "nodejs20.x", "")
	st.refused("more than there is room for", "CodeStorageExceededException", "Code storage limit exceeded.", func(*api.CreateFunctionRequest) {})
	got, err := st.getAccountSettings(st.ctx(), nil)
	if err != nil || *got.AccountUsage.FunctionCount != 1 || *got.AccountUsage.TotalCodeSize <= accountCode-200 {
		t.Errorf("%+v, %v", got.AccountUsage, err)
	}
}

// A function in a VPC needs a role that may make interfaces there; one that is not in
// one does not.
func TestNetworkRole(t *testing.T) {
	var asked []string
	st := newStandOn(t, nil, func(o *Options) {
		o.Allow = func(ctx context.Context, needs ...aws.Access) error {
			c := aws.RequestOf(ctx).Caller
			asked = append(asked, c.Role+" "+needs[0].Action)
			if strings.HasSuffix(c.Role, "/open") {
				return aws.AccessDenied("no")
			}
			return nil
		}
	})
	in := &api.VpcConfig{SubnetIds: []string{"subnet-1"}, SecurityGroupIds: []string{"sg-1"}}
	const text = "The provided execution role does not have permissions to call CreateNetworkInterface on EC2"
	st.refused("a VPC without the permission", "InvalidParameterValueException", text, func(c *api.CreateFunctionRequest) { c.VpcConfig = in })
	st.create("f", "nodejs20.x", "")
	update := func(role *string, vpc *api.VpcConfig) error {
		_, err := st.updateFunctionConfiguration(st.ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: ptr("f"), Role: role, VpcConfig: vpc})
		return err
	}
	may, mayNot := ptr("arn:aws:iam::000000000000:role/network"), ptr("arn:aws:iam::000000000000:role/open")
	if err := update(nil, in); err == nil || !strings.Contains(err.Error(), text) {
		t.Error(err)
	}
	if err := update(may, in); err != nil {
		t.Error(err)
	}
	if err := update(mayNot, nil); err == nil || !strings.Contains(err.Error(), text) {
		t.Error(err)
	}
	if err := update(mayNot, &api.VpcConfig{}); err != nil {
		t.Error(err)
	}
	want := "arn:aws:iam::000000000000:role/open ec2:CreateNetworkInterface"
	if len(asked) != 4 || asked[0] != want || asked[1] != want {
		t.Errorf("asked %q", asked)
	}
	if id := vpcID(st.scope()); !strings.HasPrefix(id, "vpc-0") || len(id) != len("vpc-")+17 {
		t.Error(id)
	}
}

// An event may be as large as AWS takes it, by the way it comes, and not a byte larger.
func TestEventSizes(t *testing.T) {
	st := newStandOn(t, nil)
	st.create("f", "nodejs20.x", "")
	of := func(n int) []byte { return []byte(`"` + strings.Repeat("x", n-2) + `"`) }
	for kind, limit := range map[string]int{api.InvocationTypeDryRun: maxEvent, api.InvocationTypeEvent: maxAsyncEvent, api.InvocationTypeRequestResponse: maxEvent} {
		invoke := func(n int) error {
			_, err := st.invoke(st.ctx(), &api.InvocationRequest{FunctionName: ptr("f"), InvocationType: &kind, Payload: of(n)})
			return err
		}
		var e *aws.Error
		if err := invoke(limit + 1); !errors.As(err, &e) || e.Code != "RequestTooLargeException" || e.Status != 413 || !strings.Contains(e.Message, fmt.Sprint(limit)) {
			t.Errorf("%s of %d bytes: %v", kind, limit+1, err)
		}
		if kind == api.InvocationTypeRequestResponse {
			continue // nothing here can run it
		}
		if err := invoke(limit); err != nil {
			t.Errorf("%s of %d bytes: %v", kind, limit, err)
		}
	}
}
