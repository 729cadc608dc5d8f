package sam

import "strings"

var applicationProperties = properties(`
	Location! str|map
	TemplateUrl str
	Parameters map
	NotificationARNs [str|map]
	Tags map
	TimeoutInMinutes int
`)

// application is a stack within the stack.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-application.html
func (i *item) application() []*resource {
	r := newResource("AWS::CloudFormation::Stack", i.id, i.inherited())
	r.dependsOn = i.dependsOn
	of := object()
	if d, ok := i.get("Location").(*dict); ok {
		for _, n := range [][2]string{{"ApplicationId", "serverlessrepo:applicationId"}, {"SemanticVersion", "serverlessrepo:semanticVersion"}} {
			if v := d.get(n[0]); v != nil {
				of.set(n[1], v)
			}
		}
	}
	r.set("TemplateURL", "").set("Tags", i.tags(of))
	if u := i.get("TemplateUrl"); truthy(u) {
		r.set("TemplateURL", u)
	}
	for _, n := range []string{"Parameters", "NotificationARNs", "TimeoutInMinutes"} {
		r.set(n, i.get(n))
	}
	return []*resource{r}
}

// applications resolves what names applications, before anything else is done with them.
func (t *transform) applications() {
	t.mappings, _ = t.source.get("Mappings").(*dict)
	t.each([]string{"Application"}, func(_ name, r *dict) {
		location, ok := propertiesOf(r).get("Location").(*dict)
		if !ok || location.get("ApplicationId") == nil || location.get("SemanticVersion") == nil {
			return
		}
		for _, n := range []string{"ApplicationId", "SemanticVersion"} {
			location.set(n, t.both(deepCopy(location.get(n))))
		}
	})
}

// locate finds the template of an application.
func (i *item) locate() {
	need := func(d *dict, n string) {
		if !d.has(n) {
			i.bad("Resource is missing the required [%s] property.", n)
		}
	}
	need(i.properties, "Location")
	location, ok := i.properties.get("Location").(*dict)
	if !ok {
		i.properties.set("TemplateUrl", i.properties.get("Location"))
		return
	}
	need(location, "ApplicationId")
	need(location, "SemanticVersion")
	id := at(i.id, "ApplicationId").some(location.get("ApplicationId"))
	if _, ok := id.(*dict); ok {
		i.bad("Property 'ApplicationId' cannot be resolved. Only FindInMap and Ref intrinsic functions are supported.")
	}
	version := location.get("SemanticVersion")
	if !truthy(version) {
		i.bad("Property 'SemanticVersion' cannot be blank.")
	}
	if _, ok := version.(*dict); ok {
		i.bad("Property 'SemanticVersion' cannot be resolved. Only FindInMap and Ref intrinsic functions are supported.")
	}
	app := at(i.id, "Location.ApplicationId").text(id)
	of := at(i.id, "Location.SemanticVersion").text(version)
	if i.Application == nil {
		i.bad("Serverless Application Repository is not available in this region.")
	}
	if strings.Contains(app, "{{resolve:ssm:") {
		i.bad("Serverless Application Repostiory does not support dynamic reference in 'ApplicationId' property.")
	}
	url, err := i.Application(app, of)
	if err != nil {
		i.bad("%s", err.Error())
	}
	i.properties.set("TemplateUrl", url)
}
