package value

// Property is $v.name. Velocity tries getName, getname, get("name") and isName,
// in this order; so a key named "empty" hides isEmpty of its map, and a missing
// one does not (the map's get answers first).
func Property(m *Meter, v any, name string) (any, error) {
	switch r := v.(type) {
	case *Map:
		got, ok := r.Get(name)
		if !ok && r.lenient {
			got = Absent{}
		}
		return got, m.Step(1)
	case Absent:
		return r, nil
	case *Entry:
		switch name {
		case "key", "Key":
			return r.Key, nil
		case "value", "Value":
			return r.Value, nil
		}
		return nil, ErrNoMethod
	case *List:
		return bean(name, "empty", len(r.items) == 0)
	case string:
		return bean(name, "empty", r == "")
	case Number:
		return bean(name, "infinite", false)
	case Object:
		return objectProperty(m, r, name)
	}
	return nil, ErrNoMethod
}

func bean(name, want string, v any) (any, error) {
	if upper(name) == upper(want) {
		return v, nil
	}
	return nil, ErrNoMethod
}

func objectProperty(m *Meter, o Object, name string) (any, error) {
	if g, ok := o.(Getter); ok {
		if v, err := g.Get(name); err != ErrNoMethod {
			return v, err
		}
	}
	for _, try := range [...]string{"get" + upper(name), "get" + lower(name)} {
		if v, err := Call(m, o, try, nil); err != ErrNoMethod {
			return v, err
		}
	}
	if v, err := Call(m, o, "get", []any{name}); err != ErrNoMethod {
		return v, err
	}
	return Call(m, o, "is"+upper(name), nil)
}

// SetProperty is #set($v.name = x): setName, or put on a map. It reports false
// where there is nothing to set.
func SetProperty(m *Meter, v any, name string, x any) (bool, error) {
	switch r := v.(type) {
	case *Map:
		_, err := r.PutFor(m, name, x)
		return true, err
	case *Entry:
		if upper(name) == "Value" {
			r.Value = x
			return true, nil
		}
	case Setter:
		return r.Set(m, name, x)
	}
	return false, nil
}

// Index is $v[i]: get(i), where a negative Integer counts from the end.
func Index(m *Meter, v, i any) (any, error) {
	i, err := fromEnd(m, v, i)
	if err != nil {
		return nil, err
	}
	return Call(m, v, "get", []any{i})
}

// SetIndex is #set($v[i] = x): set(i, x), or put(i, x).
func SetIndex(m *Meter, v, i, x any) error {
	i, err := fromEnd(m, v, i)
	if err != nil {
		return err
	}
	for _, name := range [...]string{"set", "put"} {
		if _, err = Call(m, v, name, []any{i, x}); err != ErrNoMethod {
			return err
		}
	}
	return nil
}

func fromEnd(m *Meter, v, i any) (any, error) {
	n, ok := i.(int32)
	if !ok || n >= 0 {
		return i, nil
	}
	size, err := Call(m, v, "size", nil)
	if err == ErrNoMethod {
		return nil, throw("IllegalArgumentException", "a 'size()' method is required for a negative index on "+Class(v))
	}
	if s, ok := size.(int32); ok {
		n += s
	}
	return n, err
}

func upper(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		return string(s[0]-32) + s[1:]
	}
	return s
}

func lower(s string) string {
	if s != "" && s[0] >= 'A' && s[0] <= 'Z' {
		return string(s[0]+32) + s[1:]
	}
	return s
}
