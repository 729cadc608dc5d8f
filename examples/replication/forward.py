"""Hands on what is written to a table, as JSON, to a delivery stream of Firehose."""
from __future__ import print_function

import json
import os

import boto3

firehose = boto3.client('firehose')


def lambda_handler(event, context):
    for record in event['Records']:
        output = {}
        for key, typed in record['dynamodb'].get('NewImage', {}).items():  # {'event': {'S': 'page view'}}
            kind, value = list(typed.items())[0]
            if kind in ('S', 'N', 'B'):
                output[key] = value
        if output:  # what is removed has no new image
            firehose.put_record(DeliveryStreamName=os.environ['STREAM'], Record={'Data': json.dumps(output)})
    print('forwarded {} records'.format(len(event['Records'])))
    return 'done'
