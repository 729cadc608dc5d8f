package value

func (m *Map) call(mt *Meter, name string, args []any) (any, error) {
	if k, ok := first(args).(string); ok && len(k) >= bytesPerStep { // hashing it takes time
		if err := mt.Step(len(k) / bytesPerStep); err != nil {
			return nil, err
		}
	}
	switch len(args) {
	case 0:
		return m.call0(mt, name)
	case 1:
		return m.call1(mt, name, args[0])
	case 2:
		return m.call2(mt, name, args[0], args[1])
	}
	return nil, ErrNoMethod
}

func (m *Map) call0(mt *Meter, name string) (any, error) {
	switch name {
	case "size":
		return int32(m.live), nil
	case "isEmpty":
		return m.live == 0, nil
	case "clear":
		m.Clear()
		return "", nil
	case "keySet", "values", "entrySet", "clone":
		if err := mt.Grow(2 * slot * m.live); err != nil {
			return nil, err
		}
		if err := mt.Step(1 + m.live/16); err != nil {
			return nil, err
		}
	}
	switch name {
	case "keySet":
		return m.Keys(), nil
	case "values":
		return m.Values(), nil
	case "entrySet":
		return m.list(Set, func(e *Entry) any { return e }), nil
	case "clone":
		c := NewMap(m.live)
		for _, e := range m.Entries() {
			c.Put(e.Key, e.Value)
		}
		return c, nil
	}
	return callAny(mt, m, name, nil)
}

func (m *Map) call1(mt *Meter, name string, a any) (any, error) {
	switch name {
	case "get":
		v, ok := m.Get(a)
		if !ok && m.lenient {
			v = Absent{}
		}
		return v, nil
	case "containsKey":
		_, ok := m.Get(a)
		return ok, nil
	case "containsValue":
		i, err := m.Values().index(mt, a, false)
		return i >= 0, err
	case "remove":
		return m.Delete(a), nil
	case "equals":
		return Equals(mt, m, a)
	case "putAll":
		o, ok := a.(*Map)
		if !ok {
			return nil, ErrNoMethod
		}
		for _, e := range o.Entries() {
			if _, err := m.PutFor(mt, e.Key, e.Value); err != nil {
				return nil, err
			}
		}
		return "", nil
	}
	return nil, ErrNoMethod
}

func (m *Map) call2(mt *Meter, name string, k, v any) (any, error) {
	switch name {
	case "put":
		return m.PutFor(mt, k, v)
	case "putIfAbsent":
		if old, ok := m.Get(k); ok && old != nil {
			return old, nil
		}
		return m.PutFor(mt, k, v)
	case "replace":
		if _, ok := m.Get(k); !ok {
			return nil, nil
		}
		return m.PutFor(mt, k, v)
	case "getOrDefault":
		if got, ok := m.Get(k); ok {
			return got, nil
		}
		return v, nil
	}
	return nil, ErrNoMethod
}

// PutFor is Put, paid for.
func (m *Map) PutFor(mt *Meter, k, v any) (any, error) {
	if err := mt.Grow(4 * slot); err != nil {
		return nil, err
	}
	return m.Put(k, v), mt.Step(1)
}

func (e *Entry) call(m *Meter, name string, args []any) (any, error) {
	switch {
	case len(args) == 0 && name == "getKey":
		return e.Key, nil
	case len(args) == 0 && name == "getValue":
		return e.Value, nil
	case len(args) == 1 && name == "setValue":
		old := e.Value
		e.Value = args[0]
		return old, nil
	}
	return callAny(m, e, name, args)
}
