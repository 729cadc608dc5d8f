// What importBeside does, for the Nodes whose hooks run on a thread of their own.

let parents = [];

export async function initialize(data) {
  parents = data;
}

export async function resolve(name, context, next) {
  try {
    return await next(name, context);
  } catch (e) {
    if (e.code !== 'ERR_MODULE_NOT_FOUND') throw e;
    for (const parentURL of parents) {
      try {
        return await next(name, { ...context, parentURL });
      } catch (ignored) { /* the next one */ }
    }
    throw e;
  }
}
