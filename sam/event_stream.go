package sam

import (
	"slices"
	"strings"
)

// mappingProperties are those of all events that become an event source mapping.
const mappingProperties = `
	BatchSize int
	StartingPosition any
	StartingPositionTimestamp any
	Enabled bool
	MaximumBatchingWindowInSeconds int
	MaximumRetryAttempts int
	BisectBatchOnFunctionError bool
	MaximumRecordAgeInSeconds int
	DestinationConfig map
	ParallelizationFactor int
	Topics list
	Queues list
	SourceAccessConfigurations list
	SecretsManagerKmsKeyId str
	TumblingWindowInSeconds int
	FunctionResponseTypes list
	KafkaBootstrapServers list
	FilterCriteria map
	KmsKeyArn any
	ConsumerGroupId str
	ScalingConfig map
	ProvisionedPollerConfig map
	SchemaRegistryConfig map
	MetricsConfig map
	LoggingConfig map
`

// A stream is a type of event that becomes an event source mapping.
type stream struct {
	table  []property
	from   string // the property that is its source's ARN; "" has none
	policy string // the managed policy that the function's role needs
	// statements are what else it needs, under a name.
	statements func(*event) (n string, list []any)
}

var streams = map[string]stream{
	"Kinesis":          {mappingTable("Stream", true), "Stream", "AWSLambdaKinesisExecutionRole", nil},
	"DynamoDB":         {mappingTable("Stream", true), "Stream", "AWSLambdaDynamoDBExecutionRole", nil},
	"SQS":              {mappingTable("Queue", false), "Queue", "AWSLambdaSQSQueueExecutionRole", nil},
	"MSK":              {mappingTable("Stream", true), "Stream", "AWSLambdaMSKExecutionRole", (*event).mskStatements},
	"MQ":               {append(mappingTable("Broker", false), properties("DynamicPolicyName =bool")...), "Broker", "", (*event).mqStatements},
	"SelfManagedKafka": {properties(mappingProperties), "", "", (*event).kafkaStatements},
	"DocumentDB": {append(mappingTable("Cluster", false), properties("DatabaseName! any\nCollectionName any\nFullDocument any")...),
		"Cluster", "", (*event).documentStatements},
}

// mappingTable are the properties of events with a source of this name; some must say
// where to start.
func mappingTable(source string, start bool) []property {
	out := properties(mappingProperties)
	for i := range out {
		out[i].required = start && out[i].name == "StartingPosition"
	}
	return append(out, property{name: source, required: true, plain: true, kind: "any"})
}

// filtered are the types of events that may be filtered, in the order in which errors name them.
var filtered = []string{"DocumentDB", "DynamoDB", "Kinesis", "MQ", "MSK", "SelfManagedKafka", "SQS"}

// stream makes the event source mapping, and lets the function's role read.
func (e *event) stream() []*resource {
	of := streams[e.typ]
	r := e.make("AWS::Lambda::EventSourceMapping", e.id).set("FunctionName", e.target.ref())
	if of.from != "" {
		r.set("EventSourceArn", e.get(of.from))
	}
	for _, p := range properties(mappingProperties) {
		switch p.name {
		case "SecretsManagerKmsKeyId", "KafkaBootstrapServers", "ConsumerGroupId", "SchemaRegistryConfig", "DestinationConfig":
		default:
			r.set(p.name, e.get(p.name))
		}
	}
	e.checkFilter()
	if s := e.get("KafkaBootstrapServers"); truthy(s) {
		r.set("SelfManagedEventSource", object(pair{"Endpoints", object(pair{"KafkaBootstrapServers", s})}))
	}
	e.addKafka(r)
	sent := e.onFailure(r)
	if e.typ == "DocumentDB" {
		conf := object(pair{"DatabaseName", e.get("DatabaseName")})
		for _, n := range []string{"CollectionName", "FullDocument"} {
			if v := e.get(n); truthy(v) {
				conf.set(n, v)
			}
		}
		r.set("DocumentDBEventSourceConfig", conf)
	}
	e.grant(of, sent)
	return []*resource{r}
}

func (e *event) checkFilter() {
	f, _ := e.get("FilterCriteria").(*dict)
	if f.size() == 0 || isIntrinsic(f) {
		return
	}
	if !slices.Contains(filtered, e.typ) {
		e.bad("FilterCriteria is only available for %s events.", strings.Join(filtered, ", "))
	}
	if f.size() != 1 || !f.has("Filters") {
		e.bad("FilterCriteria field has a wrong format")
	}
}

// addKafka says what a mapping of Kafka's needs.
func (e *event) addKafka(r *resource) {
	n := map[string]string{"MSK": "AmazonManagedKafkaEventSourceConfig", "SelfManagedKafka": "SelfManagedKafkaEventSourceConfig"}[e.typ]
	conf := object()
	if g := e.get("ConsumerGroupId"); truthy(g) {
		if n == "" {
			badEvent(e.id, "Property ConsumerGroupId not defined for resource of type %s.", e.typ)
		}
		conf.set("ConsumerGroupId", g)
	}
	if s := e.get("SchemaRegistryConfig"); truthy(s) {
		conf.set("SchemaRegistryConfig", s)
	}
	if n != "" && conf.size() > 0 {
		r.set(n, conf)
	}
}

