package sam

var snsProperties = properties(`
	Topic! str
	Region str
	FilterPolicy any
	FilterPolicyScope any
	SqsSubscription bool|map
	RedrivePolicy map
`)

// sns subscribes the function, or a queue that the function reads.
func (e *event) sns() []*resource {
	topic, through := e.get("Topic"), e.get("SqsSubscription")
	if !truthy(through) {
		return []*resource{e.permission("sns.amazonaws.com", topic), e.subscription("lambda", e.target.arn())}
	}
	if _, ok := through.(bool); ok {
		queue := e.make("AWS::SQS::Queue", e.id+"Queue")
		if fifo := e.fifo(topic); truthy(fifo) {
			queue.set("FifoQueue", fifo)
		}
		out := e.read(queue.arn(), nil)
		return append(out, queue, e.queuePolicy(e.id+"QueuePolicy", queue.arn(), queue.ref(), "*", topic), e.subscription("sqs", queue.arn()))
	}
	d := inEvent(e.name, "SqsSubscription").object(through)
	arn, url := d.get("QueueArn"), d.get("QueueUrl")
	if !truthy(arn) || !truthy(url) {
		e.bad("No QueueARN or QueueURL provided.")
	}
	id := e.id + "QueuePolicy"
	if given := d.get("QueuePolicyLogicalId"); truthy(given) {
		id = text(given)
	}
	policy := e.queuePolicy(id, arn, url, "*", topic)
	return append(e.read(arn, d.get("BatchSize")), policy, e.subscription("sqs", arn))
}

// fifo reports whether a topic of the template keeps its messages in order.
func (e *event) fifo(topic any) any {
	of, _ := e.resources().get(referred(topic)).(*dict)
	properties, _ := of.get("Properties").(*dict)
	if !properties.has("FifoTopic") {
		return false
	}
	return e.resolve(properties.get("FifoTopic"))
}

func (e *event) subscription(protocol string, endpoint any) *resource {
	r := e.make("AWS::SNS::Subscription", e.id).set("Protocol", protocol).set("Endpoint", endpoint).set("TopicArn", e.get("Topic"))
	for _, n := range []string{"Region", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy"} {
		r.set(n, e.get(n))
	}
	return r
}

// read makes the function read the queue.
func (e *event) read(queue, batch any) []*resource {
	if !truthy(batch) {
		batch = 10
	}
	reader := *e
	reader.id, reader.typ = e.id+"EventSourceMapping", "SQS"
	reader.properties = object(pair{"Queue", queue}, pair{"BatchSize", batch}, pair{"Enabled", true})
	return reader.stream()
}
