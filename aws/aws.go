// Package aws holds the words that every part of Tule shares: operations and
// routes, errors, ARNs, callers, clocks. It knows no service, no bytes on a wire
// and no disk, and it imports the standard library alone.
package aws
