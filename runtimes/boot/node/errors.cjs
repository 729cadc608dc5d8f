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

// structured is a log event in the JSON log format.
exports.structured = (timestamp, level, requestId, args, format) => {
  const event = { timestamp, level, requestId };
  const only = args.length === 1 ? args[0] : undefined;
  if (typeof only === 'object' && only !== null && !isError(only)) {
    try {
      return JSON.stringify(Object.assign(event, { message: only }));
    } catch (e) { /* circular: as text */ }
  }
  event.message = format(...args);
  for (const arg of args) {
    if (isError(arg)) {
      Object.assign(event, { errorType: arg.name, errorMessage: arg.message, stackTrace: String(arg.stack).split('\n').slice(1).map((s) => s.trim()) });
      break;
    }
  }
  return JSON.stringify(event);
};
