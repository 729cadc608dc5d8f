"""Metrics of logs: those that filters make, and those of the service itself."""

import datetime
import time


def total(account, namespace, name, dimensions, unit):
    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    found = account.cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName=name, Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()],
        StartTime=now - hour, EndTime=now + hour, Period=60, Statistics=["Sum"])["Datapoints"]
    assert all(d["Unit"] == unit for d in found)
    return sum(d["Sum"] for d in found)


def test_metrics_of_logs(account):
    account.logs.create_log_group(logGroupName="app")
    account.logs.create_log_stream(logGroupName="app", logStreamName="one")
    account.logs.put_metric_filter(logGroupName="app", filterName="took", filterPattern="{ $.ms > 10 }", metricTransformations=[
        {"metricName": "Took", "metricNamespace": "App", "metricValue": "$.ms", "unit": "Milliseconds", "dimensions": {"Op": "$.op"}}])
    now = int(time.time() * 1000)
    lines = ['{"op": "get", "ms": 12.5}', '{"op": "get", "ms": 5}', '{"op": "put", "ms": 40}', '{"op": "get", "ms": 20}', "plain"]
    account.logs.put_log_events(logGroupName="app", logStreamName="one", logEvents=[{"timestamp": now, "message": m} for m in lines])
    wanted = {
        ("App", "Took", "Op", "get", "Milliseconds"): 32.5, ("App", "Took", "Op", "put", "Milliseconds"): 40,
        ("AWS/Logs", "IncomingLogEvents", "LogGroupName", "app", "None"): 5,
        ("AWS/Logs", "IncomingBytes", "LogGroupName", "app", "Bytes"): sum(len(m) + 26 for m in lines),
    }
    deadline = time.time() + 30
    while True:
        got = {w: total(account, w[0], w[1], {w[2]: w[3]}, w[4]) for w in wanted}
        if got == wanted:
            break
        assert time.time() < deadline, got
        time.sleep(0.2)


def test_cli_queries(account):
    """The calls of the AWS CLI that operators make by day."""
    account.aws("logs", "create-log-group", "--log-group-name", "app")
    account.aws("logs", "create-log-stream", "--log-group-name", "app", "--log-stream-name", "one")
    now = int(time.time() * 1000)
    account.aws("logs", "put-log-events", "--log-group-name", "app", "--log-stream-name", "one", "--log-events",
                *(f'timestamp={now},message="{m}"' for m in ("GET / 200", "GET /x 404", "GET /y 404")))
    found = account.aws("logs", "filter-log-events", "--log-group-name", "app", "--filter-pattern", "[method, path, status = 404]")
    assert [e["message"] for e in found["events"]] == ["GET /x 404", "GET /y 404"]
    query = account.aws("logs", "start-query", "--log-group-name", "app", "--start-time", now // 1000 - 60, "--end-time", now // 1000 + 60, "--query-string",
                        'parse @message "* * *" as method, path, status | stats count(*) as n by status | sort n desc')["queryId"]
    deadline = time.time() + 20
    while (out := account.aws("logs", "get-query-results", "--query-id", query))["status"] != "Complete":
        assert time.time() < deadline, out
    rows = [{f["field"]: f["value"] for f in row} for row in out["results"]]
    assert rows == [{"status": "404", "n": "2"}, {"status": "200", "n": "1"}]