// onFailure says where what could not be handled goes. It returns the policy that lets
// the role send it there.
func (e *event) onFailure(r *resource) any {
	given := e.get("DestinationConfig")
	if !truthy(given) {
		return nil
	}
	to := inEvent(e.id, "DestinationConfig.OnFailure").object(members(given).get("OnFailure"))
	r.set("DestinationConfig", given)
	kind := to.get("Type")
	if !truthy(kind) {
		return nil
	}
	to.drop("Type")
	switch k := text(kind); k {
	case "SQS", "SNS":
		return sendPolicy(k, to.get("Destination"), e.id)
	case "S3":
		return sendPolicy("S3Bucket", to.get("Destination"), e.id)
	case "Kafka":
		return nil
	}
	badEvent(e.id, "The only valid values for 'Type' are 'SQS', 'SNS', 'S3', and 'Kafka'")
	return nil
}

// grant gives the function's role what it needs to read, and to send on.
func (e *event) grant(of stream, sent any) {
	var policies []any
	if of.statements != nil {
		if n, list := of.statements(e); len(list) > 0 {
			p := rolePolicy(n, list...)
			if e.typ == "SelfManagedKafka" {
				members(p.get("PolicyDocument")).set("Version", "2012-10-17")
			}
			policies = append(policies, p)
		}
	}
	if e.role == nil {
		return
	}
	arns := elements(e.role.get("ManagedPolicyArns"))
	if of.policy != "" {
		if arn := e.awsPolicy("service-role/" + of.policy); !contains(arns, arn) {
			e.role.set("ManagedPolicyArns", append(slices.Clone(arns), arn))
		}
	}
	if sent != nil {
		policies = append(policies, sent)
	}
	for _, p := range policies {
		e.addPolicy(p)
	}
}

// addPolicy gives the role a policy, unless it has one that says the same.
func (e *event) addPolicy(p any) {
	list, _ := e.role.get("Policies").([]any)
	document := members(p).get("PolicyDocument")
	same := func(v any) bool {
		d, _ := v.(*dict)
		return equal(d.get("PolicyDocument"), document)
	}
	if !slices.ContainsFunc(list, same) {
		e.role.set("Policies", append(slices.Clone(list), p))
	}
}

func allowOne(action string, on any) *dict { return allow([]any{action}, on) }

func readSecret(uri any) *dict { return allowOne("secretsmanager:GetSecretValue", uri) }

// decrypt lets the role use the event's key.
func (e *event) decrypt(action any) any {
	key := inEvent(e.name, "SecretsManagerKmsKeyId").text(e.get("SecretsManagerKmsKeyId"))
	return allow(action, sub("arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/"+key))
}

// inNetwork lets the role put the function into a network.
func inNetwork() *dict {
	return allow([]any{"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface", "ec2:DescribeVpcs",
		"ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"}, "*")
}

func (e *event) mskStatements() (string, []any) {
	list := e.registryStatements()
	access, _ := e.get("SourceAccessConfigurations").([]any)
	for _, v := range access {
		if d, _ := v.(*dict); is(d.get("Type"), "CLIENT_CERTIFICATE_TLS_AUTH") && truthy(d.get("URI")) {
			list = append(list, readSecret(d.get("URI")))
		}
	}
	return "MSKExecutionRolePolicy", list
}

func (e *event) mqStatements() (string, []any) {
	n := "SamAutoGeneratedAMQPolicy"
	if truthy(e.get("DynamicPolicyName")) {
		n = e.id + "AMQPolicy"
	}
	list := []any{readSecret(e.basicAuth("BASIC_AUTH", "VIRTUAL_HOST")), allowOne("mq:DescribeBroker", e.get("Broker"))}
	if truthy(e.get("SecretsManagerKmsKeyId")) {
		list = append(list, e.decrypt("kms:Decrypt"))
	}
	return n, list
}

func (e *event) documentStatements() (string, []any) {
	const group = "arn:${AWS::Partition}:rds:${AWS::Region}:${AWS::AccountId}:"
	list := []any{
		readSecret(e.basicAuth("BASIC_AUTH")),
		allowOne("rds:DescribeDBClusterParameters", sub(group+"cluster-pg:*")),
		allowOne("rds:DescribeDBSubnetGroups", sub(group+"subgrp:*")),
		allowOne("rds:DescribeDBClusters", e.get("Cluster")),
		inNetwork(),
	}
	if truthy(e.get("SecretsManagerKmsKeyId")) {
		list = append(list, e.decrypt([]any{"kms:Decrypt"}))
	}
	return "SamAutoGeneratedDocumentDBPolicy", list
}

// basicAuth is the secret with which the function signs in; supported are the types of
// what an event may say of that, the first of them the secret's.
func (e *event) basicAuth(supported ...string) any {
	given := e.get("SourceAccessConfigurations")
	if !truthy(given) {
		e.bad("No SourceAccessConfigurations for Amazon %s event provided.", e.typ)
	}
	list, ok := given.([]any)
	if !ok {
		e.bad("Provided SourceAccessConfigurations cannot be parsed into a list.")
	}
	var uri any
	for i, v := range list {
		path := "SourceAccessConfigurations[" + str(i) + "]"
		d := inEvent(e.name, path).object(v)
		typ := inEvent(e.name, path+".Type").text(d.get("Type"))
		if !slices.Contains(supported, typ) {
			e.bad("Invalid property Type specified in SourceAccessConfigurations. The supported values are: %s.", str(fromOrdered(supported)))
		}
		if typ != supported[0] {
			continue
		}
		if truthy(uri) {
			e.bad("Multiple %s properties specified in SourceAccessConfigurations.", typ)
		}
		if uri = d.get("URI"); !truthy(uri) {
			e.bad("No %s URI property specified in SourceAccessConfigurations.", typ)
		}
	}
	if !truthy(uri) {
		e.bad("No %s property specified in SourceAccessConfigurations.", supported[0])
	}
	return uri
}
