"""boto3: clients with waiters and paginators, and the resource API."""

import json
import time
import urllib.request
from decimal import Decimal

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError
from conftest import eventually, zipped


def refused(code, text=""):
    return pytest.raises(ClientError, match=rf"\({code}\).*{text}")


def songs(account):
    table = account.resource("dynamodb").create_table(
        TableName="songs", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "artist", "KeyType": "HASH"}, {"AttributeName": "year", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": "artist", "AttributeType": "S"}, {"AttributeName": "year", "AttributeType": "N"}])
    table.wait_until_exists()
    return table


def test_table_resource(account):
    table = songs(account)
    table.load()
    assert table.table_status == "ACTIVE" and table.table_arn == account.arn("dynamodb", "table/songs")
    with table.batch_writer() as batch:
        for year in range(1960, 2000):
            batch.put_item(Item={"artist": "Nina", "year": year, "score": Decimal("0.5") * (year % 7), "tags": {"blues"}, "more": {"list": [1, None, True]}})
    found = table.query(KeyConditionExpression=Key("artist").eq("Nina") & Key("year").between(1970, 1989), FilterExpression=Attr("score").gte(2) & Attr("tags").contains("blues"))
    assert [i["year"] for i in found["Items"]] == [y for y in range(1970, 1990) if y % 7 >= 4]
    assert found["ScannedCount"] == 20
    assert table.get_item(Key={"artist": "Nina", "year": 1961})["Item"]["more"] == {"list": [Decimal(1), None, True]}

    changed = table.update_item(Key={"artist": "Nina", "year": 1961}, UpdateExpression="SET #n = list_append(more.#n, :x), plays = if_not_exists(plays, :zero) + :one REMOVE tags",
                                ConditionExpression=Attr("artist").exists() & ~Attr("plays").exists(), ExpressionAttributeNames={"#n": "list"},
                                ExpressionAttributeValues={":x": ["new"], ":zero": 0, ":one": 1}, ReturnValues="ALL_NEW")["Attributes"]
    assert changed["list"] == [1, None, True, "new"] and changed["plays"] == 1 and "tags" not in changed
    with pytest.raises(table.meta.client.exceptions.ConditionalCheckFailedException):
        table.delete_item(Key={"artist": "Nina", "year": 1961}, ConditionExpression=Attr("plays").gt(5))
    with refused("ValidationException", "The provided key element does not match the schema"):
        table.get_item(Key={"artist": "Nina"})
    table.delete()
    table.wait_until_not_exists()


def test_dynamodb_indexes(account):
    table = account.resource("dynamodb").create_table(
        TableName="games", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in (("user", "S"), ("game", "S"), ("score", "N"))],
        KeySchema=[{"AttributeName": "user", "KeyType": "HASH"}, {"AttributeName": "game", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[{"IndexName": "best", "KeySchema": [{"AttributeName": "game", "KeyType": "HASH"}, {"AttributeName": "score", "KeyType": "RANGE"}],
                                 "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["when"]}, "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}}],
        LocalSecondaryIndexes=[{"IndexName": "scores", "KeySchema": [{"AttributeName": "user", "KeyType": "HASH"}, {"AttributeName": "score", "KeyType": "RANGE"}],
                                "Projection": {"ProjectionType": "KEYS_ONLY"}}])
    table.wait_until_exists()
    with table.batch_writer() as batch:
        for n in range(20):
            batch.put_item(Item={"user": f"u{n % 4}", "game": f"g{n % 10}", "score": n, "when": f"t{n}", "more": "m"})
    table.reload()
    assert {i["IndexName"]: i["IndexStatus"] for i in table.global_secondary_indexes} == {"best": "ACTIVE"}
    found, start = [], {}
    while True:
        page = table.query(IndexName="best", KeyConditionExpression=Key("game").eq("g3") & Key("score").gt(2), ScanIndexForward=False, Limit=1, **start)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        assert set(page["LastEvaluatedKey"]) == {"user", "game", "score"}
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert [(i["user"], int(i["score"]), sorted(i)) for i in found] == [("u1", 13, ["game", "score", "user", "when"]), ("u3", 3, ["game", "score", "user", "when"])]
    local = table.query(IndexName="scores", KeyConditionExpression=Key("user").eq("u1"), Select="ALL_ATTRIBUTES", ConsistentRead=True)
    assert [int(i["score"]) for i in local["Items"]] == [1, 5, 9, 13, 17] and local["Items"][0]["more"] == "m"
    with pytest.raises(ClientError, match="Consistent reads are not supported on global secondary indexes"):
        table.query(IndexName="best", KeyConditionExpression=Key("game").eq("g3"), ConsistentRead=True)
    assert table.scan(IndexName="best", FilterExpression=Attr("when").begins_with("t1"))["Count"] == 11


def test_dynamodb_paginators(account):
    table, db = songs(account), account.dynamodb
    for year in range(25):
        table.put_item(Item={"artist": f"a{year % 3}", "year": year})
    assert len(list(db.get_paginator("scan").paginate(TableName="songs", PaginationConfig={"PageSize": 4}).search("Items[]"))) == 25
    pages = list(db.get_paginator("query").paginate(TableName="songs", KeyConditionExpression="artist = :a", ExpressionAttributeValues={":a": {"S": "a1"}}, Limit=3))
    assert sum(p["Count"] for p in pages) == 8 and len(pages) == 3
    assert list(db.get_paginator("list_tables").paginate().search("TableNames[]")) == ["songs"]
    written = db.transact_write_items(TransactItems=[
        {"Put": {"TableName": "songs", "Item": {"artist": {"S": "t"}, "year": {"N": "1"}}}},
        {"ConditionCheck": {"TableName": "songs", "Key": {"artist": {"S": "a0"}, "year": {"N": "0"}}, "ConditionExpression": "attribute_exists(artist)"}}])
    assert written["ResponseMetadata"]["HTTPStatusCode"] == 200
    with pytest.raises(db.exceptions.TransactionCanceledException) as e:
        db.transact_write_items(TransactItems=[
            {"Delete": {"TableName": "songs", "Key": {"artist": {"S": "t"}, "year": {"N": "1"}}}},
            {"ConditionCheck": {"TableName": "songs", "Key": {"artist": {"S": "none"}, "year": {"N": "0"}}, "ConditionExpression": "attribute_exists(artist)"}}])
    assert [r["Code"] for r in e.value.response["CancellationReasons"]] == ["None", "ConditionalCheckFailed"]


def test_lambda(account):
    fns = account.client("lambda")
    arn = account.function("hello", "python3.11", "import json\ndef handler(event, context):\n    if event.get('fail'): raise ValueError('no')\n    print('hi', event)\n    return {'got': event, 'left': context.get_remaining_time_in_millis() > 1000}\n")
    out = fns.invoke(FunctionName="hello", Payload=json.dumps({"ü": "☃"}), LogType="Tail")
    assert json.load(out["Payload"]) == {"got": {"ü": "☃"}, "left": True} and "FunctionError" not in out
    failed = fns.invoke(FunctionName=arn, Payload='{"fail": 1}')
    error = json.load(failed["Payload"])
    assert failed["FunctionError"] == "Unhandled" and error["errorType"] == "ValueError" and error["errorMessage"] == "no" and error["stackTrace"]
    fns.update_function_configuration(FunctionName="hello", Environment={"Variables": {"WORD": "b"}})
    fns.get_waiter("function_updated_v2").wait(FunctionName="hello")
    fns.update_function_code(FunctionName="hello", ZipFile=zipped({"index.py": "import os\ndef handler(e, c):\n    return os.environ['WORD']\n"}))
    fns.get_waiter("function_updated_v2").wait(FunctionName="hello")
    assert fns.invoke(FunctionName="hello")["Payload"].read() == b'"b"'
    assert list(fns.get_paginator("list_functions").paginate().search("Functions[].FunctionName")) == ["hello"]
    assert list(fns.get_paginator("list_versions_by_function").paginate(FunctionName="hello").search("Versions[].Version")) == ["$LATEST"]
    with pytest.raises(fns.exceptions.ResourceNotFoundException, match="Function not found: arn:aws:lambda"):
        fns.invoke(FunctionName="none")


def test_iam_and_sts(account):
    iam, sts = account.iam, account.sts
    me = sts.get_caller_identity()
    assert (me["Account"], me["Arn"]) == (account.number, f"arn:aws:iam::{account.number}:root")
    iam.create_user(UserName="ann")
    iam.get_waiter("user_exists").wait(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    policy = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "arn:aws:iam::*:user/${aws:username}"}}))["Policy"]
    iam.get_waiter("policy_exists").wait(PolicyArn=policy["Arn"])
    iam.attach_user_policy(UserName="ann", PolicyArn=policy["Arn"])
    ann = account.client("iam", boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1"))
    assert ann.get_user()["User"]["Arn"] == account.arn("iam", "user/ann")
    with refused("AccessDenied", "is not authorized to perform: iam:GetUser"):
        ann.get_user(UserName="bob")
    role = account.role("worker", "lambda.amazonaws.com")
    iam.get_waiter("role_exists").wait(RoleName="worker")
    with refused("AccessDenied", "is not authorized to perform: sts:AssumeRole"):
        sts_ann = account.client("sts", boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1"))
        sts_ann.assume_role(RoleArn=role, RoleSessionName="session")
    names = {p["PolicyName"] for p in iam.get_paginator("list_policies").paginate(Scope="AWS").search("Policies[]")}
    assert {"AmazonDynamoDBFullAccess", "AWSLambdaFullAccess", "AWSLambdaBasicExecutionRole"} <= names


def test_logs(account):
    logs = account.logs
    logs.create_log_group(logGroupName="app")
    for stream in ("a", "b"):
        logs.create_log_stream(logGroupName="app", logStreamName=stream)
    now = int(time.time() * 1000)
    for n in range(3):
        logs.put_log_events(logGroupName="app", logStreamName="ab"[n % 2], logEvents=[{"timestamp": now + n * 100 + i, "message": f"{n} line {i}"} for i in range(50)])
    events = list(logs.get_paginator("filter_log_events").paginate(logGroupName="app", interleaved=True, PaginationConfig={"PageSize": 20}).search("events[]"))
    assert len(events) == 150 and [e["timestamp"] for e in events] == sorted(e["timestamp"] for e in events)
    assert len({e["eventId"] for e in events}) == 150
    assert len(list(logs.get_paginator("describe_log_streams").paginate(logGroupName="app", PaginationConfig={"PageSize": 1}).search("logStreams[]"))) == 2
    with pytest.raises(logs.exceptions.ResourceNotFoundException, match="The specified log group does not exist"):
        logs.describe_log_streams(logGroupName="none")


def test_a_stream_of_logs_as_log_readers_make_it(account):
    """The calls of readers such as apilogs: resources by pages, each method's
    integration, and each group's events until no token is left."""
    gw, logs = account.gateway, account.logs
    arn = account.function("echo", "nodejs20.x", "exports.handler = async (e, c) => { console.log('API Gateway Request ID:', e.context['request-id'], 'Lambda Request ID:', c.awsRequestId); return e }")
    api = gw.create_rest_api(name="echo")
    root = gw.get_resources(restApiId=api["id"])["items"][0]["id"]
    for n in range(30):
        id = gw.create_resource(restApiId=api["id"], parentId=root, pathPart=f"r{n:02}")["id"]
        gw.put_method(restApiId=api["id"], resourceId=id, httpMethod="GET", authorizationType="NONE")
        if n % 2:
            gw.put_integration(restApiId=api["id"], resourceId=id, httpMethod="GET", type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
        else:
            gw.put_integration(restApiId=api["id"], resourceId=id, httpMethod="GET", type="AWS", integrationHttpMethod="POST",
                               requestTemplates={"application/json": '{"context":{"request-id":"$context.requestId"}}'},
                               uri=f"arn:aws:apigateway:{gw.meta.region_name}:lambda:path/2015-03-31/functions/{arn}/invocations")
        gw.put_method_response(restApiId=api["id"], resourceId=id, httpMethod="GET", statusCode="200")
        gw.put_integration_response(restApiId=api["id"], resourceId=id, httpMethod="GET", statusCode="200")
    account.client("lambda").add_permission(FunctionName="echo", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com", SourceArn=account.arn("execute-api", api["id"] + "/*"))
    role = account.role("logger", "apigateway.amazonaws.com", "service-role/AmazonAPIGatewayPushToCloudWatchLogs")
    gw.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}])
    gw.create_deployment(restApiId=api["id"], stageName="prod")
    gw.update_stage(restApiId=api["id"], stageName="prod", patchOperations=[{"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"}])

    with urllib.request.urlopen(f"{account.url}/_aws/execute-api/{api['id']}/prod/r00") as answer:
        request = answer.headers["x-amzn-RequestId"]
        assert json.load(answer) == {"context": {"request-id": request}}

    first = gw.get_resources(restApiId=api["id"])
    assert len(first["items"]) == 25 and first["position"]
    groups = {f"API-Gateway-Execution-Logs_{api['id']}/prod"}
    for page in gw.get_paginator("get_resources").paginate(restApiId=api["id"]):
        for item in page["items"]:
            for method in item.get("resourceMethods", {}):
                uri = gw.get_integration(restApiId=api["id"], resourceId=item["id"], httpMethod=method).get("uri")
                if uri:
                    groups.add("/aws/lambda/" + uri.split("function:")[1].split("/")[0].split(":")[0])
    assert groups == {f"API-Gateway-Execution-Logs_{api['id']}/prod", "/aws/lambda/echo"}

    def read(group):
        events, more = [], {}
        for _ in range(100):
            page = logs.filter_log_events(logGroupName=group, interleaved=True, startTime=0, limit=5, **more)
            events += page["events"]
            if "nextToken" not in page:
                return events
            more = {"nextToken": page["nextToken"]}
        raise AssertionError("tokens without end")

    def lines():
        try:
            text = [e["message"] for g in sorted(groups) for e in read(g)]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return text if any("REPORT" in t for t in text) and any("Method completed" in t for t in text) else None

    text = eventually(lines)
    assert any(f"Starting execution for request: {request}" in t for t in text)
    echo = next(t for t in text if f"API Gateway Request ID: {request} Lambda Request ID: " in t)
    function = echo.split("Lambda Request ID: ")[1].split()[0]
    assert function != request
    for mark in ("START RequestId: ", "END RequestId: ", "REPORT RequestId: "):
        assert any(t.startswith(mark + function) for t in text)
