"""Writes what comes by a Kinesis stream into a table of another account, under a role there."""
from __future__ import print_function

import base64
import json
import os

import boto3


def lambda_handler(event, context):
    # What goes wrong, with the role or with an item, fails the batch: it comes again.
    lent = boto3.client('sts').assume_role(RoleArn=os.environ['ROLE'], RoleSessionName='AssumePocRole', DurationSeconds=900)['Credentials']
    dynamodb = boto3.resource('dynamodb', region_name=os.environ['AWS_REGION'], aws_access_key_id=lent['AccessKeyId'],
                              aws_secret_access_key=lent['SecretAccessKey'], aws_session_token=lent['SessionToken'])
    table = dynamodb.Table(os.environ['TABLE'])
    for record in event['Records']:
        item = json.loads(base64.b64decode(record['kinesis']['data']))
        item = {key: value for key, value in item.items() if value is not None and value != ''}
        # The key is the record's place in the stream: what comes again is the same item.
        item['sequenceNumber'] = record['kinesis']['sequenceNumber']
        item['shardId'] = record['eventID'].split(':')[0]
        item['seqNumbershardIdHash'] = item['sequenceNumber'][-3:-1] + '_' + item['shardId']
        table.put_item(Item=item)
    print('replicated {} records'.format(len(event['Records'])))
    return 'Successfully processed {} records.'.format(len(event['Records']))
