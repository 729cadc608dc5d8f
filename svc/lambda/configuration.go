package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/store"
)

// Limits that AWS's model does not tell.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	maxTimeout     = 900   // seconds
	maxMemory      = 10240 // MB
	maxEnvironment = 4096  // bytes, as JSON
	maxTags        = 50
)

// settings are the members that CreateFunction and UpdateFunctionConfiguration share;
// nil is absent.
type settings struct {
	description, runtime, handler, role *string
	memory, timeout                     *int32
	environment                         *api.Environment
	storage                             *api.EphemeralStorage
	tracing                             *api.TracingConfig
	logging                             *api.LoggingConfig
	network                             *api.VpcConfig
	snap                                *api.SnapStart
	dead                                *api.DeadLetterConfig
}

// apply changes v as asked for, and checks what comes out.
func (s *Service) apply(ctx context.Context, v *version, in settings) error {
	for _, m := range []struct {
		to   *string
		from *string
	}{{&v.Description, in.description}, {&v.Runtime, in.runtime}, {&v.Handler, in.handler}, {&v.Role, in.role}} {
		if m.from != nil {
			*m.to = *m.from
		}
	}
	if in.memory != nil {
		v.Memory = *in.memory
	}
	if in.timeout != nil {
		v.Timeout = *in.timeout
	}
	if in.storage != nil {
		v.Storage = aws.Value(in.storage.Size)
	}
	if in.tracing != nil && in.tracing.Mode != nil {
		v.Tracing = *in.tracing.Mode
	}
	if in.environment != nil {
		if err := s.setVariables(v, in.environment.Variables); err != nil {
			return err
		}
	}
	if err := v.setLogging(in.logging); err != nil {
		return err
	}
	if in.network != nil {
		var err error
		if v.Network, err = newNetwork(in.network); err != nil {
			return err
		}
	}
	if in.snap != nil && in.snap.ApplyOn != nil {
		v.SnapStart = *in.snap.ApplyOn == api.SnapStartApplyOnPublishedVersions
	}
	if in.dead != nil {
		v.DeadLetter = aws.Value(in.dead.TargetArn)
	}
	if err := v.check(); err != nil {
		return err
	}
	if in.runtime != nil {
		return s.checkRuntime(ctx, v.Runtime)
	}
	return nil
}

func (v *version) check() error {
	if v.Image == nil && (v.Runtime == "" || v.Handler == "" && !runtimes.IsProvided(v.Runtime)) {
		return invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	if v.Timeout > maxTimeout {
		return invalidValue(v.Timeout, "timeout", "Member must have value less than or equal to 900")
	}
	if v.Memory > maxMemory {
		return invalidValue(v.Memory, "memorySize", "Member must have value less than or equal to 10240")
	}
	if v.SnapStart && !slices.Contains(snapStarts, v.Runtime) {
		return invalid("%s is not supported for SnapStart enabled functions.", v.Runtime)
	}
	return checkEnvironment(v.Environment)
}

// snapStarts are the runtimes that AWS can take snapshots of.
// https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html#snapstart-runtimes
var snapStarts = []string{
	api.RuntimeJava11, api.RuntimeJava17, api.RuntimeJava21, api.RuntimeJava25,
	api.RuntimePython312, api.RuntimePython313, api.RuntimePython314, api.RuntimeDotnet8, api.RuntimeDotnet10,
}

// reserved are the variables that Lambda sets itself.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
var reserved = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API",
	"AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN",
	"LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
}

func checkEnvironment(vars map[string]string) error {
	const prefix = "Lambda was unable to configure your environment variables because the environment variables you have provided "
	var taken []string
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		if slices.Contains(reserved, k) {
			taken = append(taken, k)
		}
		if strings.ContainsRune(vars[k], 0) {
			return invalid(prefix+"contain a zero byte: %s", k)
		}
	}
	if len(taken) > 0 {
		return invalid(prefix+"contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s",
			strings.Join(taken, ", "))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(vars); err != nil {
		return err
	}
	if measured := bytes.TrimSpace(b.Bytes()); len(vars) > 0 && len(measured) > maxEnvironment {
		return invalid(prefix+"exceeded the 4KB limit. String measured: %s", measured)
	}
	return nil
}

