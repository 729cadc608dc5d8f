package lambda

import (
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxLayers is how many layers a function may have.
const maxLayers = 5

// An attached is a layer's version that a function has. Its zip is the function's as
// well, so that the function runs on when the layer's version has been deleted.
type attached struct {
	ARN  string
	Code code
}

// scope is where the zip of the layer lies.
func (a attached) scope() store.Scope {
	l, _, _ := parseLayerVersion(a.ARN) // it was parsed to be attached
	return l.scope
}

// checkLayers refuses lists of layers that no function could have.
func (s *Service) checkLayers(ctx context.Context, arns []string) error {
	if len(arns) > maxLayers {
		return invalid("Cannot reference more than %d layers.", maxLayers)
	}
	region := aws.RequestOf(ctx).Region
	seen := map[layerRef]string{}
	for _, arn := range arns {
		l, _, ok := parseLayerVersion(arn)
		if !ok {
			return invalid("Layer version %s does not exist.", arn)
		}
		if l.scope.Region != region {
			return invalid("Layers are not in the same region as the function. Layers are expected to be in region %s.", region)
		}
		if other, twice := seen[l]; twice {
			return invalid("Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer.", other, arn)
		}
		seen[l] = arn
	}
	switch {
	case s.Host == nil || len(arns) == 0:
	case s.plain():
		return unbuilt("Layers need /opt, which functions that run as plain processes do not have of their own; without --isolation process they are")
	case len(arns) > 1 && !s.Host.Features().Overlay:
		return unbuilt("This machine's kernel lacks overlayfs, by which several layers are merged. More than one layer is")
	}
	return nil
}

// attach gives a version these layers, and takes those away that it had. What
// CompatibleRuntimes and CompatibleArchitectures say is, as on AWS, for lists alone.
func (s *Service) attach(ctx context.Context, tx store.Tx, v *version, arns []string, gone *trash) error {
	var now []attached
	for _, arn := range arns {
		l, number, _ := parseLayerVersion(arn)
		lv, err := l.version(ctx, tx, number)
		if errors.Is(err, store.ErrNotFound) {
			return invalid("Layer version %s does not exist.", arn)
		}
		if err == nil {
			err = reuse(ctx, tx, l.scope, lv.Code)
		}
		if err != nil {
			return err
		}
		now = append(now, attached{arn, lv.Code})
	}
	// First the new, then the old: they may be the same.
	for _, a := range v.Layers {
		if err := gone.drop(ctx, tx, a.scope(), a.Code); err != nil {
			return err
		}
	}
	v.Layers = now
	return nil
}

// checkUnzipped holds a version's code and layers together to what one may have.
func (v *version) checkUnzipped() error {
	var layers int64
	for _, a := range v.Layers {
		layers += a.Code.Unzipped
	}
	if layers > maxUnzipped {
		return invalid("Layers consume more than the available size of %d bytes", maxUnzipped)
	}
	if sum := v.Code.Unzipped + layers; sum > maxUnzipped {
		return invalid("Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", maxUnzipped, sum)
	}
	return nil
}

// reuseAll lets one more version have the code and layers of v.
func (v *version) reuseAll(ctx context.Context, tx store.Tx, at ref) error {
	if err := reuse(ctx, tx, at.scope, v.Code); err != nil {
		return err
	}
	for _, a := range v.Layers {
		if err := reuse(ctx, tx, a.scope(), a.Code); err != nil {
			return err
		}
	}
	return nil
}

// dropAll takes its code and layers away from v.
func (t *trash) dropAll(ctx context.Context, tx store.Tx, at ref, v *version) error {
	if err := t.drop(ctx, tx, at.scope, v.Code); err != nil {
		return err
	}
	for _, a := range v.Layers {
		if err := t.drop(ctx, tx, a.scope(), a.Code); err != nil {
			return err
		}
	}
	return nil
}

// shownLayers are the layers as answers show them.
func (v *version) shownLayers() []api.Layer {
	var out []api.Layer
	for _, a := range v.Layers {
		out = append(out, api.Layer{Arn: ptr(a.ARN), CodeSize: ptr(a.Code.Size)})
	}
	return out
}

// layerFolders are where a version's layers lie, unpacked, until release.
func (s *Service) layerFolders(ctx context.Context, v *version) (paths []string, release func(), err error) {
	var releases []func()
	release = func() {
		for _, r := range releases {
			r()
		}
	}
	for _, a := range v.Layers {
		path, r, err := s.folder(ctx, a.scope(), a.Code)
		if err != nil {
			release()
			return nil, nil, err
		}
		paths, releases = append(paths, path), append(releases, r)
	}
	return paths, release, nil
}
