package logs

// stepSize is how many chunks one transaction of the sweeper removes.
const stepSize = 1000
