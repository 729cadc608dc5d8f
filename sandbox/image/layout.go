package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"encoding/json"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// blobs are the files of an OCI layout: a folder's, or an archive's.
type blobs interface {
	// open opens a file by its name within; fs.ErrNotExist says that there is none.
	open(name string) (r io.ReadCloser, size int64, err error)
}

func openLayout(r Reference, o Options) (*Image, error) {
	root, err := os.OpenRoot(r.Path)
	if err != nil {
		return nil, absent(err)
	}
	img, err := choose(folder{root}, r, o)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	img.close = root.Close
	return img, nil
}

// folder is a layout's. Links out of it lead nowhere.
type folder struct{ root *os.Root }

func (f folder) open(name string) (io.ReadCloser, int64, error) {
	st, err := f.root.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !st.Mode().IsRegular() { // a fifo would keep us waiting
		return nil, 0, bad("%s is no file", name)
	}
	in, err := f.root.Open(name)
	return in, st.Size(), err
}

func openArchive(r Reference, o Options) (*Image, error) {
	st, err := os.Stat(r.Path)
	if err != nil {
		return nil, absent(err)
	}
	if !st.Mode().IsRegular() {
		return nil, bad("%s is no file", r.Path)
	}
	file, err := os.Open(r.Path)
	if err != nil {
		return nil, absent(err)
	}
	img, err := fromArchive(file, r, o)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	img.close = file.Close
	return img, nil
}

func fromArchive(file *os.File, r Reference, o Options) (*Image, error) {
	a, err := list(file)
	if err != nil {
		return nil, err
	}
	if _, ok := a.at["index.json"]; ok {
		return choose(a, r, o)
	}
	// What Docker wrote before its version 25.
	manifest, ok := a.at["manifest.json"]
	if !ok {
		return nil, bad("it has neither index.json nor manifest.json")
	}
	if manifest.size > maxMeta {
		return nil, bad("its manifest is %d bytes long", manifest.size)
	}
	return fromDocker(a, r)
}

// fromDocker reads an archive of Docker's own form.
func fromDocker(a *archive, r Reference) (*Image, error) {
	opener := func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(a.file, 0, a.size)), nil }
	var tag *name.Tag
	if r.Tag != "" {
		t, err := name.NewTag(r.Tag)
		if err != nil {
			return nil, bad("%v", err)
		}
		tag = &t
	}
	manifest, err := tarball.LoadManifest(opener)
	if err != nil {
		return nil, bad("%v", err)
	}
	for _, d := range manifest {
		if at, ok := a.at[path.Clean(d.Config)]; ok && at.size > maxMeta {
			return nil, bad("its configuration is %d bytes long", at.size)
		}
	}
	img, err := tarball.Image(opener, tag)
	if err != nil && tag != nil && strings.Contains(err.Error(), "not found in tarball") {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, bad("%v", err)
	}
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, bad("%v", err)
	}
	out, err := describe(img)
	if err != nil {
		return nil, bad("%v", err)
	}
	sum, _, err := v1.SHA256(strings.NewReader(string(raw)))
	out.Digest = sum.Hex
	return out, err
}

// An archive is a tar file and where its files lie in it.
type archive struct {
	file *os.File
	size int64
	at   map[string]part
}

type part struct{ offset, size int64 }

// maxParts is how many files an archive may have.
const maxParts = 10_000

