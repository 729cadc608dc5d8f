package lambda

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/sandbox"
	"github.com/tule-cloud/tule/sandbox/image"
)

// Images say where container images may come from, and where they are kept.
type Images struct {
	// Dir is where unpacked images lie: all that is left of them, and not to be lost. "" is
	// without images.
	Dir string
	// Registries are the hosts, with their ports, that images are pulled from; "*" is all.
	Registries []string
	// Folders are those of this machine whose archives and layouts any caller may name who may
	// make functions.
	Folders []string
	// Anywhere lets the root of an account name any path of this machine: who that is has to be the
	// operator.
	Anywhere bool
}

// imageCode is what is known of a version's container image, which lies on the shelf of images
// under code.SHA256, its digest.
type imageCode struct {
	URI      string // as it was given
	Resolved string
	Config   image.Config
}

// imageConfig is an ImageConfig, kept: what of the image's own is overridden.
type imageConfig struct {
	EntryPoint, Command []string `json:",omitempty"`
	Dir                 string   `json:",omitempty"`
}

func newImageConfig(in *api.ImageConfig) *imageConfig {
	if in == nil {
		return &imageConfig{}
	}
	return &imageConfig{in.EntryPoint, in.Command, aws.Value(in.WorkingDirectory)}
}

// shown is the configuration as answers show it; nil if nothing is overridden.
func (c *imageConfig) shown() *api.ImageConfigResponse {
	if c == nil || len(c.EntryPoint) == 0 && len(c.Command) == 0 && c.Dir == "" {
		return nil
	}
	out := &api.ImageConfig{EntryPoint: c.EntryPoint, Command: c.Command}
	if c.Dir != "" {
		out.WorkingDirectory = &c.Dir
	}
	return &api.ImageConfigResponse{ImageConfig: out}
}

// checkPackage refuses a function that is neither from a zip nor from an image.
func (s *Service) checkPackage(in *api.CreateFunctionRequest) error {
	if aws.Value(in.PackageType) != api.PackageTypeImage {
		switch {
		case in.Code.ImageUri != nil:
			return invalid("Please don't provide ImageUri when creating a function with packageType Zip.")
		case in.ImageConfig != nil:
			return invalid("Please don't provide ImageConfig when creating a function with packageType Zip.")
		}
		return s.checkCode(in.Code.ZipFile, in.Code.S3Bucket, in.Code.S3Key, in.Code.SourceKMSKeyArn)
	}
	switch {
	case in.Runtime != nil || in.Handler != nil || len(in.Layers) > 0:
		return errZipSettings()
	case in.Code.ZipFile != nil || in.Code.S3Bucket != nil || in.Code.S3Key != nil || aws.Value(in.Code.ImageUri) == "":
		return invalid("Please provide ImageUri when creating a function with packageType Image.")
	case in.SnapStart != nil && aws.Value(in.SnapStart.ApplyOn) == api.SnapStartApplyOnPublishedVersions:
		return errNoSnapshots()
	}
	return s.checkImages()
}

func errZipSettings() error {
	return invalid("Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.")
}

func errNoSnapshots() error {
	return invalid("Container Image is not supported for SnapStart enabled functions.")
}

// checkImages refuses images where they cannot run.
func (s *Service) checkImages() error {
	switch {
	case s.Images.Dir == "":
		return unbuilt("Functions from container images are")
	case s.plain():
		return unbuilt("Container images need a root of their own, which functions that run as plain processes do not have; without --isolation process they are")
	case s.Host != nil && !s.Host.Features().Overlay:
		return unbuilt("This machine's kernel lacks overlayfs, by which container images are shown. Functions from them are")
	}
	return nil
}

// reconfigureImage gives an image function another ImageConfig, and refuses what only zips have.
func (v *version) reconfigureImage(in *api.UpdateFunctionConfigurationRequest) error {
	switch {
	case v.Image == nil && in.ImageConfig != nil:
		return invalid("Please don't provide ImageConfig when updating a function with packageType Zip.")
	case v.Image == nil:
		return nil
	case in.Runtime != nil || in.Handler != nil || len(in.Layers) > 0:
		return errZipSettings()
	case in.SnapStart != nil && aws.Value(in.SnapStart.ApplyOn) == api.SnapStartApplyOnPublishedVersions:
		return errNoSnapshots()
	case in.ImageConfig != nil:
		v.Image = newImageConfig(in.ImageConfig)
	}
	return nil
}

