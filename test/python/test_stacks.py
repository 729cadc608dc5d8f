"""Applications go up, change and come down by CloudFormation, as AWS's tools do it."""

import json
import textwrap
import urllib.request

import pytest

APPLICATION = textwrap.dedent("""\
    AWSTemplateFormatVersion: '2010-09-09'
    Transform: AWS::Serverless-2016-10-31
    Parameters:
      Greeting: {Type: String, Default: hello}
    Resources:
      Hello:
        Type: AWS::Serverless::Function
        Properties:
          Handler: index.handler
          Runtime: nodejs20.x
          CodeUri: ./code
          Environment: {Variables: {GREETING: !Ref Greeting, TABLE: !Ref Visits}}
          Policies: [DynamoDBCrudPolicy: {TableName: !Ref Visits}]
          Events:
            Say: {Type: Api, Properties: {Path: '/say/{name}', Method: get}}
            Http: {Type: HttpApi, Properties: {Path: '/say/{name}', Method: get}}
            Queue: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn}}
      Visits: {Type: AWS::Serverless::SimpleTable}
      Jobs: {Type: AWS::SQS::Queue}
    Outputs:
      Rest: {Value: !Ref ServerlessRestApi}
      Http: {Value: !Ref ServerlessHttpApi}
      Function: {Value: !Ref Hello}
""")

CODE = """
exports.handler = async (event) => ({ statusCode: 200, body: `${process.env.GREETING} ${event.pathParameters.name}` });
"""


def get(account, api, path):
    request = urllib.request.Request(f"{account.url}{path}", headers={"Host": f"{api}.execute-api.eu-central-1.amazonaws.com"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def left(account):
    """What of an application's parts an account has, by the services' own lists."""
    return {
        "functions": [f["FunctionName"] for f in account.client("lambda").list_functions()["Functions"]],
        "roles": [r["RoleName"] for r in account.iam.list_roles()["Roles"]],
        "tables": account.dynamodb.list_tables()["TableNames"],
        "queues": account.sqs.list_queues().get("QueueUrls", []),
        "apis": [a["id"] for a in account.gateway.get_rest_apis()["items"]] + [a["ApiId"] for a in account.apigatewayv2.get_apis()["Items"]],
        "mappings": [m["UUID"] for m in account.client("lambda").list_event_source_mappings()["EventSourceMappings"]],
    }


def test_package_and_deploy(account, tmp_path):
    """aws cloudformation package and deploy: an application goes up, is used, changes, and leaves nothing."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "index.js").write_text(CODE)
    (tmp_path / "template.yaml").write_text(APPLICATION)
    account.s3.create_bucket(Bucket=f"code-{account.number}", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    packaged = tmp_path / "packaged.yaml"
    account.aws("cloudformation", "package", "--template-file", tmp_path / "template.yaml", "--s3-bucket", f"code-{account.number}", "--output-template-file", packaged)
    account.aws("cloudformation", "deploy", "--template-file", packaged, "--stack-name", "shop", "--capabilities", "CAPABILITY_IAM")
    stack = account.cloudformation.describe_stacks(StackName="shop")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    out = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    assert get(account, out["Rest"], "/Prod/say/ann") == "hello ann"
    assert get(account, out["Http"], "/say/bob") == "hello bob"

    account.aws("cloudformation", "deploy", "--template-file", packaged, "--stack-name", "shop", "--capabilities", "CAPABILITY_IAM", "--parameter-overrides", "Greeting=good day")
    assert get(account, out["Http"], "/say/bob") == "good day bob"
    assert "No changes to deploy" in account.aws("cloudformation", "deploy", "--template-file", packaged, "--stack-name", "shop", "--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset")

    account.cloudformation.delete_stack(StackName="shop")
    account.cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack["StackId"], WaiterConfig={"Delay": 1})
    assert not any(left(account).values()), left(account)


def test_failed_update_is_taken_back(account):
    """A resource that cannot be fails the update, and all that it changed is as it was."""

    def template(delay, wrong):
        resources = {"Jobs": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": delay}}}
        if wrong:
            resources["Topic"] = {"Type": "AWS::SNS::Topic"}
            resources["Wrong"] = {"Type": "AWS::SQS::Queue", "DependsOn": ["Jobs", "Topic"], "Properties": {"DelaySeconds": 100_000}}
        return json.dumps({"Resources": resources, "Outputs": {"Url": {"Value": {"Ref": "Jobs"}}}})

    cf = account.cloudformation
    cf.create_stack(StackName="s", TemplateBody=template(1, False))
    cf.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    url = cf.describe_stacks(StackName="s")["Stacks"][0]["Outputs"][0]["OutputValue"]
    with pytest.raises(cf.exceptions.ClientError, match=r"No updates are to be performed\."):
        cf.update_stack(StackName="s", TemplateBody=template(1, False))
    cf.update_stack(StackName="s", TemplateBody=template(2, True))
    cf.get_waiter("stack_rollback_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    assert cf.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert account.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"] == {"DelaySeconds": "1"}
    assert not account.sns.list_topics()["Topics"]
    statuses = [(e["LogicalResourceId"], e["ResourceStatus"]) for e in reversed(cf.describe_stack_events(StackName="s")["StackEvents"])]
    assert ("Wrong", "CREATE_FAILED") in statuses and ("Topic", "DELETE_COMPLETE") in statuses
    with pytest.raises(cf.exceptions.AlreadyExistsException):
        cf.create_stack(StackName="s", TemplateBody=template(1, False))
    cf.delete_stack(StackName="s")
    cf.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    with pytest.raises(cf.exceptions.ClientError, match="Stack with id s does not exist"):
        cf.describe_stacks(StackName="s")
    assert not any(left(account).values())


def test_stacks_share_what_they_export(account):
    """What one stack exports another imports, and holds the first to."""
    cf = account.cloudformation

    def settled(name, waiter="stack_create_complete"):
        cf.get_waiter(waiter).wait(StackName=name, WaiterConfig={"Delay": 1})

    queue = {"Resources": {"Jobs": {"Type": "AWS::SQS::Queue"}}, "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Jobs", "QueueName"]}, "Export": {"Name": "jobs"}}}}
    topic = {"Resources": {"News": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::ImportValue": "jobs"}}}}}
    cf.create_stack(StackName="one", TemplateBody=json.dumps(queue))
    settled("one")
    cf.create_change_set(StackName="two", ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=json.dumps(topic))
    cf.execute_change_set(StackName="two", ChangeSetName="first")
    settled("two")
    assert cf.list_imports(ExportName="jobs")["Imports"] == ["two"]
    made = cf.describe_stack_resource(StackName="two", LogicalResourceId="News")["StackResourceDetail"]
    name = cf.list_exports()["Exports"][0]["Value"]
    assert account.sns.get_topic_attributes(TopicArn=made["PhysicalResourceId"])["Attributes"]["DisplayName"] == name

    for call, told in ((cf.cancel_update_stack, "CancelUpdateStack cannot be called"), (cf.continue_update_rollback, "UPDATE_ROLLBACK_FAILED|CREATE_COMPLETE")):
        with pytest.raises(cf.exceptions.ClientError, match=told):
            call(StackName="two")
    with pytest.raises(cf.exceptions.ClientError, match="Export jobs cannot be deleted as it is in use by two"):
        cf.delete_stack(StackName="one")
    cf.delete_stack(StackName="two")
    settled("two", "stack_delete_complete")
    cf.delete_stack(StackName="one")
    settled("one", "stack_delete_complete")
    assert not any(left(account).values())
