package sam

import "slices"

var s3Properties = properties(`
	Bucket! str
	Events! =str|[str]
	Filter {str}
`)

// within finds the resource of the template that a Ref names.
func (e *event) within(v any) bool {
	d, ok := v.(*dict)
	if !ok || !d.has(fnRef) {
		return false
	}
	id, ok := textOf(d.get(fnRef))
	if !ok {
		if e.typ == "S3" {
			e.bad("'Ref' value in S3 events is not a valid string.")
		}
		badEvent(e.id, "Ref in Userpool is not a string.")
	}
	e.sourceID = id
	e.source, ok = e.resources().get(id).(*dict)
	return ok
}

func (e *event) linkBucket() {
	if !e.within(e.get("Bucket")) {
		e.bad("S3 events must reference an S3 bucket in the same template.")
	}
}

// s3 makes the bucket tell the function; the bucket is the template's, changed.
func (e *event) s3() []*resource {
	p := e.permission("s3.amazonaws.com", nil).set("SourceAccount", ref("AWS::AccountId"))
	bucket := e.source
	if c := p.condition(); p.attributes.has("Condition") {
		e.waitByTag(bucket, p, c)
	} else {
		waits := []any{}
		if bucket.has("DependsOn") {
			waits = asList(bucket.get("DependsOn"))
		}
		if slices.ContainsFunc(waits, func(v any) bool { return !fits(v, "str") }) {
			badResource(e.id, "Invalid type for field 'DependsOn'. Expected a string or list of strings.")
		}
		if !contains(waits, p.id) {
			bucket.set("DependsOn", append(slices.Clone(waits), p.id))
		}
	}
	e.notify(bucket)
	return []*resource{p, e.standing(bucket, "AWS::S3::Bucket", bucketProperties)}
}

// waitByTag makes the bucket wait for a permission that is not always there: its tag
// refers to it.
func (e *event) waitByTag(bucket *dict, p *resource, condition any) {
	if bucket.get("Properties") == nil {
		bucket.set("Properties", object())
	}
	properties := members(bucket.get("Properties"))
	tags := []any{}
	if given := properties.get("Tags"); given != nil {
		tags = at(e.sourceID, "Tags").list(given)
	}
	tag := object(pair{"Key", "sam:ConditionalDependsOn:" + p.id}, pair{"Value", either(condition, ref(p.id), "no dependency")})
	properties.set("Tags", append(slices.Clone(tags), tag))
}

func (e *event) notify(bucket *dict) {
	if !bucket.has("Properties") {
		bucket.set("Properties", object())
	}
	properties := at(e.sourceID, "").orSay("Properties should be a map.").object(bucket.get("Properties"))
	if properties.get("NotificationConfiguration") == nil {
		properties.set("NotificationConfiguration", object())
	}
	conf := at(e.sourceID, "NotificationConfiguration").object(properties.get("NotificationConfiguration"))
	list := []any{}
	if given := conf.get("LambdaConfigurations"); given != nil {
		var ok bool
		if list, ok = given.([]any); !ok {
			badResource(e.sourceID, "Invalid type for LambdaConfigurations. Must be a list.")
		}
	}
	for _, v := range asList(e.get("Events")) {
		one := object(pair{"Function", e.target.arn()})
		if f := e.get("Filter"); f != nil {
			one.set("Filter", deepCopy(f))
		}
		one.set("Event", v)
		if e.target.attributes.has("Condition") {
			one = when(e.target.condition(), one)
		}
		if !contains(list, one) {
			list = append(slices.Clone(list), one)
		}
	}
	conf.set("LambdaConfigurations", list)
}

// standing is a resource of the template that an event changed.
func (e *event) standing(given *dict, typ, properties string) *resource {
	r := newResource(typ, e.sourceID, object())
	if !is(given.get("Type"), typ) {
		if !given.has("Type") {
			badResource(e.sourceID, "Resource dict missing key 'Type'.")
		}
		badResource(e.sourceID, "Resource has incorrect Type; expected '%s', got '%s'", typ, str(given.get("Type")))
	}
	check(propertiesAny(properties), members(given.get("Properties")), e.sourceID, typ)
	r.properties, r.dependsOn = members(given.get("Properties")).clone(), given.get("DependsOn")
	for _, n := range kept {
		if given.has(n) {
			r.attributes.set(n, given.get(n))
		}
	}
	return r
}

const bucketProperties = `AccessControl AccelerateConfiguration AnalyticsConfigurations BucketEncryption BucketName CorsConfiguration
	IntelligentTieringConfigurations InventoryConfigurations LifecycleConfiguration LoggingConfiguration MetricsConfigurations
	NotificationConfiguration ObjectLockConfiguration ObjectLockEnabled OwnershipControls PublicAccessBlockConfiguration
	ReplicationConfiguration Tags VersioningConfiguration WebsiteConfiguration`

const userPoolProperties = `AccountRecoverySetting AdminCreateUserConfig AliasAttributes AutoVerifiedAttributes DeletionProtection
	DeviceConfiguration EmailAuthenticationMessage EmailAuthenticationSubject EmailConfiguration EmailVerificationMessage
	EmailVerificationSubject EnabledMfas LambdaConfig MfaConfiguration Policies Schema SmsAuthenticationMessage SmsConfiguration
	SmsVerificationMessage UserAttributeUpdateSettings UsernameAttributes UsernameConfiguration UserPoolAddOns UserPoolName
	UserPoolTags UserPoolTier VerificationMessageTemplate WebAuthnRelyingPartyID WebAuthnUserVerification`

var cognitoProperties = properties(`
	UserPool! str
	Trigger! =str|[str]
`)

func (e *event) linkUserPool() {
	if !e.within(e.get("UserPool")) {
		e.bad("Cognito events must reference a Cognito UserPool in the same template.")
	}
}

// cognito makes the user pool call the function; the pool is the template's, changed.
func (e *event) cognito() []*resource {
	p := e.permissionOf(e.target.id+"Cognito", "", "cognito-idp.amazonaws.com", getAtt(e.sourceID, "Arn"))
	pool := e.source
	if pool.get("Properties") == nil {
		pool.set("Properties", object())
	}
	properties := members(pool.get("Properties"))
	if properties.get("LambdaConfig") == nil {
		properties.set("LambdaConfig", object())
	}
	conf := at(e.sourceID, "LambdaConfig").object(properties.get("LambdaConfig"))
	for _, t := range asList(e.get("Trigger")) {
		if conf.has(text(t)) {
			e.bad("Cognito trigger \"%s\" defined multiple times.", str(e.get("Trigger")))
		}
		conf.put(nameOf(t), e.target.arn())
	}
	return []*resource{p, e.standing(pool, "AWS::Cognito::UserPool", userPoolProperties)}
}
