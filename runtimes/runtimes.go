// Package runtimes holds the language bootstraps that run inside a function's
// execution environment, and the conversation that Tule has with them.
//
// A bootstrap is a small program of ours (below boot) that loads the user's handler and speaks a private, length-prefixed protocol over a socket that
// it inherits as descriptor 3. An Environment is Tule's end of that conversation:
//
//	Created → Initializing → Ready ⇄ Busy → Dead
//
// The public HTTP Runtime API of AWS (2018-06-01) is a second way to have the same
// conversation, for the provided runtimes, whose bootstrap is the user's own.
//
// Extensions are programs and threads beside the runtime that hear of an environment's
// phases, which wait for them, and subscribe to its telemetry.
//
// The package starts no process. Find and Set.Command say what to start, with what
// variables and what folders of the host in view; the owner starts it, hands the
// socket to New, and says through Config.Exited how the process ended.
//
// What differs from AWS on purpose:
//   - Every nodejsX.x name runs on the Node that is found; python3.x runs on the
//     closest Python that is not older. python2.7 needs a real Python 2.7.
//   - C# runs on .NET, whatever its version if it is not older, or on Mono, which takes
//     what it can load. The bootstrap is compiled on the machine.
//   - Java runs on the oldest Java found that is not older; Ruby, too, or on the newest.
//   - AWS_LAMBDA_EXEC_WRAPPER is started by a shell, and only for runtimes of ours: those
//     that are the function's own see to it themselves.
//   - While it waits for the next event a bootstrap blocks its main thread, so an
//     environment is at rest between invokes even where nobody freezes it.
//   - nodejs, nodejs4.3 and nodejs6.10 have the semantics of their time on today's
//     Node: the answer waits for the empty event loop, and so on.
package runtimes
