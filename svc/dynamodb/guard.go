package dynamodb

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// target is what a call works on, as policies see it.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
type target struct {
	action     string // empty for the operation's own
	table      *string
	index      *string
	leading    []string // partition keys
	attributes []string
	selected   *string
	returns    *string
	capacity   *string
	whole      *string        // whether a statement reads all there is
	enclosing  *aws.Operation // the transaction that it is part of
}

// of makes a guard of the targets that an input names.
func of[In any](s *Service, targets func(ctx context.Context, in *In) []target) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		var needs []aws.Access
		named := targets(ctx, in)
		if len(named) == 0 { // a transaction of nothing, which is no way past the policies
			return onAll(ctx, in)
		}
		for i := range named {
			need, err := s.access(ctx, &named[i])
			if err != nil {
				return nil, err
			}
			needs = append(needs, need)
		}
		return needs, nil
	}
}

// on is the guard of an operation on one table as a whole.
func on[In any](s *Service, name func(in *In) *string) aws.Guard[In] {
	return of(s, func(_ context.Context, in *In) []target { return []target{{table: name(in)}} })
}

// onAll is the guard of ListTables. AWS's reference knows no resource for it; its
// refusals name all tables.
func onAll[In any](ctx context.Context, _ *In) ([]aws.Access, error) {
	return []aws.Access{{Resource: aws.RequestOf(ctx).ARN("dynamodb", "table/*")}}, nil
}

func (s *Service) access(ctx context.Context, t *target) (aws.Access, error) {
	r, err := parseRef(ctx, t.table)
	if err != nil {
		return aws.Access{}, err
	}
	need := aws.Access{Action: t.action, Resource: r.arn(), Keys: map[string][]string{}, Tags: s.tagsOf(r), Policy: s.policyOf(t.table)}
	if t.index != nil {
		need.Resource += "/index/" + *t.index
	}
	set := func(key string, values []string) {
		if len(values) > 0 {
			slices.Sort(values)
			need.Keys["dynamodb:"+key] = slices.Compact(values)
		}
	}
	set("LeadingKeys", t.leading)
	set("Attributes", t.attributes)
	one := func(key string, value *string) {
		if value != nil {
			need.Keys["dynamodb:"+key] = []string{*value}
		}
	}
	one("Select", t.selected)
	one("ReturnValues", t.returns)
	one("ReturnConsumedCapacity", t.capacity)
	one("FullTableScan", t.whole)
	if t.enclosing != nil {
		one("EnclosingOperation", &t.enclosing.Name)
	}
	return need, nil
}

// tagsOf reads the tags of a table, which its indexes share. One that is not there
// has none, which the operation will say to those who may know.
func (s *Service) tagsOf(at ref) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (tags map[string]string, err error) {
		err = s.store.View(ctx, func(r store.Reader) error {
			t, err := s.lookup(ctx, r, at)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err == nil {
				tags = t.Tags
			}
			return err
		})
		return tags, err
	}
}

// guardCreateTable asks for tagging, too, where there are tags.
func (s *Service) guardCreateTable(ctx context.Context, in *api.CreateTableInput) ([]aws.Access, error) {
	need, err := s.access(ctx, &target{table: in.TableName})
	if err != nil {
		return nil, err
	}
	aws.RequestTags(need.Keys, tagMap(in.Tags))
	needs := []aws.Access{need}
	if len(in.Tags) > 0 {
		need.Action = api.TagResource.IAMAction()
		needs = append(needs, need)
	}
	return needs, nil
}

func (s *Service) guardTag(ctx context.Context, in *api.TagResourceInput) ([]aws.Access, error) {
	need, err := s.access(ctx, &target{table: in.ResourceArn})
	aws.RequestTags(need.Keys, tagMap(in.Tags))
	return []aws.Access{need}, err
}

func (s *Service) guardUntag(ctx context.Context, in *api.UntagResourceInput) ([]aws.Access, error) {
	need, err := s.access(ctx, &target{table: in.ResourceArn})
	if err == nil {
		need.Keys["aws:TagKeys"] = in.TagKeys
	}
	return []aws.Access{need}, err
}

func tagMap(tags []api.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range tags {
		out[aws.Value(t.Key)] = aws.Value(t.Value)
	}
	return out
}

