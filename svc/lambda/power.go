package lambda

// vcpu is the memory, in MB, that comes with one processor.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
const vcpu = 1769

// leastProcessors is how many processors a function may use at least, if nobody else wants them:
// as many as AWS shows the smallest. AWS then holds it to its part of them; here time that nobody
// else wants is nobody's loss, and a function of 128 MB need not take fourteen times as long.
const leastProcessors = 2

// power is what a function with memory, in MB, may use of the processors: how many at once, and
// its share when others want them, too, of which one vCPU is 100.
func power(memory int32) (processors float64, weight int) {
	return max(leastProcessors, float64(memory)/vcpu), max(1, int(memory)*100/vcpu)
}