// checkRuntime refuses a runtime that this machine cannot run.
func (s *Service) checkRuntime(ctx context.Context, runtime string) error {
	if s.Runtimes == nil {
		return nil
	}
	set, err := s.interpreters(ctx)
	if err != nil {
		return err
	}
	_, err = set.Command(runtime, runtimes.CommandOptions{})
	return err
}

// interpreters is Options.Runtimes, asked once.
func (s *Service) interpreters(ctx context.Context) (*runtimes.Set, error) {
	s.runtimesMu.Lock()
	defer s.runtimesMu.Unlock()
	if s.runtimesSet != nil {
		return s.runtimesSet, nil
	}
	if s.Runtimes == nil {
		return nil, errors.New("lambda: without Options.Runtimes nothing can be invoked")
	}
	set, err := s.Runtimes(context.WithoutCancel(ctx))
	if err == nil {
		s.runtimesSet = set
	}
	return set, err
}

// checkRole asks whether Lambda may assume the role, by doing so.
func (s *Service) checkRole(ctx context.Context, at ref, role string) error {
	if a, ok := aws.ParseARN(role); ok && a.Account != at.scope.Account {
		return aws.AccessDenied("Cross-account pass role is not allowed.")
	}
	_, err := s.roles.renew(ctx, at, role)
	var e *aws.Error
	if errors.As(err, &e) && !e.Server() {
		return invalid("The role defined for the function cannot be assumed by Lambda.").Because(err)
	}
	return err
}

// configuration is a version as answers show it, under the ARN given.
func (v *version) configuration(at ref, arn string) *api.FunctionConfiguration {
	out := &api.FunctionConfiguration{
		FunctionName: &at.name, FunctionArn: &arn, Version: ptr(v.label()), Description: &v.Description,
		Runtime: &v.Runtime, Role: &v.Role, MemorySize: &v.Memory, Timeout: &v.Timeout,
		CodeSha256: ptr(v.Code.sum()), CodeSize: &v.Code.Size,
		LastModified: ptr(stamp(v.Modified)), RevisionId: &v.Revision,
		State: ptr(v.state()), LastUpdateStatus: ptr(api.LastUpdateStatusSuccessful),
		PackageType: ptr(api.PackageTypeZip), Architectures: []string{v.Arch},
		EphemeralStorage: &api.EphemeralStorage{Size: &v.Storage}, TracingConfig: &api.TracingConfigResponse{Mode: &v.Tracing},
		SnapStart:        v.shownSnapStart(),
		DeadLetterConfig: v.shownDeadLetter(),
		VpcConfig:        v.Network.shown(at.scope),
		LoggingConfig:    v.shownLogging(at),
		Layers:           v.shownLayers(),
		Environment:      v.shownVariables(),

		CapacityProviderConfig: v.shownProvider(),
		RuntimeVersionConfig:   &api.RuntimeVersionConfig{RuntimeVersionArn: ptr(runtimeVersion(at.scope, v.Runtime))},
	}
	if v.Handler != "" {
		out.Handler = &v.Handler
	}
	if v.Image != nil {
		out.PackageType, out.Runtime, out.ImageConfigResponse = ptr(api.PackageTypeImage), nil, v.Image.shown()
		out.RuntimeVersionConfig = nil
	}
	return out
}

// shownSnapStart says what was asked for, and that it is not so: no snapshot is taken,
// and each environment starts from the code.
func (v *version) shownSnapStart() *api.SnapStartResponse {
	out := &api.SnapStartResponse{ApplyOn: ptr(api.SnapStartApplyOnNone), OptimizationStatus: ptr(api.SnapStartOptimizationStatusOff)}
	if v.SnapStart {
		out.ApplyOn = ptr(api.SnapStartApplyOnPublishedVersions)
	}
	return out
}

