'use strict';
// Errors as AWS writes them to the log and to the caller.

function named(type, message, cause) {
  const e = new Error(message);
  e.name = type;
  // The frames are those of the cause, if there is one.
  const frames = String(cause ? cause.stack : e.stack).match(/^ {4}at .*$/gm) || [];
  e.stack = [type + ': ' + message].concat(frames).join('\n');
  return e;
}

exports.named = named;

exports.unhandledRejection = (reason, promise) => {
  const e = named('Runtime.UnhandledPromiseRejection', String(reason));
  e.reason = reason;
  e.promise = promise;
  return e;
};

exports.callbackHandler = () => named('Runtime.CallbackHandlerDeprecated',
  'AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. ' +
  'You need to modify this function to use a supported handler signature to use Node.js 24 or later.');

function isError(e) {
  return e instanceof Error || Object.prototype.toString.call(e) === '[object Error]';
}

// toResponse is the error as the caller gets it.
exports.toResponse = (error) => {
  try {
    if (isError(error)) {
      return JSON.stringify({
        errorType: error.name.replace(/\x7F/g, '%7F'),
        errorMessage: error.message.replace(/\x7F/g, '%7F'),
        trace: error.stack.replace(/\x7F/g, '%7F').split('\n'),
      });
    }
    return JSON.stringify({ errorType: typeof error, errorMessage: error.toString(), trace: [] });
  } catch (e) {
    return JSON.stringify({
      errorType: 'handled',
      errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
    });
  }
};

// toLog is the error as the log has it, after a tab.
exports.toLog = (error) => {
  try {
    return '\t' + JSON.stringify(error, (key, value) => enumerable(value));
  } catch (e) {
    return '\t' + exports.toResponse(error);
  }
};

function enumerable(error) {
  if (!isError(error)) return error;
  const out = Object.assign({ errorType: error.name, errorMessage: error.message, code: error.code }, error);
  if (typeof error.stack === 'string') out.stack = error.stack.split('\n');
  delete out.name;
  return out;
}

// intoError is what was thrown, as an error.
exports.intoError = (thrown) => (isError(thrown) ? thrown : new Error(thrown));

// told is an error in the JSON log format. The runtime's own have the names of AWS's classes.
function told(error) {
  const own = /^Runtime\.(.*)/.exec(error.name);
  return {
    errorType: own ? own[1] : (error.constructor && error.constructor.name) || 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : error.stack,
  };
}

// structured is a log event in the JSON log format: one value is its message as it is, several are a text.
exports.structured = (timestamp, level, requestId, args, format) => {
  const event = { timestamp, level, requestId };
  if (args.length < 2) {
    event.message = args[0];
    try {
      return JSON.stringify(event, (key, value) => (isError(value) ? Object.assign(told(value), value) : value));
    } catch (e) { /* circular: as text */ }
  }
  event.message = format(...args);
  const error = args.find(isError);
  return JSON.stringify(args.length > 1 && error ? Object.assign(event, told(error)) : event);
};
