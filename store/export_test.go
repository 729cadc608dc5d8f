package store

// Note has the witness note the log, as Run does.
func Note(p *Pebble) error { return p.noteLog() }
