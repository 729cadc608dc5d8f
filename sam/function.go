package sam

import (
	"slices"
)

var functionProperties = properties(`
	FunctionName str|map
	Handler any
	Runtime any
	CodeUri any
	ImageUri any
	PackageType any
	InlineCode any
	DeadLetterQueue map
	Description any
	MemorySize any
	Timeout any
	VpcConfig any
	Role str
	AssumeRolePolicyDocument map
	Policies str|map|[str|map]
	RolePath any
	PermissionsBoundary str
	Environment {map}
	Events {map}
	Tags map
	PropagateTags bool
	Tracing map|str
	KmsKeyArn any
	DeploymentPreference map
	ReservedConcurrentExecutions any
	Layers [str|map]
	EventInvokeConfig map
	EphemeralStorage any
	AutoPublishAlias str|
	AutoPublishCodeSha256 str|
	AutoPublishAliasAllProperties =bool
	VersionDescription any
	ProvisionedConcurrencyConfig any
	FileSystemConfigs any
	ImageConfig any
	CodeSigningConfigArn any
	Architectures any
	SnapStart map
	FunctionUrlConfig map
	RuntimeManagementConfig any
	LoggingConfig any
	RecursiveLoop any
	SourceKMSKeyArn any
	CapacityProviderConfig map
	FunctionScalingConfig map
	VersionDeletionPolicy "Delete,Retain"
	PublishToLatestPublished any
	TenancyConfig any
	DurableConfig map
`)

var functionRefers = map[string]string{
	"Alias": "AWS::Lambda::Alias", "Version": "AWS::Lambda::Version",
	"DestinationTopic": "AWS::SNS::Topic", "DestinationQueue": "AWS::SQS::Queue",
}

// A function is an AWS::Serverless::Function on its way to an AWS::Lambda::Function.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html
type function struct {
	*item
	lambda    *resource
	alias     *resource // nil if it publishes none
	aliasName string
	role      *resource // what it runs under, if it has no role of its own
	policies  []any     // of the role, for what the function sends on
}

// callers are what calls the function.
func (f *function) callers(events []*event, sources []source) (out []*resource) {
	thrown := catch(func() { out = becomeOf(events, sources, f.called(), f.role) })
	if thrown == nil {
		return out
	}
	if thrown.kind == ofEvent {
		f.bad("%s", thrown.message())
	}
	panic(thrown)
}

func (i *item) function() []*resource {
	events, sources := i.linked(functionSource)
	f := &function{item: i}
	f.checkRules()
	f.checkDeadLetters()
	f.checkTenancy()
	f.lambda = f.lambdaFunction()
	out := []*resource{f.lambda}
	if truthy(i.get("ProvisionedConcurrencyConfig")) && !i.bool("AutoPublishAlias") {
		i.bad("To set ProvisionedConcurrencyConfig AutoPublishALias must be defined on the function")
	}
	out = append(out, f.publish()...)
	out = append(out, f.url()...)
	f.prefer()
	out = append(out, f.destinations()...)
	f.role = f.executionRole()
	if given := f.lambda.get("Role"); given == nil {
		f.lambda.set("Role", f.role.arn())
		out = append(out, f.role)
	} else if isIf(given) {
		out = append(out, f.conditionalRole(given)...)
	}
	out = append(out, f.callers(events, sources)...)
	propagate(out, i.get("Tags"), i.bool("PropagateTags"))
	return out
}

// called is what events call: the alias, if there is one.
func (f *function) called() *resource {
	if f.alias != nil {
		return f.alias
	}
	return f.lambda
}

// checkRules looks for properties that exclude each other, and for those that need others.
func (f *function) checkRules() {
	var says string
	add := func(wrong bool, text string) {
		if wrong && says != "" {
			says += "\n"
		}
		if wrong {
			says += text
		}
	}
	has := func(n string) bool { return f.get(n) != nil }
	const capacity = "CapacityProviderConfig"
	add(has(capacity) && has("ProvisionedConcurrencyConfig"),
		"Cannot specify 'CapacityProviderConfig' and 'ProvisionedConcurrencyConfig' together.")
	add(has(capacity) && has("VpcConfig"), "Cannot specify 'CapacityProviderConfig' and 'VpcConfig' together.")
	add(has("FunctionScalingConfig") && !has(capacity), "'FunctionScalingConfig' requires 'CapacityProviderConfig'.")
	add(has("VersionDeletionPolicy") && !has("AutoPublishAlias"), "'VersionDeletionPolicy' requires 'AutoPublishAlias'.")
	if says != "" {
		f.bad("%s", says)
	}
	if truthy(f.get(capacity)) {
		f.bad("Property 'CapacityProviderConfig' is not supported here: there are no capacity providers.")
	}
}

