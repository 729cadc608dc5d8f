// Works on pictures by ImageMagick, which the runtime has.
var im = require('imagemagick');
var fs = require('fs');

exports.handler = function (event, context, callback) {
	if (event.operation === 'ping') return callback(null, 'pong');
	if (event.operation !== 'thumbnail') return callback(new Error('Unrecognized operation "' + event.operation + '"'));
	var picture = new Buffer(event.base64Image, 'base64').toString('binary');
	im.resize({ srcData: picture, format: 'png', width: 100, dstPath: '/tmp/resized.png' }, function (err) {
		if (err) return callback(err);
		callback(null, new Buffer(fs.readFileSync('/tmp/resized.png')).toString('base64'));
	});
};
