package sam

// What EventBridge's rules and schedules make of events.

var (
	scheduleProperties = properties(`
		Schedule! str
		RuleName str
		Input str
		Enabled bool
		State str
		Name str
		Description str
		DeadLetterConfig map
		RetryPolicy map
	`)
	stateScheduleProperties = properties(`
		Schedule! str
		Input str
		Enabled bool
		State str
		Name str
		Description str
		DeadLetterConfig map
		RetryPolicy map
		Target =map
		RoleArn =str
	`)
	ruleProperties = properties(`
		EventBusName str
		RuleName str
		Pattern map
		DeadLetterConfig map
		RetryPolicy map
		Input str
		InputPath str
		Target map
		Enabled bool
		State str
		InputTransformer map
	`)
	stateRuleProperties = properties(`
		EventBusName str
		RuleName str
		Pattern map
		Input str
		InputPath str
		DeadLetterConfig map
		RetryPolicy map
		State str
		Target =map
		InputTransformer map
	`)
)

// callsFunction reports whether the event is a function's, not a state machine's.
func (e *event) callsFunction() bool { return e.item.typ == prefix+"Function" }

func (e *event) schedule() []*resource {
	r := e.make("AWS::Events::Rule", e.id).set("ScheduleExpression", e.get("Schedule"))
	r.set("Name", e.get("Name")).set("Description", e.get("Description"))
	return e.ruleOf(r)
}

func (e *event) rule() []*resource {
	r := e.make("AWS::Events::Rule", e.id).set("EventBusName", e.get("EventBusName"))
	r.set("EventPattern", e.get("Pattern")).set("Name", e.get("RuleName"))
	return e.ruleOf(r)
}

// ruleOf completes a rule: with what it calls, and what lets it.
func (e *event) ruleOf(r *resource) []*resource {
	out := []*resource{r}
	if truthy(e.get("State")) && e.get("Enabled") != nil {
		e.bad("State and Enabled Properties cannot both be specified.")
	}
	if s := e.get("State"); truthy(s) {
		r.set("State", s)
	}
	if on := e.get("Enabled"); on != nil {
		r.set("State", "DISABLED")
		if truthy(on) {
			r.set("State", "ENABLED")
		}
	}
	target := object(pair{"Arn", e.target.arn()}, pair{"Id", e.targetID()})
	if !e.callsFunction() {
		if role := e.get("RoleArn"); role != nil {
			target.set("RoleArn", role)
		} else {
			own := e.startRole("events.amazonaws.com")
			out = append(out, own)
			target.set("RoleArn", own.arn())
		}
	}
	for _, n := range []string{"Input", "InputPath"} {
		if v := e.get(n); v != nil {
			target.set(n, v)
		}
	}
	if e.get("DeadLetterConfig") != nil {
		queue, made := e.deadLetters(r.arn())
		out = append(out, made...)
		target.set("DeadLetterConfig", object(pair{"Arn", queue}))
	}
	for _, n := range []string{"RetryPolicy", "InputTransformer"} {
		if v := e.get(n); v != nil {
			target.set(n, v)
		}
	}
	r.set("Targets", []any{target})
	if e.callsFunction() {
		out = append(out, e.permission("events.amazonaws.com", r.arn()))
	}
	return out
}

// longestTarget is how long a target's id may be.
const longestTarget = 64

func (e *event) targetID() any {
	if t, ok := e.get("Target").(*dict); ok && t.has("Id") {
		return t.get("Id")
	}
	suffix := "LambdaTarget"
	if !e.callsFunction() {
		suffix = "StepFunctionsTarget"
	}
	return e.id[:min(len(e.id), longestTarget-len(suffix))] + suffix
}

// startRole is a role under which a service starts the state machine.
func (e *event) startRole(service string) *resource {
	r := e.make("AWS::IAM::Role", e.id+"Role").set("AssumeRolePolicyDocument", assumedBy(service))
	r.set("Policies", []any{rolePolicy(r.id+"StartExecutionPolicy", allow("states:StartExecution", e.target.arn()))})
	if p := e.item.get("PermissionsBoundary"); truthy(p) {
		r.set("PermissionsBoundary", p)
	}
	return r
}

// checkDeadLetters holds the event's DeadLetterConfig against what it may be.
func (e *event) checkDeadLetters() *dict {
	d := members(e.get("DeadLetterConfig"))
	switch {
	case d.has("Arn") && d.has("Type"):
		badEvent(e.id, "You can either define 'Arn' or 'Type' property of DeadLetterConfig.")
	case d.has("Type") && !is(d.get("Type"), "SQS"):
		badEvent(e.id, "The only valid value for 'Type' property of DeadLetterConfig is 'SQS'.")
	case !d.has("Arn") && !d.has("Type"):
		badEvent(e.id, "No 'Arn' or 'Type' property provided for DeadLetterConfig.")
	}
	return d
}

