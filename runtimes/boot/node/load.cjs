'use strict';
// Finds and loads the user's handler: "dir/module.export", "module.a.b".

const fs = require('fs');
const path = require('path');
const errors = require('./errors.cjs');

const exists = (file) => fs.existsSync(file);

// split takes "dir/module.a.b" apart.
function split(handler) {
  if (handler.includes('..')) {
    throw errors.named('Runtime.MalformedHandlerName',
      `'${handler}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const base = path.basename(handler);
  const root = handler.slice(0, handler.indexOf(base));
  const dot = base.indexOf('.');
  if (dot < 0) throw errors.named('Runtime.MalformedHandlerName', 'Bad handler');
  return { root, module: base.slice(0, dot), name: base.slice(dot + 1) };
}

// isModule reports whether the package.json nearest to file says type: module.
function isModule(file) {
  for (let dir = path.dirname(file); ; dir = path.dirname(dir)) {
    const manifest = path.join(dir, 'package.json');
    if (exists(manifest)) {
      try {
        return JSON.parse(fs.readFileSync(manifest, 'utf8')).type === 'module';
      } catch (e) {
        return false;
      }
    }
    if (dir === path.dirname(dir) || path.basename(dir) === 'node_modules') return false;
  }
}

// importBeside lets ES modules find what require finds by NODE_PATH: the SDK, layers.
function importBeside() {
  const { pathToFileURL } = require('url');
  const parents = (process.env.NODE_PATH || '').split(':')
    .filter((dir) => path.basename(dir) === 'node_modules' && exists(dir))
    .map((dir) => pathToFileURL(path.join(path.dirname(dir), 'index.mjs')).href);
  if (parents.length === 0) return;
  const { registerHooks, register } = require('module');
  if (registerHooks) {
    registerHooks({
      resolve(name, context, next) {
        try {
          return next(name, context);
        } catch (e) {
          if (e.code !== 'ERR_MODULE_NOT_FOUND') throw e;
          for (const parentURL of parents) {
            try {
              return next(name, Object.assign({}, context, { parentURL }));
            } catch (ignored) { /* the next one */ }
          }
          throw e;
        }
      },
    });
  } else if (register) {
    register('./hooks.mjs', { parentURL: pathToFileURL(__filename).href, data: parents });
  }
}

async function load(taskRoot, root, module) {
  const file = path.resolve(taskRoot, root, module);
  const asModule = (f) => {
    importBeside();
    return import(require('url').pathToFileURL(f).href);
  };
  if (exists(file) && fs.statSync(file).isFile()) return require(file); // no extension
  if (exists(file + '.js')) return isModule(file + '.js') ? asModule(file + '.js') : require(file + '.js');
  if (exists(file + '.mjs')) return asModule(file + '.mjs');
  if (exists(file + '.cjs')) return require(file + '.cjs');
  return require(require.resolve(module, { paths: [taskRoot, path.join(taskRoot, root)] }));
}

function translate(e) {
  if (e instanceof SyntaxError) return errors.named('Runtime.UserCodeSyntaxError', String(e), e);
  if (e && (e.code === 'MODULE_NOT_FOUND' || e.code === 'ERR_MODULE_NOT_FOUND')) {
    return errors.named('Runtime.ImportModuleError', String(e), e);
  }
  return e;
}

exports.loadHandler = async (taskRoot, handler) => {
  const { root, module, name } = split(handler);
  let found;
  try {
    found = await load(taskRoot, root, module);
  } catch (e) {
    throw translate(e);
  }
  let fn = find(found, name);
  if (fn === undefined && found && found.default) fn = find(found.default, name);
  if (!fn) throw errors.named('Runtime.HandlerNotFound', `${handler} is undefined or not exported`);
  if (typeof fn !== 'function') throw errors.named('Runtime.HandlerNotFound', `${handler} is not a function`);
  return fn;
};

function find(object, name) {
  return name.split('.').reduce((o, key) => (o === undefined || o === null ? undefined : o[key]), object);
}
