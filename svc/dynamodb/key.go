package dynamodb

import (
	"crypto/md5"
	"encoding/binary"
	"errors"
	"slices"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// What a key may measure, in bytes.
const (
	maxHashKey  = 2048
	maxRangeKey = 1024
)

// place is where an item lies: the parts of its key in the store.
func (t *table) place(it api.Item) []any {
	hash, _ := it.Get(t.Hash.Name)
	parts := t.partition(hash)
	if t.Range != nil {
		v, _ := it.Get(t.Range.Name)
		parts = append(parts, value.AppendKey(nil, v))
	}
	return parts
}

// partition is the part of place that all items of one partition key share.
func (t *table) partition(hash api.AttributeValue) []any {
	key := value.AppendKey(make([]byte, 0, 32), hash)
	return append(make([]any, 0, 4), t.Space, spread(key), key)
}

// spread is what scans go by: the same number for the same partition key, evenly
// over all numbers. MD5 guards nothing here; it spreads short keys, and is what
// AWS's own order of scans comes from.
func spread(key []byte) uint64 {
	var buf [64]byte
	sum := md5.Sum(append(append(buf[:0], "Outliers"...), key...))
	return binary.BigEndian.Uint64(sum[:])
}

// key is the part of an item that is its key.
func (t *table) key(it api.Item) api.Item {
	out := make(api.Item, 0, 2)
	for _, k := range t.keys() {
		if v, ok := it.Get(k.Name); ok {
			out.Set(k.Name, v)
		}
	}
	return out
}

// errKey is behind the errors for items whose key does not fit the schema, which
// batches put into other words.
var errKey = errors.New("dynamodb: the key does not fit the schema")

// checkItem refuses an item without a legal key, or with what cannot be the key of an index.
func (t *table) checkItem(it api.Item) error {
	for i, k := range t.keys() {
		v, ok := it.Get(k.Name)
		switch {
		case !ok:
			return value.Invalidf("Missing the key %s in the item", k.Name).Because(errKey)
		case v.Type().String() != k.Type:
			return value.Invalidf("Type mismatch for key %s expected: %s actual: %s", k.Name, k.Type, v.Type()).Because(errKey)
		case v.Text() == "":
			return value.Invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", long(v), k.Name)
		}
		if err := checkKeySize(v, i == 0); err != nil {
			return err
		}
	}
	return t.checkIndexKeys(it, nil, false)
}

// checkKey refuses a key that is not the table's.
func (t *table) checkKey(key api.Item) error {
	keys := t.keys()
	if len(key) != len(keys) {
		return value.Invalid("The provided key element does not match the schema").Because(errKey)
	}
	for i, k := range keys {
		v, ok := key.Get(k.Name)
		switch {
		case !ok || v.Type().String() != k.Type:
			return value.Invalid("The provided key element does not match the schema").Because(errKey)
		case v.Text() == "":
			return value.Invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", long(v), k.Name)
		}
		if err := checkKeySize(v, i == 0); err != nil {
			return err
		}
	}
	return nil
}

func long(v api.AttributeValue) string {
	if v.Type() == api.TypeB {
		return "binary"
	}
	return "string"
}

func checkKeySize(v api.AttributeValue, hash bool) error {
	switch n := len(v.Text()); {
	case v.Type() == api.TypeN:
	case hash && n > maxHashKey:
		return value.Invalidf("Size of hashkey has exceeded the maximum size limit of2048 bytes")
	case !hash && n > maxRangeKey:
		return value.Invalidf("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
	}
	return nil
}

// checkNested refuses paths that lead into a key attribute, which is a scalar.
func (t *table) checkNested(heads []string) error {
	if len(heads) == 0 {
		return nil
	}
	for _, k := range t.keys() {
		if slices.Contains(heads, k.Name) {
			return value.Invalid("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: %s", k.Name)
		}
	}
	for i := range t.Indexes {
		for _, k := range t.Indexes[i].keys() {
			if slices.Contains(heads, k.Name) {
				return value.Invalid("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: %s", k.Name)
			}
		}
	}
	return nil
}
