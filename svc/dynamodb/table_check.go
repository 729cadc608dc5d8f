package dynamodb

import (
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// maxThroughput is the most capacity units that AWS takes for a number.
const maxThroughput = 1000000000000

// missing refuses what AWS has and Tule does not have yet.
func missing(what string) error {
	return aws.Errorf(501, "NotImplemented", "%s of DynamoDB are not available in this version of Tule.", what)
}

// checkCreate refuses a table that cannot be.
func checkCreate(in *api.CreateTableInput) error {
	if err := checkBilling(in); err != nil {
		return err
	}
	if err := checkSchema(in); err != nil {
		return err
	}
	switch {
	case in.LocalSecondaryIndexes != nil && len(in.LocalSecondaryIndexes) == 0:
		return value.Invalidf("List of LocalSecondaryIndexes is empty")
	case in.GlobalSecondaryIndexes != nil && len(in.GlobalSecondaryIndexes) == 0:
		return value.Invalidf("List of GlobalSecondaryIndexes is empty")
	case in.SSESpecification != nil && aws.Value(in.SSESpecification.Enabled):
		return missing("Customer-managed encryption keys")
	case in.GlobalTableSourceArn != nil:
		return missing("Global tables")
	}
	if err := checkIndexes(in); err != nil {
		return err
	}
	if err := checkStream(in.StreamSpecification); err != nil {
		return err
	}
	return checkTags(in.Tags)
}

func checkBilling(in *api.CreateTableInput) error {
	p := in.ProvisionedThroughput
	if aws.Value(in.BillingMode) == api.BillingModePayPerRequest {
		if p != nil {
			return value.Invalidf("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
		}
		return nil
	}
	if p == nil || p.ReadCapacityUnits == nil || p.WriteCapacityUnits == nil {
		return value.Invalidf("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	}
	return checkThroughput(p)
}

func checkThroughput(p *api.ProvisionedThroughput) error {
	if n := aws.Value(p.ReadCapacityUnits); n > maxThroughput {
		return value.Invalid("Given value %d for ReadCapacityUnits is out of bounds", n)
	}
	if n := aws.Value(p.WriteCapacityUnits); n > maxThroughput {
		return value.Invalid("Given value %d for WriteCapacityUnits is out of bounds", n)
	}
	return nil
}

func checkSchema(in *api.CreateTableInput) error {
	var defined, keys []string
	for _, d := range in.AttributeDefinitions {
		if slices.Contains(defined, aws.Value(d.AttributeName)) {
			return value.Invalid("Duplicate AttributeName in AttributeDefinitions: %s", aws.Value(d.AttributeName))
		}
		defined = append(defined, aws.Value(d.AttributeName))
	}
	for _, k := range in.KeySchema {
		keys = append(keys, aws.Value(k.AttributeName))
	}
	switch {
	case in.AttributeDefinitions == nil:
		return value.Invalidf("No Attribute Definitions Provided")
	case len(keys) == 0:
		return value.Invalidf("No KeySchema Provided")
	case len(keys) > 2:
		return value.Invalid("1 validation error detected: Value '[%s]' at 'keySchema' failed to satisfy constraint: "+
			"Member must have length less than or equal to 2", strings.Join(keys, ", "))
	case len(keys) > len(defined):
		return value.Invalid("Invalid KeySchema: Some index key attribute have no definition")
	}
	for _, k := range keys {
		if !slices.Contains(defined, k) {
			return value.Invalidf("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]",
				strings.Join(keys, ", "), strings.Join(defined, ", "))
		}
	}
	switch {
	case len(keys) == 2 && keys[0] == keys[1]:
		return value.Invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	case aws.Value(in.KeySchema[0].KeyType) != api.KeyTypeHash:
		return value.Invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	case len(keys) == 2 && aws.Value(in.KeySchema[1].KeyType) != api.KeyTypeRange:
		return value.Invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
	case in.LocalSecondaryIndexes == nil && in.GlobalSecondaryIndexes == nil && len(keys) != len(defined):
		return value.Invalidf("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return nil
}
