package sam

import (
	_ "embed"
	"strings"
	"sync"
)

// A profile is what a connector makes between resources of two types.
type profile struct {
	kind     string // role, queue, topic, permission
	ofSource bool   // whose it is: the source's, or the destination's
	before   string // what waits for it: source, mapping
	unless   []string
	access   []access
}

// An access is a permission that a connector may ask for.
type access struct {
	name          string
	statements    []*sketch
	from, account string // of a function's permission
}

//go:embed connectors.txt
var connectorTable string

// profiles are all, by the types of source and destination.
var profiles = sync.OnceValue(func() map[string]*profile {
	out := map[string]*profile{}
	var p *profile
	tableLines(connectorTable, func(level int, word, rest string) {
		if level == 0 {
			f := strings.Fields(rest)
			p = &profile{kind: f[1], ofSource: f[2] == "source"}
			out[word+" "+f[0]] = p
			return
		}
		p.line(level, word, rest)
	})
	return out
})

func (p *profile) line(level int, word, rest string) {
	switch {
	case word == "before":
		p.before = rest
	case word == "unless":
		p.unless = strings.Fields(rest)
	case level == 1:
		p.access = append(p.access, access{name: word})
	default:
		a := &p.access[len(p.access)-1]
		switch word {
		case "from":
			a.from = rest
		case "account":
			a.account = rest
		default:
			a.statements = sketches(a.statements, word, rest)
		}
	}
}

// become are the types that SAM's own become.
var become = map[string]string{
	prefix + "Function": "AWS::Lambda::Function", prefix + "StateMachine": "AWS::StepFunctions::StateMachine",
	prefix + "Api": "AWS::ApiGateway::RestApi", prefix + "HttpApi": "AWS::ApiGatewayV2::Api",
	prefix + "SimpleTable": "AWS::DynamoDB::Table",
}

// known is what a connector can say of a resource of the template by its type.
func known(typ, id string) end {
	e := end{id: id, typ: typ}
	switch typ {
	case "AWS::Lambda::Function", "AWS::Events::Rule", "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Location::PlaceIndex",
		"AWS::Events::EventBus":
		e.arn = getAtt(id, "Arn")
	case "AWS::StepFunctions::StateMachine":
		e.arn, e.name = ref(id), getAtt(id, "Name")
	case "AWS::AppSync::GraphQLApi":
		e.arn, e.resource = ref(id), getAtt(id, "ApiId")
	case "AWS::AppSync::DataSource", "AWS::SNS::Topic":
		e.arn = ref(id)
	case "AWS::SQS::Queue":
		e.arn, e.url = getAtt(id, "Arn"), ref(id)
	case "AWS::ApiGatewayV2::Api", "AWS::ApiGateway::RestApi":
		e.arn, e.resource, e.qualifier = getAtt(id, "Arn"), ref(id), "*"
	}
	return e
}

// roleOf is the logical id of a resource's role, "" if it has none of the template.
func roleOf(typ string, properties, other *dict) string {
	switch typ {
	case "AWS::Lambda::Function":
		return referred(properties.get("Role"))
	case "AWS::StepFunctions::StateMachine":
		return referred(properties.get("RoleArn"))
	case "AWS::AppSync::DataSource":
		return referred(properties.get("ServiceRoleArn"))
	case "AWS::Events::Rule":
		targets, _ := properties.get("Targets").([]any)
		for _, v := range targets {
			target, _ := v.(*dict)
			arn := target.get("Arn")
			id := referred(arn)
			if id != "" && is(other.get("Id"), id) || truthy(other.get("Arn")) && equal(arn, other.get("Arn")) {
				return referred(target.get("RoleArn"))
			}
		}
	}
	return ""
}