func (f *function) checkDeadLetters() {
	q, _ := f.get("DeadLetterQueue").(*dict)
	if q.size() == 0 {
		return
	}
	if !truthy(q.get("Type")) || !truthy(q.get("TargetArn")) {
		f.bad("'DeadLetterQueue' requires Type and TargetArn properties to be specified.")
	}
	if t := at(f.id, "DeadLetterQueue.Type").text(q.get("Type")); t != "SQS" && t != "SNS" {
		f.bad("'DeadLetterQueue' requires Type of ['SQS', 'SNS']")
	}
}

func (f *function) checkTenancy() {
	if !truthy(f.get("TenancyConfig")) {
		return
	}
	for _, p := range [][2]string{{"ProvisionedConcurrencyConfig", "Provisioned concurrency"}, {"FunctionUrlConfig", "Function URL"}, {"SnapStart", "SnapStart"}} {
		if truthy(f.get(p[0])) {
			f.bad("%s is not supported for functions enabled with tenancy configuration.", p[1])
		}
	}
	events, _ := f.get("Events").(*dict)
	for _, n := range events.names() {
		if t := members(events.get(n.text)).get("Type"); !is(t, "Api") && !is(t, "HttpApi") {
			f.bad("Event source '%s' is not supported for functions enabled with tenancy configuration. "+
				"Only Api and HttpApi event sources are supported.", str(t))
		}
	}
}

// same are the properties that mean in SAM what they mean in CloudFormation.
var same = []string{"FunctionName", "Handler", "Runtime", "Description", "MemorySize", "Timeout", "VpcConfig", "Role", "Environment",
	"KmsKeyArn", "ReservedConcurrentExecutions", "Layers", "FileSystemConfigs", "ImageConfig", "PackageType", "Architectures",
	"SnapStart", "EphemeralStorage", "CodeSigningConfigArn", "RuntimeManagementConfig", "LoggingConfig", "TenancyConfig",
	"RecursiveLoop", "DurableConfig", "FunctionScalingConfig", "PublishToLatestPublished"}

// present are those of same that count only with a value that is not empty.
var present = []string{"FunctionName", "FunctionScalingConfig"}

func (f *function) lambdaFunction() *resource {
	r := f.own("AWS::Lambda::Function")
	for _, n := range same {
		if v := f.get(n); truthy(v) || !slices.Contains(present, n) {
			r.set(n, v)
		}
	}
	r.set("Code", f.code())
	r.set("Tags", f.tags(nil))
	if f.traced() {
		r.set("TracingConfig", object(pair{"Mode", f.get("Tracing")}))
	}
	if q, _ := f.get("DeadLetterQueue").(*dict); q.size() > 0 {
		r.set("DeadLetterConfig", object(pair{"TargetArn", q.get("TargetArn")}))
	}
	f.checkPackage(r)
	return r
}

func (f *function) traced() bool {
	return truthy(f.get("Tracing")) && !is(f.resolve(f.get("Tracing")), "Disabled")
}

// tags are an item's, after what SAM says of it.
func (i *item) tags(more *dict) []any {
	own, _ := i.get("Tags").(*dict)
	for _, n := range []string{"lambda:createdBy", "serverlessrepo:applicationId", "serverlessrepo:semanticVersion"} {
		if own.has(n) {
			i.bad("%s is a reserved Tag key name and cannot be set on your resource. Please change the tag key in the input.", n)
		}
	}
	out := tagList(object(pair{"lambda:createdBy", "SAM"}))
	return append(append(out, tagList(more)...), tagList(own)...)
}

// conditionalRole gives the function SAM's role in the place of the one that is no value.
func (f *function) conditionalRole(given any) []*resource {
	given = f.resolve(given)
	condition, then, otherwise := branches(given, func(says string) { f.bad("Malformed 'Role' property: %s.", says) })
	switch {
	case isNoValue(then) && isNoValue(otherwise):
		f.lambda.set("Role", f.role.arn())
	case isNoValue(then):
		f.lambda.set("Role", either(condition, f.role.arn(), otherwise))
		f.role.attributes.set("Condition", condition)
	case isNoValue(otherwise):
		negated := "NOT" + word(condition)
		f.lambda.set("Role", either(condition, then, f.role.arn()))
		f.role.attributes.set("Condition", negated)
		f.conditions().set(negated, not(condition))
	default:
		return nil
	}
	return []*resource{f.role}
}
