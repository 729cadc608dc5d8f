// Redirects by failing: an error's message says what kind it is, and its name where to.
exports.handler = function (event, context) {
	if (event.kind === 'found') return context.done(null, { found: true });
	var err = new Error('HandlerDemo.' + event.kind);
	err.name = event.to;
	context.done(err, {});
};
