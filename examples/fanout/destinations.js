'use strict';
// What records are sent to, by the type of a target: each takes the options of its client,
// the target, the event, and the records that it brought, and is a promise of their arrival.
const AWS = require('aws-sdk');
const net = require('net');

const call = (client, operation, input) => new Promise((resolve, reject) => {
    client[operation](input, (err, data) => err ? reject(err) : resolve(data));
});

// slices are at most so many records each, one after the other: their order is kept.
const slices = (list, most, send) => {
    if (list.length === 0) return Promise.resolve();
    return send(list.slice(0, most)).then(() => slices(list.slice(most), most, send));
};

const all = (out) => {
    if (out.FailedRecordCount || out.FailedPutCount) throw new Error('not all records were taken');
};

// talk sends text to a server, and is what it answers up to the end that is wanted.
const talk = (address, text, end) => new Promise((resolve, reject) => {
    const at = address.split(':');
    let answer = '';
    const socket = net.connect({ host: at[0], port: Number(at[1]) }, () => socket.write(text));
    socket.setTimeout(5000, () => socket.destroy(new Error(address + ' does not answer')));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(address + ' answered ' + JSON.stringify(answer))));
    socket.on('data', (chunk) => {
        answer += chunk;
        const found = end.exec(answer);
        if (!found) return;
        resolve(found);
        socket.end();
    });
});

exports.kinesis = (options, target, event, list) => slices(list, 500, (some) => call(new AWS.Kinesis(options), 'putRecords', {
    StreamName: target.destination, Records: some.map((r) => ({ PartitionKey: r.key, Data: r.data })),
}).then(all));

exports.firehose = (options, target, event, list) => slices(list, 500, (some) => call(new AWS.Firehose(options), 'putRecordBatch', {
    DeliveryStreamName: target.destination, Records: some.map((r) => ({ Data: Buffer.concat([r.data, new Buffer('\n')]) })),
}).then(all));

exports.sns = (options, target, event, list) => slices(list, 1, (one) => call(new AWS.SNS(options), 'publish', {
    TargetArn: target.destination, Message: one[0].data.toString(),
}));

exports.sqs = (options, target, event, list) => slices(list, 1, (one) => call(new AWS.SQS(options), 'sendMessage', {
    QueueUrl: target.destination, MessageBody: one[0].data.toString(),
}));

// lambda hands the event on as it came.
exports.lambda = (options, target, event) => call(new AWS.Lambda(options), 'invokeAsync', {
    FunctionName: target.destination, InvokeArgs: JSON.stringify(event),
});

// es sends one bulk, signed as Elasticsearch's domains want it, to host:port#index.
exports.es = (options, target, event, list) => new Promise((resolve, reject) => {
    const to = target.destination.split('#');
    const request = new AWS.HttpRequest(new AWS.Endpoint(to[0]));
    request.method = 'POST';
    request.path = '/' + to[1] + '/_bulk';
    request.region = options.region;
    request.headers.Host = request.endpoint.host;
    request.headers['Content-Type'] = 'application/x-ndjson';
    request.body = list.map((r) => JSON.stringify({ index: { _type: 'record', _id: r.id } }) + '\n' + r.data.toString() + '\n').join('');
    request.headers['Content-Length'] = Buffer.byteLength(request.body);
    const credentials = options.credentials || new AWS.EnvironmentCredentials('AWS');
    new AWS.Signers.V4(request, 'es').addAuthorization(credentials, new Date());
    new AWS.NodeHttpClient().handleRequest(request, null, (response) => {
        let body = '';
        response.on('data', (chunk) => { body += chunk; });
        response.on('end', () => {
            if (response.statusCode === 200 && !JSON.parse(body).errors) resolve();
            else reject(new Error('the bulk was answered ' + response.statusCode + ': ' + body));
        });
    }, reject);
});

exports.memcached = (options, target, event, list) => slices(list, 1, (one) => {
    const r = one[0];
    const set = Buffer.concat([new Buffer('set ' + r.key + ' 0 0 ' + r.data.length + '\r\n'), r.data, new Buffer('\r\n')]);
    return talk(target.destination, set, /^STORED\r\n/);
});

exports.redis = (options, target, event, list) => {
    const words = list.reduce((all, r) => all.concat([new Buffer(r.key), r.data]), [new Buffer('MSET')]);
    const parts = words.reduce((all, w) => all.concat([new Buffer('$' + w.length + '\r\n'), w, new Buffer('\r\n')]), [new Buffer('*' + words.length + '\r\n')]);
    return talk(target.destination, Buffer.concat(parts), /^\+OK\r\n/);
};
