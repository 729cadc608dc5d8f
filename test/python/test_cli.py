"""The AWS command line, as people type it."""

import json
import pathlib
import urllib.request

from conftest import REGION, eventually, zipped

HERE = pathlib.Path(__file__).parent


def test_dynamodb(account, tmp_path):
    table = tmp_path / "movies.json"
    table.write_text(json.dumps({
        "TableName": "MOVIES", "KeySchema": [{"AttributeName": "year", "KeyType": "HASH"}, {"AttributeName": "title", "KeyType": "RANGE"}],
        "AttributeDefinitions": [{"AttributeName": "year", "AttributeType": "N"}, {"AttributeName": "title", "AttributeType": "S"}]}))
    made = account.aws("dynamodb", "create-table", "--cli-input-json", f"file://{table}", "--provisioned-throughput", "ReadCapacityUnits=5,WriteCapacityUnits=5")
    assert made["TableDescription"]["TableName"] == "MOVIES"
    account.aws("dynamodb", "wait", "table-exists", "--table-name", "MOVIES")
    account.aws("dynamodb", "put-item", "--table-name", "MOVIES", "--item", '{"year": {"N": "1936"}, "title": {"S": "Modern Times"}}')
    count = account.aws("dynamodb", "scan", "--table-name", "MOVIES", "--query", "Count", "--output", "text")
    assert count == 1
    assert "ResourceNotFoundException" in account.aws("dynamodb", "describe-table", "--table-name", "NONE", status=255)
    assert "(NotImplemented)" in (said := account.aws("dynamodb", "describe-table-replica-auto-scaling", "--table-name", "MOVIES", status=255)) and "DescribeTableReplicaAutoScaling" in said


def test_dynamodb_indexes(account):
    run = lambda *args: account.aws("dynamodb", *args)
    run("create-table", "--table-name", "games", "--billing-mode", "PAY_PER_REQUEST", "--attribute-definitions", "AttributeName=user,AttributeType=S", "AttributeName=game,AttributeType=S",
        "AttributeName=score,AttributeType=N", "--key-schema", "AttributeName=user,KeyType=HASH", "AttributeName=game,KeyType=RANGE",
        "--local-secondary-indexes", "IndexName=scores,KeySchema=[{AttributeName=user,KeyType=HASH},{AttributeName=score,KeyType=RANGE}],Projection={ProjectionType=KEYS_ONLY}")
    for n in range(3):
        run("put-item", "--table-name", "games", "--item", json.dumps({"user": {"S": "ann"}, "game": {"S": f"g{n}"}, "score": {"N": str(10 - n)}, "when": {"S": f"t{n}"}}))
    run("update-table", "--table-name", "games", "--attribute-definitions", "AttributeName=game,AttributeType=S", "AttributeName=score,AttributeType=N", "--global-secondary-index-updates",
        json.dumps([{"Create": {"IndexName": "best", "KeySchema": [{"AttributeName": "game", "KeyType": "HASH"}, {"AttributeName": "score", "KeyType": "RANGE"}],
                                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["when"]}}}]))
    account.aws("dynamodb", "wait", "table-exists", "--table-name", "games")
    key = ("--expression-attribute-names", '{"#k": "%s"}', "--expression-attribute-values", '{":k": {"S": "%s"}}', "--key-condition-expression", "#k = :k")
    query = lambda index, name, value, *more: run("query", "--table-name", "games", "--index-name", index, key[0], key[1] % name, key[2], key[3] % value, *key[4:], *more)
    assert query("best", "game", "g1")["Items"] == [{"user": {"S": "ann"}, "game": {"S": "g1"}, "score": {"N": "9"}, "when": {"S": "t1"}}]
    local = query("scores", "user", "ann", "--consistent-read", "--projection-expression", "score", "--page-size", "1")
    assert [i["score"]["N"] for i in local["Items"]] == ["8", "9", "10"]
    assert run("execute-statement", "--statement", "SELECT score FROM games.best WHERE game = 'g2'")["Items"] == [{"score": {"N": "8"}}]
    run("update-table", "--table-name", "games", "--global-secondary-index-updates", '[{"Delete": {"IndexName": "best"}}]')
    assert "GlobalSecondaryIndexes" not in run("describe-table", "--table-name", "games")["Table"]


def test_lambda(account, tmp_path):
    role = account.role("fn", "lambda.amazonaws.com", "service-role/AWSLambdaBasicExecutionRole")
    (tmp_path / "fn.zip").write_bytes(zipped({"index.js": "exports.handler = async e => { console.log('got', e.n); return e.n * 2 }"}))
    account.aws("lambda", "create-function", "--function-name", "double", "--runtime", "nodejs22.x", "--handler", "index.handler", "--role", role, "--zip-file", f"fileb://{tmp_path}/fn.zip")
    account.aws("lambda", "wait", "function-active-v2", "--function-name", "double")
    out = tmp_path / "out"
    done = account.aws("lambda", "invoke", "--function-name", "double", "--payload", '{"n": 21}', "--log-type", "Tail", out)
    assert done["StatusCode"] == 200 and out.read_text() == "42"
    assert eventually(lambda: account.aws("logs", "filter-log-events", "--log-group-name", "/aws/lambda/double", "--filter-pattern", '"got 21"')["events"])
    stream = account.aws("logs", "describe-log-streams", "--log-group-name", "/aws/lambda/double", "--order-by", "LastEventTime", "--descending", "--max-items", "1")["logStreams"][0]
    said = account.aws("logs", "get-log-events", "--log-group-name", "/aws/lambda/double", "--log-stream-name", stream["logStreamName"], "--query", "events[].message")
    assert any("got 21" in line for line in said) and any(line.startswith("REPORT RequestId: ") for line in said)
    assert account.aws("lambda", "list-functions", "--query", "Functions[].FunctionName", "--output", "text").strip() == "double"


