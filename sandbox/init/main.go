// The init command is the first process of every sandbox: it builds the walls it is told to build,
// gives up every privilege, starts the function's program as its child, reaps what is orphaned and
// reports how the program ended. It is a program of its own because it must start in well under a
// millisecond: it links neither fmt nor os nor net.
package main

import "github.com/tule-cloud/tule/sandbox/inside"

func main() { inside.Run() }
