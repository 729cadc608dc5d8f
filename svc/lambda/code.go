package lambda

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"syscall"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/store"
)

// Limits of code, in bytes.
const (
	maxZipped   = 50 << 20
	maxUnzipped = 250 << 20
)

// checkSource refuses code that comes neither as a zip file in the request nor in a bucket.
func checkSource(zip []byte, bucket, key, kms *string) error {
	switch {
	case zip != nil && (bucket != nil || key != nil):
		return invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
	case zip == nil && (bucket == nil || key == nil):
		return invalid("Please provide a source for function code.")
	case kms != nil:
		return unbuilt("Encryption of functions by keys of KMS is")
	case bucket != nil:
		return nil
	case len(zip) == 0:
		return invalid("Uploaded file must be a non-empty zip")
	case len(zip) > maxZipped:
		return aws.Errorf(413, "RequestEntityTooLargeException", "Zipped size must be smaller than %d bytes", maxZipped)
	}
	return nil
}

// An upload is a zip file that is on disk, sound, and unpacked, but belongs to no
// function yet.
type upload struct {
	s       *Service
	blob    string
	release func() // of an image's folder
	code    code
}

// upload checks, unpacks and writes a zip file for an account. The caller calls done
// when the transaction with keep in it has ended.
func (s *Service) upload(ctx context.Context, scope store.Scope, zip []byte) (*upload, error) {
	sum := sha256.Sum256(zip)
	return s.uploadFile(ctx, scope, zipFile{bytes.NewReader(zip), int64(len(zip)), hex.EncodeToString(sum[:]), maxZipped})
}

func (s *Service) uploadFile(ctx context.Context, scope store.Scope, zip zipFile) (*upload, error) {
	if err := s.checkStorage(ctx, scope, int(zip.size)); err != nil {
		return nil, err
	}
	unzipped, err := unzippedSize(zip, zip.size)
	if err != nil {
		return nil, badZip(err)
	}
	u := &upload{s: s, code: code{SHA256: zip.sum, Size: zip.size, Unzipped: unzipped}}
	s.uploads.RLock()
	if err := u.write(ctx, zip); err != nil {
		s.uploads.RUnlock()
		return nil, err
	}
	return u, nil
}

// bring is obtain, or fetch for an image.
func (s *Service) bring(ctx context.Context, scope store.Scope, zip []byte, bucket, key, version, image *string) (*upload, error) {
	if image != nil {
		return s.fetch(ctx, *image)
	}
	return s.obtain(ctx, scope, zip, bucket, key, version)
}

func (u *upload) write(ctx context.Context, zip zipFile) error {
	_, release, err := u.s.code.open(u.code.SHA256, func() (io.ReaderAt, int64, func() error, error) {
		return zip, zip.size, func() error { return nil }, nil
	})
	if err != nil {
		return badZip(err)
	}
	release()
	info, err := u.s.Blobs.Put(ctx, zip.reader(), zip.most)
	if errors.Is(err, blob.ErrFull) {
		return aws.Unavailable("The disk is full.").Because(err)
	}
	u.blob = info.Name
	return err
}

