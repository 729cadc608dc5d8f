package lambda

import (
	"context"
	"strconv"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) createFunction(ctx context.Context, in *api.CreateFunctionRequest) (*api.FunctionConfiguration, error) {
	at, qualifier, err := parseName(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if qualifier != "" || at.scope.Account != aws.RequestOf(ctx).Account() {
		return nil, invalidValue(*in.FunctionName, "functionName", "Member must be the name of a function of your own, without a qualifier")
	}
	if err := s.checkCreate(in); err != nil {
		return nil, err
	}
	if err := s.checkLayers(ctx, in.Layers); err != nil {
		return nil, err
	}
	f, err := s.newFunction(ctx, at, in)
	if err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(r store.Reader) error { return absent(ctx, r, at) })
	if err != nil {
		return nil, err
	}
	if err := s.checkRole(ctx, at, f.Latest.Role); err != nil {
		return nil, err
	}
	if err := s.checkDeadLetter(ctx, at, f.Latest.Role, in.DeadLetterConfig); err != nil {
		return nil, err
	}
	if f.Latest.Network.attached() {
		if err := s.checkNetwork(ctx, at, f.Latest.Role); err != nil {
			return nil, err
		}
	}
	up, err := s.bring(ctx, at.scope, in.Code.ZipFile, in.Code.S3Bucket, in.Code.S3Key, in.Code.S3ObjectVersion, in.Code.ImageUri)
	if err != nil {
		return nil, err
	}
	defer up.done()
	var shown version
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		shown, err = s.insert(ctx, tx, at, *f, in, up)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.untrusted(at, f.Signing)
	s.foresee(at, shown, s.egressOf(f))
	return shown.configuration(at, at.arn("")), nil
}

// insert writes a new function, with its code and layers, and gives the version that
// answers show.
func (s *Service) insert(ctx context.Context, tx store.Tx, at ref, f function, in *api.CreateFunctionRequest, up *upload) (version, error) {
	err := absent(ctx, tx, at)
	if err == nil {
		err = s.checkSigned(ctx, tx, at, &f)
	}
	if err == nil {
		f.Latest.Code, err = up.keep(ctx, tx, at.scope)
	}
	if err == nil {
		err = s.attach(ctx, tx, &f.Latest, in.Layers, nil)
	}
	if err == nil {
		err = f.Latest.checkUnzipped()
	}
	if err != nil {
		return version{}, err
	}
	shown := f.Latest
	if aws.Value(in.Publish) {
		v, err := s.publish(ctx, tx, at, &f, nil)
		if err != nil {
			return version{}, err
		}
		shown = *v
	}
	return shown, put(tx, functionRecords, at.scope, &f, at.name)
}

// absent refuses a name that is taken.
func absent(ctx context.Context, r store.Reader, at ref) error {
	taken, err := functionRecords.Has(ctx, r, at.scope, at.name)
	if err == nil && taken {
		return conflict("Function already exist: %s", at.name)
	}
	return err
}

func (s *Service) checkCreate(in *api.CreateFunctionRequest) error {
	if in.DurableConfig != nil || in.TenancyConfig != nil || in.PublishTo != nil {
		return unbuilt("Durable functions, tenants and $LATEST.PUBLISHED are")
	}
	if len(in.Tags) > maxTags {
		return invalid("Number of tags exceeds resource tag limit.")
	}
	if err := checkEgress(in.Tags); err != nil {
		return err
	}
	if err := s.checkPackage(in); err != nil {
		return err
	}
	return unbuiltSettings(in.FileSystemConfigs, in.KMSKeyArn)
}

// newFunction is the record of a function that was asked for, without its code.
func (s *Service) newFunction(ctx context.Context, at ref, in *api.CreateFunctionRequest) (*function, error) {
	f := &function{Name: at.name, Tags: in.Tags, Signing: aws.Value(in.CodeSigningConfigArn), Latest: version{
		Memory: 128, Timeout: 3, Storage: 512, Arch: api.ArchitectureX8664, Tracing: api.TracingModePassThrough}}
	if len(in.Architectures) > 0 {
		f.Latest.Arch = in.Architectures[0]
	}
	if in.Code.ImageUri != nil {
		f.Latest.Image = newImageConfig(in.ImageConfig)
	}
	err := s.apply(ctx, &f.Latest, settings{in.Description, in.Runtime, in.Handler, in.Role, in.MemorySize, in.Timeout,
		in.Environment, in.EphemeralStorage, in.TracingConfig, in.LoggingConfig, in.VpcConfig, in.SnapStart, in.DeadLetterConfig})
	if err == nil {
		err = s.setProvider(ctx, &f.Latest, in.CapacityProviderConfig)
	}
	s.touch(&f.Latest, s.now())
	return f, err
}

