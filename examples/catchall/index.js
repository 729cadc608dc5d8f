// Answers with what it was asked.
exports.handler = function (event, context, callback) {
	if (event.path === '/store/broken') return callback(null, 'no object');
	var said = { resource: event.resource, path: event.path, method: event.httpMethod, proxy: event.pathParameters, query: event.queryStringParameters, body: event.body };
	callback(null, { statusCode: 200, headers: { 'X-Store': event.stageVariables ? event.stageVariables.store : 'main' }, body: JSON.stringify(said) });
};