// leading are the partition keys among items or keys of a table. Of a key of one
// attribute that is the attribute; otherwise the table's schema says.
func (s *Service) leading(ctx context.Context, name *string, whole bool, keys ...api.Item) []string {
	attribute := ""
	var out []string
	for _, k := range keys {
		if len(k) == 1 && !whole {
			out = append(out, keyText(k[0].Value))
			continue
		}
		if attribute == "" {
			t, err := s.schema(ctx, name)
			if err != nil {
				return out // the operation will say so
			}
			attribute = t.Hash.Name
		}
		if v, ok := k.Get(attribute); ok {
			out = append(out, keyText(v))
		}
	}
	return out
}

// leadingIndex is the partition key of an index among the conditions of a query.
func (s *Service) leadingIndex(ctx context.Context, name *string, index string, key api.Item) []string {
	if len(key) == 1 {
		return []string{keyText(key[0].Value)}
	}
	t, err := s.schema(ctx, name)
	if err != nil {
		return nil // the operation will say so
	}
	if ix := t.index(index); ix != nil {
		if v, ok := key.Get(ix.Hash.Name); ok {
			return []string{keyText(v)}
		}
	}
	return nil
}

// keyText is a key attribute as policies write it.
func keyText(v api.AttributeValue) string {
	switch v.Type() {
	case api.TypeB:
		return base64.StdEncoding.EncodeToString([]byte(v.Text()))
	case api.TypeN:
		// 1.0 is the key 1, and no way around a policy for it.
		if plain, err := value.Plain(v.Text()); err == nil {
			return plain
		}
	}
	return v.Text()
}

func names(items ...api.Item) []string {
	var out []string
	for _, it := range items {
		for i := range it {
			out = append(out, it[i].Name)
		}
	}
	return out
}

// mentioned are the top-level attributes in a request's expressions. What does not
// parse is refused before it can do anything.
func mentioned(placeholders map[string]string, values api.Item, condition, update, projection *string) []string {
	var out []string
	// A parse marks what it uses, and checks numbers in place: both are harmless.
	sc, err := expression.NewScope(placeholders, values)
	if err != nil {
		return nil
	}
	if condition != nil {
		if c, err := sc.Condition(expression.ConditionExpression, *condition); err == nil {
			out = append(out, c.Heads()...)
		}
	}
	if update != nil {
		if u, err := sc.Update(*update); err == nil {
			out = append(out, u.Heads()...)
		}
	}
	if projection != nil {
		if p, err := sc.Projection(*projection); err == nil {
			out = append(out, p.Heads()...)
		}
	}
	return out
}

func (s *Service) putTargets(ctx context.Context, in *api.PutItemInput) []target {
	attributes := append(names(in.Item), slices.Collect(maps.Keys(in.Expected))...)
	attributes = append(attributes, mentioned(in.ExpressionAttributeNames, in.ExpressionAttributeValues, in.ConditionExpression, nil, nil)...)
	return []target{{table: in.TableName, leading: s.leading(ctx, in.TableName, true, in.Item), attributes: attributes,
		returns: in.ReturnValues, capacity: in.ReturnConsumedCapacity}}
}

func (s *Service) getTargets(ctx context.Context, in *api.GetItemInput) []target {
	attributes := append(names(in.Key), in.AttributesToGet...)
	attributes = append(attributes, mentioned(in.ExpressionAttributeNames, nil, nil, nil, in.ProjectionExpression)...)
	return []target{{table: in.TableName, leading: s.leading(ctx, in.TableName, false, in.Key), attributes: attributes,
		selected: selected(in.ProjectionExpression, in.AttributesToGet), capacity: in.ReturnConsumedCapacity}}
}

// selected is the dynamodb:Select of a read that does not say.
func selected(projection *string, attributes []string) *string {
	out := api.SelectAllAttributes
	if projection != nil || attributes != nil {
		out = api.SelectSpecificAttributes
	}
	return &out
}

func (s *Service) updateTargets(ctx context.Context, in *api.UpdateItemInput) []target {
	attributes := append(names(in.Key), slices.Collect(maps.Keys(in.Expected))...)
	attributes = append(attributes, slices.Collect(maps.Keys(in.AttributeUpdates))...)
	attributes = append(attributes, mentioned(in.ExpressionAttributeNames, in.ExpressionAttributeValues, in.ConditionExpression, in.UpdateExpression, nil)...)
	return []target{{table: in.TableName, leading: s.leading(ctx, in.TableName, false, in.Key), attributes: attributes,
		returns: in.ReturnValues, capacity: in.ReturnConsumedCapacity}}
}

