package lambda

import (
	"maps"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
)

// provision puts a configuration on a qualifier of a function.
func (st *stand) provision(name, qualifier string, n int32) {
	st.t.Helper()
	out, err := st.putProvisionedConcurrencyConfig(st.ctx(), &api.PutProvisionedConcurrencyConfigRequest{FunctionName: &name, Qualifier: &qualifier, ProvisionedConcurrentExecutions: &n})
	if err != nil {
		st.t.Fatal(err)
	}
	if *out.Status != api.ProvisionedConcurrencyStatusEnumInProgress {
		st.t.Errorf("%+v", out)
	}
}

// stands waits until a configuration has a status, and returns it.
func (st *stand) stands(name, qualifier, status string) *api.GetProvisionedConcurrencyConfigResponse {
	st.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		out, err := st.getProvisionedConcurrencyConfig(st.ctx(), &api.GetProvisionedConcurrencyConfigRequest{FunctionName: &name, Qualifier: &qualifier})
		if err != nil {
			st.t.Fatal(err)
		}
		if *out.Status == status {
			return out
		}
		if time.Now().After(deadline) {
			st.t.Fatalf("%s, not %s", *out.Status, status)
		}
	}
}

func published(in *api.CreateFunctionRequest) { in.Publish = ptr(true) }

const tellsType = `let n = 0; exports.handler = async (e) => {
	if (e.wait) await new Promise(r => setTimeout(r, e.wait));
	if (e.exit) process.exit(1);
	return process.env.AWS_LAMBDA_INITIALIZATION_TYPE + " " + ++n;
};`

// Provisioned environments are started before they are needed, are not reaped, come back
// when they end, and leave what is beyond them to others.
func TestProvisioned(t *testing.T) {
	st := newStand(t, func(o *Options) { o.KeepAlive = time.Second })
	st.create("f", "nodejs20.x", tellsType, published)
	st.provision("f", "1", 1)
	got := st.stands("f", "1", api.ProvisionedConcurrencyStatusEnumReady)
	if *got.AllocatedProvisionedConcurrentExecutions != 1 || got.StatusReason != nil {
		t.Errorf("%+v", got)
	}
	if out, log := st.call("f:1", "{}"); out != `"provisioned-concurrency 1"` || strings.Contains(log, "Init Duration") {
		t.Errorf("%s\n%s", out, log)
	}
	long := make(chan string)
	go func() {
		out, _ := st.call("f:1", `{"wait": 700}`)
		long <- out
	}()
	for st.fleetBusy("f") == 0 {
		time.Sleep(time.Millisecond)
	}
	if out, _ := st.call("f:1", "{}"); out != `"on-demand 1"` {
		t.Errorf("beyond what is provisioned: %s", out)
	}
	if out := <-long; out != `"provisioned-concurrency 2"` {
		t.Errorf("meanwhile: %s", out)
	}
	st.clock.advance(time.Minute)
	st.fleet.reapIdle()
	if out, _ := st.call("f:1", "{}"); out != `"provisioned-concurrency 3"` {
		t.Errorf("after an idle minute: %s", out)
	}
	if out, _ := st.call("f:1", `{"exit": true}`); !strings.HasPrefix(out, "Unhandled") {
		t.Errorf("an exit: %s", out)
	}
	st.stands("f", "1", api.ProvisionedConcurrencyStatusEnumReady)
	if out, _ := st.call("f:1", "{}"); out != `"provisioned-concurrency 1"` {
		t.Errorf("after a crash: %s", out)
	}
	if _, err := st.deleteProvisionedConcurrencyConfig(st.ctx(), &api.DeleteProvisionedConcurrencyConfigRequest{FunctionName: ptr("f"), Qualifier: ptr("1")}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); len(st.fleet.teams()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("environments are provisioned for nothing")
		}
	}
}

// fleetBusy is how many invokes of a function are under way.
func (st *stand) fleetBusy(name string) int {
	st.fleet.mu.Lock()
	defer st.fleet.mu.Unlock()
	if c := st.fleet.functions[ref{st.scope(), name}]; c != nil {
		return c.busy
	}
	return 0
}

