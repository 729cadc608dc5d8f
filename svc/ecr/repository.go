package ecr

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/ecr"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	maxTags  = 50
	pageSize = 100
)

// A repository is what is kept of one.
type repository struct {
	Name       string
	Created    time.Time
	Mutability string
	Except     []string          `json:",omitempty"` // of the mutability, wildcards of tags
	Scan       bool              `json:",omitempty"` // on push
	Encryption string            // AES256, KMS, KMS_DSSE
	Key        string            `json:",omitempty"`
	Policy     string            `json:",omitempty"`
	Lifecycle  string            `json:",omitempty"`
	Tags       map[string]string `json:",omitempty"`
}

func arnOf(scope store.Scope, name string) string {
	return aws.NewARN("ecr", scope.Region, scope.Account, "repository/"+name).String()
}

// find reads a repository.
func find(ctx context.Context, r store.Reader, scope store.Scope, name string) (repository, error) {
	p, err := repositories.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return p, api.RepositoryNotFoundException("The repository with name '%s' does not exist in the registry with id '%s'", name, scope.Account)
	}
	return p, err
}

// shown is a repository as answers show it.
func (p *repository) shown(scope store.Scope) *api.Repository {
	out := &api.Repository{RepositoryArn: new(arnOf(scope, p.Name)), RegistryId: &scope.Account, RepositoryName: &p.Name, CreatedAt: &p.Created,
		RepositoryUri:      new(scope.Account + ".dkr.ecr." + scope.Region + ".amazonaws.com/" + p.Name),
		ImageTagMutability: &p.Mutability, ImageTagMutabilityExclusionFilters: shownFilters(p.Except),
		ImageScanningConfiguration: &api.ImageScanningConfiguration{ScanOnPush: &p.Scan},
		EncryptionConfiguration:    &api.EncryptionConfiguration{EncryptionType: &p.Encryption}}
	if p.Key != "" {
		out.EncryptionConfiguration.KmsKey = &p.Key
	}
	return out
}

func shownFilters(except []string) (list []api.ImageTagMutabilityExclusionFilter) {
	for _, f := range except {
		list = append(list, api.ImageTagMutabilityExclusionFilter{Filter: &f, FilterType: new(api.ImageTagMutabilityExclusionFilterTypeWildcard)})
	}
	return list
}

// setMutability sets whether tags may be moved to other images.
func (p *repository) setMutability(mutability *string, filters []api.ImageTagMutabilityExclusionFilter) error {
	if p.Mutability = aws.Value(mutability); p.Mutability == "" {
		p.Mutability = api.ImageTagMutabilityMutable
	}
	p.Except = nil
	for _, f := range filters {
		p.Except = append(p.Except, *f.Filter)
	}
	if excepts := strings.HasSuffix(p.Mutability, "_WITH_EXCLUSION"); excepts != (len(p.Except) > 0) {
		return api.InvalidParameterException("Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: " +
			"'Exclusion filters are required for, and only for, a mutability with exclusion'")
	}
	return nil
}

func (s *Service) createRepository(ctx context.Context, in *api.CreateRepositoryRequest) (*api.CreateRepositoryResponse, error) {
	scope := registry(ctx, in.RegistryId)
	p := repository{Name: *in.RepositoryName, Created: s.Clock.Now(), Encryption: api.EncryptionTypeAes256, Tags: map[string]string{}}
	if err := p.setMutability(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters); err != nil {
		return nil, err
	}
	if in.ImageScanningConfiguration != nil {
		p.Scan = aws.Value(in.ImageScanningConfiguration.ScanOnPush)
	}
	if e := in.EncryptionConfiguration; e != nil {
		if p.Encryption, p.Key = *e.EncryptionType, aws.Value(e.KmsKey); p.Key != "" && p.Encryption == api.EncryptionTypeAes256 {
			return nil, api.InvalidParameterException("Invalid parameter at 'encryptionConfiguration' failed to satisfy constraint: 'A KMS key cannot be specified for the encryption type AES256'")
		}
	}
	if err := setTags(p.Tags, in.Tags); err != nil {
		return nil, err
	}
	return &api.CreateRepositoryResponse{Repository: p.shown(scope)}, s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := repositories.Has(ctx, tx, scope, p.Name)
		if err != nil {
			return err
		}
		if have {
			return api.RepositoryAlreadyExistsException("The repository with name '%s' already exists in the registry with id '%s'", p.Name, scope.Account)
		}
		return repositories.Put(tx, scope, p, p.Name)
	})
}

func (s *Service) describeRepositories(ctx context.Context, in *api.DescribeRepositoriesRequest) (*api.DescribeRepositoriesResponse, error) {
	scope := registry(ctx, in.RegistryId)
	out := &api.DescribeRepositoriesResponse{}
	if len(in.RepositoryNames) > 0 {
		return out, s.Store.View(ctx, func(r store.Reader) error {
			out.Repositories = nil
			for _, name := range in.RepositoryNames {
				p, err := find(ctx, r, scope, name)
				if err != nil {
					return err
				}
				out.Repositories = append(out.Repositories, *p.shown(scope))
			}
			return nil
		})
	}
	limit, o := pageSize, store.ListOptions{}
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	if in.NextToken != nil {
		var name string
		if !aws.ParseToken(*in.NextToken, &name) {
			return nil, api.InvalidParameterException("Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token'")
		}
		o.After = []any{name}
	}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.Repositories, out.NextToken = []api.Repository{}, nil
		for e, err := range repositories.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if len(out.Repositories) == limit {
				out.NextToken = new(aws.Token(*out.Repositories[limit-1].RepositoryName))
				return nil
			}
			out.Repositories = append(out.Repositories, *e.Record.shown(scope))
		}
		return nil
	})
}

