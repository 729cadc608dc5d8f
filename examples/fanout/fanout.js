'use strict';
// Fans streams out: the records of a Kinesis stream or of a table's stream go to every
// target that a table names for it. What a target does not take makes the batch come again.
const AWS = require('aws-sdk');
const agg = require('aws-kinesis-agg');
const destinations = require('./destinations');

const remembered = 300 * 1000; // how long targets are, which are asked for anew after it
const dynamo = new AWS.DynamoDB();
const metrics = new AWS.CloudWatch();
const sts = new AWS.STS();
const targets = {}; // of a source: {at, list}
const sessions = {}; // of a role and an external id: {until, credentials}

// call is a promise of what the SDK of 2016 tells a callback.
const call = (client, operation, input) => new Promise((resolve, reject) => {
    client[operation](input, (err, data) => err ? reject(err) : resolve(data));
});

const plain = (v) => { // of an attribute, its value
    const kind = Object.keys(v)[0];
    switch (kind) {
    case 'M': return item(v.M);
    case 'L': return v.L.map(plain);
    case 'N': return Number(v.N);
    case 'NS': return v.NS.map(Number);
    case 'NULL': return null;
    default: return v[kind];
    }
};
const item = (attributes) => Object.keys(attributes || {}).reduce((all, name) => {
    all[name] = plain(attributes[name]);
    return all;
}, {});

// read finds the active targets of a source, a page of the table after the other.
const read = (source, from) => call(dynamo, 'query', {
    TableName: process.env.TARGETS,
    KeyConditionExpression: 'sourceArn = :source',
    FilterExpression: 'active = :active',
    ExpressionAttributeValues: { ':source': { S: source }, ':active': { BOOL: true } },
    Select: 'ALL_ATTRIBUTES',
    ConsistentRead: true,
    ExclusiveStartKey: from,
}).then((page) => {
    const list = page.Items.map(item);
    if (!page.LastEvaluatedKey) return list;
    return read(source, page.LastEvaluatedKey).then((more) => list.concat(more));
});

const targetsOf = (source) => {
    const known = targets[source];
    if (known && Date.now() - known.at < remembered) return Promise.resolve(known.list);
    return read(source).then((list) => {
        targets[source] = { at: Date.now(), list: list };
        return list;
    });
};

// options are those of a target's client: its region, and the role it is reached under.
const options = (target) => {
    const of = { region: target.region || process.env.AWS_REGION };
    if (!target.role) return Promise.resolve(of);
    const key = target.role + '\n' + target.externalId, known = sessions[key];
    if (known && known.until > Date.now()) {
        of.credentials = known.credentials;
        return Promise.resolve(of);
    }
    return call(sts, 'assumeRole', { RoleArn: target.role, RoleSessionName: 'Lambda', ExternalId: target.externalId, DurationSeconds: 900 }).then((data) => {
        const c = data.Credentials;
        of.credentials = new AWS.Credentials(c.AccessKeyId, c.SecretAccessKey, c.SessionToken);
        sessions[key] = { until: c.Expiration.getTime() - 60 * 1000, credentials: of.credentials };
        return of;
    });
};

// unpack is what the Kinesis Producer Library packed into one record, each by itself.
const unpack = (record) => new Promise((resolve, reject) => {
    agg.deaggregateSync(record.kinesis, true, (err, list) => {
        if (err) return reject(err);
        resolve(list.map((r) => ({ key: r.partitionKey, id: r.sequenceNumber + '.' + (r.subSequenceNumber || 0), data: new Buffer(r.data, 'base64') })));
    });
});

// records are what an event brings: their key, an id of their own, and their bytes.
const records = (list) => Promise.all(list.map((r) => {
    if (r.kinesis) return unpack(r);
    const change = { event: r.eventName, keys: item(r.dynamodb.Keys), item: r.dynamodb.NewImage && item(r.dynamodb.NewImage) };
    return [{ key: r.eventID, id: r.eventID, data: new Buffer(JSON.stringify(change)) }];
})).then((lists) => [].concat.apply([], lists));

const send = (target, batch, list) => options(target)
    .then((of) => destinations[target.type](of, target, batch, list))
    .then(() => console.log('sent ' + list.length + ' records to ' + target.id));

const measure = (source, list, failed) => call(metrics, 'putMetricData', { Namespace: 'Custom/FanOut', MetricData: [
    { MetricName: 'Records', Unit: 'Count', Value: list.length, Dimensions: [{ Name: 'source', Value: source }] },
    { MetricName: 'Failures', Unit: 'Count', Value: failed, Dimensions: [{ Name: 'source', Value: source }] },
] });

// A mapping has one source, and so all of a batch is of it.
exports.handler = (event, context) => {
    const source = event.Records[0].eventSourceARN;
    Promise.all([targetsOf(source), records(event.Records)]).then((both) => {
        let failed = 0;
        const sent = both[0].map((target) => send(target, event, both[1]).catch((err) => {
            failed++;
            console.log('failed: ' + target.id + ': ' + (err.code || err.name) + ': ' + err.message);
        }));
        return Promise.all(sent).then(() => measure(source, both[1], failed)).then(() => {
            if (failed) context.fail(failed + ' of ' + sent.length + ' targets failed');
            else context.succeed('sent ' + both[1].length + ' records to ' + sent.length + ' targets');
        });
    }).catch((err) => context.fail(err));
};
