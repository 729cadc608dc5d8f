package dynamodb

import (
	"slices"
	"strings"

	"github.com/tule-cloud/tule/aws/awsjson"
)

// An Item is a set of attributes: an item, a key, the fields of a map, the values
// of an expression. It is sorted by name and no name is in it twice. A nil Item is
// an absent one; an Item without attributes is not nil.
type Item []Attribute

// An Attribute is a name and its value.
type Attribute struct {
	Name  string
	Value AttributeValue
}

var (
	_ awsjson.Appender = AttributeValue{}
	_ awsjson.Parser   = (*AttributeValue)(nil)
	_ awsjson.Appender = Item{}
	_ awsjson.Parser   = (*Item)(nil)
)

// find is where name is, or where it belongs.
func (it Item) find(name string) (int, bool) {
	if len(it) <= 8 {
		for i := range it {
			if it[i].Name >= name {
				return i, it[i].Name == name
			}
		}
		return len(it), false
	}
	return slices.BinarySearchFunc(it, name, func(a Attribute, name string) int { return strings.Compare(a.Name, name) })
}

// Get is the value under name.
func (it Item) Get(name string) (AttributeValue, bool) {
	if i, ok := it.find(name); ok {
		return it[i].Value, true
	}
	return AttributeValue{}, false
}

// Has reports whether there is a value under name.
func (it Item) Has(name string) bool {
	_, ok := it.find(name)
	return ok
}

// Set puts a value under name, in place of the one that is there.
func (it *Item) Set(name string, v AttributeValue) {
	i, ok := it.find(name)
	if ok {
		(*it)[i].Value = v
		return
	}
	*it = slices.Insert(*it, i, Attribute{name, v})
}

// Remove takes the value under name away, if there is one.
func (it *Item) Remove(name string) {
	if i, ok := it.find(name); ok {
		*it = slices.Delete(*it, i, i+1)
	}
}

// Clone is a copy of the item that shares nothing that could change.
func (it Item) Clone() Item {
	c := slices.Clone(it)
	for i := range c {
		c[i].Value = c[i].Value.Clone()
	}
	return c
}

// ParseJSON implements awsjson.Parser. An attribute that is null is absent; of a
// name given twice the last value counts.
func (it *Item) ParseJSON(r *awsjson.Reader) error {
	items := make(Item, 0, 8)
	sorted := true
	err := r.Object(func(key []byte) error {
		name := string(key)
		if r.Null() {
			return nil
		}
		if n := len(items); n > 0 && items[n-1].Name >= name {
			sorted = false
		}
		items = append(items, Attribute{Name: name})
		return items[len(items)-1].Value.ParseJSON(r)
	})
	if !sorted {
		items = items.sort()
	}
	*it = items
	return err
}

// sort puts attributes in order, and of several of one name keeps the last.
func (it Item) sort() Item {
	slices.SortStableFunc(it, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	n := 0
	for i := range it {
		if n > 0 && it[n-1].Name == it[i].Name {
			n--
		}
		it[n] = it[i]
		n++
	}
	clear(it[n:])
	return it[:n]
}

// AppendJSON implements awsjson.Appender.
func (it Item) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, '{')
	for i := range it {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(awsjson.AppendString(b, it[i].Name), ':')
		var err error
		if b, err = it[i].Value.AppendJSON(b); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// MarshalJSON implements json.Marshaler. A nil item is null.
func (it Item) MarshalJSON() ([]byte, error) {
	if it == nil {
		return []byte("null"), nil
	}
	return it.AppendJSON(nil)
}

// UnmarshalJSON implements json.Unmarshaler. Null is a nil item.
func (it *Item) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*it = nil
		return nil
	}
	return unmarshal(text, it)
}
