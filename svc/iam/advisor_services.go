package iam

import (
	"path"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/policy"
)

// services are those that a wildcard in a policy means, by the namespace of their
// actions, with AWS's names for them: Tule's, and those that policies name most.
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
var services = map[string]string{
	"access-analyzer":         "AWS IAM Access Analyzer",
	"account":                 "AWS Account Management",
	"acm":                     "AWS Certificate Manager",
	"apigateway":              "Amazon API Gateway Management",
	"application-autoscaling": "AWS Application Auto Scaling",
	"appsync":                 "AWS AppSync",
	"athena":                  "Amazon Athena",
	"autoscaling":             "Amazon EC2 Auto Scaling",
	"batch":                   "AWS Batch",
	"cloudformation":          "AWS CloudFormation",
	"cloudfront":              "Amazon CloudFront",
	"cloudtrail":              "AWS CloudTrail",
	"cloudwatch":              "Amazon CloudWatch",
	"codebuild":               "AWS CodeBuild",
	"cognito-identity":        "Amazon Cognito Identity",
	"cognito-idp":             "Amazon Cognito User Pools",
	"config":                  "AWS Config",
	"dynamodb":                "Amazon DynamoDB",
	"ec2":                     "Amazon EC2",
	"ecr":                     "Amazon Elastic Container Registry",
	"ecs":                     "Amazon Elastic Container Service",
	"eks":                     "Amazon Elastic Kubernetes Service",
	"elasticache":             "Amazon ElastiCache",
	"elasticloadbalancing":    "AWS Elastic Load Balancing",
	"es":                      "Amazon OpenSearch Service",
	"events":                  "Amazon EventBridge",
	"execute-api":             "Amazon API Gateway",
	"firehose":                "Amazon Kinesis Firehose",
	"glue":                    "AWS Glue",
	"iam":                     "AWS Identity and Access Management",
	"iot":                     "AWS IoT",
	"kinesis":                 "Amazon Kinesis Data Streams",
	"kms":                     "AWS Key Management Service",
	"lambda":                  "AWS Lambda",
	"logs":                    "Amazon CloudWatch Logs",
	"organizations":           "AWS Organizations",
	"pipes":                   "Amazon EventBridge Pipes",
	"rds":                     "Amazon RDS",
	"redshift":                "Amazon Redshift",
	"resource-groups":         "AWS Resource Groups",
	"route53":                 "Amazon Route 53",
	"s3":                      "Amazon S3",
	"scheduler":               "Amazon EventBridge Scheduler",
	"secretsmanager":          "AWS Secrets Manager",
	"ses":                     "Amazon SES",
	"sns":                     "Amazon SNS",
	"sqs":                     "Amazon SQS",
	"ssm":                     "AWS Systems Manager",
	"states":                  "AWS Step Functions",
	"sts":                     "AWS Security Token Service",
	"tag":                     "Amazon Resource Group Tagging API",
	"wafv2":                   "AWS WAF V2",
	"xray":                    "AWS X-Ray",
}

// serviceName is AWS's name of a service, or its namespace for want of one.
func serviceName(namespace string) string {
	if name := services[namespace]; name != "" {
		return name
	}
	return namespace
}

// namespaceOf is the service of an action, in lower case: "s3" of "s3:GetObject".
func namespaceOf(action string) string {
	service, _, _ := strings.Cut(action, ":")
	return strings.ToLower(service)
}

// mentions are the namespaces that statements name outright.
func mentions(list []policy.Statement) []string {
	var out []string
	for _, st := range list {
		for _, a := range st.Actions {
			if n := namespaceOf(a); !strings.ContainsAny(n, "*?") {
				out = append(out, n)
			}
		}
	}
	return out
}

// covers reports whether an action's pattern reaches into a service, and whether it
// takes all of it.
func covers(action, namespace string) (some, all bool) {
	service, rest, ok := strings.Cut(strings.ToLower(action), ":")
	if !ok { // "*" alone has no colon
		rest = service
	}
	some, err := path.Match(service, namespace)
	return some && err == nil, some && err == nil && strings.Trim(rest, "*") == ""
}

// anyCovers is covers for the patterns of a statement.
func anyCovers(actions []string, namespace string) (some, all bool) {
	for _, a := range actions {
		s, w := covers(a, namespace)
		some, all = some || s, all || w
	}
	return some, all
}

// allows reports whether statements give anything of a service. Whatever conditions
// and resources they have, it may be used; what is denied without any is not.
func allows(list []policy.Statement, namespace string) bool {
	allowed := false
	for _, st := range list {
		some, all := anyCovers(st.Actions, namespace)
		if st.NotAction {
			some, all = !all, !some
		}
		switch {
		case st.Effect == policy.Allow && some:
			allowed = true
		case st.Effect == policy.Deny && all && len(st.Conditions) == 0 && !st.NotResource && slices.Contains(st.Resources, "*"):
			return false
		}
	}
	return allowed
}

// granted are the namespaces of which statements give anything, sorted.
func granted(list []policy.Statement) []string {
	known := mentions(list)
	for n := range services {
		known = append(known, n)
	}
	slices.Sort(known)
	return slices.DeleteFunc(slices.Compact(known), func(n string) bool { return !allows(list, n) })
}
