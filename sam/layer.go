package sam

import "strings"

var layerProperties = properties(`
	LayerName str|map
	Description str
	PublishLambdaVersion bool
	ContentUri! str|map
	CompatibleArchitectures [str|map]
	CompatibleRuntimes [str|map]
	LicenseInfo str
	RetentionPolicy str
`)

// layer is a version of a layer. Its id changes with its properties, so that an update
// publishes another version.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-layerversion.html
func (i *item) layer() []*resource {
	for _, n := range []string{"LayerName", "LicenseInfo", "Description", "RetentionPolicy"} {
		if v := i.get(n); truthy(v) {
			i.properties.set(n, i.resolve(v))
			i.checkText(n)
		}
	}
	retention := i.retention()
	attributes := i.inherited()
	attributes.add(name{text: "DeletionPolicy"}, "Retain")
	if retention != "" {
		attributes.set("DeletionPolicy", retention)
	}
	was := i.id
	own := i.own(i.typ)
	own.properties = i.properties
	for _, n := range []string{"DeletionPolicy", "UpdateReplacePolicy", "Metadata"} {
		own.attributes.drop(n)
	}
	i.id = logicalID(was, object(pair{was, own.dict()}))
	r := newResource("AWS::Lambda::LayerVersion", i.id, attributes)
	r.dependsOn = i.dependsOn
	r.set("LayerName", was).set("Description", i.get("Description"))
	if n := i.get("LayerName"); truthy(n) {
		r.set("LayerName", n)
	}
	r.set("Content", s3Object(i.get("ContentUri"), i.id, "ContentUri"))
	i.checkArchitectures()
	for _, n := range []string{"CompatibleArchitectures", "CompatibleRuntimes", "LicenseInfo"} {
		r.set(n, i.get(n))
	}
	return []*resource{r}
}

// checkText looks whether a property that may come of a parameter is a text then.
func (i *item) checkText(n string) {
	if !fits(i.get(n), "str|map") {
		i.bad("Could not resolve parameter for '%s' or parameter is not a String.", n)
	}
}

// retention is what happens to a version that another takes the place of; "" if nothing
// is said of that.
func (i *item) retention() string {
	const options = "['Retain', 'Delete']"
	v := i.get("RetentionPolicy")
	t, ok := textOf(v)
	switch {
	case isIntrinsic(v):
		i.bad("'RetentionPolicy' does not accept intrinsic functions, please use one of the following options: %s", options)
	case v == nil:
		return ""
	case !ok:
		i.bad("Invalid 'RetentionPolicy' type, please use one of the following options: %s", options)
	case strings.EqualFold(t, "Retain"):
		return "Retain"
	case strings.EqualFold(t, "Delete"):
		return "Delete"
	}
	i.bad("'RetentionPolicy' must be one of the following options: %s.", options)
	return ""
}

func (i *item) checkArchitectures() {
	list, _ := i.get("CompatibleArchitectures").([]any)
	for _, v := range list {
		if !isIntrinsic(v) && !is(v, "x86_64") && !is(v, "arm64") {
			i.bad("CompatibleArchitectures needs to be a list of 'x86_64' or 'arm64'")
		}
	}
}
