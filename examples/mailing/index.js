'use strict';
// Keeps a list of addresses healthy: what SES says of mail that bounced, was complained
// of, or arrived, becomes the state of the addresses it went to.
const doc = require('dynamodb-doc');
const dynamo = new doc.DynamoDB();

const kinds = {
    Bounce: (m) => {
        const to = m.bounce.bouncedRecipients.map((r) => r.emailAddress);
        console.log('Message ' + m.mail.messageId + ' bounced when sending to ' + to.join(', ') + '. Bounce type: ' + m.bounce.bounceType);
        return [to, 'disable'];
    },
    Complaint: (m) => {
        const to = m.complaint.complainedRecipients.map((r) => r.emailAddress);
        console.log('A complaint was reported by ' + to.join(', ') + ' for message ' + m.mail.messageId + '.');
        return [to, 'disable'];
    },
    Delivery: (m) => {
        console.log('Message ' + m.mail.messageId + ' was delivered successfully at ' + m.delivery.timestamp + '.');
        return [m.delivery.recipients, 'enable'];
    },
};

exports.handler = (event, context, callback) => {
    const message = JSON.parse(event.Records[0].Sns.Message);
    const kind = kinds[message.notificationType];
    if (!kind) return callback('Unknown notification type: ' + message.notificationType);
    const of = kind(message);
    of[0].forEach((address) => {
        const item = { UserId: address, notificationType: message.notificationType, from: message.mail.source, timestamp: message.mail.timestamp, state: of[1] };
        dynamo.putItem({ TableName: 'mailing', Item: item }, (err, data) => console.log(err || data));
    });
    // There is no callback: the invoke ends when nothing is left to do.
};
