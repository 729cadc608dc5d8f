package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lagging is a function that logs how long what it is called with took to come, in milliseconds. What
// it is called with is a word that the line then has, and when it was sent, in microseconds.
const lagging = `const { performance } = require("perf_hooks");
const sent = (r) => r.kinesis ? Buffer.from(r.kinesis.data, "base64").toString() : r.dynamodb ? r.dynamodb.Keys.id.S : r.body;
exports.handler = async (event) => {
	const now = performance.timeOrigin + performance.now();
	for (const r of event.Records) { const [word, at] = sent(r).split(" "); console.log(word + " " + (now - Number(at) / 1000) + " ms"); }
};`

// A feed is a source of a mapping.
type feed struct {
	name, service, kind, target string
	create, put, arn            string // put has %s for what is sent
	start                       string
	aim50, aim99                float64 // ms
}

var feeds = []feed{
	{"Kinesis record", "kinesis", "application/x-amz-json-1.1", "Kinesis_20131202.",
		`CreateStream {"StreamName":"lag","ShardCount":1}`, `PutRecord {"StreamName":"lag","PartitionKey":"k","Data":"%s"}`,
		"arn:aws:kinesis:us-east-1:000000000000:stream/lag", "TRIM_HORIZON", 5, 20},
	{"table's record", "dynamodb", "application/x-amz-json-1.0", "DynamoDB_20120810.",
		`CreateTable {"TableName":"lag","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"KEYS_ONLY"}}`,
		`PutItem {"TableName":"lag","Item":{"id":{"S":"%s"}}}`, "", "TRIM_HORIZON", 5, 20},
	{"queue's message", "sqs", "application/x-amz-json-1.0", "AmazonSQS.",
		`CreateQueue {"QueueName":"lag"}`, `SendMessage {"QueueUrl":"http://localhost:4566/000000000000/lag","MessageBody":"%s"}`,
		"arn:aws:sqs:us-east-1:000000000000:lag", "", 5, 20},
}

// lagPause lies between what is sent: so long that the environment is frozen again.
const lagPause = 25 * time.Millisecond

// benchMappings is how long what is put takes to its function, from before it is sent until the
// handler runs, against the same client's put and invoke, one after the other: what there is to be
// done, without the mapping.
func benchMappings(_ context.Context, r *rig) ([]row, error) {
	if err := r.need(); err != nil {
		return nil, err
	}
	var rows []row
	for _, f := range feeds {
		lags, floors, err := f.lags(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		p50, p99 := lags[len(lags)/2], lags[len(lags)*99/100]
		b50, b99 := floors[len(floors)/2], floors[len(floors)*99/100]
		rows = append(rows, row{f.name + " to its function, p50 p99", fmt.Sprintf("%.1f %.1f ms", p50, p99), fmt.Sprintf("%.1f %.1f ms, put and invoke", b50, b99),
			fmt.Sprintf("%.2f × %.2f ×", p50/b50, p99/b99), fmt.Sprintf("< %.0f %.0f ms", f.aim50, f.aim99), p50 < f.aim50 && p99 < f.aim99})
	}
	return rows, nil
}

// lags are the times to the function and those of a put and an invoke, in ms and in order.
func (f *feed) lags(r *rig) (lags, floors []float64, err error) {
	name := "lag-" + f.service
	if err := r.function(name, "nodejs20.x", "index.handler", 256, map[string]string{"index.js": lagging}); err != nil {
		return nil, nil, err
	}
	for _, policy := range []string{"AWSLambdaKinesisExecutionRole", "AWSLambdaDynamoDBExecutionRole", "AWSLambdaSQSQueueExecutionRole"} {
		if _, err := r.call(r.request("POST", "/?Action=AttachRolePolicy&RoleName="+name+"&PolicyArn="+urlEscape("arn:aws:iam::aws:policy/service-role/"+policy), "iam", "", nil)); err != nil {
			return nil, nil, err
		}
	}
	t, err := r.caller(r.address, f.service, f.kind, "X-Amz-Target: "+f.target)
	if err != nil {
		return nil, nil, err
	}
	defer t.conn.Close()
	arn := f.arn
	op, body, _ := strings.Cut(f.create, " ")
	made, err := t.call(op, body)
	if err != nil {
		return nil, nil, err
	}
	if arn == "" {
		var out struct {
			TableDescription struct{ LatestStreamArn string }
		}
		if err := json.Unmarshal(made, &out); err != nil {
			return nil, nil, err
		}
		arn = out.TableDescription.LatestStreamArn
	}
	if floors, err = f.send(r, t, name, "before", 100, false); err != nil {
		return nil, nil, err
	}
	mapping := map[string]any{"FunctionName": name, "EventSourceArn": arn}
	if f.start != "" {
		mapping["StartingPosition"] = f.start
	}
	b, err := json.Marshal(mapping)
	if err != nil {
		return nil, nil, err
	}
	if _, err := r.call(r.request("POST", "/2015-03-31/event-source-mappings/", "lambda", "", b)); err != nil {
		return nil, nil, err
	}
	if _, err := f.send(r, t, name, "warm", 40, true); err != nil {
		return nil, nil, err
	}
	lags, err = f.send(r, t, name, "then", 400, true)
	return lags, floors, err
}

// send puts n of them with a word, and gives how long each took to the function that is mapped; or, if
// none is, how long a put and an invoke take.
func (f *feed) send(r *rig, t *talker, name, word string, n int, mapped bool) ([]float64, error) {
	op, body, _ := strings.Cut(f.put, " ")
	var took []float64
	for range n {
		time.Sleep(lagPause)
		begun := time.Now()
		text := word + " " + strconv.FormatInt(begun.UnixMicro(), 10)
		if f.service == "kinesis" {
			text = base64.StdEncoding.EncodeToString([]byte(text))
		}
		if _, err := t.call(op, fmt.Sprintf(body, text)); err != nil {
			return nil, err
		}
		if !mapped {
			if _, err := r.call(r.request("POST", "/2015-03-31/functions/"+name+"/invocations", "lambda", "", []byte(`{"Records":[]}`))); err != nil {
				return nil, err
			}
			took = append(took, float64(time.Since(begun).Microseconds())/1000)
		}
	}
	for begun := time.Now(); mapped && len(took) < n; {
		if time.Since(begun) > 30*time.Second {
			return nil, fmt.Errorf("%d of %d came", len(took), n)
		}
		time.Sleep(500 * time.Millisecond)
		var err error
		if took, err = r.logged(name, word); err != nil {
			return nil, err
		}
	}
	slices.Sort(took)
	return took, nil
}

// logged are the numbers that a function has logged behind a word.
func (r *rig) logged(function, word string) (all []float64, err error) {
	text, err := r.call(r.request("POST", "/", "logs", "Logs_20140328.FilterLogEvents", []byte(`{"logGroupName":"/aws/lambda/`+function+`","filterPattern":"`+word+`"}`)))
	if err != nil {
		return nil, err
	}
	var out struct{ Events []struct{ Message string } }
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, err
	}
	for _, e := range out.Events {
		_, rest, _ := strings.Cut(e.Message, word+" ")
		number, _, _ := strings.Cut(rest, " ")
		v, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}
