package aws

// A Trailed is a streaming body of which more is said behind it: the checksums of a
// trailer. They are there once it was read to its end.
type Trailed interface {
	// Trailer is the value of a header of the trailer, "" if it was not sent.
	Trailer(name string) string
}
