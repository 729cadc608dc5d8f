package awsjson

// A Reader is a cursor over one JSON text. Each method but Kind, Null and Offset
// consumes the value at which the Reader stands, or fails and leaves the Reader
// of no further use. The zero value reads an empty text.
type Reader struct {
	buf     []byte
	pos     int
	depth   int
	scratch []byte // the last text that had escapes, unescaped
}

// New returns a Reader at the start of buf, which must not change while the
// Reader, or anything that it gave out, is in use.
func New(buf []byte) *Reader { return &Reader{buf: buf} }

// Reset makes r read buf from its start, as New would.
func (r *Reader) Reset(buf []byte) {
	*r = Reader{buf: buf, scratch: r.scratch[:0]}
}

// Offset is where the Reader stands, in bytes from the start.
func (r *Reader) Offset() int { return r.pos }

// Kind is the kind of the next value, judged by its first byte; Invalid at the
// end of the text or if no value begins so. It consumes nothing but white space.
func (r *Reader) Kind() Kind {
	switch c := r.peek(); c {
	case 'n', 't', 'f', '"', '{', '[':
		return Kind(c)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return Number
	}
	return Invalid
}

// Null consumes a null and reports true, or consumes nothing. A damaged null
// reads as false, and whatever reads on fails on it.
func (r *Reader) Null() bool {
	return r.peek() == 'n' && r.literal("null")
}

// Bool consumes true or false.
func (r *Reader) Bool() (bool, error) {
	switch r.peek() {
	case 't':
		if r.literal("true") {
			return true, nil
		}
	case 'f':
		if r.literal("false") {
			return false, nil
		}
	}
	return false, r.mismatch(True)
}

// Object consumes an object. It calls member for each key, with the Reader at the
// value; a value that member leaves untouched is skipped. The key is valid until
// the next call of a method of r.
func (r *Reader) Object(member func(key []byte) error) error {
	if err := r.enter('{', Object); err != nil {
		return err
	}
	if r.peek() == '}' {
		return r.leave()
	}
	for {
		if r.peek() != '"' {
			return r.syntax("a key is missing")
		}
		key, err := r.StringBytes()
		if err != nil {
			return err
		}
		if r.peek() != ':' {
			return r.syntax("a colon is missing")
		}
		r.pos++
		if err := r.element(func() error { return member(key) }); err != nil {
			return err
		}
		switch r.peek() {
		case ',':
			r.pos++
		case '}':
			return r.leave()
		default:
			return r.syntax("a comma or a closing brace is missing")
		}
	}
}

// Array consumes an array. It calls element for each value, with the Reader at
// it; a value that element leaves untouched is skipped.
func (r *Reader) Array(element func() error) error {
	if err := r.enter('[', Array); err != nil {
		return err
	}
	if r.peek() == ']' {
		return r.leave()
	}
	for {
		if err := r.element(element); err != nil {
			return err
		}
		switch r.peek() {
		case ',':
			r.pos++
		case ']':
			return r.leave()
		default:
			return r.syntax("a comma or a closing bracket is missing")
		}
	}
}

// element lets read consume one value, or skips it.
func (r *Reader) element(read func() error) error {
	r.peek()
	start := r.pos
	if err := read(); err != nil {
		return err
	}
	if r.peek(); r.pos == start {
		return r.Skip()
	}
	return nil
}

// Skip consumes a value of any kind, and checks its syntax.
func (r *Reader) Skip() error {
	switch r.Kind() {
	case Null:
		if r.literal("null") {
			return nil
		}
	case True, False:
		_, err := r.Bool()
		return err
	case String:
		_, err := r.StringBytes()
		return err
	case Number:
		_, err := r.Number()
		return err
	case Object:
		return r.Object(func([]byte) error { return nil })
	case Array:
		return r.Array(func() error { return nil })
	}
	return r.syntax("a value is missing")
}

// Raw consumes a value of any kind, checks its syntax and returns its text, which
// is part of the Reader's buffer.
func (r *Reader) Raw() ([]byte, error) {
	r.peek()
	start := r.pos
	if err := r.Skip(); err != nil {
		return nil, err
	}
	return r.buf[start:r.pos:r.pos], nil
}

// End reports an error if anything but white space is left.
func (r *Reader) End() error {
	if r.peek(); r.pos < len(r.buf) {
		return r.syntax("text after the value")
	}
	return nil
}

// peek skips white space and returns the byte at which the Reader then stands, 0
// at the end. A NUL byte in the text is 0 too; no value begins with it.
func (r *Reader) peek() byte {
	for r.pos < len(r.buf) {
		c := r.buf[r.pos]
		if c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		r.pos++
	}
	return 0
}

// literal consumes s, which must not run on into another letter.
func (r *Reader) literal(s string) bool {
	rest := r.buf[r.pos:]
	if len(rest) < len(s) || string(rest[:len(s)]) != s {
		return false
	}
	r.pos += len(s)
	return true
}

func (r *Reader) enter(open byte, kind Kind) error {
	if r.peek() != open {
		return r.mismatch(kind)
	}
	if r.depth >= MaxDepth {
		return r.syntax("too deep a nesting")
	}
	r.depth++
	r.pos++
	return nil
}

func (r *Reader) leave() error {
	r.depth--
	r.pos++
	return nil
}

// mismatch is the error for a value that is not of kind want. It reads the value,
// so that a text with bad syntax is called that.
func (r *Reader) mismatch(want Kind) error {
	got := r.Kind()
	at := r.pos
	if got == want || (want == True && got == False) || got == Invalid {
		return r.syntax("a value is missing")
	}
	if got == Number {
		text, err := r.Number()
		if err != nil {
			return err
		}
		if !Integral(text) {
			got = Decimal
		}
	} else if got != Object && got != Array {
		if err := r.Skip(); err != nil {
			return err
		}
	}
	return &Error{Offset: at, Want: want, Got: got}
}

func (r *Reader) syntax(reason string) error {
	if r.pos >= len(r.buf) {
		reason = "the text ends early"
	}
	return &Error{Offset: r.pos, Reason: reason}
}
