package image

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// A Kind is where an image comes from.
type Kind int

const (
	// Registry is a registry that speaks the OCI distribution protocol.
	Registry Kind = iota
	// Archive is a tar file of this machine: what `docker save` writes, or an OCI layout as one file.
	Archive
	// Layout is a folder of this machine that is an OCI layout.
	Layout
)

// A Reference is what an ImageUri names.
type Reference struct {
	Kind   Kind
	Path   string // of an Archive or a Layout: absolute and clean
	Tag    string // "" is the only image there is
	Digest string // hex; "" is whatever the tag leads to

	scheme string         // "oci-archive:"
	remote name.Reference // of a Registry
}

// ErrReference reports a text that names no image.
var ErrReference = errors.New("image: not a reference")

// maxReference is the longest that is read.
const maxReference = 4096

var (
	tagPattern    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/:-]{0,254}$`)
	digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// schemes are those of files and folders of this machine, spelt as skopeo and podman do. What an
// archive is, is seen from what it holds.
var schemes = []struct {
	prefix string
	kind   Kind
}{{"oci-archive:", Archive}, {"docker-archive:", Archive}, {"oci:", Layout}}

// Parse reads an ImageUri:
//
//	oci-archive:/path/image.tar[:tag][@sha256:…]
//	docker-archive:/path/image.tar[:name:tag]
//	oci:/path/folder[:tag][@sha256:…]
//	registry.example/name[:tag][@sha256:…]
//
// A registry is named always: as on AWS there is none by default. Paths are absolute and have no
// colon.
func Parse(uri string) (Reference, error) {
	if len(uri) > maxReference {
		return Reference{}, fmt.Errorf("%w: it is %d bytes long", ErrReference, len(uri))
	}
	for _, s := range schemes {
		if rest, ok := strings.CutPrefix(uri, s.prefix); ok {
			return parseLocal(s.kind, s.prefix, rest)
		}
	}
	host, _, slash := strings.Cut(uri, "/")
	if !slash || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return Reference{}, fmt.Errorf("%w: %q names no registry", ErrReference, uri)
	}
	r, err := name.ParseReference(uri)
	if err != nil {
		return Reference{}, fmt.Errorf("%w: %w", ErrReference, err)
	}
	out := Reference{Kind: Registry, remote: r}
	switch r := r.(type) {
	case name.Tag:
		out.Tag = r.TagStr()
	case name.Digest:
		out.Digest = strings.TrimPrefix(r.DigestStr(), "sha256:")
	}
	return out, nil
}

func parseLocal(kind Kind, scheme, rest string) (Reference, error) {
	out := Reference{Kind: kind, scheme: scheme}
	rest, digest, pinned := strings.Cut(rest, "@")
	if pinned {
		hex, ok := strings.CutPrefix(digest, "sha256:")
		if !ok || !digestPattern.MatchString(hex) {
			return Reference{}, fmt.Errorf("%w: %q is no digest", ErrReference, digest)
		}
		out.Digest = hex
	}
	path, tag, tagged := strings.Cut(rest, ":")
	if tagged && !tagPattern.MatchString(tag) {
		return Reference{}, fmt.Errorf("%w: %q is no tag", ErrReference, tag)
	}
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" || strings.ContainsRune(path, 0) {
		return Reference{}, fmt.Errorf("%w: %q is not a clean absolute path", ErrReference, path)
	}
	out.Path, out.Tag = path, tag
	return out, nil
}

// Host is the registry's, with its port if it has one; "" for an image of this machine.
func (r Reference) Host() string {
	if r.remote == nil {
		return ""
	}
	return r.remote.Context().RegistryStr()
}

// Resolved is the reference with what its tag leads to.
func (r Reference) Resolved(digest string) string {
	place := r.scheme + r.Path
	if r.remote != nil {
		place = r.remote.Context().Name()
	}
	return place + "@sha256:" + digest
}