func (s *Service) getFunction(ctx context.Context, in *api.GetFunctionRequest) (*api.GetFunctionResponse, error) {
	t, err := s.find(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	out := &api.GetFunctionResponse{
		Configuration: t.version.configuration(t.at, t.shown()),
		Tags:          t.function.Tags,
	}
	if from := t.version.Code.Image; from != nil {
		out.Code = from.location()
	} else {
		out.Code = &api.FunctionCodeLocation{RepositoryType: ptr("S3"), Location: ptr(s.codeLocation(ctx, t.at.scope, t.version.Code))}
	}
	if t.function.Reserved != nil {
		out.Concurrency = &api.Concurrency{ReservedConcurrentExecutions: t.function.Reserved}
	}
	return out, nil
}

func (s *Service) getFunctionConfiguration(ctx context.Context, in *api.GetFunctionConfigurationRequest) (*api.FunctionConfiguration, error) {
	t, err := s.find(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return t.version.configuration(t.at, t.shown()), nil
}

// maxPage is the most that one answer lists.
const maxPage = 50

func (s *Service) listFunctions(ctx context.Context, in *api.ListFunctionsRequest) (*api.ListFunctionsResponse, error) {
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	o, limit, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	all := aws.Value(in.FunctionVersion) == api.FunctionVersionAll
	if in.MasterRegion != nil { // of functions that were copied to the edge, which none is
		if !all {
			return nil, invalid("FunctionVersion must be set to ALL if MasterRegion is specified.")
		}
		return &api.ListFunctionsResponse{Functions: []api.FunctionConfiguration{}}, nil
	}
	var out *api.ListFunctionsResponse
	err = s.Store.View(ctx, func(r store.Reader) error {
		out = &api.ListFunctionsResponse{Functions: []api.FunctionConfiguration{}}
		last, n := "", 0
		for e, err := range functionRecords.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if n == limit {
				out.NextMarker = ptr(aws.Token(last))
				break
			}
			f, err := s.records.functions.decode(e.Record)
			if err != nil {
				return err
			}
			at := ref{scope, f.Name}
			arn := at.arn("")
			if all {
				arn = at.arn(latest)
			}
			out.Functions = append(out.Functions, *f.Latest.configuration(at, arn))
			if all {
				vs, err := s.published(ctx, r, at)
				if err != nil {
					return err
				}
				out.Functions = append(out.Functions, vs...)
			}
			last = f.Name
			n++
		}
		return nil
	})
	return out, err
}

// page is where and how far to list, for a marker and a limit. One more than the
// limit is listed, to see whether there is more.
func page(marker *string, items *int32) (store.ListOptions, int, error) {
	limit := maxPage
	if items != nil {
		limit = min(limit, int(*items))
	}
	o := store.ListOptions{Limit: limit + 1}
	if aws.Value(marker) != "" {
		var after string
		if !aws.ParseToken(*marker, &after) {
			return o, 0, invalid("Invalid Marker")
		}
		o.After = []any{after}
	}
	return o, limit, nil
}

func (s *Service) deleteFunction(ctx context.Context, in *api.DeleteFunctionRequest) (*api.DeleteFunctionResponse, error) {
	at, qualifier, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if qualifier == latest {
		return nil, invalid("$LATEST version cannot be deleted without deleting the function.")
	}
	var number int64
	if qualifier != "" {
		if number, err = strconv.ParseInt(qualifier, 10, 64); err != nil {
			return nil, invalid("Deletion of aliases is not currently supported.")
		}
	}
	var gone *trash
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		gone = &trash{}
		if number > 0 {
			return s.deleteVersion(ctx, tx, at, number, gone)
		}
		return s.deleteWhole(ctx, tx, at, gone)
	})
	if err != nil {
		return nil, err
	}
	if number > 0 {
		s.fleet.retire(at, number)
		s.fleet.forgetReserved(at.scope)
	} else {
		s.fleet.retireAll(at)
	}
	s.empty(gone)
	return &api.DeleteFunctionResponse{StatusCode: ptr(int32(204))}, nil
}

func (s *Service) deleteWhole(ctx context.Context, tx store.Tx, at ref, gone *trash) error {
	f, err := s.function(ctx, tx, at)
	if err != nil {
		return err
	}
	if err := gone.dropAll(ctx, tx, at, &f.Latest); err != nil {
		return err
	}
	for e, err := range versionRecords.List(ctx, tx, at.scope, store.ListOptions{Prefix: []any{at.name}}) {
		if err != nil {
			return err
		}
		v, err := s.records.versions.decode(e.Record)
		if err != nil {
			return err
		}
		if err := gone.dropAll(ctx, tx, at, v); err != nil {
			return err
		}
	}
	for _, t := range []store.Table[[]byte]{versionRecords, aliasRecords, policyRecords} {
		if err := t.DeleteAll(tx, at.scope, at.name); err != nil {
			return err
		}
	}
	if err := capacityRecords.DeleteAll(tx, at.scope, at.name); err != nil {
		return err
	}
	if err := eventConfigRecords.DeleteAll(tx, at.scope, at.name); err != nil {
		return err
	}
	if err := dropURLs(ctx, tx, at); err != nil {
		return err
	}
	return functionRecords.Delete(tx, at.scope, at.name)
}
