package aws

import "strings"

// Partition is the only partition that Tule has.
const Partition = "aws"

// An ARN is an Amazon Resource Name:
// arn:partition:service:region:account:resource.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// NewARN is the ARN of a resource in Tule's partition.
func NewARN(service, region, account, resource string) ARN {
	return ARN{Partition, service, region, account, resource}
}

// ParseARN takes an ARN apart; ok is false for a text that is not one.
func ParseARN(s string) (a ARN, ok bool) {
	rest, ok := strings.CutPrefix(s, "arn:")
	if !ok {
		return ARN{}, false
	}
	parts := strings.SplitN(rest, ":", 5)
	if len(parts) != 5 || parts[0] == "" || parts[1] == "" || parts[4] == "" {
		return ARN{}, false
	}
	return ARN{parts[0], parts[1], parts[2], parts[3], parts[4]}, true
}

// String is the ARN's text.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}
