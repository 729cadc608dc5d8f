"""AWS's own SAM translator, and CloudFormation on Tule, make the same of a template."""

import functools
import json
import pathlib
import uuid

import pytest
from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

TEMPLATES = sorted((pathlib.Path(__file__).resolve().parents[1] / "sam").glob("*.yaml"))


def settled(value):
    """A value whose lists are in an order of their own, as SAM says nothing of theirs."""
    if isinstance(value, dict):
        return {k: settled(v) for k, v in value.items()}
    if isinstance(value, list):
        return sorted((settled(v) for v in value), key=functools.partial(json.dumps, sort_keys=True))
    return value


def translated(account, template, region):
    """What AWS's translator makes of a template whose parameters have their defaults."""
    defaults = {name: p["Default"] for name, p in template.get("Parameters", {}).items()}
    return transform(template, defaults | {"AWS::Region": region}, ManagedPolicyLoader(account.iam))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_translator(account, path, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", account.session.region_name)
    text = path.read_text()
    want = json.loads(json.dumps(translated(account, yaml_parse(text), account.session.region_name)))
    stack, name = "s" + uuid.uuid4().hex[:8], "first"
    account.cloudformation.create_change_set(
        StackName=stack, ChangeSetName=name, ChangeSetType="CREATE", TemplateBody=text, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    account.cloudformation.get_waiter("change_set_create_complete").wait(StackName=stack, ChangeSetName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    got = account.cloudformation.get_template(StackName=stack, ChangeSetName=name, TemplateStage="Processed")["TemplateBody"]
    got = json.loads(got) if isinstance(got, str) else json.loads(json.dumps(got))
    assert sorted(got["Resources"]) == sorted(want["Resources"])
    for logical, resource in want["Resources"].items():
        assert settled(got["Resources"][logical]) == settled(resource), logical
    assert settled(got.get("Outputs")) == settled(want.get("Outputs"))