def test_import_rest_api(account, tmp_path):
    account.function("back", "python3.12", "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event['pathParameters'])}\n")
    document = tmp_path / "swagger.yaml"
    document.write_text((HERE / "swagger.yaml").read_text().replace("ACCOUNT", account.number))
    api = account.aws("apigateway", "import-rest-api", "--body", f"fileb://{document}", "--fail-on-warnings")
    assert api["name"] == "Pets"
    paths = account.aws("apigateway", "get-resources", "--rest-api-id", api["id"], "--query", "sort(items[].path)")
    assert paths == ["/", "/fn", "/fn/{proxy+}", "/pets"]
    account.aws("lambda", "add-permission", "--function-name", "back", "--statement-id", "api", "--action", "lambda:InvokeFunction", "--principal", "apigateway.amazonaws.com",
                "--source-arn", account.arn("execute-api", api["id"] + "/*"))
    account.aws("apigateway", "create-deployment", "--rest-api-id", api["id"], "--stage-name", "v1", "--variables", "function=back")

    def get(path):
        with urllib.request.urlopen(f"{account.url}/_aws/execute-api/{api['id']}/v1{path}") as answer:
            return answer.headers, json.load(answer)

    headers, body = get("/pets?kind=cat")
    assert headers["X-Kind"] == "pets" and body == {"kind": "cat", "stage": "v1"}
    assert get("/fn/a/b")[1] == {"proxy": "a/b"}
    test = account.aws("apigateway", "test-invoke-method", "--rest-api-id", api["id"], "--http-method", "GET", "--path-with-query-string", "/pets?kind=dog",
                       "--resource-id", account.aws("apigateway", "get-resources", "--rest-api-id", api["id"], "--query", "items[?path=='/pets'].id | [0]", "--output", "text").strip())
    assert test["status"] == 200 and json.loads(test["body"])["kind"] == "dog"


def test_iam_and_sts(account):
    assert account.aws("sts", "get-caller-identity")["Arn"] == f"arn:aws:iam::{account.number}:root"
    policy = '{"Version":"2012-10-17","Statement":[{"Sid":"Manage records","Effect":"Allow","Action":"logs:*","Resource":"*"}]}'
    assert "MalformedPolicyDocument" in account.aws("iam", "create-policy", "--policy-name", "p", "--policy-document", policy, status=255)
    made = account.aws("iam", "create-policy", "--policy-name", "p", "--policy-document", policy.replace("Manage records", "Records"))
    account.aws("iam", "create-user", "--user-name", "ann")
    account.aws("iam", "wait", "user-exists", "--user-name", "ann")
    account.aws("iam", "attach-user-policy", "--user-name", "ann", "--policy-arn", made["Policy"]["Arn"])
    assert account.aws("iam", "list-attached-user-policies", "--user-name", "ann", "--query", "AttachedPolicies[].PolicyName", "--output", "text").strip() == "p"
    assert "NoSuchEntity" in account.aws("iam", "get-user", "--user-name", "bob", status=255)
    assert account.aws("iam", "list-users", "--max-items", "1")["Users"][0]["UserName"] == "ann"


def test_cloudtrail(account):
    account.aws("logs", "create-log-group", "--log-group-name", "audited")
    events = account.aws("cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=CreateLogGroup")["Events"]
    assert [(e["Username"], e["ReadOnly"], e["EventSource"], e["Resources"][0]["ResourceName"]) for e in events] == [("root", "false", "logs.amazonaws.com", "audited")]
    event = json.loads(events[0]["CloudTrailEvent"])
    assert event["requestParameters"] == {"logGroupName": "audited"} and event["userIdentity"]["type"] == "Root" and event["recipientAccountId"] == account.number
    for name in "abc":
        account.aws("logs", "describe-log-groups", "--log-group-name-prefix", name)
    pages = account.aws("cloudtrail", "lookup-events", "--page-size", "2", "--start-time", event["eventTime"], "--query", "Events[?EventSource=='logs.amazonaws.com'].EventName")
    assert pages == ["DescribeLogGroups"] * 3 + ["CreateLogGroup"]
    assert "InvalidTimeRangeException" in account.aws("cloudtrail", "lookup-events", "--start-time", "2026-01-02", "--end-time", "2026-01-01", status=255)
    assert "InvalidLookupAttributesException" in account.aws(
        "cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=a", "AttributeKey=Username,AttributeValue=b", status=255)
    assert "S3BucketDoesNotExistException" in account.aws("cloudtrail", "create-trail", "--name", "all", "--s3-bucket-name", f"absent-{account.number}", status=255)
    assert "(NotImplemented)" in account.aws("cloudtrail", "list-channels", status=255)
