// A bot that answers a chat's outgoing webhook, and says which runtime it is on.
var AWS = require('aws-sdk');
var lambda = new AWS.Lambda({ region: 'us-west-2' });

var help = { usage: 'Ask me with my name and a command', show: 'show services: what I know of', help: 'help COMMAND: what it does' };
var commands = {
	usage: function () { return help.usage; },
	show: function (what) { return what === 'services' ? Object.keys(AWS).filter(function (n) { return /^(DynamoDB|Kinesis|Lambda)$/.test(n); }).sort().join(', ') : help.show; },
	help: function (about) { return help[about] || 'Available commands: ' + Object.keys(help).join(','); }
};

exports.handler = function (event, context, callback) {
	var words = (event.text || '').split(' ').slice(1); // without the bot's name
	var command = commands[words[0]] || commands.help;
	lambda.getFunction({ FunctionName: 'FAQBot' }).promise().then(function (data) {
		callback(null, { text: '[' + data.Configuration.Runtime + '] `' + command(words[1]) + '`' });
	});
};
