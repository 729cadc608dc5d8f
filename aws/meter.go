package aws

// A Meter takes what services measure of themselves, as AWS's services put it into CloudWatch.
// It is safe for concurrent use, never waits for the disk, and loses at most the last seconds
// when the process is killed.
type Meter interface {
	Measure(m Measurement)
}

// A Measurement is one value, or some of one kind.
type Measurement struct {
	Account, Region string
	Namespace       string // such as "AWS/Lambda"
	Name            string // such as "Duration"
	Unit            string // a CloudWatch StandardUnit: "Count", "Milliseconds", …
	// Dimensions are names and values in turn, in the order of AWS's documentation. Each list of
	// dimensions is a metric of its own: a service measures once for each that AWS documents.
	Dimensions []string
	Value      float64
	Times      int // how often the value was seen; 0 is once
}

// NoMeter forgets what it is given.
type NoMeter struct{}

// Measure implements Meter.
func (NoMeter) Measure(Measurement) {}
