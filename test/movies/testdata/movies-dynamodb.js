// A movies back end with the habits of 2016: keys in a file beside the code, an SDK
// that is told no endpoint, a table that is made at every cold start, and callbacks
// that fire before DynamoDB has answered, so that each reply is one call behind.
var AWS = require('aws-sdk');
var fs = require('fs');

var config = JSON.parse(fs.readFileSync('./app_config.json', 'utf8'));
AWS.config.update(config);

var tables = new AWS.DynamoDB();
var items = new AWS.DynamoDB.DocumentClient();
var TABLE = 'MOVIES';
var latest; // what the last search found

tables.createTable({
  TableName: TABLE,
  KeySchema: [{ AttributeName: 'year', KeyType: 'HASH' }, { AttributeName: 'title', KeyType: 'RANGE' }],
  AttributeDefinitions: [{ AttributeName: 'year', AttributeType: 'N' }, { AttributeName: 'title', AttributeType: 'S' }],
  ProvisionedThroughput: { ReadCapacityUnits: 5, WriteCapacityUnits: 5 }
}, function (err) {
  if (err && err.message.indexOf('Table already exists') < 0) throw err;
});

function list() {
  items.scan({
    TableName: TABLE,
    ProjectionExpression: '#yr, title, info.rating',
    FilterExpression: '#yr between :start_yr and :end_yr',
    ExpressionAttributeNames: { '#yr': 'year' },
    ExpressionAttributeValues: { ':start_yr': 1900, ':end_yr': 2100 }
  }, function (err, data) {
    if (err) console.error('scan:', err); else latest = data;
  });
}

function add(movie) {
  items.put({ TableName: TABLE, Item: { year: parseInt(movie.year, 10), title: movie.title, info: movie.info } }, function (err) {
    if (err) console.error('put:', err); else list();
  });
}

exports.handler = function (event, context, callback) {
  console.log('called for', event.resourcePath);
  switch (event.resourcePath) {
    case '/movies': list(); break;
    case '/movies/add-movie': add(event.body); break;
    default: notyet(event.body);
  }
  callback(null, latest);
};
