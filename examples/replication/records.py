"""Prints the records that the text of S3's objects holds, one a line, as they were put: without what replicate.py adds."""
import json
import sys

text = sys.stdin.read()
while text:
    record, end = json.JSONDecoder().raw_decode(text)
    text = text[end:]
    print(json.dumps({key: record[key] for key in record if key not in ('sequenceNumber', 'shardId', 'seqNumbershardIdHash')}, sort_keys=True))
