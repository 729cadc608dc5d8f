package resource

import (
	ecrapi "github.com/tule-cloud/tule/api/ecr"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

var ecrTypes = []*Type{{
	Name:  "AWS::ECR::Repository",
	Named: "RepositoryName", Length: 256, Lower: true,
	Create: func(c *Call) error {
		out, err := Do(c, &ecrapi.CreateRepository)
		if err == nil {
			c.ID = *out.Repository.RepositoryName
		} else if !c.Again || !Exists(err) {
			return err
		} else {
			c.ID = c.Text("RepositoryName")
		}
		return repositoryPolicies(c)
	},
	Update: func(c *Call) error {
		if c.Changed("ImageScanningConfiguration") {
			in := &ecrapi.PutImageScanningConfigurationRequest{RepositoryName: &c.ID, ImageScanningConfiguration: &ecrapi.ImageScanningConfiguration{ScanOnPush: new(false)}}
			if err := Into(c, "ImageScanningConfiguration", &in.ImageScanningConfiguration); err != nil {
				return err
			}
			if _, err := ecrapi.PutImageScanningConfiguration.Do(c, c.Peers, in); err != nil {
				return err
			}
		}
		if c.Changed("ImageTagMutability", "ImageTagMutabilityExclusionFilters") {
			if _, err := Change(c, &ecrapi.PutImageTagMutability, func(in *ecrapi.PutImageTagMutabilityRequest) {
				if in.RepositoryName = &c.ID; !c.Has("ImageTagMutability") {
					in.ImageTagMutability = new(ecrapi.ImageTagMutabilityMutable)
				}
			}); err != nil {
				return err
			}
		}
		if err := repositoryPolicies(c); err != nil {
			return err
		}
		arn := aws.NewARN("ecr", c.Stack.Region, c.Stack.Account, "repository/"+c.ID).String()
		return Retag(c, &ecrapi.TagResource, &ecrapi.UntagResource,
			func(in *ecrapi.TagResourceRequest) { in.ResourceArn = &arn }, func(in *ecrapi.UntagResourceRequest) { in.ResourceArn = &arn })
	},
	Read: func(c *Call) (map[string]any, error) {
		out, err := ecrapi.DescribeRepositories.Do(c, c.Peers, &ecrapi.DescribeRepositoriesRequest{RepositoryNames: []string{c.ID}})
		if err != nil {
			return nil, err
		}
		r := out.Repositories[0]
		return map[string]any{"RepositoryName": *r.RepositoryName, "Arn": *r.RepositoryArn, "RepositoryUri": *r.RepositoryUri, "ImageTagMutability": *r.ImageTagMutability}, nil
	},
	Delete: func(c *Call) error {
		_, err := ecrapi.DeleteRepository.Do(c, c.Peers, &ecrapi.DeleteRepositoryRequest{RepositoryName: &c.ID, Force: new(template.Text(c.Get("EmptyOnDelete")) == "true")})
		return err
	},
}}

// repositoryPolicies gives a repository the policies of its properties, or takes them away.
func repositoryPolicies(c *Call) error {
	c.Take("EmptyOnDelete") // of the deletion
	if text := Texted(c.Get("RepositoryPolicyText")); text != "" {
		if _, err := ecrapi.SetRepositoryPolicy.Do(c, c.Peers, &ecrapi.SetRepositoryPolicyRequest{RepositoryName: &c.ID, PolicyText: &text}); err != nil {
			return err
		}
	} else if c.Old != nil && c.Old.Has("RepositoryPolicyText") {
		if _, err := ecrapi.DeleteRepositoryPolicy.Do(c, c.Peers, &ecrapi.DeleteRepositoryPolicyRequest{RepositoryName: &c.ID}); err != nil && !Gone(err) {
			return err
		}
	}
	if p, ok := c.Get("LifecyclePolicy").(*ordered.Object); ok {
		text := member(p, "LifecyclePolicyText")
		_, err := ecrapi.PutLifecyclePolicy.Do(c, c.Peers, &ecrapi.PutLifecyclePolicyRequest{RepositoryName: &c.ID, LifecyclePolicyText: &text})
		return err
	}
	if c.Old != nil && c.Old.Has("LifecyclePolicy") {
		if _, err := ecrapi.DeleteLifecyclePolicy.Do(c, c.Peers, &ecrapi.DeleteLifecyclePolicyRequest{RepositoryName: &c.ID}); err != nil && !Gone(err) {
			return err
		}
	}
	return nil
}