// badZip is AWS's error for a zip that cannot be used.
func badZip(err error) error {
	switch {
	case diskFull(err):
		return aws.Unavailable("The disk is full.").Because(err)
	case errors.Is(err, errTooLarge):
		return invalid("Unzipped size must be smaller than %d bytes", maxUnzipped).Because(err)
	case errors.Is(err, errBadZip):
		return invalid("Could not unzip uploaded file. Please check your file, then try to upload again.").Because(err)
	}
	return err
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// keep lets a version have the code. A zip that was there already is used again.
func (u *upload) keep(ctx context.Context, tx store.Tx, scope store.Scope) (code, error) {
	if u.code.Hot != "" {
		return u.code, nil
	}
	rec, err := zipRecords.Get(ctx, tx, scope, u.code.SHA256)
	if errors.Is(err, store.ErrNotFound) {
		rec, err = zipRecord{Blob: u.blob, Size: u.code.Size, Image: u.code.Image != nil}, nil
	}
	if err != nil {
		return code{}, err
	}
	rec.Refs++
	return u.code, zipRecords.Put(tx, scope, rec, u.code.SHA256)
}

// done removes the file, and what was unpacked of it, if nobody kept it.
func (u *upload) done() {
	if u.code.Image != nil {
		u.release()
		u.s.images.Discard(u.code.SHA256)
		return
	}
	defer u.s.uploads.RUnlock()
	if u.code.Hot != "" {
		return
	}
	// Should this fail, the next start removes it.
	names, sums, err := u.s.zips(context.Background())
	if err != nil {
		return
	}
	if !names[u.blob] {
		u.s.warn("remove an unused zip file", u.s.Blobs.Delete(u.blob))
	}
	if !sums[u.code.SHA256] {
		u.s.code.discard(u.code.SHA256)
	}
}

// reuse lets one more version have code that another has.
func reuse(ctx context.Context, tx store.Tx, scope store.Scope, c code) error {
	if c.Hot != "" {
		return nil
	}
	rec, err := zipRecords.Get(ctx, tx, scope, c.SHA256)
	if err != nil {
		return err
	}
	rec.Refs++
	return zipRecords.Put(tx, scope, rec, c.SHA256)
}

// trash is what nothing refers to any more, once its transaction is through.
type trash struct{ blobs, sums, images []string }

// drop takes code away from a version.
func (t *trash) drop(ctx context.Context, tx store.Tx, scope store.Scope, c code) error {
	if c.Hot != "" {
		return nil // the folder is its owner's
	}
	rec, err := zipRecords.Get(ctx, tx, scope, c.SHA256)
	if err != nil {
		return err
	}
	if rec.Refs--; rec.Refs > 0 {
		return zipRecords.Put(tx, scope, rec, c.SHA256)
	}
	if rec.Image {
		t.images = append(t.images, c.SHA256)
	} else {
		t.blobs, t.sums = append(t.blobs, rec.Blob), append(t.sums, c.SHA256)
	}
	return zipRecords.Delete(tx, scope, c.SHA256)
}

func (s *Service) empty(t *trash) {
	for _, b := range t.blobs {
		s.warn("remove a zip file", s.Blobs.Delete(b))
	}
	for _, sum := range t.sums {
		s.code.discard(sum)
	}
	for _, digest := range t.images {
		s.images.Discard(digest)
	}
}

// zips are the files that records refer to, by their names and by their sums.
func (s *Service) zips(ctx context.Context) (names, sums map[string]bool, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		names, sums = map[string]bool{}, map[string]bool{}
		for e, err := range zipRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			names[e.Record.Blob] = true
			sums[e.Key.String(0)] = true
		}
		return nil
	})
	return names, sums, err
}

// sweep removes zip files, and what was unpacked of them, that nothing refers to:
// their upload was cut short, or the state was reset.
func (s *Service) sweep(ctx context.Context) error {
	s.uploads.Lock()
	defer s.uploads.Unlock()
	names, sums, err := s.zips(ctx)
	if err != nil {
		return err
	}
	var stray []string
	err = s.Blobs.Names(func(name string) bool {
		if !names[name] {
			stray = append(stray, name)
		}
		return true
	})
	for _, name := range stray {
		err = errors.Join(err, s.Blobs.Delete(name))
	}
	return errors.Join(err, s.code.sweep(sums), s.images.Sweep())
}

