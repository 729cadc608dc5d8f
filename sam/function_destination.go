package sam

import "slices"

// destinations are the function's EventInvokeConfig, and the queues and topics that it
// makes for what it sends on.
func (f *function) destinations() []*resource {
	given := f.get("EventInvokeConfig")
	if !truthy(given) {
		return nil
	}
	conf := members(f.resolve(given))
	id := f.id + "EventInvokeConfig"
	r := newResource("AWS::Lambda::EventInvokeConfig", id, f.attributes)
	if f.alias != nil {
		r.on(f.alias.id)
	}
	to := object()
	var out []*resource
	if d := conf.get("DestinationConfig"); truthy(d) {
		all := at(f.id, "EventInvokeConfig.DestinationConfig").object(d)
		for _, n := range []string{"OnSuccess", "OnFailure"} {
			if all.get(n) == nil {
				continue
			}
			one := at(f.id, "EventInvokeConfig.DestinationConfig."+n).object(all.get(n))
			made, target := f.destination(one, n, id)
			to.set(n, object(pair{"Destination", target}))
			if made != nil {
				out = append(out, made)
			}
		}
	}
	qualifier := f.aliasName
	if qualifier == "" {
		qualifier = "$LATEST"
	}
	r.set("FunctionName", ref(f.lambda.id)).set("Qualifier", qualifier).set("DestinationConfig", to)
	r.set("MaximumEventAgeInSeconds", conf.get("MaximumEventAgeInSeconds")).set("MaximumRetryAttempts", conf.get("MaximumRetryAttempts"))
	return append(out, r)
}

// destination is what the function sends on to; made is the queue or the topic that is
// made for it.
func (f *function) destination(d *dict, event, id string) (made *resource, target any) {
	kind, target := text(d.get("Type")), d.get("Destination")
	if !slices.Contains([]string{"SQS", "SNS", "EventBridge", "Lambda", "S3Bucket"}, kind) {
		f.bad("'Type: %s' must be one of ['SQS', 'SNS', 'EventBridge', 'Lambda', 'S3Bucket']", str(d.get("Type")))
	}
	condition, given := f.missing(target, id)
	if target == nil || condition != nil {
		switch kind {
		case "SQS":
			made = newResource("AWS::SQS::Queue", id+event+"Queue", f.inherited())
		case "SNS":
			made = newResource("AWS::SNS::Topic", id+event+"Topic", f.inherited())
		default:
			f.bad("Destination is required if Type is not ['SQS', 'SNS']")
		}
		if c := f.bothConditions(f.inherited().get("Condition"), condition); truthy(c) {
			made.attributes.set("Condition", c)
		}
		target = made.arn()
		if condition != nil {
			target = either(condition, made.arn(), given)
		}
	}
	f.policies = append(f.policies, sendPolicy(kind, target, id+event))
	return made, target
}

// missing is the condition under which a destination is no value, and what it is else.
func (f *function) missing(target any, id string) (condition, given any) {
	if !isIf(target) {
		return nil, nil
	}
	c, then, otherwise := branches(target, func(says string) { badResource(id, "Malformed 'Destination' property: %s.", says) })
	switch {
	case isNoValue(then) && isNoValue(otherwise):
		return nil, nil
	case isNoValue(then):
		return c, otherwise
	case isNoValue(otherwise):
		negated := conditionID("NOT"+word(c), id)
		f.conditions().set(negated, not(c))
		return negated, then
	}
	return nil, nil
}

func (f *function) bothConditions(own, of any) any {
	if own == nil {
		return of
	}
	if of == nil {
		return own
	}
	n := conditionID(word(own)+"AND"+word(of), f.id)
	// SAM names conditions within a condition twice over.
	f.conditions().set(n, object(pair{"Fn::And", conditionList(conditionList([]any{own, of}))}))
	return n
}

// conditionID is the name of a condition that is made for a resource.
func conditionID(n, of string) string {
	n += logicalID("", of)
	return n[:min(len(n), 255)]
}

// sendPolicy lets a role send to a destination.
func sendPolicy(kind string, to any, id string) any {
	switch kind {
	case "SQS":
		return rolePolicy(id+"SQSPolicy", allow("sqs:SendMessage", to))
	case "SNS":
		return rolePolicy(id+"SNSPolicy", allow("sns:publish", to))
	case "EventBridge":
		return rolePolicy(id+"EventBridgePolicy", allow("events:PutEvents", to))
	case "Lambda":
		return rolePolicy(id+"LambdaPolicy", allow("lambda:InvokeFunction", to))
	}
	return rolePolicy(id+"S3Policy", allow("s3:PutObject", join("/", to, "*")), allow("s3:ListBucket", to))
}
