package dynamodb

import (
	"context"
	"errors"
	"strings"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What AWS publishes of DynamoDB, in the namespace AWS/DynamoDB.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html

// measure counts something.
func (s *Service) measure(scope store.Scope, name string, value float64, dimensions ...string) {
	s.meter.Measure(aws.Measurement{Account: scope.Account, Region: scope.Region, Namespace: "AWS/DynamoDB", Name: name, Unit: "Count", Dimensions: dimensions, Value: value})
}

// measureConsumed counts capacity units of a table and of its global indexes.
func (s *Service) measureConsumed(at ref, t *table, own float64, global map[string]float64, write bool) {
	name := "ConsumedReadCapacityUnits"
	if write {
		name = "ConsumedWriteCapacityUnits"
	}
	s.measure(at.scope, name, own, t.dimensions...)
	for index, units := range global {
		s.measure(at.scope, name, units, "TableName", at.name, "GlobalSecondaryIndexName", index)
	}
}

// measured is h with its latency and its failures measured; tables yields the names of the
// tables that an input is about.
func measured[In, Out any](s *Service, operation string, h aws.Handler[In, Out], tables func(in *In, yield func(name string))) aws.Handler[In, Out] {
	return func(ctx context.Context, in *In) (*Out, error) {
		start := s.clock.Now()
		out, err := h(ctx, in)
		req := aws.RequestOf(ctx)
		scope := store.Scope{Account: req.Account(), Region: req.Region}
		if err != nil {
			s.measureError(scope, operation, err, func(yield func(string)) { tables(in, yield) })
			return out, err
		}
		took := float64(s.clock.Now().Sub(start).Microseconds()) / 1000
		tables(in, func(name string) {
			s.meter.Measure(aws.Measurement{Account: scope.Account, Region: scope.Region, Namespace: "AWS/DynamoDB", Name: "SuccessfulRequestLatency", Unit: "Milliseconds",
				Dimensions: []string{"TableName", bareName(name), "Operation", operation}, Value: took})
		})
		return out, nil
	}
}

// bareName is the name of a table that was given by its name or its ARN.
func bareName(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// measureError counts a request that was refused.
func (s *Service) measureError(scope store.Scope, operation string, err error, tables func(yield func(name string))) {
	var e *aws.Error
	switch {
	case !errors.As(err, &e) || e.Server():
		tables(func(name string) {
			s.measure(scope, "SystemErrors", 1, "TableName", bareName(name), "Operation", operation)
		})
	case e.Code == "ConditionalCheckFailedException":
		tables(func(name string) {
			s.measure(scope, "ConditionalCheckFailedRequests", 1, "TableName", bareName(name))
		})
	case e.Code == "ProvisionedThroughputExceededException":
		tables(func(name string) {
			s.measure(scope, "ThrottledRequests", 1, "TableName", bareName(name), "Operation", operation)
		})
	default:
		s.measure(scope, "UserErrors", 1)
	}
}

// one names the table of an input that is about one.
func one[In any](name func(in *In) *string) func(in *In, yield func(string)) {
	return func(in *In, yield func(string)) { yield(aws.Value(name(in))) }
}

// keys names the tables of a batch.
func keys[In, V any](requests func(in *In) map[string]V) func(in *In, yield func(string)) {
	return func(in *In, yield func(string)) {
		for name := range requests(in) {
			yield(name)
		}
	}
}

// inReads names the tables of a transaction, each once.
func inReads(in *api.TransactGetItemsInput, yield func(string)) {
	seen := map[string]bool{}
	for _, t := range in.TransactItems {
		if name := bareName(aws.Value(t.Get.TableName)); !seen[name] {
			seen[name] = true
			yield(name)
		}
	}
}

// inWrites names the tables of a transaction, each once.
func inWrites(in *api.TransactWriteItemsInput, yield func(string)) {
	seen := map[string]bool{}
	add := func(table *string) {
		if name := bareName(aws.Value(table)); !seen[name] {
			seen[name] = true
			yield(name)
		}
	}
	for _, t := range in.TransactItems {
		switch {
		case t.Put != nil:
			add(t.Put.TableName)
		case t.Update != nil:
			add(t.Update.TableName)
		case t.Delete != nil:
			add(t.Delete.TableName)
		case t.ConditionCheck != nil:
			add(t.ConditionCheck.TableName)
		}
	}
}
