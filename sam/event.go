package sam

import (
	"cmp"
	"slices"
)

// An event is what calls a function or a state machine.
type event struct {
	*item
	id         string // the item's logical id and the event's
	name       string
	typ        string
	properties *dict
	target     *resource // what it calls
	role       *resource // of what it calls, if SAM makes that
	source     *dict     // the bucket, the user pool or the API's properties in the template
	sourceID   string    // its logical id
	stage      any       // of an API, as logical ids name it
}

func (e *event) get(n string) any { return e.properties.get(n) }

// bad says what is wrong with the event.
func (e *event) bad(format string, args ...any) { badEvent(e.name, format, args...) }

// make is a resource with the attributes that what it is made for passes on.
func (e *event) make(typ, id string) *resource { return newResource(typ, id, e.target.inherited()) }

// A source is a type of event.
type source struct {
	table []property
	link  func(*event)             // finds what it is about; nil if that is nothing of the template
	to    func(*event) []*resource // what it becomes
}

func functionSource(typ string) (source, bool) {
	switch typ {
	case "Schedule":
		return source{scheduleProperties, nil, (*event).schedule}, true
	case "ScheduleV2":
		return source{scheduleV2Properties, nil, (*event).scheduleV2}, true
	case "CloudWatchEvent", "EventBridgeRule":
		return source{ruleProperties, nil, (*event).rule}, true
	case "S3":
		return source{s3Properties, (*event).linkBucket, (*event).s3}, true
	case "SNS":
		return source{snsProperties, nil, (*event).sns}, true
	case "Api":
		return source{apiEventProperties, (*event).linkAPI, (*event).restAPI}, true
	case "HttpApi":
		return source{httpEventProperties, (*event).linkHTTP, (*event).httpAPI}, true
	case "CloudWatchLogs":
		return source{logsProperties, nil, (*event).logs}, true
	case "AlexaSkill":
		return source{alexaProperties, nil, (*event).alexa}, true
	case "IoTRule":
		return source{iotProperties, nil, (*event).iot}, true
	case "Cognito":
		return source{cognitoProperties, (*event).linkUserPool, (*event).cognito}, true
	}
	if s, ok := streams[typ]; ok {
		return source{s.table, nil, (*event).stream}, true
	}
	return source{}, false
}

func stateMachineSource(typ string) (source, bool) {
	switch typ {
	case "Schedule":
		return source{stateScheduleProperties, nil, (*event).schedule}, true
	case "ScheduleV2":
		return source{scheduleV2Properties, nil, (*event).scheduleV2}, true
	case "CloudWatchEvent", "EventBridgeRule":
		return source{stateRuleProperties, nil, (*event).rule}, true
	case "Api":
		return source{stateAPIProperties, (*event).linkAPI, (*event).stateMachineAPI}, true
	}
	return source{}, false
}

// readEvents are an item's events, each with its source.
func (i *item) readEvents(sourceOf func(string) (source, bool)) (events []*event, sources []source) {
	given, _ := i.get("Events").(*dict)
	for _, n := range given.names() {
		d, ok := given.get(n.text).(*dict)
		if !ok {
			badEvent(n.text, "'%s' object has no attribute 'get'", pythonType(given.get(n.text)))
		}
		typ, _ := textOf(d.get("Type"))
		s, ok := sourceOf(typ)
		if !ok {
			badEvent(n.text, "Resource dict has missing or invalid value for key Type. Event Type is: %s.", str(d.get("Type")))
		}
		e := &event{item: i, id: i.id + n.text, name: n.text, typ: typ, properties: object()}
		checkID(e.id)
		if d.has("Properties") {
			p, ok := d.get("Properties").(*dict)
			if !ok {
				badResource(e.id, "Properties of a resource must be an object.")
			}
			e.properties = p.clone()
		}
		check(s.table, e.properties, e.id, typ)
		events, sources = append(events, e), append(sources, s)
		if s.link != nil {
			s.link(e)
		}
	}
	return events, sources
}

// linked reads an item's events before the item becomes anything, so that what is wrong
// with them is said first.
func (i *item) linked(sourceOf func(string) (source, bool)) (events []*event, sources []source) {
	f := catch(func() { events, sources = i.readEvents(sourceOf) })
	if f == nil {
		return events, sources
	}
	if f.kind == ofEvent {
		i.bad("%s", f.message())
	}
	panic(f)
}

// become is what the events become, in the order of the paths of those that have one.
func becomeOf(events []*event, sources []source, target, role *resource) []*resource {
	order := make([]int, len(events))
	for n := range order {
		order[n] = n
	}
	key := func(n int) string {
		if events[n].properties.has("Path") {
			return str(events[n].get("Path"))
		}
		return events[n].name
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(key(a), key(b)) })
	var out []*resource
	for _, n := range order {
		e := events[n]
		e.target, e.role = target, role
		out = append(out, sources[n].to(e)...)
	}
	return out
}

// permission lets a service call the function.
func (e *event) permission(service string, from any) *resource {
	return e.permissionOf(e.id, "", service, from)
}

func (e *event) permissionOf(prefix, suffix, service string, from any) *resource {
	r := e.make("AWS::Lambda::Permission", suffixed(prefix+"Permission", suffix))
	return r.set("Action", "lambda:InvokeFunction").set("FunctionName", e.target.ref()).set("Principal", service).set("SourceArn", from)
}

var alexaProperties = properties(`SkillId str`)

func (e *event) alexa() []*resource {
	return []*resource{e.permission("alexa-appkit.amazon.com", nil).set("EventSourceToken", e.get("SkillId"))}
}

var iotProperties = properties(`
	Sql! str
	AwsIotSqlVersion str
`)

func (e *event) iot() []*resource {
	from := sub(arnOf(e.Partition, "iot", "rule/${RuleName}"), pair{"RuleName", ref(e.id)})
	payload := object(pair{"Sql", e.get("Sql")}, pair{"RuleDisabled", false},
		pair{"Actions", []any{object(pair{"Lambda", object(pair{"FunctionArn", e.target.arn()})})}})
	if v := e.get("AwsIotSqlVersion"); truthy(v) {
		payload.set("AwsIotSqlVersion", v)
	}
	return []*resource{
		e.permission("iot.amazonaws.com", from).set("SourceAccount", sub("${AWS::AccountId}")),
		e.make("AWS::IoT::TopicRule", e.id).set("TopicRulePayload", payload),
	}
}

var logsProperties = properties(`
	LogGroupName! str
	FilterPattern! str
`)

func (e *event) logs() []*resource {
	group := e.get("LogGroupName")
	p := e.permission("logs.amazonaws.com",
		sub(arnOf(e.Partition, "logs", "log-group:${__LogGroupName__}:*"), pair{"__LogGroupName__", group}))
	filter := e.make("AWS::Logs::SubscriptionFilter", e.id).on(p.id)
	return []*resource{p, filter.set("LogGroupName", group).set("FilterPattern", e.get("FilterPattern")).set("DestinationArn", e.target.arn())}
}
