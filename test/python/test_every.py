"""boto3 and the AWS CLI call every operation that stands (../every/steps.txt)."""

import base64
import hmac
import io
import json
import os
import pathlib
import re
import time
import zipfile

import awscli.clidriver
import boto3
import botocore

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRUST = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com", "AWS": "*"}}}
POLICY = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}}


def steps():
    for line in (ROOT / "test/every/steps.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            service, operation, rest = line.split(" ", 2)
            params, end = json.JSONDecoder().raw_decode(rest)
            yield service, operation, params, dict(s.split("=") for s in rest[end:].split(",") if s.strip())


def code():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as z:
        z.writestr("index.js", "exports.handler = async (event) => event")
    return packed.getvalue()


def fill(value, known):
    if isinstance(value, dict):
        return {k: fill(v, known) for k, v in value.items()}
    if isinstance(value, list):
        return [fill(v, known) for v in value]
    if not isinstance(value, str):
        return value
    if value == "@zip":
        return code()
    if value == "@now":
        return int(time.time() * 1000)
    if value.startswith("@bytes:"):
        return value[len("@bytes:"):].encode()
    value = re.sub(r"\{(\w+)\}", lambda m: known.get(m[1], m[0]), value)
    if code_of := re.fullmatch(r"@totp([+-]\d+)?:(.*)", value):
        return totp(code_of[2], int(code_of[1] or 0))
    return value


def totp(seed, ahead):
    """The code of an MFA device, some steps of 30 seconds ahead (RFC 6238)."""
    step = int(time.time()) // 30 + ahead
    mac = hmac.digest(base64.b32decode(seed), step.to_bytes(8, "big"), "sha1")
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at:at + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def walk(account, call):
    known = {"account": account, "trust": json.dumps(TRUST), "policy": json.dumps(POLICY)}
    called = set()
    for service, operation, params, saves in steps():
        answer = call(service, operation, fill(params, known))
        called.add((service, operation))
        for name, path in saves.items():
            part = answer
            for key in path.strip().split("."):
                part = part[int(key) if isinstance(part, list) else key]
            known[name.strip()] = part.decode() if isinstance(part, bytes) else part
    return called


# What takes a token of an identity provider, the header of a refusal, or what a message
# says, and what the AWS CLI does not have, tests of aws-sdk-go-v2 alone call
# (../sts_federation_test.go, ../lambda_url_test.go, ../kinesis_test.go, ../sns_test.go).
ELSEWHERE = {("sts", operation) for operation in ("AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "DecodeAuthorizationMessage")}
ELSEWHERE |= {("lambda", "InvokeWithResponseStream"), ("kinesis", "SubscribeToShard")}
ELSEWHERE |= {("sns", "ConfirmSubscription"), ("sns", "VerifySMSSandboxPhoneNumber")}
# What takes a query's result or has to come before its end, and a stream of events whose
# host an address has no room for (../logs_query_test.go, ../logs_export_test.go).
ELSEWHERE |= {("logs", operation) for operation in ("GetLogRecord", "StopQuery", "StartLiveTail", "CreateExportTask", "CancelExportTask")}
# S3 Control's clients put the account's number before the host, which an address has no
# room for (../s3control_test.go).
ELSEWHERE |= {("s3control", operation) for operation in ("ListTagsForResource", "TagResource", "UntagResource")}

# What waits for a stack to come to rest (test_stacks.py).
ELSEWHERE |= {("cloudformation", operation) for operation in (
    "CancelUpdateStack", "ContinueUpdateRollback", "DescribeStackResource", "ExecuteChangeSet", "ListImports", "UpdateStack")}

# Who manages a connection has to hold one (../websocket_test.go).
ELSEWHERE |= {("apigatewaymanagementapi", operation) for operation in ("DeleteConnection", "GetConnection", "PostToConnection")}

# A replay is over before it could be cancelled (../events/events_test.go).
ELSEWHERE |= {("events", "CancelReplay")}

# Who bounces mail has to have received it (../objects/inbox_test.go).
ELSEWHERE |= {("ses", "SendBounce")}

# What the AWS CLI has no commands for any more.
REMOVED = {("ses", operation) for operation in ("DeleteVerifiedEmailAddress", "ListVerifiedEmailAddresses", "VerifyEmailAddress")}


def standing():
    """The operations of the README's coverage table, but for those called elsewhere."""
    ids = {"API Gateway": "apigateway", "ApiGatewayManagementApi": "apigatewaymanagementapi", "ApiGatewayV2": "apigatewayv2", "CloudFormation": "cloudformation", "CloudTrail": "cloudtrail", "CloudWatch": "cloudwatch", "CloudWatch Logs": "logs", "DynamoDB": "dynamodb", "DynamoDB Streams": "dynamodbstreams", "ECR": "ecr", "EventBridge": "events", "Firehose": "firehose", "IAM": "iam", "Kinesis": "kinesis", "Lambda": "lambda", "Organizations": "organizations", "S3": "s3", "S3 Control": "s3control", "Scheduler": "scheduler", "SES": "ses", "SESv2": "sesv2", "SNS": "sns", "SQS": "sqs", "SSM": "ssm", "STS": "sts"}
    for line in (ROOT / "README.md").read_text().splitlines():
        cells = [c.strip() for c in line.split("|")]
        if len(cells) > 3 and re.fullmatch(r"\d+ of \d+", cells[2]) and cells[3]:
            yield from {(ids[cells[1]], operation.strip()) for operation in cells[3].split(",")} - ELSEWHERE


def test_steps_are_all():
    assert {(s, o) for s, o, _, _ in steps()} == set(standing())


def test_boto3(house):
    account, clients = "210000000001", {}

    def call(service, operation, params):
        who = params.pop("@as", f"{account} any")
        if (service, who) not in clients:
            key, secret = who.split(" ")
            clients[service, who] = boto3.client(service, endpoint_url=house, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret)
        return getattr(clients[service, who], botocore.xform_name(operation))(**params)

    assert walk(account, call) == set(standing())


def test_cli(house, tmp_path, monkeypatch, capsys):
    """The AWS CLI, within this process: starting it takes longer than all it does."""
    account, drivers = "210000000002", {}
    for name, value in {"AWS_CONFIG_FILE": os.devnull, "AWS_PAGER": "", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)

    def call(service, operation, params):
        if (service, operation) in REMOVED:
            return {}
        who = params.pop("@as", f"{account} any")
        key, secret = who.split(" ")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        args = ["--endpoint-url", house, "--output", "json", "s3api" if service == "s3" else service, botocore.xform_name(operation, "-")]
        for n, (name, flag) in enumerate({"ZipFile": "--zip-file", "Payload": "--payload", "InvokeArgs": "--invoke-args", "body": "--body", "Body": "--body"}.items()):
            within = [k for k in ("Code", "Content") if isinstance(params.get(k), dict) and name in params[k]]
            holder = params.pop(within[0]) if within else params
            if isinstance(holder.get(name), bytes):
                file = tmp_path / f"{operation}-{n}"
                file.write_bytes(holder.pop(name))
                args += [flag, str(file) if name in ("InvokeArgs", "Body") else f"fileb://{file}"]
        (tmp_path / "input").write_text(json.dumps(params, default=bytes.decode))
        args += ["--cli-input-json", f"file://{tmp_path / 'input'}"]
        flags = lambda: [word for k, v in params.items() for word in (f"--{botocore.xform_name(k, '-')}", v if isinstance(v, str) else json.dumps(v))]
        own = {  # flags of those that take no input as JSON
            "GetObject": lambda: ["--bucket", params["Bucket"], "--key", params["Key"], str(tmp_path / "out")],
            "SelectObjectContent": lambda: flags() + [str(tmp_path / "out")],
            "ExportApi": lambda: ["--api-id", params["ApiId"], "--output-type", params["OutputType"], "--specification", params["Specification"], str(tmp_path / "out")],
            "GetExport": lambda: flags() + [str(tmp_path / "out")],
            "GetSdk": lambda: flags() + [str(tmp_path / "out")],
            "Invoke": lambda: ["--function-name", params["FunctionName"], str(tmp_path / "out")],
            "CreateVirtualMFADevice": lambda: ["--virtual-mfa-device-name", params["VirtualMFADeviceName"], "--bootstrap-method", "Base32StringSeed", "--outfile", str(tmp_path / "seed")],
        }
        if operation in own:
            args = [a for a in args if not a.startswith(("--cli-input", "file://"))] + own[operation]()
        if (service, who) not in drivers:
            drivers[service, who] = awscli.clidriver.create_clidriver()
        status = drivers[service, who].main(args)
        said = capsys.readouterr()
        assert status == 0, f"{operation}: {said.err}"
        answer = json.loads(said.out or "{}")
        if operation == "CreateVirtualMFADevice":
            answer["VirtualMFADevice"]["Base32StringSeed"] = (tmp_path / "seed").read_text()
        return answer

    assert walk(account, call) == set(standing())
