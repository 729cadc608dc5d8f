"""apilogs and awslogs, as PyPI has them, read what an API and its function log."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

import pytest

from conftest import REGION

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("apilogs"), reason="apilogs and awslogs are not installed: setup/fetch installs setup/requirements.txt")

ECHO = """exports.handler = async (event, context) => {
  const apiRequestId = event.context["request-id"];
  console.log("API Gateway Request ID: " + apiRequestId + " Lambda Request ID: " + context.awsRequestId);
  return event;
};"""

TEMPLATE = '{"context": {"request-id": "$context.requestId"}}'


@pytest.fixture
def api(account):
    """An API whose stage is logged, in front of a function: its id, and how to call it."""
    arn, gateway = account.function("echo", "nodejs22.x", ECHO), account.gateway
    role = account.role("logger", "apigateway.amazonaws.com", "service-role/AmazonAPIGatewayPushToCloudWatchLogs")
    gateway.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}])
    api = gateway.create_rest_api(name="echo")["id"]
    where = {"restApiId": api, "resourceId": gateway.get_resources(restApiId=api)["items"][0]["id"], "httpMethod": "GET"}
    gateway.put_method(**where, authorizationType="NONE")
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"
    gateway.put_integration(**where, type="AWS", integrationHttpMethod="POST", uri=uri, requestTemplates={"application/json": TEMPLATE})
    gateway.put_method_response(**where, statusCode="200")
    gateway.put_integration_response(**where, statusCode="200", responseTemplates={"application/json": ""})
    getattr(account, "lambda").add_permission(FunctionName="echo", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com")
    gateway.create_deployment(restApiId=api, stageName="prod")
    gateway.update_stage(restApiId=api, stageName="prod", patchOperations=[{"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"}])

    def call():
        with urllib.request.urlopen(f"{account.url}/restapis/{api}/prod/_user_request_/") as answer:
            return answer.headers["x-amzn-RequestId"]

    call()
    deadline = time.time() + 30  # apilogs hangs where a group that it looks for is not there yet
    while len(account.logs.describe_log_groups()["logGroups"]) < 2:
        assert time.time() < deadline
        time.sleep(0.2)
    return api, call


def command(account, tool, *args):
    """A tool's command line, and its environment."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_ENDPOINT_URL": account.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
           "AWS_ACCESS_KEY_ID": account.number, "AWS_SECRET_ACCESS_KEY": "any", "AWS_EC2_METADATA_DISABLED": "true", "PYTHONUNBUFFERED": "1"}
    return [str(pathlib.Path(sys.executable).with_name(tool)), *args], env


def run(account, tool, *args):
    argv, env = command(account, tool, *args)
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def eventually(account, wanted, *args):
    """What a tool prints once every text that is wanted is in it."""
    deadline = time.time() + 30
    while True:
        text = run(account, *args)
        if all(w in text for w in wanted):
            return text
        assert time.time() < deadline, f"{wanted} not in {text}"
        time.sleep(0.2)


def test_apilogs(account, api):
    api, call = api
    request = call()
    wanted = [f"Starting execution for request: {request}", f"API Gateway Request ID: {request} Lambda Request ID: ", "REPORT RequestId: "]
    text = eventually(account, wanted, "apilogs", "get", "--api-id", api, "--stage", "prod", "--no-color", "--start=5m")
    function = re.search(rf"API Gateway Request ID: {request} Lambda Request ID: (\S+)", text)[1]
    assert function != request
    for line in ("START", "END", "REPORT"):
        assert re.search(rf"^/aws/lambda/echo .*{line} RequestId: {function}", text, re.M), text
    groups = {line.split()[0] for line in text.splitlines() if request in line}
    assert groups == {f"API-Gateway-Execution-Logs_{api}/prod", "/aws/lambda/echo"}
    assert set(run(account, "apilogs", "groups").split()) == groups


def test_apilogs_watches(account, api):
    api, call = api
    eventually(account, [call()], "apilogs", "get", "--api-id", api, "--stage", "prod", "--no-color", "--start=5m")
    argv, env = command(account, "apilogs", "get", "--api-id", api, "--stage", "prod", "--no-color", "--start=5m", "--watch")
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as watching:
        try:
            watching.stdout.readline()
            request, seen, deadline = call(), [], time.time() + 30
            while not any("Method completed with status: 200" in s and request in s for s in seen):
                assert time.time() < deadline, seen
                seen.append(watching.stdout.readline())
        finally:
            watching.kill()
    ours = [s for s in seen if request in s]
    assert len(ours) == len(set(ours)) > 5


def test_awslogs(account):
    account.logs.create_log_group(logGroupName="app")
    account.logs.create_log_stream(logGroupName="app", logStreamName="one")
    now = int(time.time() * 1000)
    account.logs.put_log_events(logGroupName="app", logStreamName="one", logEvents=[
        {"timestamp": now - 1000, "message": "fine"}, {"timestamp": now, "message": '{"level": "ERROR", "user": "ann"}'}])
    assert run(account, "awslogs", "groups").split() == ["app"]
    assert run(account, "awslogs", "streams", "app").split() == ["one"]

    def get(*more):  # columns are padded
        return [" ".join(line.split()) for line in run(account, "awslogs", "get", "app", "ALL", "--no-color", "--start=5m", *more).splitlines()]

    assert get() == ["app one fine", 'app one {"level": "ERROR", "user": "ann"}']
    assert get("--filter-pattern={ $.level = ERR* }") == ['app one {"level": "ERROR", "user": "ann"}']
