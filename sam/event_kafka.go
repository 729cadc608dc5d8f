package sam

import (
	"slices"
	"strings"
)

func (e *event) kafkaStatements() (string, []any) {
	if !truthy(e.get("KafkaBootstrapServers")) {
		e.bad("No KafkaBootstrapServers provided for self managed kafka as an event source")
	}
	if !truthy(e.get("Topics")) {
		e.bad("No Topics provided for self managed kafka as an event source")
	}
	if topics, ok := e.get("Topics").([]any); ok && len(topics) != 1 {
		e.bad("Topics for self managed kafka only supports single configuration entry.")
	}
	if !truthy(e.get("SourceAccessConfigurations")) {
		e.bad("No SourceAccessConfigurations for self managed kafka event provided.")
	}
	secret, certificate, network := e.kafkaAccess()
	var list []any
	if truthy(secret) {
		list = append(list, readSecret(secret))
	}
	if truthy(certificate) {
		list = append(list, readSecret(certificate))
	}
	if network {
		list = append(list, inNetwork())
	}
	if truthy(e.get("SecretsManagerKmsKeyId")) {
		list = append(list, e.decrypt([]any{"kms:Decrypt"}))
	}
	return "SelfManagedKafkaExecutionRolePolicy", append(asAny(list), e.registryStatements()...)
}

// kafkaAuth are the ways to sign in; those of withoutSecret need none. aboutToken are what
// else is said of tokens.
var (
	kafkaAuth = []string{"SASL_SCRAM_256_AUTH", "SASL_SCRAM_512_AUTH", "BASIC_AUTH", "CLIENT_CERTIFICATE_TLS_AUTH", "OAUTHBEARER_AUTH",
		"IAM_AUTH", "IAM_OAUTHBEARER_AUTH"}
	withoutSecret = []string{"IAM_AUTH", "IAM_OAUTHBEARER_AUTH"}
	aboutToken    = []string{"OAUTHBEARER_SCOPE", "OAUTHBEARER_AUDIENCE", "OAUTHBEARER_LOGICAL_CLUSTER", "OAUTHBEARER_IDENTITY_POOL"}
)

// kafkaAccess is how the function gets at the brokers: with a secret, with the certificate
// of their authority, within a network.
func (e *event) kafkaAccess() (secret, certificate any, network bool) {
	list, ok := e.get("SourceAccessConfigurations").([]any)
	if !ok {
		e.bad("SourceAccessConfigurations for self managed kafka event should be a list.")
	}
	var subnet, group, signs bool
	for _, v := range list {
		d := at(e.name, "SourceAccessConfigurations").object(v)
		uri := d.get("URI")
		switch typ := text(d.get("Type")); {
		case typ == "VPC_SUBNET":
			e.checkURI(uri, typ)
			subnet = true
		case typ == "VPC_SECURITY_GROUP":
			e.checkURI(uri, typ)
			group = true
		case slices.Contains(kafkaAuth, typ):
			if signs {
				e.bad("Multiple auth mechanism properties specified in SourceAccessConfigurations for self managed kafka event.")
			}
			signs = true
			if !slices.Contains(withoutSecret, typ) {
				e.checkURI(uri, "auth mechanism")
				secret = uri
			}
		case typ == "SERVER_ROOT_CA_CERTIFICATE":
			e.checkURI(uri, typ)
			certificate = uri
		case slices.Contains(aboutToken, typ):
			e.checkURI(uri, typ)
		default:
			e.bad("Invalid SourceAccessConfigurations Type provided for self managed kafka event.")
		}
	}
	if subnet != group {
		e.bad("VPC_SUBNET and VPC_SECURITY_GROUP in SourceAccessConfigurations for SelfManagedKafka must be both provided.")
	}
	return secret, certificate, subnet && group
}

func (e *event) checkURI(uri any, what string) {
	if !truthy(uri) {
		e.bad("No %s URI property specified in SourceAccessConfigurations for self managed kafka event.", what)
	}
	if !fits(uri, "str") && !isIntrinsic(uri) {
		e.bad("Wrong Type for %s URI property specified in SourceAccessConfigurations for self managed kafka event.", what)
	}
}

// registryStatements let the role read the registry of schemas.
func (e *event) registryStatements() []any {
	if !truthy(e.get("SchemaRegistryConfig")) {
		return nil
	}
	d := e.checkRegistry()
	var list []any
	access, _ := d.get("AccessConfigs").([]any)
	for _, v := range access {
		list = append(list, readSecret(members(v).get("URI")))
	}
	uri := d.get("SchemaRegistryURI")
	named := uri
	if of, ok := uri.(*dict); ok {
		resolved, _ := e.resolve(of.clone()).(*dict)
		named = resolved.get(fnSub)
	}
	parts := strings.Split(text(named), ":")
	if !strings.HasPrefix(text(named), "arn") || len(parts) < 6 || !strings.HasPrefix(parts[5], "registry/") {
		return list
	}
	schemas := "arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}:schema/" + strings.TrimPrefix(parts[5], "registry/") + "/*"
	return append(list, allowOne("glue:GetRegistry", uri), allowOne("glue:GetSchemaVersion", []any{sub(schemas)}))
}

func (e *event) checkRegistry() *dict {
	d := inEvent(e.name, "SchemaRegistryConfig").object(e.get("SchemaRegistryConfig"))
	for _, n := range []string{"SchemaRegistryURI", "EventRecordFormat", "SchemaValidationConfigs"} {
		if !d.has(n) {
			e.bad("Missing required field %s in SchemaRegistryConfig", n)
		}
	}
	if f := d.get("EventRecordFormat"); !is(f, "JSON") && !is(f, "SOURCE") {
		e.bad("EventRecordFormat in SchemaRegistryConfig must be either 'JSON' or 'SOURCE'")
	}
	if _, ok := d.get("SchemaValidationConfigs").([]any); !ok {
		e.bad("SchemaValidationConfigs must be a list")
	}
	access := d.get("AccessConfigs")
	if !truthy(access) {
		return d
	}
	list, ok := access.([]any)
	if !ok {
		e.bad("AccessConfigs in SchemaRegistryConfig must be a list")
	}
	for _, v := range list {
		if one, ok := v.(*dict); !ok || !one.has("Type") || !one.has("URI") {
			e.bad("Each AccessConfig must be a dict with 'Type' and 'URI' fields")
		}
	}
	return d
}
