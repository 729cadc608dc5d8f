// Package image reads container images from registries, archives and layouts, and unpacks them
// into folders that sandboxes have for their root (sandbox.Spec.Root).
//
// What an image says is not trusted: its parts are held against their sums, its layers are written
// beneath one folder whatever they name, without devices, set-user-id bits or capabilities, and
// within limits on bytes and files.
package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Errors that Open's and Unpack's wrap.
var (
	ErrNotFound = errors.New("image: there is no such image")
	ErrInvalid  = errors.New("image: it is not a valid image")
	ErrRefused  = errors.New("image: the registry refuses it")
	ErrTooLarge = errors.New("image: it is too large")
)

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Options say how images are read.
type Options struct {
	// Arch is the machine's, by Go's name, for images of several.
	Arch string
	// Transport goes to registries; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// A Config is what an image says about its process.
type Config struct {
	Entrypoint []string `json:",omitempty"`
	Command    []string `json:",omitempty"`
	Env        []string `json:",omitempty"`
	Dir        string   `json:",omitempty"`
}

// An Image is one that can be unpacked. Its layers may still be elsewhere.
type Image struct {
	// Digest is the manifest's, in hex: the image's name by content. Of what an old `docker save`
	// writes, which has no manifest, it is the configuration's, which Docker calls the image's ID.
	Digest string
	// Arch is the machine's for which it was made, by Go's name; "" is unsaid.
	Arch   string
	Config Config

	layers []layer
	close  func() error
}

// A layer is one of an image, with the sum of its tar stream.
type layer struct {
	sum  string
	open func() (io.ReadCloser, error)
}

// maxLayers is how many an image may have; the limit is overlayfs' own, on AWS too.
const maxLayers = 127

// maxMeta is the longest manifest or configuration.
const maxMeta = 4 << 20

// Open finds the image, and reads what it says about itself.
func Open(ctx context.Context, r Reference, o Options) (*Image, error) {
	var out *Image
	var err error
	switch r.Kind {
	case Archive:
		out, err = openArchive(r, o)
	case Layout:
		out, err = openLayout(r, o)
	default:
		out, err = pull(ctx, r, o)
	}
	if err == nil && r.Digest != "" && out.Digest != r.Digest {
		err = errors.Join(fmt.Errorf("%w: it is %s", ErrNotFound, out.Digest), out.Close())
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Close lets go of the file that the image is read from.
func (i *Image) Close() error {
	if i.close == nil {
		return nil
	}
	return i.close()
}

// pull asks a registry.
func pull(ctx context.Context, r Reference, o Options) (*Image, error) {
	opts := []remote.Option{remote.WithContext(ctx), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: o.Arch})}
	if o.Transport != nil {
		opts = append(opts, remote.WithTransport(o.Transport))
	}
	img, err := remote.Image(r.remote, opts...)
	if err != nil {
		return nil, refused(err)
	}
	sum, err := img.Digest()
	if err != nil {
		return nil, refused(err)
	}
	out, err := describe(img)
	if err != nil {
		return nil, refused(err)
	}
	out.Digest = sum.Hex
	return out, nil
}

// refused tells what a registry's answer means.
func refused(err error) error {
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.StatusCode {
	case http.StatusNotFound:
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// describe reads an image's configuration, and lists its layers. The configuration is what says
// the layers' sums; it has been held against its own.
func describe(img v1.Image) (*Image, error) {
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	out, sums, err := parseConfig(raw)
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	if len(layers) != len(sums) {
		return nil, bad("it has %d layers, and says %d", len(layers), len(sums))
	}
	for i, l := range layers {
		out.layers = append(out.layers, layer{sums[i], l.Uncompressed})
	}
	return out, nil
}

// parseConfig reads an image's configuration, and the sums of its layers in hex.
func parseConfig(raw []byte) (out *Image, sums []string, err error) {
	var c v1.ConfigFile
	if len(raw) > maxMeta {
		return nil, nil, bad("its configuration is %d bytes long", len(raw))
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, nil, bad("its configuration: %v", err)
	}
	if c.OS != "" && c.OS != "linux" {
		return nil, nil, bad("it is for %s", c.OS)
	}
	if len(c.RootFS.DiffIDs) > maxLayers {
		return nil, nil, bad("it has %d layers", len(c.RootFS.DiffIDs))
	}
	for _, d := range c.RootFS.DiffIDs {
		if d.Algorithm != "sha256" || !digestPattern.MatchString(d.Hex) {
			return nil, nil, bad("a layer's sum is %q", d)
		}
		sums = append(sums, d.Hex)
	}
	return &Image{Arch: c.Architecture, Config: Config{
		Entrypoint: c.Config.Entrypoint, Command: c.Config.Cmd, Env: c.Config.Env, Dir: c.Config.WorkingDir}}, sums, nil
}

// checkSum holds bytes against their sum in hex.
func checkSum(what string, b []byte, want string) error {
	if got := sha256.Sum256(b); hex.EncodeToString(got[:]) != want {
		return bad("%s is not what its sum says", what)
	}
	return nil
}

// absent tells a path that is not there from a machine that fails.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}
