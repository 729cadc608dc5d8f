package lambda

import (
	"sync"
	"testing"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

// A version on a capacity provider has as many environments as its scaling says, and none of
// the account's concurrency.
func TestScaling(t *testing.T) {
	h := &heard{}
	st := newStand(t, func(o *Options) { o.Measures = h })
	made, err := st.createCapacityProvider(st.ctx(), &api.CreateCapacityProviderRequest{CapacityProviderName: ptr("own"),
		VpcConfig:         &api.CapacityProviderVpcConfig{SubnetIds: []string{"subnet-1"}},
		PermissionsConfig: &api.CapacityProviderPermissionsConfig{CapacityProviderOperatorRoleArn: ptr("arn:aws:iam::000000000000:role/operator")}})
	if err != nil {
		t.Fatal(err)
	}
	st.create("f", "nodejs20.x", holding, published, func(in *api.CreateFunctionRequest) {
		in.CapacityProviderConfig = &api.CapacityProviderConfig{LambdaManagedInstancesCapacityProviderConfig: &api.LambdaManagedInstancesCapacityProviderConfig{
			CapacityProviderArn: made.CapacityProvider.CapacityProviderArn}}
	})
	scale := func(least, most int32) {
		if _, err := st.putFunctionScalingConfig(st.ctx(), &api.PutFunctionScalingConfigRequest{FunctionName: ptr("f"), Qualifier: ptr("1"),
			FunctionScalingConfig: &api.FunctionScalingConfig{MinExecutionEnvironments: &least, MaxExecutionEnvironments: &most}}); err != nil {
			t.Fatal(err)
		}
	}
	of := team{ref{st.scope(), "f"}, 1}
	stands := func(n int) {
		t.Helper()
		until(t, "stand", func() bool { have, _ := st.provisioner.state(of); return have == n })
	}
	scale(1, 2)
	stands(1)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { st.call("f:1", "700") })
	}
	until(t, "run", func() bool { return st.fleetBusy("f") == 2 })
	if _, err := st.try("f:1", "0"); aws.CodeOf(err) != "TooManyRequestsException" {
		t.Errorf("a third: %v", err)
	}
	wg.Wait()
	if n := h.peak("UnreservedConcurrentExecutions "); n != 0 {
		t.Errorf("%v of the account's concurrency were used", n)
	}
	scale(0, 0)
	stands(0)
	if _, err := st.try("f:1", "0"); aws.CodeOf(err) != "TooManyRequestsException" {
		t.Errorf("one of a version that is off: %v", err)
	}
}
