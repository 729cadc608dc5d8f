// Package lambda is Lambda: functions from zip files, their versions, aliases and
// permissions, and the execution environments in which they run.
//
// An environment is one sandbox with one copy of one version of a function in it. It
// serves one invoke at a time, is frozen when none has come for a few milliseconds,
// and is reused, the one used last first, until nobody has needed it for ten minutes.
// Asynchronous invokes are kept in the store until they have succeeded or were tried
// three times, and until whoever is to be told of that was told. What functions log
// goes to Logs, under the function's own role.
//
// Event source mappings are run by pollers, one for each that is enabled, which reach
// their sources by operations, as the function's role. How far a shard is dealt with is
// written with how that went; what was under way when the process ended is dealt with
// again.
//
// What differs from AWS on purpose:
//
//   - A function is Active, and an update Successful, when the call answers.
//   - A zip must stay within its own folder: entries with "..", absolute paths, and
//     links that lead outside are refused when the zip is uploaded.
//   - An event source mapping is Enabled, or its change in force, a moment after the call
//     answers, and one that is deleted is gone. LATEST is the moment of its making. With
//     a ParallelizationFactor, partitions wait for each other between two rounds of
//     invokes.
//   - What a function writes to /tmp counts towards its memory (see package sandbox).
//   - A VPC is kept and shown, as the one of the account; its network is not built yet.
//   - SnapStart can be asked for, and is Off: no snapshots are taken.
//   - A mapping of a queue deals with 64 batches at once at most, unless its MaximumConcurrency
//     or ProvisionedPollerConfig says more; AWS goes up to 1,250. Functions that fail do not
//     slow it down.
//   - What comes to a stream is brought to its function at once, not when it is next polled.
//   - Event source mappings of other sources than Kinesis, DynamoDB's streams and SQS, file
//     systems and encryption keys are refused (501) until they are built.
//   - Container images come from archives and layouts of this machine, and from registries
//     that the operator permits (docs/images.md); ECR is not built yet.
//   - Events of a function whose reserved concurrency is zero wait, unless it has a
//     destination for failures or a dead-letter queue, which gets them at once; AWS drops them.
//   - Code may lie in a folder of this machine, in the words of other stand-ins for AWS
//     (see HotReload), and functions be debugged (see Options.Debugger).
//   - A capacity provider is this machine: functions that have one run as all others do, one
//     invoke an environment, and the unqualified name is $LATEST's. PublishTo is refused (501).
//   - Code in S3 may lie in a bucket of another region.
//   - What a function writes to a stream may be 200 MB, AWS's default today.
//   - Who calls a function that takes less than three milliseconds, while more of it run than there
//     are hands, waits up to 25 ms for one of its environments to come free before another is used.
//   - The filters of a Kinesis stream see records as they are: those that KPL has aggregated are none.
package lambda

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/sandbox"
	"github.com/tule-cloud/tule/sandbox/image"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/store"
)

// Sandboxes starts the processes that functions run in: a *sandbox.Host.
type Sandboxes interface {
	Start(ctx context.Context, spec sandbox.Spec) (*sandbox.Sandbox, error)
	Features() sandbox.Features
}

var _ Sandboxes = (*sandbox.Host)(nil)

// A Network is a sandbox's, in which listeners can be opened.
type Network interface {
	Listen(network, addr string) (net.Listener, error)
	ListenPacket(network, addr string) (net.PacketConn, error)
}

// TrustFiles are the host's files by which functions trust this Tule's certificates;
// "" is none.
type TrustFiles struct {
	Bundle string // PEM: the host's roots and Tule's
	Java   string // the same as a Java trust store
	// JavaOptions are the virtual machine's for the trust store at path; JavaProperties
	// are the same for a bootstrap of Tule's.
	JavaOptions    func(path string) string
	JavaProperties func(path string) []string
}