// group is the log group that the version writes to.
func (v *version) group(at ref) string {
	if v.LogGroup != "" {
		return v.LogGroup
	}
	return "/aws/lambda/" + at.name
}

func (s *Service) updateFunctionConfiguration(ctx context.Context, in *api.UpdateFunctionConfigurationRequest) (*api.FunctionConfiguration, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if err := unbuiltSettings(in.FileSystemConfigs, in.KMSKeyArn); err != nil {
		return nil, err
	}
	if in.DurableConfig != nil {
		return nil, unbuilt("Durable functions are")
	}
	if err := s.checkLayers(ctx, in.Layers); err != nil {
		return nil, err
	}
	if err := s.checkChangedRole(ctx, at, in); err != nil {
		return nil, err
	}
	asked := version{}
	if err := s.setProvider(ctx, &asked, in.CapacityProviderConfig); err != nil {
		return nil, err
	}
	var f *function
	var gone *trash
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		gone = &trash{}
		if f, err = s.change(ctx, tx, at); err != nil {
			return err
		}
		if in.RevisionId != nil && *in.RevisionId != f.Latest.Revision {
			return revisionConflict("GetFunction/GetAlias")
		}
		err := f.Latest.reconfigureImage(in)
		if err == nil {
			err = s.apply(ctx, &f.Latest, settings{in.Description, in.Runtime, in.Handler, in.Role, in.MemorySize, in.Timeout,
				in.Environment, in.EphemeralStorage, in.TracingConfig, in.LoggingConfig, in.VpcConfig, in.SnapStart, in.DeadLetterConfig})
		}
		if err == nil && asked.Provider != nil {
			f.Latest.Provider = asked.Provider
		}
		if err == nil {
			err = s.relayer(ctx, tx, at, f, in.Layers, gone)
		}
		if err != nil {
			return err
		}
		s.touch(&f.Latest, s.now())
		return put(tx, functionRecords, at.scope, f, at.name)
	})
	if err != nil {
		return nil, err
	}
	s.foresee(at, f.Latest, s.egressOf(f)) // a heap of another size, or another runtime
	s.fleet.retire(at, 0)
	s.empty(gone)
	return f.Latest.configuration(at, at.arn("")), nil
}

// relayer gives a function other layers, if nil is not what it is asked for.
func (s *Service) relayer(ctx context.Context, tx store.Tx, at ref, f *function, layers []string, gone *trash) error {
	if len(layers) > 0 {
		if err := s.checkSigned(ctx, tx, at, f); err != nil {
			return err
		}
	}
	if layers != nil {
		if err := s.attach(ctx, tx, &f.Latest, layers, gone); err != nil {
			return err
		}
	}
	return f.Latest.checkUnzipped()
}

// checkChangedRole holds a change to what the function's role may do after it.
func (s *Service) checkChangedRole(ctx context.Context, at ref, in *api.UpdateFunctionConfigurationRequest) error {
	t, err := s.find(ctx, in.FunctionName, nil)
	if err != nil {
		return err
	}
	role, inVPC := t.version.Role, t.version.Network.attached()
	if in.VpcConfig != nil {
		inVPC = len(in.VpcConfig.SubnetIds) > 0
	}
	if in.Role != nil {
		role = *in.Role
		if err := s.checkRole(ctx, at, role); err != nil {
			return err
		}
	}
	if err := s.checkDeadLetter(ctx, at, role, in.DeadLetterConfig); err != nil {
		return err
	}
	if inVPC && (in.Role != nil || in.VpcConfig != nil) {
		return s.checkNetwork(ctx, at, role)
	}
	return nil
}

func (s *Service) now() time.Time { return s.Clock.Now().Truncate(time.Millisecond) }

// unbuiltSettings refuses settings that would have no effect here.
func unbuiltSettings(files []api.FileSystemConfig, key *string) error {
	switch {
	case len(files) > 0:
		return unbuilt("File systems of functions are")
	case aws.Value(key) != "":
		return unbuilt("Encryption of functions by keys of KMS is")
	}
	return nil
}