// An alias has its environments of the version that it points to.
func TestProvisionedAlias(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", tellsType, published)
	if _, err := st.createAlias(st.ctx(), &api.CreateAliasRequest{FunctionName: ptr("f"), Name: ptr("live"), FunctionVersion: ptr("1")}); err != nil {
		t.Fatal(err)
	}
	st.provision("f", "live", 2)
	st.stands("f", "live", api.ProvisionedConcurrencyStatusEnumReady)
	if _, err := st.updateFunctionConfiguration(st.ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: ptr("f"), Timeout: ptr(int32(5))}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.publishVersion(st.ctx(), &api.PublishVersionRequest{FunctionName: ptr("f")}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.updateAlias(st.ctx(), &api.UpdateAliasRequest{FunctionName: ptr("f"), Name: ptr("live"), FunctionVersion: ptr("2")}); err != nil {
		t.Fatal(err)
	}
	st.stands("f", "live", api.ProvisionedConcurrencyStatusEnumReady)
	if out, _ := st.call("f:live", "{}"); out != `"provisioned-concurrency 1"` {
		t.Errorf("of the new version: %s", out)
	}
	// A new life finds what is wanted in the store.
	st.stop()
	again := New(st.Options)
	st.Service = again
	st.run()
	t.Cleanup(func() { st.stop() })
	st.stands("f", "live", api.ProvisionedConcurrencyStatusEnumReady)
	if out, _ := st.call("f:live", "{}"); out != `"provisioned-concurrency 1"` {
		t.Errorf("after a restart: %s", out)
	}
}

// An alias that divides its invokes has environments of both versions, as many as the
// weights say.
func TestProvisionedWeights(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", tellsType, published)
	if _, err := st.updateFunctionConfiguration(st.ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: ptr("f"), Timeout: ptr(int32(5))}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.publishVersion(st.ctx(), &api.PublishVersionRequest{FunctionName: ptr("f")}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.createAlias(st.ctx(), &api.CreateAliasRequest{FunctionName: ptr("f"), Name: ptr("live"), FunctionVersion: ptr("1"),
		RoutingConfig: &api.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": 0.4}}}); err != nil {
		t.Fatal(err)
	}
	st.provision("f", "live", 4)
	if got := st.stands("f", "live", api.ProvisionedConcurrencyStatusEnumReady); *got.AllocatedProvisionedConcurrentExecutions != 4 {
		t.Errorf("%+v", got)
	}
	at := ref{st.scope(), "f"}
	if got, want := st.fleet.teams(), (map[team]int{{at, 1}: 2, {at, 2}: 2}); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for range 8 {
		if out, _ := st.call("f:live", "{}"); !strings.HasPrefix(out, `"provisioned-concurrency `) {
			t.Error(out)
		}
	}
	for _, version := range []string{"1", "2"} {
		_, err := st.putProvisionedConcurrencyConfig(st.ctx(), &api.PutProvisionedConcurrencyConfigRequest{FunctionName: ptr("f"), Qualifier: &version, ProvisionedConcurrentExecutions: ptr(int32(1))})
		if err == nil || !strings.Contains(err.Error(), "Version is pointed by a Provisioned Concurrency alias") {
			t.Errorf("version %s: %v", version, err)
		}
	}
}

// A function that does not load is said so, and not started again and again.
func TestProvisionedFails(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `throw new Error("no");`, published)
	st.provision("f", "1", 1)
	got := st.stands("f", "1", api.ProvisionedConcurrencyStatusEnumFailed)
	if *got.StatusReason != initFailure || *got.AllocatedProvisionedConcurrentExecutions != 0 {
		t.Errorf("%+v", got)
	}
	if err := st.provisioner.reconcile(t.Context()); err != nil || len(st.fleet.teams()) != 0 {
		t.Errorf("%v, %v", st.fleet.teams(), err)
	}
}

// Environments whose credentials end soon make way for others.
func TestProvisionedRenewed(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", tellsType, published)
	st.provision("f", "1", 1)
	st.stands("f", "1", api.ProvisionedConcurrencyStatusEnumReady)
	if out, _ := st.call("f:1", "{}"); out != `"provisioned-concurrency 1"` {
		t.Error(out)
	}
	st.clock.advance(50 * time.Minute)
	if err := st.provisioner.reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	st.stands("f", "1", api.ProvisionedConcurrencyStatusEnumReady)
	if out, _ := st.call("f:1", "{}"); out != `"provisioned-concurrency 1"` {
		t.Errorf("with new credentials: %s", out)
	}
}
