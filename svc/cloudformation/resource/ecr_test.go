package resource

import (
	"testing"

	ecrapi "github.com/tule-cloud/tule/api/ecr"
)

func TestRepository(t *testing.T) {
	w := newWorld(t)
	const rules = `{"LifecyclePolicyText": "{\"rules\":[{\"rulePriority\":1,\"selection\":{\"tagStatus\":\"any\",\"countType\":\"imageCountMoreThan\",\"countNumber\":5},\"action\":{\"type\":\"expire\"}}]}"}`
	const policy = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "ecr:BatchGetImage"}]}`
	r := w.create("AWS::ECR::Repository", "Images", `{"ImageScanningConfiguration": {"ScanOnPush": "true"}, "ImageTagMutability": "IMMUTABLE", "LifecyclePolicy": `+rules+`, "RepositoryPolicyText": `+policy+`, "Tags": [{"Key": "a", "Value": "b"}]}`)
	if w.filled("{Images.RepositoryUri}") != "000000000000.dkr.ecr.us-east-1.amazonaws.com/"+r.ID || w.filled("{Images.Arn}") != "arn:aws:ecr:us-east-1:000000000000:repository/"+r.ID {
		t.Errorf("the repository is at %s", w.filled("{Images.RepositoryUri}"))
	}
	if out, err := ecrapi.GetRepositoryPolicy.Do(r, r.Peers, &ecrapi.GetRepositoryPolicyRequest{RepositoryName: &r.ID}); err != nil || *out.PolicyText == "" {
		t.Errorf("its policy is %+v, %v", out, err)
	}
	w.update(r, `{"EmptyOnDelete": "true", "Tags": [{"Key": "c", "Value": "d"}]}`)
	out, err := ecrapi.DescribeRepositories.Do(r, r.Peers, &ecrapi.DescribeRepositoriesRequest{})
	if err != nil || *out.Repositories[0].ImageTagMutability != "MUTABLE" || *out.Repositories[0].ImageScanningConfiguration.ScanOnPush {
		t.Errorf("it is %+v, %v", out, err)
	}
	if _, err := ecrapi.GetLifecyclePolicy.Do(r, r.Peers, &ecrapi.GetLifecyclePolicyRequest{RepositoryName: &r.ID}); !Gone(err) {
		t.Errorf("its lifecycle policy is still there: %v", err)
	}
	w.end()
	if out, err := ecrapi.DescribeRepositories.Do(r, r.Peers, &ecrapi.DescribeRepositoriesRequest{}); err != nil || len(out.Repositories) > 0 {
		t.Errorf("left are %+v, %v", out, err)
	}
}
