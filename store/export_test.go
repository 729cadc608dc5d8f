package store

// Note has the witness note the log, as Run does.
func Note(p *Pebble) error { return p.noteLog() }

// Hot is how many records are kept for being read often.
func Hot(p *Pebble) (n int) {
	for i := range p.hot.slots {
		if p.hot.slots[i].Load() != nil {
			n++
		}
	}
	return n
}
