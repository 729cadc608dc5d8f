package dynamodb

import (
	"context"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/dynamodb/partiql"
)

// statementActions are the actions that policies know statements by.
var statementActions = map[partiql.Verb]string{partiql.Select: "dynamodb:PartiQLSelect", partiql.Insert: "dynamodb:PartiQLInsert",
	partiql.Update: "dynamodb:PartiQLUpdate", partiql.Delete: "dynamodb:PartiQLDelete", partiql.Exists: "dynamodb:PartiQLSelect"}

// statementTarget is what a statement works on, as policies see it; false for one that cannot
// be read, which the operation will say.
func (s *Service) statementTarget(ctx context.Context, text *string, parameters []api.AttributeValue) (target, bool) {
	p, err := partiql.Parse(*text, parameters)
	if err != nil {
		return target{}, false
	}
	t := target{action: statementActions[p.Verb], table: &p.Table}
	if p.Index != "" {
		t.index = &p.Index
	}
	if p.Returning != "" {
		t.returns = &p.Returning
	}
	if p.Verb == partiql.Insert {
		t.attributes, t.leading = names(p.Item), s.leading(ctx, &p.Table, true, p.Item)
		return t, true
	}
	change := optional(p.Change())
	t.attributes = mentioned(p.Names(), p.Values(), partiql.Condition(p.Where), change, nil)
	for _, path := range p.Paths {
		t.attributes = append(t.attributes, path[0].Name)
	}
	s.statementKeys(ctx, p, &t)
	return t, true
}

// statementKeys finds the partition key that a statement is about, and whether it reads all.
func (s *Service) statementKeys(ctx context.Context, p *partiql.Statement, t *target) {
	whole := "true"
	if tab, err := s.schema(ctx, &p.Table); err == nil {
		k := keyspace{t: tab}
		if p.Index != "" {
			k.ix = tab.index(p.Index)
		}
		for _, term := range p.Where {
			if term.Attribute == k.keys()[0].Name && term.Operator == "EQ" {
				t.leading, whole = []string{keyText(term.Values[0])}, "false"
				break
			}
		}
	}
	if p.Verb != partiql.Select && p.Verb != partiql.Exists {
		return
	}
	t.whole = &whole
	selected := api.SelectAllAttributes
	if p.Paths != nil {
		selected = api.SelectSpecificAttributes
	}
	t.selected = &selected
}

// statements makes accesses of what statements work on.
func (s *Service) statements(ctx context.Context, enclosing *aws.Operation, each func(yield func(text *string, parameters []api.AttributeValue))) ([]aws.Access, error) {
	var needs []aws.Access
	var failed error
	each(func(text *string, parameters []api.AttributeValue) {
		t, ok := s.statementTarget(ctx, text, parameters)
		if !ok || failed != nil {
			return
		}
		t.enclosing = enclosing
		need, err := s.access(ctx, &t)
		if err != nil {
			failed = err
			return
		}
		needs = append(needs, need)
	})
	if failed == nil && len(needs) == 0 { // nothing that could be done, which is no way past the policies
		need := aws.Access{Action: "dynamodb:PartiQLSelect", Resource: aws.RequestOf(ctx).ARN("dynamodb", "table/*")}
		return []aws.Access{need}, nil
	}
	return needs, failed
}

func (s *Service) guardStatement(ctx context.Context, in *api.ExecuteStatementInput) ([]aws.Access, error) {
	return s.statements(ctx, nil, func(yield func(*string, []api.AttributeValue)) { yield(in.Statement, in.Parameters) })
}

func (s *Service) guardStatements(ctx context.Context, in *api.BatchExecuteStatementInput) ([]aws.Access, error) {
	return s.statements(ctx, nil, func(yield func(*string, []api.AttributeValue)) {
		for _, st := range in.Statements {
			yield(st.Statement, st.Parameters)
		}
	})
}

func (s *Service) guardTransaction(ctx context.Context, in *api.ExecuteTransactionInput) ([]aws.Access, error) {
	return s.statements(ctx, &api.ExecuteTransaction.Operation, func(yield func(*string, []api.AttributeValue)) {
		for _, st := range in.TransactStatements {
			yield(st.Statement, st.Parameters)
		}
	})
}

// inTable names the table of a statement, for what is measured.
func inTable(text *string, parameters []api.AttributeValue, yield func(string)) {
	if p, err := partiql.Parse(aws.Value(text), parameters); err == nil {
		yield(p.Table)
	}
}

func inStatement(in *api.ExecuteStatementInput, yield func(string)) {
	inTable(in.Statement, in.Parameters, yield)
}

func inStatements(in *api.BatchExecuteStatementInput, yield func(string)) {
	for _, st := range in.Statements {
		inTable(st.Statement, st.Parameters, yield)
	}
}

func inTransaction(in *api.ExecuteTransactionInput, yield func(string)) {
	for _, st := range in.TransactStatements {
		inTable(st.Statement, st.Parameters, yield)
	}
}
