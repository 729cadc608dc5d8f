package sam

var simpleTableProperties = properties(`
	PointInTimeRecoverySpecification any
	PrimaryKey {str}
	ProvisionedThroughput {int|map}
	TableName str|map
	Tags map
	SSESpecification map
`)

// simpleTable is a table with a key of one attribute.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-simpletable.html
func (i *item) simpleTable() []*resource {
	r := i.own("AWS::DynamoDB::Table")
	var key any = "id"
	typ := "S"
	if k, _ := i.get("PrimaryKey").(*dict); k.size() > 0 {
		key = at(i.id, "PrimaryKey.Name").some(k.get("Name"))
		given := at(i.id, "PrimaryKey.Type").some(k.get("Type"))
		if typ = map[string]string{"String": "S", "Number": "N", "Binary": "B"}[text(given)]; typ == "" {
			i.bad("Invalid 'Type' \"%s\".", str(given))
		}
	}
	r.set("AttributeDefinitions", []any{object(pair{"AttributeName", key}, pair{"AttributeType", typ})})
	r.set("KeySchema", []any{object(pair{"AttributeName", key}, pair{"KeyType", "HASH"})})
	for _, n := range []string{"PointInTimeRecoverySpecification", "ProvisionedThroughput", "SSESpecification", "TableName"} {
		if v := i.get(n); truthy(v) {
			r.set(n, v)
		}
	}
	if !truthy(i.get("ProvisionedThroughput")) {
		r.set("BillingMode", "PAY_PER_REQUEST")
	}
	if tags, _ := i.get("Tags").(*dict); tags.size() > 0 {
		r.set("Tags", tagList(tags))
	}
	return []*resource{r}
}
