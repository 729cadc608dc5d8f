package logs

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
)

// checkKey holds the name of a KMS key to its form. The key is noted and shown; what is
// on disk is Tule's to protect.
func checkKey(arn string) error {
	a, ok := aws.ParseARN(arn)
	if !ok || a.Service != "kms" || !strings.HasPrefix(a.Resource, "key/") {
		return api.InvalidParameterException("The specified KMS Key Id could not be found.")
	}
	return nil
}

// keyed is the group whose key is changed: one by its name, or by the ARN of a resource.
func keyed(ctx context.Context, name, resource *string) (string, error) {
	switch {
	case name != nil && resource != nil:
		return "", api.InvalidParameterException("LogGroupName and ResourceIdentifier cannot both be specified.")
	case name != nil:
		return *name, nil
	case resource == nil:
		return "", api.InvalidParameterException("Either LogGroupName or ResourceIdentifier must be specified.")
	}
	if strings.Contains(*resource, ":query-result:") {
		return "", aws.Errorf(501, "NotImplemented", "Keys of query results are not available in this version of Tule.")
	}
	return groupIdentified(ctx, *resource)
}

func (s *Service) associateKmsKey(ctx context.Context, in *api.AssociateKmsKeyRequest) (*aws.Empty, error) {
	name, err := keyed(ctx, in.LogGroupName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	if err := checkKey(*in.KmsKeyId); err != nil {
		return nil, err
	}
	return nil, s.changeGroup(ctx, name, func(g *group) error {
		g.Key = *in.KmsKeyId
		return nil
	})
}

func (s *Service) disassociateKmsKey(ctx context.Context, in *api.DisassociateKmsKeyRequest) (*aws.Empty, error) {
	name, err := keyed(ctx, in.LogGroupName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	return nil, s.changeGroup(ctx, name, func(g *group) error {
		g.Key = ""
		return nil
	})
}