// folder is where a zip's or an image's content lies, unpacked, until release. The scope is its owner's.
// The error is errOutdated if no version has that code any more.
func (s *Service) folder(ctx context.Context, scope store.Scope, c code) (path string, release func(), err error) {
	if c.Hot != "" {
		return s.hotFolder(c)
	}
	if c.Image != nil {
		path, release, err = s.images.Open(c.SHA256)
		if errors.Is(err, fs.ErrNotExist) {
			err = errOutdated
		}
		return path, release, err
	}
	return s.code.open(c.SHA256, func() (io.ReaderAt, int64, func() error, error) {
		var rec zipRecord
		err := s.Store.View(ctx, func(r store.Reader) (err error) {
			rec, err = zipRecords.Get(ctx, r, scope, c.SHA256)
			return err
		})
		if errors.Is(err, store.ErrNotFound) {
			err = errOutdated
		}
		if err != nil {
			return nil, 0, nil, err
		}
		f, err := s.Blobs.Get(rec.Blob)
		if errors.Is(err, fs.ErrNotExist) {
			err = errOutdated
		}
		if err != nil {
			return nil, 0, nil, err
		}
		return f, rec.Size, f.Close, nil
	})
}

func (s *Service) updateFunctionCode(ctx context.Context, in *api.UpdateFunctionCodeRequest) (*api.FunctionConfiguration, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if in.PublishTo != nil {
		return nil, unbuilt("$LATEST.PUBLISHED is")
	}
	t, err := s.find(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if err := s.checkSourceFor(t.version, in); err != nil {
		return nil, err
	}
	up, err := s.bring(ctx, at.scope, in.ZipFile, in.S3Bucket, in.S3Key, in.S3ObjectVersion, in.ImageUri)
	if err != nil {
		return nil, err
	}
	defer up.done()
	var shown version
	var gone *trash
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		gone = &trash{}
		shown, err = s.replaceCode(ctx, tx, at, in, up, gone)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !aws.Value(in.DryRun) {
		s.untrusted(at, t.function.Signing)
		s.fleet.retire(at, 0)
		s.empty(gone)
		s.foresee(at, shown, s.egressOf(t.function))
	}
	arn := at.arn("")
	if shown.Number > 0 {
		arn = at.arn(shown.label())
	}
	return shown.configuration(at, arn), nil
}

func (s *Service) replaceCode(ctx context.Context, tx store.Tx, at ref, in *api.UpdateFunctionCodeRequest, up *upload, gone *trash) (version, error) {
	f, err := s.change(ctx, tx, at)
	if err != nil {
		return version{}, err
	}
	if in.RevisionId != nil && *in.RevisionId != f.Latest.Revision {
		return version{}, revisionConflict("GetFunction/GetAlias")
	}
	if err := s.checkSigned(ctx, tx, at, f); err != nil {
		return version{}, err
	}
	if (f.Latest.Image != nil) != (up.code.Image != nil) { // it was made anew meanwhile
		return version{}, conflict("The operation cannot be performed at this time. The function was changed by another request.")
	}
	old := f.Latest.Code
	if len(in.Architectures) > 0 {
		f.Latest.Arch = in.Architectures[0]
	}
	s.touch(&f.Latest, s.now())
	if aws.Value(in.DryRun) {
		f.Latest.Code = up.code
		return f.Latest, nil
	}
	// First the new, then the old: they may be the same.
	if f.Latest.Code, err = up.keep(ctx, tx, at.scope); err != nil {
		return version{}, err
	}
	if err := gone.drop(ctx, tx, at.scope, old); err != nil {
		return version{}, err
	}
	if err := f.Latest.checkUnzipped(); err != nil {
		return version{}, err
	}
	shown := f.Latest
	if aws.Value(in.Publish) {
		v, err := s.publish(ctx, tx, at, f, nil)
		if err != nil {
			return version{}, err
		}
		shown = *v
	}
	return shown, put(tx, functionRecords, at.scope, f, at.name)
}

// warn tells the operator of what went wrong without harm to a caller.
func (s *Service) warn(what string, err error) {
	if err != nil {
		s.Logger.Warn("lambda: could not "+what, "error", err)
	}
}
