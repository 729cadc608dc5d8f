"""boto3 and the AWS CLI call every operation that stands (../every/steps.txt)."""

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
    return re.sub(r"\{(\w+)\}", lambda m: known.get(m[1], m[0]), value)


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
            known[name.strip()] = part
    return called


def standing():
    """The operations of the README's coverage table."""
    ids = {"API Gateway": "apigateway", "CloudWatch Logs": "logs", "DynamoDB": "dynamodb", "IAM": "iam", "Lambda": "lambda", "Organizations": "organizations", "STS": "sts"}
    for line in (ROOT / "README.md").read_text().splitlines():
        cells = [c.strip() for c in line.split("|")]
        if len(cells) > 3 and re.fullmatch(r"\d+ of \d+", cells[2]) and cells[3]:
            yield from ((ids[cells[1]], operation.strip()) for operation in cells[3].split(","))


def test_steps_are_all():
    assert {(s, o) for s, o, _, _ in steps()} == set(standing())


def test_boto3(house):
    account, clients = "210000000001", {}

    def call(service, operation, params):
        if service not in clients:
            clients[service] = boto3.client(service, endpoint_url=house, region_name="us-east-1", aws_access_key_id=account, aws_secret_access_key="any")
        return getattr(clients[service], botocore.xform_name(operation))(**params)

    assert walk(account, call) == set(standing())


def test_cli(house, tmp_path, monkeypatch, capsys):
    """The AWS CLI, within this process: starting it takes longer than all it does."""
    account = "210000000002"
    for name, value in {"AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "any", "AWS_CONFIG_FILE": os.devnull, "AWS_PAGER": "", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)

    def call(service, operation, params):
        args = ["--endpoint-url", house, "--output", "json", service, botocore.xform_name(operation, "-")]
        for n, (name, flag) in enumerate({"ZipFile": "--zip-file", "Payload": "--payload", "InvokeArgs": "--invoke-args", "body": "--body"}.items()):
            holder = params.get("Code", {}) if name in params.get("Code", {}) else params
            if name in holder:
                file = tmp_path / f"{operation}-{n}"
                file.write_bytes(holder.pop(name))
                args += [flag, str(file) if name == "InvokeArgs" else f"fileb://{file}"]
        params.pop("Code", None)
        (tmp_path / "input").write_text(json.dumps(params))
        args += ["--cli-input-json", f"file://{tmp_path / 'input'}"]
        if operation == "Invoke":
            args = [a for a in args if not a.startswith(("--cli-input", "file://"))] + ["--function-name", params["FunctionName"], str(tmp_path / "out")]
        status = awscli.clidriver.create_clidriver().main(args)
        said = capsys.readouterr()
        assert status == 0, f"{operation}: {said.err}"
        return json.loads(said.out or "{}")

    assert walk(account, call) == set(standing())
