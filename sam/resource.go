package sam

import (
	"crypto/sha1"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"
)

// A resource is one of CloudFormation's that the transform makes.
type resource struct {
	id         string
	marked     bool // the id is a text of the template
	typ        string
	dependsOn  any
	attributes *dict
	properties *dict
}

// passed are the attributes of a resource that those made of it have, too; kept are all
// that it keeps itself.
var (
	passed = []string{"Condition", "DeletionPolicy", "UpdateReplacePolicy"}
	kept   = []string{"DeletionPolicy", "UpdatePolicy", "Condition", "UpdateReplacePolicy", "Metadata"}
)

// make is a resource with attributes of another.
func newResource(typ, id string, attributes *dict) *resource {
	checkID(id)
	r := &resource{id: id, typ: typ, attributes: object(), properties: object()}
	for _, n := range attributes.names() {
		r.attributes.put(n, attributes.get(n.text))
	}
	return r
}

func checkID(id string) {
	if id == "" || strings.ContainsFunc(id, func(r rune) bool { return r >= 0x80 || !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		badResource(id, "Logical ids must be alphanumeric.")
	}
}

// set gives a property its value; nil is none.
func (r *resource) set(n string, v any) *resource {
	r.properties.set(n, v)
	return r
}

func (r *resource) get(n string) any { return r.properties.get(n) }

// on makes the resource depend on others.
func (r *resource) on(ids ...string) *resource {
	list := []any{}
	for _, id := range ids {
		list = append(list, id)
	}
	r.dependsOn = list
	return r
}

func (r *resource) condition() any { return r.attributes.get("Condition") }

// ref is what Ref gives of the resource: of a function its name.
func (r *resource) ref() *dict { return ref(like(r.marked, r.id)) }

// arn is the resource's ARN, by Ref where that is it.
func (r *resource) arn() *dict {
	switch r.typ {
	case "AWS::Lambda::Alias", "AWS::Lambda::Version", "AWS::SNS::Topic",
		"AWS::StepFunctions::StateMachine", "AWS::StepFunctions::StateMachineVersion", "AWS::StepFunctions::StateMachineAlias":
		return r.ref()
	}
	return getAtt(like(r.marked, r.id), "Arn")
}

// inherited are the attributes that resources made of this one have.
func (r *resource) inherited() *dict { return inherited(r.attributes) }

func inherited(attributes *dict) *dict {
	out := object()
	for _, n := range passed {
		if attributes.has(n) {
			out.set(n, attributes.get(n))
		}
	}
	return out
}

// dict is the resource as it stands in a template.
func (r *resource) dict() *dict {
	out := object(pair{"Type", r.typ})
	if truthy(r.dependsOn) {
		out.set("DependsOn", r.dependsOn)
	}
	for _, n := range r.attributes.names() {
		out.put(n, r.attributes.get(n.text))
	}
	properties := object()
	for _, n := range r.properties.names() {
		if v := r.get(n.text); v != nil {
			properties.put(n, v)
		}
	}
	return out.set("Properties", properties)
}

// taggedAsList and taggedAsMap are the types that take tags of the resource they are made of.
var (
	taggedAsList = []string{
		"AWS::ApiGateway::ApiKey", "AWS::ApiGateway::DomainName", "AWS::ApiGateway::DomainNameAccessAssociation",
		"AWS::ApiGateway::DomainNameV2", "AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage", "AWS::ApiGateway::UsagePlan",
		"AWS::CloudFormation::Stack", "AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup",
		"AWS::DynamoDB::Table", "AWS::IAM::Role", "AWS::IoT::TopicRule", "AWS::Lambda::Function", "AWS::S3::Bucket",
		"AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::StepFunctions::StateMachine",
	}
	taggedAsMap = []string{"AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::Stage"}
)

// propagate gives resources the tags of what they are made of.
func propagate(resources []*resource, tags any, wanted bool) {
	if !wanted || !truthy(tags) {
		return
	}
	for _, r := range resources {
		switch {
		case slices.Contains(taggedAsList, r.typ):
			r.set("Tags", tagList(members(tags)))
		case slices.Contains(taggedAsMap, r.typ), r.typ == "AWS::ApiGatewayV2::Api" && r.get("ProtocolType") != nil:
			r.set("Tags", tags)
		}
	}
}

// tagList is tags as CloudFormation has them.
func tagList(tags *dict) []any {
	out := []any{}
	for _, n := range tags.names() {
		v := tags.get(n.text)
		if v == nil {
			v = ""
		}
		out = append(out, object(pair{"Key", n.value()}, pair{"Value", v}))
	}
	return out
}

// logicalID is a logical id that changes with data: ten digits of a hash after the prefix,
// none where there is no data.
func logicalID(prefix string, data any) string {
	if !truthy(data) {
		return prefix
	}
	return prefix + digest(data)[:10]
}

// digest is the hash, in hexadecimal digits.
func digest(data any) string {
	t, ok := textOf(data)
	if !ok {
		t = compact.dump(data)
	}
	sum := sha1.Sum([]byte(t))
	return hex.EncodeToString(sum[:])
}

// suffixed is a prefix with a suffix where that can be part of a logical id, else with its hash.
func suffixed(prefix, suffix string) string {
	if isAlnum(suffix) {
		return prefix + suffix
	}
	return logicalID(prefix, suffix)
}

func isAlnum(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
}