func (s *Service) deleteTargets(ctx context.Context, in *api.DeleteItemInput) []target {
	attributes := append(names(in.Key), slices.Collect(maps.Keys(in.Expected))...)
	attributes = append(attributes, mentioned(in.ExpressionAttributeNames, in.ExpressionAttributeValues, in.ConditionExpression, nil, nil)...)
	return []target{{table: in.TableName, leading: s.leading(ctx, in.TableName, false, in.Key), attributes: attributes,
		returns: in.ReturnValues, capacity: in.ReturnConsumedCapacity}}
}

func (s *Service) queryTargets(ctx context.Context, in *api.QueryInput) []target {
	t := target{table: in.TableName, index: in.IndexName, selected: in.Select, capacity: in.ReturnConsumedCapacity}
	if t.selected == nil {
		t.selected = selected(in.ProjectionExpression, in.AttributesToGet)
	}
	t.attributes = append(append(t.attributes, in.AttributesToGet...), slices.Collect(maps.Keys(in.QueryFilter))...)
	t.attributes = append(t.attributes, mentioned(in.ExpressionAttributeNames, in.ExpressionAttributeValues, in.FilterExpression, nil, in.ProjectionExpression)...)
	if conditions, err := queryKeys(in); err == nil {
		t.attributes = append(t.attributes, slices.Collect(maps.Keys(conditions))...)
		var key api.Item
		for name, c := range conditions {
			if len(c.Values) > 0 {
				key.Set(name, c.Values[0])
			}
		}
		if in.IndexName == nil {
			t.leading = s.leading(ctx, in.TableName, false, key)
		} else {
			t.leading = s.leadingIndex(ctx, in.TableName, *in.IndexName, key)
		}
	}
	return []target{t}
}

func scanTargets(_ context.Context, in *api.ScanInput) []target {
	t := target{table: in.TableName, index: in.IndexName, selected: in.Select, capacity: in.ReturnConsumedCapacity}
	if t.selected == nil {
		t.selected = selected(in.ProjectionExpression, in.AttributesToGet)
	}
	t.attributes = append(append(t.attributes, in.AttributesToGet...), slices.Collect(maps.Keys(in.ScanFilter))...)
	t.attributes = append(t.attributes, mentioned(in.ExpressionAttributeNames, in.ExpressionAttributeValues, in.FilterExpression, nil, in.ProjectionExpression)...)
	return []target{t}
}

func (s *Service) batchGetTargets(ctx context.Context, in *api.BatchGetItemInput) []target {
	var out []target
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		r := in.RequestItems[name]
		attributes := append(names(r.Keys...), r.AttributesToGet...)
		attributes = append(attributes, mentioned(r.ExpressionAttributeNames, nil, nil, nil, r.ProjectionExpression)...)
		out = append(out, target{table: &name, leading: s.leading(ctx, &name, false, r.Keys...), attributes: attributes,
			selected: selected(r.ProjectionExpression, r.AttributesToGet), capacity: in.ReturnConsumedCapacity})
	}
	return out
}

func (s *Service) batchWriteTargets(ctx context.Context, in *api.BatchWriteItemInput) []target {
	var out []target
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		t := target{table: &name, capacity: in.ReturnConsumedCapacity}
		for _, w := range in.RequestItems[name] {
			if w.PutRequest != nil {
				t.leading = append(t.leading, s.leading(ctx, &name, true, w.PutRequest.Item)...)
				t.attributes = append(t.attributes, names(w.PutRequest.Item)...)
			}
			if w.DeleteRequest != nil {
				t.leading = append(t.leading, s.leading(ctx, &name, false, w.DeleteRequest.Key)...)
				t.attributes = append(t.attributes, names(w.DeleteRequest.Key)...)
			}
		}
		out = append(out, t)
	}
	return out
}

func (s *Service) transactGetTargets(ctx context.Context, in *api.TransactGetItemsInput) []target {
	var out []target
	for _, r := range in.TransactItems {
		if r.Get != nil {
			attributes := append(names(r.Get.Key), mentioned(r.Get.ExpressionAttributeNames, nil, nil, nil, r.Get.ProjectionExpression)...)
			out = append(out, target{action: api.GetItem.IAMAction(), table: r.Get.TableName, leading: s.leading(ctx, r.Get.TableName, false, r.Get.Key),
				attributes: attributes, selected: selected(r.Get.ProjectionExpression, nil), capacity: in.ReturnConsumedCapacity,
				enclosing: &api.TransactGetItems.Operation})
		}
	}
	return out
}

