package test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// query runs a query over the last hour of groups, and gives its rows.
func (c *cloud) query(text string, groups ...string) (rows []map[string]string) {
	c.Helper()
	id := must(c.logs.StartQuery(ctx, &cloudwatchlogs.StartQueryInput{LogGroupNames: groups, QueryString: &text,
		StartTime: aws.Int64(time.Now().Add(-time.Hour).Unix()), EndTime: aws.Int64(time.Now().Unix() + 1)}))(c).QueryId
	eventually(c, func() error {
		out := must(c.logs.GetQueryResults(ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: id}))(c)
		if out.Status != types.QueryStatusComplete {
			return fmt.Errorf("%s is %s", text, out.Status)
		}
		for _, fields := range out.Results {
			row := map[string]string{}
			for _, f := range fields {
				row[*f.Field] = *f.Value
			}
			rows = append(rows, row)
		}
		return nil
	})
	return rows
}

func TestLogsInsights(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.group("app")
	c.group("other")
	c.stream("app", "one", `{"level": "INFO", "ms": 12}`, `{"level": "ERROR", "ms": 40, "user": {"id": "ann"}}`, `{"level": "INFO", "ms": 20}`, "user=bob took=7")
	c.stream("other", "two", `{"level": "ERROR", "ms": 1}`)
	rows := c.query("filter ispresent(level) | stats count(*) as n, avg(ms), max(ms) by level | sort level desc", "app")
	equal(t, "the statistics", fmt.Sprint(rows), "[map[avg(ms):16 level:INFO max(ms):20 n:2] map[avg(ms):40 level:ERROR max(ms):40 n:1]]")
	rows = c.query(`parse @message "user=* took=*" as who, took | filter took > 3 | display who, took`, "app", "other")
	equal(t, "what was parsed", rows[0]["who"]+rows[0]["took"], "bob7")
	rows = c.query(`filter level = "ERROR" | fields user.id, @log | sort @timestamp asc`, "app", "other")
	equal(t, "of two groups", len(rows), 2)

	record := must(c.logs.GetLogRecord(ctx, &cloudwatchlogs.GetLogRecordInput{LogRecordPointer: aws.String(rows[0]["@ptr"])}))(t).LogRecord
	equal(t, "the record's level", record["level"], "ERROR")
	fields := must(c.logs.GetLogGroupFields(ctx, &cloudwatchlogs.GetLogGroupFieldsInput{LogGroupName: aws.String("app")}))(t).LogGroupFields
	if len(fields) < 5 {
		t.Errorf("fields %v", fields)
	}
	_, err := c.logs.StartQuery(ctx, &cloudwatchlogs.StartQueryInput{LogGroupName: aws.String("app"), StartTime: aws.Int64(0), EndTime: aws.Int64(1), QueryString: aws.String("fields |")})
	fails[*types.MalformedQueryException](t, err, "unexpected")
	all := must(c.logs.DescribeQueries(ctx, &cloudwatchlogs.DescribeQueriesInput{LogGroupName: aws.String("app")}))(t).Queries
	equal(t, "queries of the group", len(all), 3)
	equal(t, "groups of a query", len(must(c.logs.ListLogGroupsForQuery(ctx, &cloudwatchlogs.ListLogGroupsForQueryInput{QueryId: all[0].QueryId}))(t).LogGroupIdentifiers), 2)

	// Whoever may not read a group does not see what a query found in it.
	reader := c.user("reader", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"logs:GetQueryResults","Resource":"`+c.arn("logs", "log-group:other:*")+`"}}`)
	_, err = reader.logs.GetQueryResults(ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: all[0].QueryId})
	refused(t, err, "AccessDeniedException", "not authorized")

	// A query that is stopped before it is over; most are too short for that.
	eventually(t, func() error {
		id := must(c.logs.StartQuery(ctx, &cloudwatchlogs.StartQueryInput{LogGroupNames: []string{"app", "other"}, StartTime: aws.Int64(0), EndTime: aws.Int64(time.Now().Unix()),
			QueryString: aws.String("stats count(*) by @message")}))(t).QueryId
		_, err := c.logs.StopQuery(ctx, &cloudwatchlogs.StopQueryInput{QueryId: id})
		var over *types.InvalidParameterException
		if errors.As(err, &over) {
			return err
		}
		must(0, err)(t)
		equal(t, "its status", must(c.logs.GetQueryResults(ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: id}))(t).Status, types.QueryStatusCancelled)
		return nil
	})

	def := must(c.logs.PutQueryDefinition(ctx, &cloudwatchlogs.PutQueryDefinitionInput{Name: aws.String("errors"), QueryString: aws.String("filter level = 'ERROR'")}))(t)
	equal(t, "definitions", len(must(c.logs.DescribeQueryDefinitions(ctx, &cloudwatchlogs.DescribeQueryDefinitionsInput{}))(t).QueryDefinitions), 1)
	must(c.logs.DeleteQueryDefinition(ctx, &cloudwatchlogs.DeleteQueryDefinitionInput{QueryDefinitionId: def.QueryDefinitionId}))(t)
}

// TestLogsLambdaFields asks for what Lambda itself has logged.
func TestLogsLambdaFields(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.function("worker", "nodejs22.x", `exports.handler = async (e) => { console.log(JSON.stringify({ order: e.n })); return "ok" }`)
	c.invoke("worker", `{"n": 7}`)
	c.loggedLines("worker", "REPORT", 1)
	rows := c.query(`filter @type = "REPORT" | stats count(*) as n, max(@memorySize) / 1000000 as mb, min(@duration) as ms by @requestId`, "/aws/lambda/worker")
	if len(rows) != 1 || rows[0]["n"] != "1" || rows[0]["mb"] != "128" || rows[0]["ms"] == "" {
		t.Errorf("rows %v", rows)
	}
	equal(t, "the order", c.query(`filter ispresent(order) | display order, @requestId`, "/aws/lambda/worker")[0]["order"], "7")
}

// TestLogsLiveTail hears of lines as they are put.
func TestLogsLiveTail(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.group("app")
	// "streaming-" goes before the host, where an address has no room for it.
	client := cloudwatchlogs.NewFromConfig(c.config, func(o *cloudwatchlogs.Options) {
		o.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(house.URL(), "http://"))
		}}}
	})
	out := must(client.StartLiveTail(ctx, &cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{c.arn("logs", "log-group:app")}, LogEventFilterPattern: aws.String("ERROR")}))(t)
	session := out.GetStream()
	defer session.Close()
	limit := time.After(20 * time.Second)
	for started := false; ; {
		select {
		case e := <-session.Events():
			switch e := e.(type) {
			case *types.StartLiveTailResponseStreamMemberSessionStart:
				started = true
				c.stream("app", "one", "fine", "ERROR now")
			case *types.StartLiveTailResponseStreamMemberSessionUpdate:
				if r := e.Value.SessionResults; len(r) > 0 {
					equal(t, "what came", fmt.Sprint(started, len(r), *r[0].Message, *r[0].LogStreamName), "true 1ERROR nowone")
					return
				}
			default:
				t.Fatalf("got a %T: %v", e, session.Err())
			}
		case <-limit:
			t.Fatal("nothing came")
		}
	}
}
