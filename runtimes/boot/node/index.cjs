'use strict';
// Tule's bootstrap for Node: the conversation on descriptor 3, and which age of
// Node's semantics to have. The frames are described in frame.go.
//
// The main thread reads the socket with blocking calls, so nothing of ours is ever
// in the event loop: the loop is empty exactly when the user's work is done, and
// 'beforeExit' says so. Waiting for the next event is at the same time the freeze
// between invokes.

const fs = require('fs');

const FD = 3;
const HEADER = 5;
const PROTOCOL = 1;
const LOG = 0x6c;
const READY = 0x72;
const FAULT = 0x78;
const RESULT = 0x73;
const ERROR = 0x65;
const NEXT = Buffer.from([0, 0, 0, 0, 0x6e]); // a frame: an outcome is told, and the next event may come

let input = Buffer.allocUnsafeSlow(64 * 1024);
let start = 0; // of what was read and not used
let end = 0;
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

// fill reads until n bytes are there; false at the end of the conversation.
function fill(n) {
  if (start === end) start = end = 0;
  if (start + n > input.length) {
    const room = n > input.length ? Buffer.allocUnsafeSlow(n) : input;
    input.copy(room, 0, start, end);
    input = room;
    end -= start;
    start = 0;
  }
  while (end - start < n) {
    let got;
    try {
      got = fs.readSync(FD, input, end, input.length - end, null);
    } catch (e) {
      if (e.code === 'EAGAIN') { pause(); continue; }
      return false;
    }
    if (got === 0) return false;
    end += got;
  }
  return true;
}

// receive waits for the next frame; null at the end of the conversation. The body
// is valid until the next call.
function receive() {
  if (!fill(HEADER)) return null;
  const size = input.readUInt32BE(start);
  const type = input[start + 4];
  if (!fill(HEADER + size)) return null;
  const body = input.subarray(start + HEADER, start + HEADER + size);
  start += HEADER + size;
  if (start === end && input.length > 1024 * 1024) {
    input = Buffer.allocUnsafeSlow(64 * 1024); // keep no large event
    start = end = 0;
  }
  return { type, body };
}

let patience = 1; // ms

function pause() {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, patience);
}

// openInspector lets a debugger attach. What it asks for is done when JavaScript runs: so
// the socket is not to block from now on, and we look at it again and again.
let unblocked;

function openInspector(port) {
  const { Socket } = require('net');
  unblocked = new Socket({ fd: FD, readable: false, writable: false });
  patience = 5;
  require('inspector').open(port, '127.0.0.1');
}

function writeAll(b, n) {
  let at = 0;
  while (at < n) {
    try {
      at += fs.writeSync(FD, b, at, n - at, null);
    } catch (e) {
      if (e.code === 'EAGAIN') { pause(); continue; }
      process.reallyExit(1); // nobody listens any more
    }
  }
}

// send writes one frame: an optional first byte of body, then text or bytes.
function send(type, first, body) {
  const lead = first === undefined ? 0 : 1;
  const text = typeof body === 'string';
  const tail = type === RESULT || type === ERROR ? NEXT.length : 0;
  let b = scratch;
  let n;
  if (text && HEADER + 1 + body.length * 3 + tail <= b.length) {
    n = lead + b.utf8Write(body, HEADER + lead);
  } else {
    const bytes = text ? Buffer.from(body) : body;
    n = lead + bytes.length;
    if (HEADER + n + tail > b.length) b = Buffer.allocUnsafe(HEADER + n + tail);
    b.set(bytes, HEADER + lead);
  }
  b.writeUInt32BE(n, 0);
  b[4] = type;
  if (lead) b[HEADER] = first;
  if (tail) b.set(NEXT, HEADER + n);
  writeAll(b, HEADER + n + tail);
}

function log(text) {
  send(LOG, undefined, text);
}

// invocation reads the body of an invoke frame.
function invocation(body) {
  let at = 8;
  const next = () => {
    const n = body.readUInt32BE(at);
    at += 4 + n;
    return body.utf8Slice(at - n, at);
  };
  return {
    deadline: body.readUInt32BE(0) * 4294967296 + body.readUInt32BE(4),
    id: next(),
    arn: next(),
    trace: next(),
    client: next(),
    identity: next(),
    event: body.utf8Slice(at, body.length),
  };
}

// next waits for the next event. The process ends with the conversation.
function next() {
  const f = receive();
  if (f === null) process.reallyExit(0);
  const inv = invocation(f.body);
  if (inv.trace) process.env._X_AMZN_TRACE_ID = inv.trace;
  else if (process.env._X_AMZN_TRACE_ID !== undefined) delete process.env._X_AMZN_TRACE_ID;
  return inv;
}

// rawStreams makes process.stdout and process.stderr write log events, one a line,
// so that they keep their place among the others.
function rawStreams() {
  for (const [name, fd] of [['stdout', 1], ['stderr', 2]]) {
    let stream;
    Object.defineProperty(process, name, {
      configurable: true,
      enumerable: true,
      get() {
        if (stream === undefined) stream = rawStream(fd);
        return stream;
      },
    });
  }
}

function rawStream(fd) {
  const { Writable } = require('stream');
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, encoding, done) {
      let text = typeof chunk === 'string' ? chunk : chunk.toString();
      if (text.endsWith('\n')) text = text.slice(0, -1);
      for (const line of text.split('\n')) log(line);
      done();
    },
  });
  stream.fd = fd;
  stream._type = 'fs';
  stream.isTTY = false;
  stream.destroySoon = stream.destroy = function () { return this; };
  return stream;
}

// getReady does what every function will need, where a process waits for its own.
function getReady(age) {
  require(`./${age}.cjs`);
  if (age === 'legacy') return;
  require('stream');
  require('util');
}

// takeOver gives a process that waited its variables and its folder, as if it had been
// started with them.
function takeOver(config) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  for (const pair of config.environ) {
    const at = pair.indexOf('=');
    process.env[pair.slice(0, at)] = pair.slice(at + 1);
  }
  process.chdir(config.taskRoot);
  require('module')._initPaths(); // reads NODE_PATH
}

function main() {
  const age = process.argv[2];
  if (age !== undefined) getReady(age);
  const first = receive();
  if (first === null) process.reallyExit(0);
  const config = JSON.parse(first.body.toString());
  if (config.protocol !== PROTOCOL) process.reallyExit(70);
  if (age !== undefined) {
    process.argv.length = 2;
    takeOver(config);
  }
  if (config.debug) openInspector(config.debug);
  rawStreams();
  const wire = {
    config, send, log, next,
    ready() { send(READY, undefined, Buffer.from([PROTOCOL])); },
    fault(json) {
      send(FAULT, undefined, json);
      process.reallyExit(1);
    },
  };
  require(config.legacy ? './legacy.cjs' : './modern.cjs')(wire);
}

main();
