'use strict';
// The semantics of nodejs, nodejs4.3 and nodejs6.10: the result is fixed when the
// callback is called and leaves when the event loop is empty; an exception that
// nobody caught ends the process.

const path = require('path');
const util = require('util');

const RESULT = 0x73;
const ERROR = 0x65;
const HANDLED = 0x48;
const LOG_LIMIT = 256 * 1024;

module.exports = function run(wire) {
  const config = wire.config;
  let id = config.initId; // what log lines carry
  let current = null;

  const line = (...args) => wire.log(new Date().toISOString() + '\t' + id + '\t' + util.format(...args));
  for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace']) console[method] = line;

  process.on('uncaughtException', (e) => {
    line(e && e.stack ? e.stack : String(e));
    process.reallyExit(1);
  });
  process.on('unhandledRejection', () => {}); // nobody cared then
  process.on('beforeExit', () => {
    if (current === null) return;
    if (current.outcome === undefined) current.outcome = { type: RESULT, json: 'null' };
    respond();
  });

  // respond sends the outcome and waits, frozen, for the next event; what is
  // pending goes on then.
  function respond() {
    const { type, kind, json } = current.outcome;
    current = null;
    wire.send(type, kind, json);
    wait();
  }

  function wait() {
    setImmediate(invoke, wire.next());
  }

  function finish(inv, outcome) {
    inv.outcome = outcome;
    if (!inv.waits) process.nextTick(respond);
  }

  function complete(inv, error, data) {
    if (inv.outcome !== undefined) return; // only the first counts
    if (error == null) {
      try {
        const json = JSON.stringify(data === undefined ? null : data);
        finish(inv, { type: RESULT, json: json === undefined ? 'null' : json });
        return;
      } catch (e) {
        error = 'Unable to stringify body as json: ' + e.message;
      }
    }
    const json = errorJSON(error);
    line(json.length > LOG_LIMIT ? json.slice(0, LOG_LIMIT) + ' - Truncated by Lambda' : json);
    finish(inv, { type: ERROR, kind: HANDLED, json });
  }

  let handler;

  function invoke(inv) {
    current = inv;
    id = inv.id;
    inv.waits = true;
    inv.outcome = undefined;
    const callback = (error, data) => complete(inv, error, data);
    handler(JSON.parse(inv.event), makeContext(config, inv, complete), callback);
  }

  try {
    handler = load(config);
  } catch (e) {
    if (!e.fault) throw e;
    wire.log(e.fault.log);
    wire.fault(e.fault.json);
  }
  wire.ready();
  wait();
};

function makeContext(config, inv, complete) {
  const now = (error, data) => {
    if (inv.outcome !== undefined) return;
    inv.waits = false;
    complete(inv, error, data);
  };
  const context = {
    get callbackWaitsForEmptyEventLoop() { return inv.waits; },
    set callbackWaitsForEmptyEventLoop(value) { inv.waits = Boolean(value); },
    done: (error, data) => now(error, data),
    succeed: (data) => now(null, data),
    fail: (error) => now(error == null ? NOTHING : error),
    logGroupName: config.logGroup,
    logStreamName: config.logStream,
    functionName: config.functionName,
    memoryLimitInMB: config.memory,
    functionVersion: config.functionVersion,
    getRemainingTimeInMillis: () => Math.max(inv.deadline - Date.now(), 0),
    invokeid: inv.id,
    awsRequestId: inv.id,
    invokedFunctionArn: inv.arn,
  };
  if (inv.client) context.clientContext = JSON.parse(inv.client);
  if (inv.identity) context.identity = JSON.parse(inv.identity);
  return context;
}

// NOTHING is the error of context.fail() without one.
const NOTHING = Symbol('nothing');

function errorJSON(error) {
  if (error === NOTHING) return JSON.stringify({ errorMessage: null });
  if (util.types.isNativeError(error) || error instanceof Error) {
    return JSON.stringify({
      errorMessage: error.message,
      errorType: error.name,
      stackTrace: frames(error.stack),
    });
  }
  let text;
  try {
    text = error.toString();
  } catch (e) {
    text = 'Unknown error'; // an object without a toString
  }
  return JSON.stringify({ errorMessage: text });
}

// frames is a stack without its message and without the runtime's own part.
function frames(stack) {
  const all = String(stack).split('\n');
  const first = all.findIndex((s) => /^ {4}at /.test(s));
  if (first < 0) return [];
  const own = all.findIndex((s, i) => i >= first && s.includes(__dirname + path.sep));
  return all.slice(first, own < 0 ? all.length : own).map((s) => s.replace(/^ {4}at /, ''));
}

function fault(log, json) {
  return Object.assign(new Error(log), { fault: { log, json } });
}

// load finds "module.export". What goes wrong is an Error with a fault.
function load(config) {
  const parts = config.handler.split('.');
  if (parts.length !== 2) {
    const text = 'Bad handler ' + config.handler;
    throw fault(text, JSON.stringify({ errorMessage: text }));
  }
  const [name, key] = parts;
  let module;
  try {
    module = require(resolve(config.taskRoot, name));
  } catch (e) {
    let what = 'module initialization error';
    if (e && e.code === 'MODULE_NOT_FOUND') {
      what = `Unable to import module '${name}'`;
      e.message = e.message.replace(/\nRequire stack:[^]*/, ''); // Node had none then
    }
    if (e instanceof SyntaxError) what = `Syntax error in module '${name}'`;
    throw fault(what + ': ' + describe(e), errorJSON(e == null ? NOTHING : e));
  }
  const handler = module == null ? undefined : module[key];
  if (typeof handler !== 'function') {
    const text = `Handler '${key}' missing on module '${name}'`;
    throw fault(text, JSON.stringify({ errorMessage: text }));
  }
  return handler;
}

function resolve(taskRoot, name) {
  try {
    return require.resolve(path.resolve(taskRoot, name));
  } catch (e) {
    try {
      return require.resolve(name, { paths: [taskRoot] });
    } catch (ignored) {
      throw e; // the one that names the file
    }
  }
}

// describe is an error's name and stack, as the log had it.
function describe(e) {
  if (!(e instanceof Error) || typeof e.stack !== 'string') return String(e);
  const at = e.stack.search(/^ {4}at /m);
  return e.name + (at < 0 ? '' : '\n' + e.stack.slice(at).replace(/\n$/, ''));
}
