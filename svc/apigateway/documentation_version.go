package apigateway

import (
	"context"
	"encoding/json"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A documentation is a version of an API's documentation: its parts as they were.
type documentation struct {
	Version     string                  `json:"version"`
	Created     time.Time               `json:"created"`
	Description *string                 `json:"description,omitempty"`
	Parts       []api.DocumentationPart `json:"parts"`
}

// documentations are the versions, by their API and name.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DocumentationVersion.html
var documentations = store.NewTable[documentation](service, "documentation-version")

func noDocumentation() error {
	return api.NotFoundException("Invalid Documentation version identifier specified")
}

func (d *documentation) output() *api.DocumentationVersion {
	return &api.DocumentationVersion{Version: &d.Version, CreatedDate: &d.Created, Description: d.Description}
}

// createDocumentationVersion keeps the parts as they are, and has a stage show them.
func (s *Service) createDocumentationVersion(ctx context.Context, in *api.CreateDocumentationVersionRequest) (*api.DocumentationVersion, error) {
	d := documentation{Version: *in.DocumentationVersion, Created: *s.now(), Description: in.Description}
	if d.Version == "" {
		return nil, api.BadRequestException("Documentation version must be non-empty")
	}
	return update(ctx, s, func(tx store.Tx) (*api.DocumentationVersion, error) {
		a, err := lookup(ctx, tx, in.RestApiId)
		if err != nil {
			return nil, err
		}
		taken, err := documentations.Has(ctx, tx, scope(ctx), *a.Id, d.Version)
		if err != nil {
			return nil, err
		}
		if taken {
			return nil, api.ConflictException("Documentation version already exists: '%s'", d.Version)
		}
		if d.Parts, err = partsOf(ctx, tx, *a.Id); err != nil {
			return nil, err
		}
		if len(d.Parts) == 0 {
			return nil, api.BadRequestException("No Documentation Parts found for the REST API: '%s'", *a.Id)
		}
		if name := aws.Value(in.StageName); name != "" {
			st, err := readStage(ctx, tx, scope(ctx), *a.Id, name)
			if err != nil {
				return nil, err
			}
			st.DocumentationVersion, st.LastUpdatedDate = &d.Version, s.now()
			if err := writeStage(tx, scope(ctx), *a.Id, st); err != nil {
				return nil, err
			}
		}
		return d.output(), documentations.Put(tx, scope(ctx), d, *a.Id, d.Version)
	})
}

func (s *Service) getDocumentationVersion(ctx context.Context, in *api.GetDocumentationVersionRequest) (*api.DocumentationVersion, error) {
	return view(ctx, s, func(r store.Reader) (*api.DocumentationVersion, error) {
		d, err := documentations.Get(ctx, r, scope(ctx), *in.RestApiId, *in.DocumentationVersion)
		return d.output(), orElse(err, noDocumentation())
	})
}

func (s *Service) getDocumentationVersions(ctx context.Context, in *api.GetDocumentationVersionsRequest) (*api.DocumentationVersions, error) {
	return view(ctx, s, func(r store.Reader) (*api.DocumentationVersions, error) {
		if _, err := lookup(ctx, r, in.RestApiId); err != nil {
			return nil, err
		}
		items, next, err := page(ctx, r, documentations, []any{*in.RestApiId}, in.Limit, in.Position)
		out := &api.DocumentationVersions{Items: make([]api.DocumentationVersion, len(items)), Position: next}
		for i := range items {
			out.Items[i] = *items[i].output()
		}
		return out, err
	})
}

func (s *Service) updateDocumentationVersion(ctx context.Context, in *api.UpdateDocumentationVersionRequest) (*api.DocumentationVersion, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.DocumentationVersion, error) {
		d, err := documentations.Get(ctx, tx, scope(ctx), *in.RestApiId, *in.DocumentationVersion)
		if err != nil {
			return nil, orElse(err, noDocumentation())
		}
		for _, p := range ops {
			if err := p.listed("/description"); err != nil {
				return nil, err
			}
			d.Description = p.text()
		}
		return d.output(), documentations.Put(tx, scope(ctx), d, *in.RestApiId, d.Version)
	})
}

// deleteDocumentationVersion removes a version that no stage shows.
func (s *Service) deleteDocumentationVersion(ctx context.Context, in *api.DeleteDocumentationVersionRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		if err := require(ctx, tx, documentations, noDocumentation(), *in.RestApiId, *in.DocumentationVersion); err != nil {
			return err
		}
		all, err := stagesOf(ctx, tx, *in.RestApiId)
		if err != nil {
			return err
		}
		for _, st := range all {
			if aws.Value(st.DocumentationVersion) == *in.DocumentationVersion {
				return api.ConflictException("Documentation version '%s' is associated with the stage '%s'", *in.DocumentationVersion, *st.StageName)
			}
		}
		return documentations.Delete(tx, scope(ctx), *in.RestApiId, *in.DocumentationVersion)
	})
}

// stagesOf are an API's stages.
func stagesOf(ctx context.Context, r store.Reader, apiID string) (out []api.Stage, err error) {
	for e, err := range stages.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{apiID}}) {
		if err != nil {
			return nil, err
		}
		var st api.Stage
		if err := json.Unmarshal(e.Record, &st); err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}
