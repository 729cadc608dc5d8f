package sam

import (
	"regexp"
	"strings"
)

var aliasName = regexp.MustCompile(`^[a-zA-Z0-9\-_]+$`)

// publish are the version and the alias of a function with AutoPublishAlias.
func (f *function) publish() []*resource {
	given := f.get("AutoPublishAlias")
	if !truthy(given) {
		return nil
	}
	resolved, ok := textOf(f.resolve(given))
	if !ok {
		f.bad("'AutoPublishAlias' must be a string or a Ref to a template parameter")
	}
	f.aliasName = resolved
	var sum any
	if v := f.get("AutoPublishCodeSha256"); truthy(v) {
		if sum = f.resolve(v); !fits(sum, "str") {
			f.bad("AutoPublishCodeSha256 must be a string")
		}
		f.describe(sum)
	}
	version := f.version(sum)
	f.alias = f.aliasOf(version)
	return []*resource{version, f.alias}
}

// describe puts the hash of the code into the description, so that the function changes
// with it.
func (f *function) describe(sum any) {
	switch d := f.resolve(f.get("Description")); {
	case !truthy(d):
		f.lambda.set("Description", sum)
	case fits(d, "str"):
		f.lambda.set("Description", text(d)+" "+text(sum))
	default:
		f.lambda.set("Description", join(" ", d, sum))
	}
}

// version is the version that the alias names. Its id changes with the code.
func (f *function) version(sum any) *resource {
	prefix := f.id + "Version"
	id := prefix
	if truthy(sum) {
		id += text(sum)[:min(10, len(text(sum)))]
	} else {
		id = logicalID(prefix, f.versioned())
	}
	attributes := f.inherited()
	if !attributes.has("DeletionPolicy") {
		policy := f.get("VersionDeletionPolicy")
		if policy == nil {
			policy = "Retain"
		}
		attributes.set("DeletionPolicy", policy)
	}
	return newResource("AWS::Lambda::Version", id, attributes).set("FunctionName", f.lambda.ref()).
		set("Description", f.get("VersionDescription"))
}

// versioned is what the id of a version hashes.
func (f *function) versioned() any {
	if truthy(f.get("AutoPublishAliasAllProperties")) {
		out := members(f.lambda.dict().get("Properties"))
		layers, _ := f.lambda.get("Layers").([]any)
		for _, l := range layers {
			id := referred(l)
			of, _ := members(f.out.get("Resources")).get(id).(*dict)
			properties, _ := of.get("Properties").(*dict)
			if id != "" && truthy(properties.get("PublishLambdaVersion")) {
				out.set(id, properties)
			}
		}
		return out
	}
	code := members(f.resolve(f.lambda.get("Code"))).clone()
	if e, ok := f.lambda.get("Environment").(*dict); ok {
		code.update(e)
	}
	if m := f.lambda.get("MemorySize"); truthy(m) {
		code.set("MemorySize", m)
	}
	if s, ok := f.lambda.get("SnapStart").(*dict); ok && s.has("ApplyOn") && !is(s.get("ApplyOn"), "None") {
		code.set("SnapStart", s)
	}
	return code
}

func (f *function) aliasOf(version *resource) *resource {
	if f.aliasName == "" {
		f.bad("Alias name is required to create an alias")
	}
	if !aliasName.MatchString(f.aliasName) || strings.Trim(f.aliasName, "0123456789") == "" {
		f.bad("AutoPublishAlias name ('%s') must contain only alphanumeric characters, hyphens, or underscores matching "+
			"(?!^[0-9]+$)([a-zA-Z0-9-_]+) pattern.", f.aliasName)
	}
	id := f.id + "Alias" + strings.NewReplacer("-", "D", "_", "U").Replace(f.aliasName)
	r := newResource("AWS::Lambda::Alias", id, f.inherited())
	r.set("Name", f.aliasName).set("FunctionName", f.lambda.ref()).set("FunctionVersion", getAtt(version.id, "Version"))
	if p := f.get("ProvisionedConcurrencyConfig"); truthy(p) {
		r.set("ProvisionedConcurrencyConfig", p)
	}
	return r
}