// deadLetterQueue is the queue that is made for what could not be delivered.
func (e *event) deadLetterQueue(d *dict) *resource {
	id := e.id + "Queue"
	if given := d.get("QueueLogicalId"); given != nil {
		t, ok := textOf(given)
		if !ok {
			badEvent(e.id, "QueueLogicalId must be a string")
		}
		if t != "" {
			id = t
		}
	}
	return e.make("AWS::SQS::Queue", id)
}

// deadLetters are the queue for what a rule could not deliver, and what is made for that.
func (e *event) deadLetters(rule *dict) (arn any, made []*resource) {
	d := e.checkDeadLetters()
	if arn = d.get("Arn"); arn != nil {
		return arn, nil
	}
	queue := e.deadLetterQueue(d)
	return queue.arn(), []*resource{queue, e.queuePolicy(e.id+"QueuePolicy", queue.arn(), queue.ref(), object(pair{"Service", "events.amazonaws.com"}), rule)}
}

// queuePolicy lets something send to a queue.
func (e *event) queuePolicy(id string, arn, url, principal, from any) *resource {
	s := allow("sqs:SendMessage", arn).set("Principal", principal).
		set("Condition", object(pair{"ArnEquals", object(pair{"aws:SourceArn", from})}))
	document := object(pair{"Version", "2012-10-17"}, pair{"Statement", []any{s}})
	return e.make("AWS::SQS::QueuePolicy", id).set("PolicyDocument", document).set("Queues", []any{url})
}

var scheduleV2Properties = properties(`
	PermissionsBoundary str
	ScheduleExpression! str
	FlexibleTimeWindow map
	Name str
	State str
	Description str
	StartDate str
	EndDate str
	ScheduleExpressionTimezone str
	GroupName str
	KmsKeyArn str
	Input str
	RoleArn str
	DeadLetterConfig map
	RetryPolicy map
	OmitName =bool
`)

// scheduleV2 is a schedule of EventBridge Scheduler.
func (e *event) scheduleV2() []*resource {
	r := e.make("AWS::Scheduler::Schedule", e.id)
	out := []*resource{r}
	for _, n := range []string{"ScheduleExpression", "Description", "StartDate", "EndDate", "ScheduleExpressionTimezone", "GroupName",
		"KmsKeyArn"} {
		r.set(n, e.get(n))
	}
	if s := e.get("State"); truthy(s) {
		r.set("State", s)
	}
	switch given := e.get("Name"); {
	case truthy(e.get("OmitName")):
		if truthy(given) {
			badEvent(e.id, "Name cannot be set when OmitName is True")
		}
	case truthy(given):
		r.set("Name", given)
	default:
		r.set("Name", e.id)
	}
	r.set("FlexibleTimeWindow", object(pair{"Mode", "OFF"}))
	if w := e.get("FlexibleTimeWindow"); truthy(w) {
		r.set("FlexibleTimeWindow", w)
	}
	var queue any
	if e.get("DeadLetterConfig") != nil {
		d := e.checkDeadLetters()
		if queue = d.get("Arn"); queue == nil {
			made := e.deadLetterQueue(d)
			out = append(out, made)
			queue = made.arn()
		}
	}
	role := e.get("RoleArn")
	if !truthy(role) {
		own := e.schedulerRole(queue)
		out = append(out, own)
		role = own.arn()
	}
	target := object(pair{"Arn", e.target.arn()}, pair{"RoleArn", role})
	if v := e.get("Input"); v != nil {
		target.set("Input", v)
	}
	if e.get("DeadLetterConfig") != nil {
		target.set("DeadLetterConfig", object(pair{"Arn", queue}))
	}
	if v := e.get("RetryPolicy"); v != nil {
		target.set("RetryPolicy", v)
	}
	r.set("Target", target)
	return out
}

// schedulerRole is the role under which the scheduler calls.
func (e *event) schedulerRole(queue any) *resource {
	policy := rolePolicy(e.id+"LambdaPolicy", allow("lambda:InvokeFunction", e.target.arn()))
	if !e.callsFunction() {
		policy = rolePolicy(e.id+"StartExecutionPolicy", allow("states:StartExecution", e.target.arn()))
	}
	policies := []any{policy}
	if truthy(queue) {
		policies = append(policies, rolePolicy(e.id+"SQSPolicy", allow("sqs:SendMessage", queue)))
	}
	r := e.make("AWS::IAM::Role", e.id+"Role").set("AssumeRolePolicyDocument", assumedBy("scheduler.amazonaws.com"))
	r.set("Policies", policies)
	if p := e.get("PermissionsBoundary"); truthy(p) {
		r.set("PermissionsBoundary", p)
	}
	return r
}
