package terraform

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
)

// scheduled adds what an account holds of tables, buses, rules, archives and schedules.
func scheduled(s *scenario, all map[string][]string) {
	c := aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String(s.house.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(s.account, "test", "")}
	tables, err := dynamodb.NewFromConfig(c).ListTables(s.Context(), &dynamodb.ListTablesInput{})
	try(s.T, err)
	all["tables"] = tables.TableNames
	events := eventbridge.NewFromConfig(c)
	buses, err := events.ListEventBuses(s.Context(), &eventbridge.ListEventBusesInput{})
	try(s.T, err)
	for _, b := range buses.EventBuses {
		if *b.Name != "default" {
			all["buses"] = append(all["buses"], *b.Name)
		}
	}
	rules, err := events.ListRules(s.Context(), &eventbridge.ListRulesInput{})
	try(s.T, err)
	for _, r := range rules.Rules {
		all["rules"] = append(all["rules"], *r.Name)
	}
	archives, err := events.ListArchives(s.Context(), &eventbridge.ListArchivesInput{})
	try(s.T, err)
	for _, a := range archives.Archives {
		all["archives"] = append(all["archives"], *a.ArchiveName)
	}
	connections, err := events.ListConnections(s.Context(), &eventbridge.ListConnectionsInput{})
	try(s.T, err)
	for _, c := range connections.Connections {
		all["connections"] = append(all["connections"], *c.Name)
	}
	schedules, err := scheduler.NewFromConfig(c).ListSchedules(s.Context(), &scheduler.ListSchedulesInput{})
	try(s.T, err)
	for _, x := range schedules.Schedules {
		all["schedules"] = append(all["schedules"], *x.Name)
	}
}

func TestSchedules(t *testing.T) {
	s := start(t, "schedules")
	s.applies(false)
	arn := func(service, name string) string {
		return "arn:aws:" + service + ":eu-west-1:" + s.account + ":" + name
	}
	read := map[string]any{"table": arn("dynamodb", "table/orders"), "indexes": 1.0, "rule": arn("events", "rule/shop/orders"), "schedule": arn("scheduler", "schedule/nightly/report")}
	s.reads(read)
	s.applies(true)
	read["indexes"] = 2.0
	s.reads(read)
	s.imports(map[string]string{
		"aws_dynamodb_table.orders":                    "orders",
		"aws_dynamodb_resource_policy.orders":          arn("dynamodb", "table/orders"),
		"aws_cloudwatch_event_bus.shop":                "shop",
		"aws_cloudwatch_event_bus_policy.shop":         "shop",
		"aws_cloudwatch_event_rule.orders":             "shop/orders",
		"aws_cloudwatch_event_target.work":             "shop/orders/work",
		"aws_cloudwatch_event_archive.orders":          "orders",
		"aws_cloudwatch_event_api_destination.partner": "partner",
		"aws_scheduler_schedule_group.nightly":         "nightly",
		"aws_scheduler_schedule.report":                "nightly/report",
		"aws_scheduler_schedule.once":                  "default/once",
	})
	s.destroys()
}