// list finds the files of an archive. It reads no more than their headers.
func list(file *os.File) (*archive, error) {
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	a := &archive{file: file, size: st.Size(), at: map[string]part{}}
	in := tar.NewReader(file)
	for range maxParts {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			return nil, bad("%v", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		// The reader has taken the header's blocks, and nothing else: here the file begins.
		at, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if at+h.Size > a.size {
			return nil, bad("it breaks off in %q", h.Name)
		}
		a.at[path.Clean(strings.TrimPrefix(h.Name, "/"))] = part{at, h.Size}
	}
	return nil, bad("it has more than %d files", maxParts)
}

func (a *archive) open(name string) (io.ReadCloser, int64, error) {
	p, ok := a.at[name]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(io.NewSectionReader(a.file, p.offset, p.size)), p.size, nil
}

// read reads a short file.
func read(b blobs, name string) ([]byte, error) {
	in, size, err := b.open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if size > maxMeta {
		return nil, bad("%s is %d bytes long", name, size)
	}
	return io.ReadAll(io.LimitReader(in, maxMeta))
}

// readBlob reads a short blob, and holds it against its name.
func readBlob(b blobs, h v1.Hash) ([]byte, error) {
	at, err := blobPath(h)
	if err != nil {
		return nil, err
	}
	raw, err := read(b, at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, bad("it lacks %s", at)
	}
	if err != nil {
		return nil, err
	}
	return raw, checkSum(at, raw, h.Hex)
}

func blobPath(h v1.Hash) (string, error) {
	if h.Algorithm != "sha256" || !digestPattern.MatchString(h.Hex) {
		return "", bad("a digest is %q", h)
	}
	return "blobs/sha256/" + h.Hex, nil
}

// choose finds the image that a reference names in a layout.
func choose(b blobs, r Reference, o Options) (*Image, error) {
	raw, err := read(b, "index.json")
	if err != nil {
		return nil, absent(err)
	}
	index, err := parseIndex(raw)
	if err != nil {
		return nil, err
	}
	found, err := tagged(index.Manifests, r)
	if err != nil {
		return nil, err
	}
	for depth := 0; found.MediaType.IsIndex(); depth++ {
		if depth == 4 {
			return nil, bad("its indexes are too deep")
		}
		if raw, err = readBlob(b, found.Digest); err != nil {
			return nil, err
		}
		if index, err = parseIndex(raw); err != nil {
			return nil, err
		}
		if found, err = suited(index.Manifests, o.Arch); err != nil {
			return nil, err
		}
	}
	manifest, err := readBlob(b, found.Digest)
	if err != nil {
		return nil, err
	}
	img, err := partial.CompressedToImage(stored{b, manifest, found.MediaType})
	if err != nil {
		return nil, bad("%v", err)
	}
	out, err := describe(img)
	if err != nil && !errors.Is(err, ErrInvalid) {
		err = bad("%v", err)
	}
	if err != nil {
		return nil, err
	}
	out.Digest = found.Digest.Hex
	return out, nil
}

func parseIndex(raw []byte) (*v1.IndexManifest, error) {
	var index v1.IndexManifest
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, bad("its index: %v", err)
	}
	return &index, nil
}

// Annotations by which tools say what an image of a layout is called.
const (
	refName   = "org.opencontainers.image.ref.name"
	imageName = "io.containerd.image.name"
)

// tagged is the image with the reference's tag, or the only one.
func tagged(all []v1.Descriptor, r Reference) (v1.Descriptor, error) {
	var found []v1.Descriptor
	for _, d := range all {
		full := d.Annotations[imageName]
		if r.Tag == "" || d.Annotations[refName] == r.Tag || full == r.Tag || strings.HasSuffix(full, ":"+r.Tag) || strings.HasSuffix(full, "/"+r.Tag) {
			found = append(found, d)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return v1.Descriptor{}, fmt.Errorf("%w: none of %d is called %q", ErrNotFound, len(all), r.Tag)
	}
	return v1.Descriptor{}, fmt.Errorf("%w: there are %d: name one by its tag", ErrNotFound, len(found))
}

// suited is the image for this machine.
func suited(all []v1.Descriptor, arch string) (v1.Descriptor, error) {
	for _, d := range all {
		if d.Platform == nil || d.Platform.OS == "linux" && d.Platform.Architecture == arch {
			return d, nil
		}
	}
	return v1.Descriptor{}, bad("there is none for linux/%s", arch)
}

// stored is an image of a layout, as far as the library wants to know.
type stored struct {
	blobs
	manifest []byte
	kind     types.MediaType
}

func (s stored) RawManifest() ([]byte, error)        { return s.manifest, nil }
func (s stored) MediaType() (types.MediaType, error) { return s.kind, nil }

func (s stored) parsed() (*v1.Manifest, error) {
	var m v1.Manifest
	if err := json.Unmarshal(s.manifest, &m); err != nil {
		return nil, bad("its manifest: %v", err)
	}
	if len(m.Layers) > maxLayers {
		return nil, bad("it has %d layers", len(m.Layers))
	}
	return &m, nil
}

func (s stored) RawConfigFile() ([]byte, error) {
	m, err := s.parsed()
	if err != nil {
		return nil, err
	}
	return readBlob(s, m.Config.Digest)
}

func (s stored) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	m, err := s.parsed()
	if err != nil {
		return nil, err
	}
	for _, d := range m.Layers {
		if d.Digest == h {
			return storedLayer{s.blobs, d}, nil
		}
	}
	return nil, bad("it lacks the layer %s", h)
}

type storedLayer struct {
	blobs
	d v1.Descriptor
}

func (l storedLayer) Digest() (v1.Hash, error)            { return l.d.Digest, nil }
func (l storedLayer) Size() (int64, error)                { return l.d.Size, nil }
func (l storedLayer) MediaType() (types.MediaType, error) { return l.d.MediaType, nil }

func (l storedLayer) Compressed() (io.ReadCloser, error) {
	at, err := blobPath(l.d.Digest)
	if err != nil {
		return nil, err
	}
	r, _, err := l.open(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, bad("it lacks %s", at)
	}
	return r, err
}