// Options are what a Service needs. Store, Clock and Random are required; without
// Host and Runtimes functions can be kept, but not invoked.
type Options struct {
	Store store.Store
	// Blobs holds the zip files. The folder is this service's own.
	Blobs *blob.Dir
	// Keys seal functions' variables. Without, those are lost with the process.
	Keys   *seal.Keys
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger // nobody hears if nil
	Peers  aws.Peers
	// Allow asks whether the caller of ctx may do all of needs: who calls functions'
	// URLs, and the roles of functions in VPCs. Nil allows nobody.
	Allow func(ctx context.Context, needs ...aws.Access) error
	// Measures takes functions' metrics; nil for nobody.
	Measures Measures
	// Meter takes what is put into CloudWatch; nobody if nil.
	Meter aws.Meter
	Host  Sandboxes
	// Runtimes finds the machine's interpreters. It is asked when the first
	// function needs one.
	Runtimes func(context.Context) (*runtimes.Set, error)
	// Dir is where unpacked code lies. What is in it can be lost at any time.
	Dir string
	// Attach makes AWS's names lead to Tule within a sandbox's network, until
	// detach, and opens the proxy there if out is EgressProxy. Nil is without.
	Attach func(ctx context.Context, name string, out Egress, n Network) (detach func(), err error)
	// Endpoint is this Tule's address as functions reach it, for their AWS_ENDPOINT_URL.
	Endpoint string
	Trust    TrustFiles
	Images   Images
	// Egress is the most that functions reach beside this Tule. Those that have the tag
	// tule:egress may reach less.
	Egress Egress
	// Proxy is the URL of the proxy that Attach opens in a sandbox's network.
	Proxy string
	// KeepAlive is how long an environment waits for its next invoke; 0 is ten minutes.
	KeepAlive time.Duration
	// Thawed leaves environments running between invokes.
	Thawed bool
	// HotReload lets functions run from folders of this machine.
	HotReload HotReload
	// Debugger is where debuggers connect that attach to functions; nil for none. The
	// service closes it.
	Debugger net.Listener
	// Environments is how many there may be on this machine at once; 0 is 1000.
	Environments int
	// Concurrency is how many invokes of an account may run at once in a region; 0 is 1000.
	Concurrency int
}

// Service answers Lambda's operations.
type Service struct {
	Options
	records     records
	code        shelf
	images      *image.Shelf
	roles       roles
	fleet       fleet
	logs        logWriter
	queue       queue
	pollers     pollers
	spares      spares
	debuggers   debuggers
	provisioner provisioner
	starts      chan struct{}  // holds one for each environment that starts
	variables   *seal.Box      // for functions' variables
	codeKey     [32]byte       // signs the addresses of zip files
	uploads     sync.RWMutex   // held for reading from a zip's writing to its record
	flows       sync.WaitGroup // invokes whose responses stream
	runtimesMu  sync.Mutex
	runtimesSet *runtimes.Set
}

