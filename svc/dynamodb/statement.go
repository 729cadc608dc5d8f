package dynamodb

import (
	"context"
	"errors"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
	"github.com/tule-cloud/tule/svc/dynamodb/partiql"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// A statement is one of PartiQL, bound to a table of the caller's.
type statement struct {
	*partiql.Statement
	at        ref
	onFailure *string
}

// parse reads a statement and checks its values.
func (s *Service) parse(ctx context.Context, text *string, parameters []api.AttributeValue, onFailure *string) (*statement, error) {
	parameters = slices.Clone(parameters)
	for i := range parameters {
		if err := value.Check(&parameters[i]); err != nil {
			return nil, err
		}
	}
	p, err := partiql.Parse(*text, parameters)
	if err != nil {
		return nil, err
	}
	at, err := s.reach(ctx, &p.Table)
	if err != nil {
		return nil, err
	}
	if err := value.CheckItem(p.Values()); err != nil {
		return nil, err
	}
	return &statement{p, at, onFailure}, nil
}

// scope is what the statement's expressions may refer to.
func (st *statement) scope() (*expression.Scope, error) {
	return expression.NewScope(st.Names(), st.Values())
}

// condition is what terms mean; nil for none.
func (st *statement) condition(terms []partiql.Term) (*expression.Condition, error) {
	text := partiql.Condition(terms)
	if text == nil {
		return nil, nil
	}
	sc, err := st.scope()
	if err != nil {
		return nil, err
	}
	return sc.Condition(expression.ConditionExpression, *text)
}

// keyed is the key that the statement's conditions name, and the other conditions; nil if
// they do not name a whole key of the table.
func (st *statement) keyed(t *table) (key api.Item, others []partiql.Term) {
	for _, term := range st.Where {
		isKey := slices.ContainsFunc(t.keys(), func(k keyAttribute) bool { return k.Name == term.Attribute })
		if isKey && term.Operator == "EQ" && !key.Has(term.Attribute) {
			v := term.Values[0]
			if err := value.Check(&v); err != nil {
				return nil, nil // it was checked; what is not sound is no key
			}
			key.Set(term.Attribute, v)
			continue
		}
		others = append(others, term)
	}
	if len(key) != len(t.keys()) {
		return nil, nil
	}
	return key, others
}

// write is what the statement writes.
func (st *statement) write(t *table) (*write, error) {
	w := &write{at: st.at, onFailure: st.onFailure, needOld: st.Returning != ""}
	if st.Verb == partiql.Insert {
		w.verb, w.item = put, st.Item
		if err := w.prepare(); err != nil {
			return nil, err
		}
		w.condition = expression.Compare(t.Hash.Name, "NULL", nil)
		return w, nil
	}
	key, others := st.keyed(t)
	if key == nil {
		return nil, value.Invalid("Where clause does not contain a mandatory equality on all key attributes")
	}
	w.item = key
	var err error
	if w.condition, err = st.condition(others); err != nil {
		return nil, err
	}
	there := expression.Compare(t.Hash.Name, "NOT_NULL", nil)
	switch st.Verb {
	case partiql.Update:
		w.verb = update
		w.condition = expression.Both(there, w.condition)
		sc, err := st.scope()
		if err != nil {
			return nil, err
		}
		if w.update, err = sc.Update(st.Change()); err != nil {
			return nil, err
		}
	case partiql.Delete:
		w.verb = remove
	case partiql.Exists:
		w.verb = check
		w.condition = expression.Both(there, w.condition)
	}
	return w, w.prepare()
}

// get is the read of one item that the statement is, if its conditions name a whole key.
func (st *statement) get(t *table) (*get, error) {
	key, others := st.keyed(t)
	if key == nil || st.Index != "" {
		return nil, value.Invalid("Select statements within BatchExecuteStatement and ExecuteTransaction must specify the primary key in the where clause.")
	}
	if err := value.CheckItem(key); err != nil {
		return nil, err
	}
	filter, err := st.condition(others)
	return &get{at: st.at, key: key, filter: filter}, err
}

// project cuts an item down to what SELECT wants: each path's value under the path's last name.
func (st *statement) project(it api.Item) api.Item {
	if st.Paths == nil || it == nil {
		return it
	}
	out := api.Item{}
	for _, p := range st.Paths {
		v, ok := p.Find(it)
		for i := len(p) - 1; ok; i-- {
			if p[i].Name != "" {
				out.Set(p[i].Name, v)
				break
			}
		}
	}
	return out
}

// A resume is where a SELECT goes on: what it was, and the last key that it saw.
type resume struct {
	Statement string
	Last      api.Item
}

func (s *Service) executeStatement(ctx context.Context, in *api.ExecuteStatementInput) (*api.ExecuteStatementOutput, error) {
	st, err := s.parse(ctx, in.Statement, in.Parameters, in.ReturnValuesOnConditionCheckFailure)
	if err != nil {
		return nil, err
	}
	switch st.Verb {
	case partiql.Select:
		return s.executeSelect(ctx, st, in)
	case partiql.Exists:
		return nil, value.Invalid("EXISTS is only supported in ExecuteTransaction")
	}
	w, err := s.executeWrite(ctx, st)
	if err != nil {
		return nil, err
	}
	out := &api.ExecuteStatementOutput{Items: []api.Item{}, ConsumedCapacity: w.consumed(in.ReturnConsumedCapacity)}
	if it := w.attributes(st.Returning); it != nil {
		out.Items = append(out.Items, it)
	}
	return out, nil
}

// executeWrite makes the write that a statement is.
func (s *Service) executeWrite(ctx context.Context, st *statement) (*write, error) {
	t, err := s.schema(ctx, &st.Table)
	if err != nil {
		return nil, err
	}
	w, err := st.write(t)
	if err != nil {
		return nil, err
	}
	err = s.commit(ctx, w)
	if st.Verb == partiql.Insert && aws.CodeOf(err) == "ConditionalCheckFailedException" {
		return nil, api.DuplicateItemException("Duplicate primary key exists in table")
	}
	// A deletion of nothing deletes nothing, whatever else it wants of the item.
	if st.Verb == partiql.Delete && aws.CodeOf(err) == "ConditionalCheckFailedException" && w.old == nil {
		err = nil
	}
	return w, err
}

// executeSelect reads one page: by key where the conditions name one, all of the table or
// index otherwise.
func (s *Service) executeSelect(ctx context.Context, st *statement, in *api.ExecuteStatementInput) (*api.ExecuteStatementOutput, error) {
	p := &page{at: st.at, limit: int(aws.Value(in.Limit))}
	if in.NextToken != nil {
		var from resume
		if !aws.ParseToken(*in.NextToken, &from) || from.Statement != *in.Statement || value.CheckItem(from.Last) != nil {
			return nil, value.Invalid("Given NextToken is invalid")
		}
		p.start = from.Last
	}
	for _, path := range st.Paths {
		p.wanted = append(p.wanted, path[0].Name)
	}
	t, err := s.readSelect(ctx, st, p, aws.Value(in.ConsistentRead))
	if err != nil {
		return nil, err
	}
	s.spent(st.at, t, p.used, false)
	out := &api.ExecuteStatementOutput{Items: p.items, LastEvaluatedKey: p.last, ConsumedCapacity: consumed(st.at, in.ReturnConsumedCapacity, p.used)}
	for i, it := range out.Items {
		out.Items[i] = st.project(it)
	}
	if p.last != nil {
		token := aws.Token(resume{*in.Statement, p.last})
		out.NextToken = &token
	}
	return out, nil
}

// readSelect fills the page that a SELECT wants.
func (s *Service) readSelect(ctx context.Context, st *statement, p *page, consistent bool) (t *table, err error) {
	var index *string
	if st.Index != "" {
		index = &st.Index
	}
	err = s.view(ctx, func(r store.Reader) error {
		if t, err = s.open(ctx, r, st.at); err != nil {
			return err
		}
		k, err := t.keyspace(index, consistent)
		if err != nil {
			return err
		}
		conditions, others, err := st.split(k)
		if err != nil {
			return err
		}
		o := store.ListOptions{Prefix: []any{k.space()}}
		if conditions != nil {
			if o, err = k.bounds(conditions); err != nil {
				return err
			}
		}
		o.Reverse = st.Descending
		if p.filter, err = st.condition(others); err != nil {
			return err
		}
		if p.start != nil {
			if err := k.checkStartKey(p.start); err != nil {
				return err
			}
		}
		if err := s.admitRead(st.at, k); err != nil {
			return err
		}
		return p.read(ctx, r, k, o, consistent)
	})
	return t, err
}

// split divides the conditions of a SELECT into those by which its keyspace is ordered, nil if
// there is none for the partition key, and others.
func (st *statement) split(k keyspace) (conditions map[string]expression.KeyCondition, others []partiql.Term, err error) {
	keys := k.keys()
	found := map[string]expression.KeyCondition{}
	for _, term := range st.Where {
		_, twice := found[term.Attribute]
		i := slices.IndexFunc(keys, func(a keyAttribute) bool { return a.Name == term.Attribute })
		if i < 0 || twice || i == 0 && term.Operator != "EQ" || !slices.Contains([]string{"EQ", "LT", "LE", "GT", "GE", "BETWEEN", "BEGINS_WITH"}, term.Operator) {
			others = append(others, term)
			continue
		}
		found[term.Attribute] = expression.KeyCondition{Operator: term.Operator, Values: slices.Clone(term.Values)}
		for i := range term.Values {
			if err := value.Check(&found[term.Attribute].Values[i]); err != nil {
				return nil, nil, err
			}
		}
		if err := checkOperator(term.Operator, found[term.Attribute].Values); err != nil {
			return nil, nil, err
		}
	}
	_, keyed := found[keys[0].Name]
	switch {
	case st.Order != "" && !keyed:
		return nil, nil, value.Invalid("Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.")
	case st.Order != "" && !slices.ContainsFunc(keys, func(a keyAttribute) bool { return a.Name == st.Order }):
		return nil, nil, value.Invalid("Variable reference %s in ORDER BY clause must be part of the primary key", st.Order)
	case !keyed:
		return nil, st.Where, nil
	}
	return found, others, nil
}

// statementCode is the code of an error within a batch.
func statementCode(err error) string {
	switch code := aws.CodeOf(err); code {
	case "ValidationException":
		return api.BatchStatementErrorCodeEnumValidationError
	case "":
		return api.BatchStatementErrorCodeEnumInternalServerError
	default:
		return strings.TrimSuffix(code, "Exception")
	}
}

func (s *Service) batchExecuteStatement(ctx context.Context, in *api.BatchExecuteStatementInput) (*api.BatchExecuteStatementOutput, error) {
	out := &api.BatchExecuteStatementOutput{}
	parsed := make([]*statement, len(in.Statements))
	reads := 0
	failures := make([]error, len(in.Statements))
	for i, one := range in.Statements {
		if parsed[i], failures[i] = s.parse(ctx, one.Statement, one.Parameters, one.ReturnValuesOnConditionCheckFailure); failures[i] == nil && parsed[i].Verb == partiql.Select {
			reads++
		}
	}
	if reads > 0 && reads < len(parsed)-countErrors(failures) {
		return nil, value.Invalid("Select statements and write statements cannot be in one batch")
	}
	var b bill
	for i, st := range parsed {
		response := api.BatchStatementResponse{}
		err := failures[i]
		if err == nil {
			response.TableName = &st.at.name
			response.Item, err = s.executeOne(ctx, st, aws.Value(in.Statements[i].ConsistentRead), &b)
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			response.Error = statementError(err)
		}
		out.Responses = append(out.Responses, response)
	}
	out.ConsumedCapacity = b.total(in.ReturnConsumedCapacity, consumed)
	return out, nil
}

func countErrors(errs []error) (n int) {
	for _, err := range errs {
		if err != nil {
			n++
		}
	}
	return n
}

func statementError(err error) *api.BatchStatementError {
	code, message := statementCode(err), "Internal server error"
	out := &api.BatchStatementError{Code: &code, Message: &message}
	var e *aws.Error
	if errors.As(err, &e) {
		message = e.Message
		if d, ok := e.Detail.(*api.ConditionalCheckFailedExceptionDetail); ok {
			out.Item = d.Item
		}
	}
	return out
}

// executeOne executes a statement of a batch, which is about one item.
func (s *Service) executeOne(ctx context.Context, st *statement, consistent bool, b *bill) (api.Item, error) {
	if st.Verb != partiql.Select {
		w, err := s.executeWrite(ctx, st)
		if err != nil {
			return nil, err
		}
		b.add(w.at, w.usage())
		return w.attributes(st.Returning), nil
	}
	var g *get
	err := s.view(ctx, func(r store.Reader) error {
		t, err := s.open(ctx, r, st.at)
		if err != nil {
			return err
		}
		if g, err = st.get(t); err != nil {
			return err
		}
		return g.run(ctx, s, r)
	})
	if err != nil {
		return nil, err
	}
	u := usage{table: readUnits(g.size, consistent)}
	b.add(g.at, u)
	s.spent(g.at, g.table, u, false)
	return st.project(g.item), nil
}

func (s *Service) executeTransaction(ctx context.Context, in *api.ExecuteTransactionInput) (*api.ExecuteTransactionOutput, error) {
	var all []*statement
	reads := 0
	for _, one := range in.TransactStatements {
		st, err := s.parse(ctx, one.Statement, one.Parameters, one.ReturnValuesOnConditionCheckFailure)
		if err != nil {
			return nil, err
		}
		if st.Verb == partiql.Select {
			reads++
		}
		all = append(all, st)
	}
	switch reads {
	case 0:
		return s.transactStatements(ctx, in, all)
	case len(all):
		return s.transactSelects(ctx, in, all)
	}
	return nil, value.Invalid("The transaction must contain either read statements or write statements, but not both")
}

func (s *Service) transactStatements(ctx context.Context, in *api.ExecuteTransactionInput, all []*statement) (*api.ExecuteTransactionOutput, error) {
	token, err := newToken(ctx, in.ClientRequestToken, in.TransactStatements)
	if err != nil {
		return nil, err
	}
	var writes []*write
	for _, st := range all {
		t, err := s.schema(ctx, &st.Table)
		if err != nil {
			return nil, err
		}
		w, err := st.write(t)
		if err != nil {
			return nil, err
		}
		w.duplicate = st.Verb == partiql.Insert
		writes = append(writes, w)
	}
	if err := s.commitAll(ctx, token, writes); err != nil {
		return nil, err
	}
	out := &api.ExecuteTransactionOutput{}
	var b bill
	for i, w := range writes {
		b.add(w.at, w.usage())
		out.Responses = append(out.Responses, api.ItemResponse{Item: w.attributes(all[i].Returning)})
	}
	out.ConsumedCapacity = b.total(in.ReturnConsumedCapacity, transacted(true))
	return out, nil
}

func (s *Service) transactSelects(ctx context.Context, in *api.ExecuteTransactionInput, all []*statement) (*api.ExecuteTransactionOutput, error) {
	var gets []*get
	err := s.view(ctx, func(r store.Reader) error {
		gets = nil
		for _, st := range all {
			t, err := s.open(ctx, r, st.at)
			if err != nil {
				return err
			}
			g, err := st.get(t)
			if err != nil {
				return err
			}
			if err := g.run(ctx, s, r); err != nil {
				return err
			}
			gets = append(gets, g)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &api.ExecuteTransactionOutput{}
	var b bill
	for i, g := range gets {
		u := usage{table: readUnits(g.size, true)}
		b.add(g.at, u)
		s.spent(g.at, g.table, usage{table: 2 * u.table}, false)
		out.Responses = append(out.Responses, api.ItemResponse{Item: all[i].project(g.item)})
	}
	out.ConsumedCapacity = b.total(in.ReturnConsumedCapacity, transacted(false))
	return out, nil
}
