"""AWS CLI and boto3 against the real binary: one Tule for the session, a new account
for each test."""

import io
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile

import boto3
import botocore.config
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TULE = os.environ.get("TULE_BIN", str(ROOT / "bin" / "tule"))
REGION = "eu-central-1"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    """The address of a running Tule."""
    data = tmp_path_factory.mktemp("tule") / "data"
    data.mkdir()
    provided = ROOT / ".cache" / "provided" / "runtimes"
    if subprocess.run(["cp", "-al", provided, data / "runtimes"], capture_output=True).returncode:
        shutil.rmtree(data / "runtimes", ignore_errors=True)
        shutil.copytree(provided, data / "runtimes", symlinks=True)
    address = f"127.0.0.1:{free_port()}"
    with open(data.parent / "log", "w") as log:
        process = subprocess.Popen([TULE, "start", "--data", data, "--listen", address, "--test"], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        ready = process.stdout.readline()
        assert ready == "Ready.\n", (data.parent / "log").read_text()
        yield f"http://{address}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (data.parent / "log").read_text()[-4000:]
    finally:
        process.kill()
        process.wait()


class Account:
    """An account's clients, and what its tests often make."""

    def __init__(self, url, number):
        self.url, self.number = url, number
        self.session = boto3.Session(aws_access_key_id=number, aws_secret_access_key="any", region_name=REGION)

    def __getattr__(self, service):
        return self.client({"gateway": "apigateway"}.get(service, service))

    def client(self, service, session=None):
        config = botocore.config.Config(retries={"max_attempts": 1})
        return (session or self.session).client(service, endpoint_url=self.url, config=config)

    def resource(self, service):
        return self.session.resource(service, endpoint_url=self.url)

    def arn(self, service, resource):
        return f"arn:aws:{service}:{'' if service == 'iam' else REGION}:{self.number}:{resource}"

    def aws(self, *args, status=0, stdin=None):
        """Runs the AWS CLI, and gives what it printed: from JSON, if it is."""
        env = {
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.number, "AWS_SECRET_ACCESS_KEY": "any", "AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true",
        }
        cli = pathlib.Path(sys.executable).with_name("aws")
        done = subprocess.run([cli, *map(str, args)], env=env, capture_output=True, text=True, input=stdin, timeout=600)
        assert done.returncode == status, f"aws {args}: status {done.returncode}\n{done.stdout}{done.stderr}"
        if status:
            return done.stderr
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    def role(self, name, service, *policies):
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
        arn = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        for policy in policies:
            self.iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
        return arn

    def function(self, name, runtime, source, **more):
        role = self.role(f"{name}-role", "lambda.amazonaws.com", "service-role/AWSLambdaBasicExecutionRole", *more.pop("policies", []))
        file = "index.py" if runtime.startswith("python") else "index.js"
        made = getattr(self, "lambda").create_function(
            FunctionName=name, Runtime=runtime, Handler="index.handler", Role=role, Timeout=20, Code={"ZipFile": zipped({file: source})}, **more)
        getattr(self, "lambda").get_waiter("function_active_v2").wait(FunctionName=name)
        return made["FunctionArn"]


numbers = itertools.count(random.randrange(200_000_000_000, 800_000_000_000))


@pytest.fixture
def account(house):
    return Account(house, str(next(numbers)))


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, text in files.items():
            z.writestr(name, text)
    return out.getvalue()


def eventually(check, seconds=20):
    """Asks until check gives something true, or asserts what it gave last."""
    deadline = time.monotonic() + seconds
    while True:
        got = check()
        if got or time.monotonic() > deadline:
            assert got
            return got
        time.sleep(0.05)