// New returns a Service. Run does its work in the background, and Close ends it.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = aws.NoMeter{}
	}
	o.Measures = o.measures()
	if o.KeepAlive == 0 {
		o.KeepAlive = 10 * time.Minute
	}
	if o.Environments == 0 {
		o.Environments = accountConcurrency
	}
	if o.Concurrency == 0 {
		o.Concurrency = accountConcurrency
	}
	if o.Keys == nil {
		o.Keys = passingKeys()
	}
	if o.Allow == nil {
		o.Allow = func(context.Context, ...aws.Access) error { return aws.AccessDenied("nobody decides who may") }
	}
	o.Thawed = o.Thawed || o.Debugger != nil
	o.Random = aws.SharedReader(o.Random)
	s := &Service{Options: o, variables: o.Keys.For(variablesPurpose)}
	s.records.functions.open = func(f *function) error { return s.unlock(&f.Latest) }
	s.records.versions.open = s.unlock
	s.starts = make(chan struct{}, startsAtOnce)
	s.code = shelf{dir: o.Dir, folders: map[string]*folder{}}
	s.images = image.NewShelf(o.Images.Dir, s.imageUsed)
	s.roles = roles{s: s, sessions: map[roleKey]*session{}}
	s.fleet = fleet{s: s, functions: map[ref]*crew{}, reserved: map[store.Scope]int{}, busy: map[store.Scope]int{}, running: map[store.Scope]int{}, lined: map[store.Scope]int{}, stopped: make(chan struct{})}
	s.spares = newSpares(s)
	s.provisioner = newProvisioner(s)
	s.logs = newLogWriter(s)
	s.queue = newQueue(s)
	s.pollers = pollers{s: s, make: s.newPoller, running: map[mappingKey]*running{}}
	rand.Read(s.codeKey[:]) // never fails; addresses need not outlive the process
	return s
}

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.CreateFunction.To(s.createFunction, s.guardCreate),
		api.GetFunction.To(s.getFunction, on(s, func(in *api.GetFunctionRequest) (name, qualifier *string) { return in.FunctionName, in.Qualifier })),
		api.GetFunctionConfiguration.To(s.getFunctionConfiguration, on(s, func(in *api.GetFunctionConfigurationRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),
		api.ListFunctions.To(s.listFunctions, aws.Anywhere),
		api.DeleteFunction.To(s.deleteFunction, on(s, func(in *api.DeleteFunctionRequest) (name, qualifier *string) { return in.FunctionName, in.Qualifier })),
		api.UpdateFunctionCode.To(s.updateFunctionCode, on(s, func(in *api.UpdateFunctionCodeRequest) (name, qualifier *string) { return in.FunctionName, nil })),
		api.UpdateFunctionConfiguration.To(s.updateFunctionConfiguration, s.guardConfiguration),
		api.GetAccountSettings.To(s.getAccountSettings, aws.Anywhere),

		api.PublishVersion.To(s.publishVersion, on(s, func(in *api.PublishVersionRequest) (name, qualifier *string) { return in.FunctionName, nil })),
		api.ListVersionsByFunction.To(s.listVersionsByFunction, on(s, func(in *api.ListVersionsByFunctionRequest) (name, qualifier *string) { return in.FunctionName, nil })),
		api.CreateAlias.To(s.createAlias, on(s, func(in *api.CreateAliasRequest) (name, qualifier *string) { return in.FunctionName, nil })),
		api.GetAlias.To(s.getAlias, on(s, func(in *api.GetAliasRequest) (name, qualifier *string) { return in.FunctionName, nil })),
		api.UpdateAlias.To(s.updateAlias, on(s, func(in *api.UpdateAliasRequest) (name, qualifier *string) { return in.FunctionName, nil })),
		api.DeleteAlias.To(s.deleteAlias, on(s, func(in *api.DeleteAliasRequest) (name, qualifier *string) { return in.FunctionName, nil })),
		api.ListAliases.To(s.listAliases, on(s, func(in *api.ListAliasesRequest) (name, qualifier *string) { return in.FunctionName, nil })),

		api.PublishLayerVersion.To(s.publishLayerVersion, s.guardPublishLayer),
		api.GetLayerVersion.To(s.getLayerVersion, onLayer(s, func(in *api.GetLayerVersionRequest) (name *string, number *int64) {
			return in.LayerName, in.VersionNumber
		})),
		api.GetLayerVersionByArn.To(s.getLayerVersionByArn, s.guardLayerByArn),
		api.DeleteLayerVersion.To(s.deleteLayerVersion, onLayer(s, func(in *api.DeleteLayerVersionRequest) (name *string, number *int64) {
			return in.LayerName, in.VersionNumber
		})),
		api.ListLayers.To(s.listLayers, aws.Anywhere),
		api.ListLayerVersions.To(s.listLayerVersions, aws.Anywhere),
		api.AddLayerVersionPermission.To(s.addLayerVersionPermission, onLayer(s, func(in *api.AddLayerVersionPermissionRequest) (name *string, number *int64) {
			return in.LayerName, in.VersionNumber
		})),
		api.GetLayerVersionPolicy.To(s.getLayerVersionPolicy, onLayer(s, func(in *api.GetLayerVersionPolicyRequest) (name *string, number *int64) {
			return in.LayerName, in.VersionNumber
		})),
		api.RemoveLayerVersionPermission.To(s.removeLayerVersionPermission, onLayer(s, func(in *api.RemoveLayerVersionPermissionRequest) (name *string, number *int64) {
			return in.LayerName, in.VersionNumber
		})),

		api.AddPermission.To(s.addPermission, s.guardAddPermission),
		api.GetPolicy.To(s.getPolicy, on(s, func(in *api.GetPolicyRequest) (name, qualifier *string) { return in.FunctionName, in.Qualifier })),
		api.RemovePermission.To(s.removePermission, s.guardRemovePermission),

		api.TagResource.To(s.tagResource, s.guardTag),
		api.UntagResource.To(s.untagResource, s.guardUntag),
		api.ListTags.To(s.listTags, s.guardListTags),

		api.GetRuntimeManagementConfig.To(s.getRuntimeManagementConfig, on(s, func(in *api.GetRuntimeManagementConfigRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),
		api.PutRuntimeManagementConfig.To(s.putRuntimeManagementConfig, on(s, func(in *api.PutRuntimeManagementConfigRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),

		api.CreateCodeSigningConfig.To(s.createCodeSigningConfig, guardCreateSigning),
		api.GetCodeSigningConfig.To(s.getCodeSigningConfig, onSigning(s, func(in *api.GetCodeSigningConfigRequest) *string { return in.CodeSigningConfigArn })),
		api.UpdateCodeSigningConfig.To(s.updateCodeSigningConfig, onSigning(s, func(in *api.UpdateCodeSigningConfigRequest) *string { return in.CodeSigningConfigArn })),
		api.DeleteCodeSigningConfig.To(s.deleteCodeSigningConfig, onSigning(s, func(in *api.DeleteCodeSigningConfigRequest) *string { return in.CodeSigningConfigArn })),
		api.ListCodeSigningConfigs.To(s.listCodeSigningConfigs, aws.Anywhere),
		api.ListFunctionsByCodeSigningConfig.To(s.listFunctionsByCodeSigningConfig, onSigning(s, func(in *api.ListFunctionsByCodeSigningConfigRequest) *string { return in.CodeSigningConfigArn })),
		api.PutFunctionCodeSigningConfig.To(s.putFunctionCodeSigningConfig, s.guardPutSigning),
		api.GetFunctionCodeSigningConfig.To(s.getFunctionCodeSigningConfig, on(s, func(in *api.GetFunctionCodeSigningConfigRequest) (name, qualifier *string) {
			return in.FunctionName, nil
		})),
		api.DeleteFunctionCodeSigningConfig.To(s.deleteFunctionCodeSigningConfig, on(s, func(in *api.DeleteFunctionCodeSigningConfigRequest) (name, qualifier *string) {
			return in.FunctionName, nil
		})),

		api.PutProvisionedConcurrencyConfig.To(s.putProvisionedConcurrencyConfig, on(s, func(in *api.PutProvisionedConcurrencyConfigRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),
		api.GetProvisionedConcurrencyConfig.To(s.getProvisionedConcurrencyConfig, on(s, func(in *api.GetProvisionedConcurrencyConfigRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),
		api.DeleteProvisionedConcurrencyConfig.To(s.deleteProvisionedConcurrencyConfig, on(s, func(in *api.DeleteProvisionedConcurrencyConfigRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),
		api.ListProvisionedConcurrencyConfigs.To(s.listProvisionedConcurrencyConfigs, on(s, func(in *api.ListProvisionedConcurrencyConfigsRequest) (name, qualifier *string) {
			return in.FunctionName, nil
		})),
		api.PutFunctionConcurrency.To(s.putFunctionConcurrency, on(s, func(in *api.PutFunctionConcurrencyRequest) (name, qualifier *string) { return in.FunctionName, nil })),
		api.GetFunctionConcurrency.To(s.getFunctionConcurrency, on(s, func(in *api.GetFunctionConcurrencyRequest) (name, qualifier *string) { return in.FunctionName, nil })),
		api.DeleteFunctionConcurrency.To(s.deleteFunctionConcurrency, on(s, func(in *api.DeleteFunctionConcurrencyRequest) (name, qualifier *string) { return in.FunctionName, nil })),

		api.PutFunctionEventInvokeConfig.To(s.putEventConfig, on(s, func(in *api.PutFunctionEventInvokeConfigRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),
		api.UpdateFunctionEventInvokeConfig.To(s.updateEventConfig, on(s, func(in *api.UpdateFunctionEventInvokeConfigRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),
		api.GetFunctionEventInvokeConfig.To(s.getEventConfig, on(s, func(in *api.GetFunctionEventInvokeConfigRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),
		api.DeleteFunctionEventInvokeConfig.To(s.deleteEventConfig, on(s, func(in *api.DeleteFunctionEventInvokeConfigRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),
		api.ListFunctionEventInvokeConfigs.To(s.listEventConfigs, on(s, func(in *api.ListFunctionEventInvokeConfigsRequest) (name, qualifier *string) {
			return in.FunctionName, nil
		})),

		api.CreateEventSourceMapping.To(s.createMapping, s.guardCreateMapping),
		api.GetEventSourceMapping.To(s.getMapping, onMapping(s, func(in *api.GetEventSourceMappingRequest) (uuid, function *string) { return in.UUID, nil })),
		api.ListEventSourceMappings.To(s.listMappings, guardMappings),
		api.UpdateEventSourceMapping.To(s.updateMapping, onMapping(s, func(in *api.UpdateEventSourceMappingRequest) (uuid, function *string) {
			return in.UUID, in.FunctionName
		})),
		api.DeleteEventSourceMapping.To(s.deleteMapping, onMapping(s, func(in *api.DeleteEventSourceMappingRequest) (uuid, function *string) { return in.UUID, nil })),

		api.Invoke.To(s.invoke, s.guardInvoke),
		api.InvokeAsync.To(s.invokeAsync, s.guardInvokeAsync),
		api.InvokeWithResponseStream.To(s.invokeWithResponseStream, on(s, func(in *api.InvokeWithResponseStreamRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),

		api.PutFunctionRecursionConfig.To(s.putRecursion, on(s, func(in *api.PutFunctionRecursionConfigRequest) (name, qualifier *string) {
			return in.FunctionName, nil
		})),
		api.GetFunctionRecursionConfig.To(s.getRecursion, on(s, func(in *api.GetFunctionRecursionConfigRequest) (name, qualifier *string) {
			return in.FunctionName, nil
		})),

		api.CreateCapacityProvider.To(s.createCapacityProvider, s.guardCreateProvider),
		api.GetCapacityProvider.To(s.getCapacityProvider, onProvider(s, func(in *api.GetCapacityProviderRequest) *string { return in.CapacityProviderName })),
		api.UpdateCapacityProvider.To(s.updateCapacityProvider, onProvider(s, func(in *api.UpdateCapacityProviderRequest) *string { return in.CapacityProviderName })),
		api.DeleteCapacityProvider.To(s.deleteCapacityProvider, onProvider(s, func(in *api.DeleteCapacityProviderRequest) *string { return in.CapacityProviderName })),
		api.ListCapacityProviders.To(s.listCapacityProviders, aws.Anywhere),
		api.ListFunctionVersionsByCapacityProvider.To(s.listFunctionVersionsByCapacityProvider, onProvider(s, func(in *api.ListFunctionVersionsByCapacityProviderRequest) *string {
			return in.CapacityProviderName
		})),
		api.PutFunctionScalingConfig.To(s.putFunctionScalingConfig, on(s, func(in *api.PutFunctionScalingConfigRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),
		api.GetFunctionScalingConfig.To(s.getFunctionScalingConfig, on(s, func(in *api.GetFunctionScalingConfigRequest) (name, qualifier *string) {
			return in.FunctionName, in.Qualifier
		})),

		api.CreateFunctionUrlConfig.To(s.createURL, s.guardCreateURL),
		api.GetFunctionUrlConfig.To(s.getURL, s.guardGetURL),
		api.UpdateFunctionUrlConfig.To(s.updateURL, s.guardUpdateURL),
		api.DeleteFunctionUrlConfig.To(s.deleteURL, s.guardDeleteURL),
		api.ListFunctionUrlConfigs.To(s.listURLs, s.guardListURLs),
	}
}

// Run reaps idle environments, runs queued events and writes logs, until ctx ends.
// Then it closes the service.
func (s *Service) Run(ctx context.Context) error {
	if err := s.sweep(ctx); err != nil {
		return err
	}
	if err := s.queue.load(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.fleet.reap(ctx) })
	s.spares.background(func() { s.resume(ctx) })
	wg.Go(func() { s.queue.run(ctx) })
	wg.Go(func() { s.provisioner.run(ctx) })
	wg.Go(func() { s.pollers.run(ctx) })
	wg.Go(func() { s.logs.run(ctx) })
	wg.Go(func() { s.follow(ctx) })
	wg.Go(func() { s.serveDebuggers(ctx) })
	wg.Wait()
	last, cancel := s.within(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	if err := s.Close(last); err != nil {
		return err
	}
	return ctx.Err()
}

// closeLimit is how long the last logs may take.
const closeLimit = 10 * time.Second

// Close ends every environment, those in the middle of an invoke too, and writes
// what they have logged; ctx bounds the writing. Run calls it; twice is fine.
func (s *Service) Close(ctx context.Context) error {
	s.fleet.close()
	s.provisioner.wg.Wait()
	s.queue.wg.Wait()
	s.fleet.wg.Wait() // what those have ended
	s.flows.Wait()
	s.pollers.wg.Wait()
	s.spares.close()
	return s.logs.flush(ctx)
}

// follow notices functions that have gone without DeleteFunction: the state of a test
// instance was reset.
func (s *Service) follow(ctx context.Context) {
	changed := functionRecords.WatchAll(ctx, s.Store)
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		s.warn("end what functions that are gone have left", s.retireGone(ctx))
		due, stop := s.Clock.After(followEvery)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-due:
		}
	}
}

const followEvery = 5 * time.Second

func (s *Service) retireGone(ctx context.Context) error {
	gone := s.fleet.manned()
	err := s.Store.View(ctx, func(r store.Reader) error {
		for at := range gone {
			has, err := functionRecords.Has(ctx, r, at.scope, at.name)
			if err != nil {
				return err
			}
			if has {
				delete(gone, at)
			}
		}
		return nil
	})
	if err != nil || len(gone) == 0 {
		return err
	}
	for at := range gone {
		s.fleet.retireAll(at)
	}
	return s.sweep(ctx)
}

func ptr[T any](v T) *T { return &v }