// checkSourceFor refuses new code of the other kind than the function's.
func (s *Service) checkSourceFor(v *version, in *api.UpdateFunctionCodeRequest) error {
	switch {
	case v.Image != nil && aws.Value(in.ImageUri) == "":
		return invalid("Please provide ImageUri when updating a function with packageType Image.")
	case v.Image == nil && in.ImageUri != nil:
		return invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
	case v.Image == nil:
		return s.checkCode(in.ZipFile, in.S3Bucket, in.S3Key, in.SourceKMSKeyArn)
	case in.ZipFile != nil || in.S3Bucket != nil || in.S3Key != nil:
		return invalid("Please do not provide other FunctionCode parameters when providing an ImageUri.")
	}
	return nil
}

// fetch brings an image to the shelf. The caller calls done when the transaction with keep in it
// has ended.
func (s *Service) fetch(ctx context.Context, uri string) (*upload, error) {
	if err := s.checkImages(); err != nil {
		return nil, err
	}
	r, err := image.Parse(uri)
	if err == nil {
		r, err = s.permitted(ctx, r)
	}
	if err != nil {
		return nil, badImage(uri, err)
	}
	img, err := image.Open(ctx, r, image.Options{Arch: runtime.GOARCH})
	if err != nil {
		return nil, badImage(uri, err)
	}
	defer img.Close()
	release, err := s.images.Put(ctx, img)
	if err != nil {
		return nil, badImage(uri, err)
	}
	return &upload{s: s, release: release, code: code{SHA256: img.Digest,
		Image: &imageCode{URI: uri, Resolved: r.Resolved(img.Digest), Config: img.Config}}}, nil
}

// permitted holds a reference to where images may come from.
func (s *Service) permitted(ctx context.Context, r image.Reference) (image.Reference, error) {
	if host := r.Host(); host != "" {
		if slices.Contains(s.Images.Registries, "*") || slices.Contains(s.Images.Registries, host) {
			return r, nil
		}
		if strings.Contains(host, ".dkr.ecr.") {
			return r, image.ErrNotFound // there is no ECR here yet, and so no repository
		}
		return r, aws.AccessDenied("Images from %s are not pulled here. The operator of this Tule permits registries with --registry.", host)
	}
	whole, err := filepath.EvalSymlinks(r.Path)
	for _, f := range s.Images.Folders {
		if top, failed := filepath.EvalSymlinks(f); failed == nil && err == nil && strings.HasPrefix(whole, top+"/") {
			r.Path = whole
			return r, nil
		}
	}
	if s.Images.Anywhere && aws.RequestOf(ctx).Caller.Kind == aws.Root {
		return r, nil
	}
	// Whether there is such a file is nobody's business here.
	return r, aws.AccessDenied("%s is not in a folder of images. The operator of this Tule names those with --images.", r.Path)
}

// badImage is AWS's error for an image that cannot be used.
func badImage(uri string, err error) error {
	var e *aws.Error
	switch {
	case errors.As(err, &e):
		return err
	case errors.Is(err, image.ErrNotFound):
		return invalid("Source image %s does not exist. Provide a valid source image.", uri).Because(err)
	case errors.Is(err, image.ErrTooLarge):
		return invalid("Source image %s is larger than 10 GB, or has too many files. Provide a valid source image.", uri).Because(err)
	case errors.Is(err, image.ErrReference) || errors.Is(err, image.ErrInvalid):
		return invalid("Source image %s is not valid. Provide a valid source image.", uri).Because(err)
	case errors.Is(err, image.ErrRefused):
		return aws.AccessDenied("Lambda does not have permission to access the ECR image. Check the ECR permissions.").Because(err)
	case diskFull(err):
		return aws.Unavailable("The disk is full.").Because(err)
	}
	return aws.Unavailable("The image %s cannot be read now.", uri).Because(err)
}

