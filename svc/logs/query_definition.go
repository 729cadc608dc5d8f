package logs

import (
	"context"
	"errors"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A definition is the record of a query that is kept, under its id.
type definition struct {
	Name, Query string
	Groups      []string             `json:",omitempty"`
	Modified    int64                // milliseconds
	Language    string               `json:",omitempty"`
	Parameters  []api.QueryParameter `json:",omitempty"`
}

func errNoDefinition(id string) error {
	return api.ResourceNotFoundException("Unable to find query definition with id %s", id)
}

func (s *Service) putQueryDefinition(ctx context.Context, in *api.PutQueryDefinitionRequest) (*api.PutQueryDefinitionResponse, error) {
	sc := scopeOf(ctx)
	d := definition{Name: *in.Name, Query: *in.QueryString, Groups: in.LogGroupNames, Modified: s.now(), Language: aws.Value(in.QueryLanguage), Parameters: in.Parameters}
	id := aws.Value(in.QueryDefinitionId)
	fresh := id == ""
	switch {
	case fresh && in.ClientToken != nil:
		id = *in.ClientToken // whoever asks twice makes one
	case fresh:
		id = aws.RandomUUID(s.random)
	}
	err := s.store.Update(ctx, func(tx store.Tx) error {
		switch there, err := definitions.Has(ctx, tx, sc, id); {
		case err != nil:
			return err
		case !there && !fresh:
			return errNoDefinition(id)
		}
		return definitions.Put(tx, sc, d, id)
	})
	return &api.PutQueryDefinitionResponse{QueryDefinitionId: &id}, err
}

func (s *Service) deleteQueryDefinition(ctx context.Context, in *api.DeleteQueryDefinitionRequest) (*api.DeleteQueryDefinitionResponse, error) {
	sc, id := scopeOf(ctx), *in.QueryDefinitionId
	return &api.DeleteQueryDefinitionResponse{Success: ptr(true)}, s.store.Update(ctx, func(tx store.Tx) error {
		if _, err := definitions.Get(ctx, tx, sc, id); errors.Is(err, store.ErrNotFound) {
			return errNoDefinition(id)
		} else if err != nil {
			return err
		}
		return definitions.Delete(tx, sc, id)
	})
}

// maxDefinitions is how many definitions a page has at most.
const maxDefinitions = 1000

func (s *Service) describeQueryDefinitions(ctx context.Context, in *api.DescribeQueryDefinitionsRequest) (*api.DescribeQueryDefinitionsResponse, error) {
	most := in.MaxResults
	if most == nil {
		most = ptr(int32(maxDefinitions))
	}
	after, limit, err := pageOf(in.NextToken, most)
	if err != nil {
		return nil, err
	}
	o := store.ListOptions{}
	if after != "" {
		o.After = []any{after}
	}
	out := &api.DescribeQueryDefinitionsResponse{QueryDefinitions: []api.QueryDefinition{}}
	return out, s.store.View(ctx, func(r store.Reader) error {
		for e, err := range definitions.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			d, id := e.Record, e.Key.String(0)
			language := d.Language
			if language == "" {
				language = api.QueryLanguageCwli
			}
			if !strings.HasPrefix(d.Name, aws.Value(in.QueryDefinitionNamePrefix)) || in.QueryLanguage != nil && *in.QueryLanguage != language {
				continue
			}
			if n := len(out.QueryDefinitions); n == limit {
				out.NextToken = ptr(aws.Token(*out.QueryDefinitions[n-1].QueryDefinitionId))
				return nil
			}
			out.QueryDefinitions = append(out.QueryDefinitions, api.QueryDefinition{QueryDefinitionId: &id, Name: &d.Name, QueryString: &d.Query,
				LogGroupNames: d.Groups, LastModified: &d.Modified, QueryLanguage: &language, Parameters: d.Parameters})
		}
		return nil
	})
}
