package sam

import (
	"fmt"
	"slices"
	"strings"
)

// globalProperties are the properties that a template may give all its resources of a type.
var globalProperties = []struct{ section, properties string }{
	{"Function", `Handler Runtime CodeUri DeadLetterQueue Description MemorySize Timeout VpcConfig Environment Tags PropagateTags
		Tracing KmsKeyArn AutoPublishAlias AutoPublishAliasAllProperties Layers DeploymentPreference RolePath PermissionsBoundary
		ReservedConcurrentExecutions ProvisionedConcurrencyConfig AssumeRolePolicyDocument EventInvokeConfig FileSystemConfigs
		CodeSigningConfigArn Architectures SnapStart EphemeralStorage FunctionUrlConfig RuntimeManagementConfig LoggingConfig
		RecursiveLoop SourceKMSKeyArn TenancyConfig DurableConfig CapacityProviderConfig FunctionScalingConfig
		PublishToLatestPublished VersionDeletionPolicy`},
	{"Api", `Auth Name DefinitionUri CacheClusterEnabled CacheClusterSize MergeDefinitions Variables EndpointConfiguration
		MethodSettings BinaryMediaTypes MinimumCompressionSize Cors GatewayResponses AccessLogSetting CanarySetting TracingEnabled
		OpenApiVersion Domain AlwaysDeploy PropagateTags SecurityPolicy EndpointAccessMode`},
	{"HttpApi", `Auth AccessLogSettings StageVariables Tags CorsConfiguration DefaultRouteSettings Domain RouteSettings
		FailOnWarnings PropagateTags`},
	{"SimpleTable", `SSESpecification`},
	{"StateMachine", `PropagateTags`},
	{"LayerVersion", `PublishLambdaVersion`},
	{"CapacityProvider", `VpcConfig OperatorRole Tags InstanceRequirements ScalingConfig KmsKeyArn PropagateTags`},
	{"WebSocketApi", `AccessLogSettings ApiKeySelectionExpression DefaultRouteSettings DisableExecuteApiEndpoint
		DisableSchemaValidation Domain FailOnWarnings IpAddressType PropagateTags RouteSelectionExpression RouteSettings
		StageVariables Tags`},
}

// globals gives resources the properties of the section Globals, which is gone then.
func (t *transform) globals() {
	given := t.readGlobals()
	t.each(nil, func(id name, r *dict) {
		own := propertiesOf(r)
		all, ok := given[text(r.get("Type"))]
		if !ok {
			return
		}
		all = except(all, r.get("IgnoreGlobals"), id.text)
		properties := members(merged(all, own))
		if own.has("Architectures") { // of which a function has one
			properties.set("Architectures", own.get("Architectures"))
		}
		r.set("Properties", properties)
	})
	t.source.drop("Globals")
	t.fixVersions()
}

func badGlobals(format string, args ...any) {
	badDocument(&fault{kind: ofPlan, id: "Globals", says: "'Globals' section is invalid. " + fmt.Sprintf(format, args...)})
}

// readGlobals are the properties of the section, by type.
func (t *transform) readGlobals() map[string]*dict {
	out := map[string]*dict{}
	if !t.source.has("Globals") {
		return out
	}
	given, ok := t.source.get("Globals").(*dict)
	if !ok {
		badGlobals("It must be a non-empty dictionary")
	}
	for _, section := range given.names() {
		i := slices.IndexFunc(globalProperties, func(g struct{ section, properties string }) bool { return g.section == section.text })
		if i < 0 {
			var sections []any
			for _, g := range globalProperties {
				sections = append(sections, g.section)
			}
			slices.SortFunc(sections, func(a, b any) int { return strings.Compare(text(a), text(b)) })
			badGlobals("'%s' is not supported. Must be one of the following values - %s", section.text, str(sections))
		}
		properties, ok := given.get(section.text).(*dict)
		if !ok {
			badGlobals("Value of ${section} must be a dictionary")
		}
		known := strings.Fields(globalProperties[i].properties)
		for _, n := range properties.names() {
			if !slices.Contains(known, n.text) {
				badGlobals("'%s' is not a supported property of '%s'. Must be one of the following values - %s",
					n.text, section.text, str(fromOrdered(known)))
			}
		}
		out[prefix+section.text] = properties
	}
	return out
}

// except are the global properties that a resource does not ignore.
func except(all *dict, ignored any, id string) *dict {
	if !truthy(ignored) {
		return all
	}
	if is(ignored, "*") {
		return object()
	}
	list, ok := ignored.([]any)
	if !ok {
		badDocument(&fault{kind: ofAttribute, id: id, says: fmt.Sprintf("Resource %s has invalid resource attribute 'IgnoreGlobals'.", id)})
	}
	out := copyOf(all)
	for _, n := range list {
		if t, ok := textOf(n); !ok || !out.has(t) {
			badDocument(&fault{kind: ofAttribute, id: id,
				says: fmt.Sprintf("Resource %s has invalid resource attribute 'IgnoreGlobals' on item '%s'.", id, str(n))})
		}
		out.drop(text(n))
	}
	return out
}

// merged is a resource's own value over that of all: lists follow each other, maps are
// merged, and else the own one counts.
func merged(all, own any) any {
	switch own := own.(type) {
	case []any:
		if first, ok := all.([]any); ok {
			return append(append([]any{}, first...), own...)
		}
	case *dict:
		first, ok := all.(*dict)
		if !ok || isIntrinsic(first) || isIntrinsic(own) {
			return own
		}
		out := first.clone()
		for _, n := range own.names() {
			if out.has(n.text) {
				out.put(n, merged(out.get(n.text), own.get(n.text)))
				continue
			}
			out.put(n, own.get(n.text))
		}
		return out
	}
	return own
}

// fixVersions gives the definitions that SAM writes the version that the API wants, which
// Globals may have said.
func (t *transform) fixVersions() {
	for _, v := range t.resources().values {
		r := members(v)
		if !is(r.get("Type"), prefix+"Api") {
			continue
		}
		p := propertiesOf(r)
		if !p.has("OpenApiVersion") || !p.has(managed) || !isOpenAPI3(p.get("OpenApiVersion")) {
			continue
		}
		version := p.get("OpenApiVersion")
		if _, ok := textOf(version); !ok {
			version = str(version)
			p.set("OpenApiVersion", version)
		}
		if p.has("DefinitionBody") {
			body := members(p.get("DefinitionBody"))
			body.set("openapi", version)
			if truthy(body.get("swagger")) {
				body.drop("swagger")
			}
		}
	}
}
