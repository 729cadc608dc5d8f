package lambda

// tailSize is how much of its log an invoke's answer carries.
const tailSize = 4096

// A tail is the end of an invoke's log. Nil keeps nothing.
type tail struct{ text []byte }

func (t *tail) add(text string) {
	if t == nil {
		return
	}
	if len(text) > tailSize {
		text = text[len(text)-tailSize:]
	}
	if n := len(t.text) + len(text) - tailSize; n > 0 && len(t.text) > tailSize {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	t.text = append(t.text, text...)
}

// bytes is the last 4 KB.
func (t *tail) bytes() []byte { return t.text[max(0, len(t.text)-tailSize):] }