func (s *Service) transactWriteTargets(ctx context.Context, in *api.TransactWriteItemsInput) []target {
	var out []target
	// What a write in a transaction can return is what was there when it failed.
	add := func(action string, table *string, key api.Item, whole bool, returns *string, expressed []string) {
		out = append(out, target{action: action, table: table, leading: s.leading(ctx, table, whole, key), attributes: append(names(key), expressed...),
			returns: returns, capacity: in.ReturnConsumedCapacity, enclosing: &api.TransactWriteItems.Operation})
	}
	for _, w := range in.TransactItems {
		if p := w.Put; p != nil {
			add(api.PutItem.IAMAction(), p.TableName, p.Item, true, p.ReturnValuesOnConditionCheckFailure, mentioned(p.ExpressionAttributeNames, p.ExpressionAttributeValues, p.ConditionExpression, nil, nil))
		}
		if d := w.Delete; d != nil {
			add(api.DeleteItem.IAMAction(), d.TableName, d.Key, false, d.ReturnValuesOnConditionCheckFailure, mentioned(d.ExpressionAttributeNames, d.ExpressionAttributeValues, d.ConditionExpression, nil, nil))
		}
		if u := w.Update; u != nil {
			add(api.UpdateItem.IAMAction(), u.TableName, u.Key, false, u.ReturnValuesOnConditionCheckFailure, mentioned(u.ExpressionAttributeNames, u.ExpressionAttributeValues, u.ConditionExpression, u.UpdateExpression, nil))
		}
		if c := w.ConditionCheck; c != nil {
			add("dynamodb:ConditionCheckItem", c.TableName, c.Key, false, c.ReturnValuesOnConditionCheckFailure, mentioned(c.ExpressionAttributeNames, c.ExpressionAttributeValues, c.ConditionExpression, nil, nil))
		}
	}
	return out
}

// onTransfer is the guard of an operation on one export or import.
func onTransfer[In any](arn func(in *In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		if _, ok := aws.ParseARN(*arn(in)); !ok {
			return onAll(ctx, in)
		}
		return []aws.Access{{Resource: *arn(in)}}, nil
	}
}

// guardImport is the guard of ImportTable: the table that is to be.
func guardImport(ctx context.Context, in *api.ImportTableInput) ([]aws.Access, error) {
	at, err := parseRef(ctx, in.TableCreationParameters.TableName)
	if err != nil {
		return nil, err
	}
	return []aws.Access{{Resource: at.arn()}}, nil
}

// guardRestore is the guard of RestoreTableFromBackup: the backup, and the table that is to be.
func (s *Service) guardRestore(ctx context.Context, in *api.RestoreTableFromBackupInput) ([]aws.Access, error) {
	made, err := s.access(ctx, &target{table: in.TargetTableName})
	if err != nil {
		return nil, err
	}
	needs := []aws.Access{made}
	// What is no ARN of a backup the operation will say.
	if from, _ := ownBackup(ctx, in.BackupArn); from.id != "" {
		needs = append(needs, aws.Access{Resource: from.arn(), Tags: s.tagsOf(from.ref)})
	}
	return needs, nil
}

// guardRestoreToPointInTime is that of RestoreTableToPointInTime: both tables. Where the input
// names no source that could be, which the operation will say, it is the other one alone.
func (s *Service) guardRestoreToPointInTime(ctx context.Context, in *api.RestoreTableToPointInTimeInput) ([]aws.Access, error) {
	var needs []aws.Access
	for _, name := range []*string{in.SourceTableArn, in.SourceTableName, in.TargetTableName} {
		if name == nil {
			continue
		}
		need, err := s.access(ctx, &target{table: name})
		switch {
		case err == nil:
			needs = append(needs, need)
		case name == in.TargetTableName:
			return nil, err
		}
	}
	return needs, nil
}

func (s *Service) guardUpdateInsights(ctx context.Context, in *api.UpdateContributorInsightsInput) ([]aws.Access, error) {
	need, err := s.access(ctx, &target{table: in.TableName, index: in.IndexName})
	return []aws.Access{need}, err
}

func (s *Service) guardDescribeInsights(ctx context.Context, in *api.DescribeContributorInsightsInput) ([]aws.Access, error) {
	need, err := s.access(ctx, &target{table: in.TableName, index: in.IndexName})
	return []aws.Access{need}, err
}
