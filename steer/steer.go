// Package steer makes AWS's own names lead to Tule: DNS answers and TLS
// certificates for *.amazonaws.com and its kin, inside every sandbox and for the
// commands that people run by `tule exec`. A program that carries an SDK of 2016,
// which honours no AWS_ENDPOINT_URL, talks to Tule without a changed line.
//
// The parts, each of use alone:
//
//   - [Authority] is Tule's certificate authority: made once, kept in a folder,
//     minting a certificate for whatever name a client asks for.
//   - [Trust] is what clients need in order to believe in it: the host's bundle
//     and our certificate as one file, and the same as a Java trust store.
//   - [Resolver] answers DNS questions: the steered zones with one address,
//     everything else not at all or from the host's own servers.
//   - [Attach] opens DNS, HTTP and TLS ports in a network (a sandbox's, or the
//     host's) and hands what connects there to a [Gate], a net.Listener that the
//     front door serves like any other.
//   - [Exec] runs a command whose names and trust are steered, and touches
//     nothing else of the machine. [Environ] is the part of it that variables can do.
//
// What differs from AWS on purpose: every steered name has the same address, so
// AAAA, MX and TXT questions about them are answered empty; and a name that is
// not steered does not exist unless egress is on.
package steer
