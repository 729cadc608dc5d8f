'use strict';
// awslambda.streamifyResponse: the handler writes its response piece by piece.

const { Writable } = require('stream');

const META = 0x6d;
const CHUNK = 0x63;
const RESULT = 0x73;
const PIECE = 1024 * 1024;

module.exports = function run(wire, inv, handler, event, context, settle, fail) {
  let type = 'application/octet-stream';
  let opened = false;
  // An invoke is over when its stream has ended and its handler has returned: what it
  // logs in between is its own.
  let ended = false;
  let returned = false;
  const conclude = () => {
    if (ended && returned) settle(inv, RESULT, undefined, '');
  };
  const open = () => {
    if (!opened) wire.send(META, undefined, type);
    opened = true;
  };
  const stream = new Writable({
    highWaterMark: handler[Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark')],
    write(chunk, encoding, done) {
      open();
      for (let at = 0; at < chunk.length; at += PIECE) wire.send(CHUNK, undefined, chunk.subarray(at, at + PIECE));
      done();
    },
    final(done) {
      open();
      done();
      ended = true;
      conclude();
    },
  });
  stream.setContentType = (t) => {
    if (opened) throw new Error("Cannot set content-type, too late.");
    type = t;
  };
  stream.on('error', (e) => fail(inv, e));
  const result = handler(event, stream, context);
  if (result !== null && result !== undefined && typeof result.then === 'function') {
    result.then(() => {
      returned = true;
      if (!stream.writableEnded) stream.end();
      else conclude();
    }, (e) => fail(inv, e));
  } else {
    returned = true;
    conclude();
  }
};
