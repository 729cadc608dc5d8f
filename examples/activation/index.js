// Activates a device: who has the code that came with it may say whose it is.
var AWS = require('aws-sdk');
var catalog = new AWS.DynamoDB.DocumentClient();

exports.handler = function (event, context) {
	var key = { serialNumber: event.serialNumber, clientId: event.clientId };
	catalog.get({ TableName: 'iotCatalog', Key: key }, function (err, data) {
		if (err) return context.fail(err);
		if (data.Item.activationCode !== event.activationCode) return context.fail('Activation Code Invalid');
		catalog.update({
			TableName: 'iotCatalog', Key: key, UpdateExpression: 'set email = :val1, activated = :val2',
			ExpressionAttributeValues: { ':val1': event.email, ':val2': 'true' }
		}, function (err) {
			if (err) return context.fail(err);
			context.succeed('Device now active!');
		});
	});
};
