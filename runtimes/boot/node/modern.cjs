'use strict';
// The semantics of nodejs8.10 and later: promises, ES modules, `trace` in errors.

const RESULT = 0x73;
const ERROR = 0x65;
const UNHANDLED = 0x55;
const EXITING = 0x58;
const STREAMED = Symbol.for('aws.lambda.runtime.handler.streaming');

const { loadHandler } = require('./load.cjs');
const errors = require('./errors.cjs');

module.exports = function run(wire) {
  const config = wire.config;
  let current = null; // the invocation under way
  let atRest = null; // what to do when the event loop is empty
  let handler;

  let id; // what log lines carry: the latest request's
  patchConsole(wire, () => id);
  exposeStreaming();

  // report logs an error that ends an invoke, or the process.
  function report(label, error) {
    if (jsonLogs()) console.error(errors.intoError(error));
    else console.error(label, errors.toLog(error));
  }

  // died reports an error that nobody caught; the process ends.
  function died(label, error) {
    report(label, error);
    const json = errors.toResponse(error);
    if (current && !current.done) wire.send(ERROR, EXITING, json);
    else if (!handler) wire.fault(json);
    process.reallyExit(label === 'Uncaught Exception' ? 129 : 128);
  }

  process.on('uncaughtException', (e) => died('Uncaught Exception', e));
  process.on('unhandledRejection', (reason, promise) => {
    died('Unhandled Promise Rejection', errors.unhandledRejection(reason, promise));
  });
  process.on('beforeExit', () => {
    const what = atRest;
    if (what) {
      atRest = null;
      what();
    }
  });

  function wait() {
    current = null;
    setImmediate(() => invoke(wire.next()));
  }

  // settle sends the outcome once, and waits for the next event.
  function settle(inv, type, kind, json) {
    if (inv.done) return;
    inv.done = true;
    atRest = null;
    wire.send(type, kind, json);
    wait();
  }

  function succeed(inv, value) {
    if (inv.done) return;
    let json;
    try {
      json = JSON.stringify(value === undefined ? null : value);
      if (json === undefined) json = 'null';
    } catch (e) {
      return fail(inv, new Error('Unable to stringify response body'));
    }
    settle(inv, RESULT, undefined, json);
  }

  function fail(inv, error) {
    if (inv.done) return;
    report('Invoke Error', error);
    settle(inv, ERROR, UNHANDLED, errors.toResponse(error));
  }

  function invoke(inv) {
    current = inv;
    id = inv.id;
    inv.done = false;
    const context = makeContext(config, inv);
    let waits = true;
    Object.defineProperty(context, 'callbackWaitsForEmptyEventLoop', {
      enumerable: true, configurable: true, get: () => waits, set: (v) => { waits = v; },
    });
    const callback = (error, value) => {
      if (inv.done) return;
      atRest = null;
      if (error !== undefined && error !== null) fail(inv, error);
      else if (!waits) succeed(inv, value);
      else atRest = () => succeed(inv, value);
    };
    const done = (error, value) => {
      if (inv.done) return;
      if (error !== undefined && error !== null) fail(inv, error);
      else succeed(inv, value);
    };
    if (!config.noCallbacks) {
      context.done = done;
      context.succeed = (value) => done(null, value);
      context.fail = (error) => done(error === undefined || error === null ? 'handled' : error);
    }
    atRest = () => succeed(inv, null);
    try {
      const event = JSON.parse(inv.event);
      if (handler[STREAMED]) return require('./stream.cjs')(wire, inv, handler, event, context, settle, fail);
      const result = config.noCallbacks ? handler(event, context) : handler(event, context, callback);
      if (result !== null && result !== undefined && typeof result.then === 'function') {
        result.then((value) => succeed(inv, value), (error) => {
          done(error === undefined || error === null ? 'handled' : error);
        });
      } else if (config.noCallbacks) {
        succeed(inv, result);
      }
    } catch (e) {
      if (e === undefined || e === null) fail(inv, 'handled');
      else fail(inv, e);
    }
  }

  loadHandler(config.taskRoot, config.handler).then((h) => {
    if (config.noCallbacks && !h[STREAMED] && h.length >= 3) throw errors.callbackHandler();
    handler = h;
    wire.ready();
    wait();
  }).catch((e) => died('Uncaught Exception', e));
};

function makeContext(config, inv) {
  const context = {
    functionVersion: config.functionVersion,
    functionName: config.functionName,
    memoryLimitInMB: config.memory,
    logGroupName: config.logGroup,
    logStreamName: config.logStream,
    clientContext: inv.client ? JSON.parse(inv.client) : undefined,
    identity: inv.identity ? JSON.parse(inv.identity) : undefined,
    invokedFunctionArn: inv.arn,
    awsRequestId: inv.id,
    getRemainingTimeInMillis() { return inv.deadline - Date.now(); },
  };
  return context;
}

const LEVELS = { trace: 'TRACE', debug: 'DEBUG', info: 'INFO', log: 'INFO', warn: 'WARN', error: 'ERROR', fatal: 'FATAL' };

const jsonLogs = () => process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';

function patchConsole(wire, id) {
  const { format } = require('util');
  const json = jsonLogs();
  const ranks = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
  const least = ranks.indexOf(String(process.env.AWS_LAMBDA_LOG_LEVEL).toUpperCase()); // -1 is all
  for (const method of Object.keys(LEVELS)) {
    const level = LEVELS[method];
    if (ranks.indexOf(level) < least) {
      console[method] = () => {};
      continue;
    }
    const plain = (...args) => {
      wire.log(new Date().toISOString() + '\t' + id() + '\t' + level + '\t' + format(...args));
    };
    const structured = (...args) => {
      wire.log(errors.structured(new Date().toISOString(), level, id(), args, format));
    };
    console[method] = json ? structured : plain;
  }
}

function exposeStreaming() {
  const HttpResponseStream = {
    // from puts status and headers before the body, as Lambda's function URLs read them.
    from(stream, metadata) {
      stream.setContentType('application/vnd.awslambda.http-integration-response');
      stream.write(Buffer.concat([Buffer.from(JSON.stringify(metadata)), Buffer.alloc(8)]));
      return stream;
    },
  };
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMED] = true;
      if (options && options.highWaterMark !== undefined) {
        handler[Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark')] = options.highWaterMark;
      }
      return handler;
    },
    HttpResponseStream,
  };
}
