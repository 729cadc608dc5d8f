'use strict';
// Says, in its own log, by which request of the API it was called.
exports.handler = (event, context, callback) => {
    const request = event.context['request-id'];
    console.log('API Gateway Request ID: ' + request + ' Lambda Request ID: ' + context.awsRequestId);
    const prefix = 'APIG: ' + request + ' -  ';
    console.log(prefix + 'hello world!');
    callback(null, { request: request });
};
