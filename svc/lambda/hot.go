package lambda

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/store"
)

// Hot code is a folder of the machine from which a function runs as it is, without being
// packed or uploaded: S3Bucket is HotReload.Bucket and S3Key the folder. A change in it is
// seen by the next invoke, which gets an environment of its own; one under way goes on.
//
// Folders are looked through before each invoke rather than watched: an invoke cannot be
// faster than the notice of a change, then, nor miss one.

// HotReload says who may have functions run from folders of this machine, and from which.
type HotReload struct {
	// Bucket is the name that stands for the machine's folders.
	Bucket string
	// Caller refuses callers who may not name folders. Folder refuses folders, by their
	// real path; it is asked when a folder is named, and whenever an environment starts.
	// Without either there is no hot code.
	Caller func(ctx context.Context) error
	Folder func(path string) error
	// Ignore are the names and paths, with the wildcards of path.Match, whose changes do not
	// count: "*.log", "dist/*".
	Ignore []string
}

// is reports whether a bucket stands for the machine's folders.
func (h *HotReload) is(bucket *string) bool {
	return h.Folder != nil && h.Caller != nil && bucket != nil && *bucket == h.Bucket
}

// checkCode refuses code that comes neither as a zip file in the request nor as a folder.
func (s *Service) checkCode(zip []byte, bucket, key, kms *string) error {
	if s.HotReload.is(bucket) && zip == nil && kms == nil && key != nil {
		return nil
	}
	return checkSource(zip, bucket, key, kms)
}

// obtain is upload, for code that may be hot. What checkCode refuses it does not get.
func (s *Service) obtain(ctx context.Context, scope store.Scope, zip []byte, bucket, key, version *string) (*upload, error) {
	switch {
	case s.HotReload.is(bucket):
	case bucket != nil:
		return s.uploadObject(ctx, scope, bucket, key, version)
	default:
		return s.upload(ctx, scope, zip)
	}
	if err := s.HotReload.Caller(ctx); err != nil {
		return nil, invalid("%v", err)
	}
	folder, err := s.HotReload.real(*key)
	if err != nil {
		return nil, invalid("S3Key of code in the bucket %s: %v", s.HotReload.Bucket, err)
	}
	sum := sha256.Sum256([]byte(folder))
	s.uploads.RLock() // as upload does, for done
	return &upload{s: s, code: code{SHA256: hex.EncodeToString(sum[:]), Hot: folder}}, nil
}

// real is a folder's path without symbolic links, if functions may run from it.
func (h *HotReload) real(name string) (string, error) {
	if !filepath.IsAbs(name) {
		return "", fmt.Errorf("%q is not the absolute path of a folder on the machine that runs Tule", name)
	}
	folder, err := filepath.EvalSymlinks(name)
	if err != nil {
		// Whether it is there is for those to know who may name it.
		return "", cmp.Or(h.Folder(filepath.Clean(name)), plainer(err))
	}
	if err := h.Folder(folder); err != nil {
		return "", err
	}
	switch info, err := os.Stat(folder); {
	case err != nil:
		return "", plainer(err)
	case !info.IsDir():
		return "", fmt.Errorf("%s is not a folder", folder)
	}
	return folder, nil
}

// plainer is what is wrong with a path, without the system call that found out.
func plainer(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return fmt.Errorf("%s: %w", e.Path, e.Err)
	}
	return err
}

// hotFolder is where hot code lies now, if functions may still run from there: the folder,
// or one above it, may have become a link since it was named.
func (s *Service) hotFolder(c code) (path string, release func(), err error) {
	h := &s.HotReload
	if h.Folder == nil {
		return "", nil, invalidHot(c, errors.New("this Tule runs no code from folders"))
	}
	folder, err := h.real(c.Hot)
	if err == nil && folder != c.Hot {
		err = fmt.Errorf("%s is a link to %s now; update the function's code", c.Hot, folder)
	}
	if err != nil {
		return "", nil, invalidHot(c, err)
	}
	return folder, func() {}, nil
}

func invalidHot(c code, err error) error {
	return api.InvalidZipFileException("The function's code in %s cannot be used: %v", c.Hot, err).
		With(&api.InvalidZipFileExceptionDetail{Type: ptr("User")})
}

// heat notes what a target's folder is like, if its code is hot, so that environments which
// have started from what it was are not used again.
func (s *Service) heat(t *target) error {
	if t.version.Code.Hot == "" {
		return nil
	}
	folder, release, err := s.hotFolder(t.version.Code)
	if err != nil {
		return err
	}
	defer release()
	t.hot, err = s.HotReload.print(folder)
	return err
}

// print tells states of a folder apart: names, sizes, times of change and modes of what is
// in it. Links are not followed; a function does not see what they lead to outside.
func (h *HotReload) print(folder string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return nil // gone since, as editors do; or for the function not there either
		}
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(folder, name)
		if err != nil {
			return err
		}
		if relative != "." && h.ignores(relative) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil || info.IsDir() {
			return nil // gone since; and a folder changes with its files
		}
		fmt.Fprintf(sum, "%s\x00", relative)
		return binary.Write(sum, binary.BigEndian, [...]int64{info.Size(), info.ModTime().UnixNano(), int64(info.Mode())})
	})
	return string(sum.Sum(nil)), err
}

// ignores reports whether a change of a path within a folder does not count.
func (h *HotReload) ignores(relative string) bool {
	return slices.ContainsFunc(h.Ignore, func(pattern string) bool {
		byName, _ := path.Match(pattern, path.Base(relative)) // patterns were checked
		byPath, _ := path.Match(pattern, relative)
		return byName || byPath
	})
}
