// Package sam is the transform AWS::Serverless-2016-10-31: it makes of a template in the
// language of the Serverless Application Model one that CloudFormation knows.
//
// What it makes is what AWS's transform makes, down to the logical ids, whose hashes are
// those of what Python 2.7 would have printed. AWS publishes its transform with pairs of
// templates, before and after; the tests hold this package against them.
//
// What differs from AWS on purpose:
//
//   - AWS::Serverless::GraphQLApi and AWS::Serverless::CapacityProvider are refused, by
//     name: what they would become is not here. So is AWS::Serverless::StateMachine,
//     unless Options say otherwise.
//   - AWS fails with «Internal transform failure.» on templates whose values are of types
//     that it does not foresee. So does this, but for texts it can say something about.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification.html
package sam

import (
	"strings"
	"time"

	"github.com/tule-cloud/tule/ordered"
)

// Name is the transform as templates name it.
const Name = "AWS::Serverless-2016-10-31"

// Options are what a transform needs to know besides the template. Region is required, and
// Now where a template has AlwaysDeploy.
type Options struct {
	// Region is the stack's; Partition is the region's own where it is "".
	Region, Partition string
	// Parameters are the stack's parameters, by name: texts, and lists of them. Those that
	// are missing have the values that the template gives them.
	Parameters map[string]any
	// ManagedPolicy finds the ARN of a managed policy of AWS's by its name. Names that it
	// does not know stay as they are, as do all if it is nil.
	ManagedPolicy func(name string) (arn string, ok bool)
	// Application is the URL of the template of an application in the Serverless
	// Application Repository. Nil says that there is no such repository.
	Application func(id, version string) (url string, err error)
	// Now is the time that AlwaysDeploy makes deployments of.
	Now func() time.Time
	// StateMachines lets AWS::Serverless::StateMachine become one of Step Functions.
	StateMachines bool
}

// Transform returns what the transform makes of a template, which it leaves as it is.
// Errors are *Error, in AWS's words.
func Transform(t *ordered.Object, o Options) (*ordered.Object, error) {
	if o.Partition == "" {
		o.Partition = partitionOf(o.Region)
	}
	source, ok := fromOrdered(t).(*dict)
	if !ok {
		source = object()
	}
	var out *dict
	if f := catch(func() { out = (&transform{Options: o, source: source}).run() }); f != nil {
		return nil, f.err()
	}
	return toOrdered(out).(*ordered.Object), nil
}

// partitionOf is the partition that a region is in.
func partitionOf(region string) string {
	for _, p := range [][2]string{
		{"cn-", "aws-cn"}, {"us-iso-", "aws-iso"}, {"us-isob", "aws-iso-b"}, {"us-gov", "aws-us-gov"},
		{"eu-isoe", "aws-iso-e"}, {"us-isof", "aws-iso-f"}, {"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(strings.ToLower(region), p[0]) {
			return p[1]
		}
	}
	return "aws"
}

// edge reports whether APIs of the partition may be optimized for edges.
func (t *transform) edge() bool {
	switch t.Partition {
	case "aws-us-gov", "aws-cn", "aws-eusc":
		return false
	}
	return !strings.HasPrefix(t.Partition, "aws-iso")
}

// awsPolicy is the ARN of a managed policy of AWS's.
func (t *transform) awsPolicy(name string) string {
	return "arn:" + t.Partition + ":iam::aws:policy/" + name
}

// arnOf is an ARN as Fn::Sub writes it, in the stack's region and account.
func arnOf(partition, service, resource string) string {
	return "arn:" + partition + ":" + service + ":${AWS::Region}:${AWS::AccountId}:" + resource
}

// arnOfRegion is an ARN without an account.
func arnOfRegion(partition, service, resource string) string {
	return "arn:" + partition + ":" + service + ":${AWS::Region}:" + resource
}