// sum is the code's as answers show it: of a zip in base64, of an image its digest in hex.
func (c code) sum() string {
	if c.Image != nil {
		return c.SHA256
	}
	b, _ := hex.DecodeString(c.SHA256)
	return base64.StdEncoding.EncodeToString(b)
}

// location is where an image came from.
func (c *imageCode) location() *api.FunctionCodeLocation {
	return &api.FunctionCodeLocation{RepositoryType: ptr("ECR"), ImageUri: &c.URI, ResolvedImageUri: &c.Resolved}
}

// imageUsed reports whether a function has an image.
func (s *Service) imageUsed(digest string) bool {
	_, sums, err := s.zips(context.Background())
	return err != nil || sums[digest]
}

// imageStart is how an image's process begins.
type imageStart struct {
	argv []string
	dir  string
	vars map[string]string
}

// start is what the image says, and what of it the function's own configuration overrides. The
// image's user is not asked: a function is always the same one, without rights.
// https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#images-parms
func (v *version) start() imageStart {
	out := imageStart{dir: "/", vars: map[string]string{}}
	config := v.Code.Image.Config
	entry, command := config.Entrypoint, config.Command
	if len(v.Image.EntryPoint) > 0 {
		entry = v.Image.EntryPoint
	}
	if len(v.Image.Command) > 0 {
		command = v.Image.Command
	}
	out.argv = slices.Concat(entry, command)
	for _, dir := range []string{config.Dir, v.Image.Dir} {
		if dir != "" {
			out.dir = filepath.Join("/", dir)
		}
	}
	for _, pair := range config.Env {
		if name, value, ok := strings.Cut(pair, "="); ok && name != "" {
			out.vars[name] = value
		}
	}
	return out
}

// imageCommand says how to start what is in the image that lies at root, and finds its extensions.
func (e *environment) imageCommand(root string) (runtimes.Command, error) {
	start := e.version.start()
	cmd := runtimes.Command{HTTP: true, RuntimeRoot: start.vars["LAMBDA_RUNTIME_DIR"]}
	r, err := image.OpenRoot(root)
	if err != nil {
		return cmd, err
	}
	defer r.Close()
	list, ok := start.vars["PATH"]
	if !ok {
		list = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"
	}
	if cmd.Argv = start.argv; len(cmd.Argv) == 0 {
		cmd.Argv = []string{"/lambda-entrypoint.sh"} // of AWS's base images, should nothing be said
	}
	cmd.Argv = slices.Clone(cmd.Argv)
	cmd.Argv[0] = r.Lookup(cmd.Argv[0], start.dir, list)
	e.entryPoint = cmd.Argv[0]
	e.external = r.Names("/opt/" + extensionFolder)
	return cmd, nil
}

// imageVariables are the image's own variables, and the folders that it says are Lambda's.
func (e *environment) imageVariables(env *runtimes.Environ) {
	if e.version.Image == nil {
		return
	}
	maps.Copy(env.Further, e.version.start().vars)
	env.Runtime = api.RuntimeProvidedAl2023 // the process is the image's own, whatever it is
	env.TaskRoot = env.Further["LAMBDA_TASK_ROOT"]
}

// imageSpec is the sandbox of an image.
func (e *environment) imageSpec(spec *sandbox.Spec, root string) {
	spec.Root, spec.Dir = root, e.version.start().dir
}

// imageFailure is what an invoke answers with whose image could not be started, if that is its own
// fault.
func (e *environment) imageFailure(cause string, err error) *runtimes.Result {
	if e.version.Image == nil {
		return nil
	}
	var program *sandbox.ProgramError
	var dir *sandbox.FolderError
	var failure *runtimes.Result
	var text string
	switch {
	case errors.As(err, &program):
		failure, text = runtimes.ImageFailure("Runtime.InvalidEntrypoint", cause, "fork/exec "+e.entryPoint, program.Err)
	case errors.As(err, &dir):
		failure, text = runtimes.ImageFailure("Runtime.InvalidWorkingDir", cause, "chdir "+dir.Dir, dir.Err)
	default:
		return nil
	}
	e.log(text)
	return failure
}
