'use strict';
// The function that others' events are handed on to: it says whose they are.
exports.handler = (event, context) => {
    event.Records.forEach((r) => console.log('seen ' + new Buffer(r.kinesis.data, 'base64')));
    context.succeed();
};