func (s *Service) deleteRepository(ctx context.Context, in *api.DeleteRepositoryRequest) (*api.DeleteRepositoryResponse, error) {
	scope := registry(ctx, in.RegistryId)
	out := &api.DeleteRepositoryResponse{}
	return out, s.Store.Update(ctx, func(tx store.Tx) error {
		p, err := find(ctx, tx, scope, *in.RepositoryName)
		if err != nil {
			return err
		}
		out.Repository = p.shown(scope)
		return repositories.Delete(tx, scope, p.Name)
	})
}

// change rewrites a repository.
func (s *Service) change(ctx context.Context, scope store.Scope, name string, fn func(*repository) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		p, err := find(ctx, tx, scope, name)
		if err == nil {
			err = fn(&p)
		}
		if err != nil {
			return err
		}
		return repositories.Put(tx, scope, p, name)
	})
}

// view reads a repository.
func (s *Service) view(ctx context.Context, scope store.Scope, name string) (p repository, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		p, err = find(ctx, r, scope, name)
		return err
	})
	return p, err
}

func (s *Service) putScanning(ctx context.Context, in *api.PutImageScanningConfigurationRequest) (*api.PutImageScanningConfigurationResponse, error) {
	scope := registry(ctx, in.RegistryId)
	out := &api.PutImageScanningConfigurationResponse{RegistryId: &scope.Account, RepositoryName: in.RepositoryName, ImageScanningConfiguration: in.ImageScanningConfiguration}
	return out, s.change(ctx, scope, *in.RepositoryName, func(p *repository) error {
		p.Scan = aws.Value(in.ImageScanningConfiguration.ScanOnPush)
		return nil
	})
}

func (s *Service) putMutability(ctx context.Context, in *api.PutImageTagMutabilityRequest) (*api.PutImageTagMutabilityResponse, error) {
	scope := registry(ctx, in.RegistryId)
	out := &api.PutImageTagMutabilityResponse{RegistryId: &scope.Account, RepositoryName: in.RepositoryName, ImageTagMutability: in.ImageTagMutability,
		ImageTagMutabilityExclusionFilters: in.ImageTagMutabilityExclusionFilters}
	return out, s.change(ctx, scope, *in.RepositoryName, func(p *repository) error {
		return p.setMutability(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
	})
}

// There are no images: a list of them is empty, and none that is asked for is there.

func (s *Service) listImages(ctx context.Context, in *api.ListImagesRequest) (*api.ListImagesResponse, error) {
	_, err := s.view(ctx, registry(ctx, in.RegistryId), *in.RepositoryName)
	return &api.ListImagesResponse{ImageIds: []api.ImageIdentifier{}}, err
}

func (s *Service) describeImages(ctx context.Context, in *api.DescribeImagesRequest) (*api.DescribeImagesResponse, error) {
	scope := registry(ctx, in.RegistryId)
	_, err := s.view(ctx, scope, *in.RepositoryName)
	if err == nil && len(in.ImageIds) > 0 {
		id := in.ImageIds[0]
		digest := aws.Value(id.ImageDigest)
		if digest == "" {
			digest = "null"
		}
		err = api.ImageNotFoundException("The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'",
			digest, aws.Value(id.ImageTag), *in.RepositoryName, scope.Account)
	}
	return &api.DescribeImagesResponse{ImageDetails: []api.ImageDetail{}}, err
}

// tagged is the repository that an ARN names.
func tagged(arn string) (store.Scope, string, error) {
	a, ok := aws.ParseARN(arn)
	name, is := strings.CutPrefix(a.Resource, "repository/")
	if !ok || a.Service != "ecr" || !is {
		return store.Scope{}, "", api.InvalidParameterException("Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
	}
	return store.Scope{Account: a.Account, Region: a.Region}, name, nil
}

// setTags adds tags to those that a repository has.
func setTags(have map[string]string, list []api.Tag) error {
	for _, t := range list {
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return api.InvalidTagParameterException("Tag keys that start with aws: are reserved.")
		}
		have[*t.Key] = *t.Value
	}
	if len(have) > maxTags {
		return api.TooManyTagsException("A repository may have %d tags.", maxTags)
	}
	return nil
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceRequest) (*api.TagResourceResponse, error) {
	scope, name, err := tagged(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, scope, name, func(p *repository) error {
		if p.Tags = maps.Clone(p.Tags); p.Tags == nil {
			p.Tags = map[string]string{}
		}
		return setTags(p.Tags, in.Tags)
	})
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceRequest) (*api.UntagResourceResponse, error) {
	scope, name, err := tagged(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, scope, name, func(p *repository) error {
		p.Tags = maps.Clone(p.Tags)
		maps.DeleteFunc(p.Tags, func(k, _ string) bool { return slices.Contains(in.TagKeys, k) })
		return nil
	})
}

func (s *Service) listTags(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResponse, error) {
	scope, name, err := tagged(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	p, err := s.view(ctx, scope, name)
	out := &api.ListTagsForResourceResponse{Tags: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(p.Tags)) {
		out.Tags = append(out.Tags, api.Tag{Key: new(k), Value: new(p.Tags[k])})
	}
	return out, err
}
