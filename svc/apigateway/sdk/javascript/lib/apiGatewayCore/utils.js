// What the parts of the client share.

var apiGateway = apiGateway || {};
apiGateway.core = apiGateway.core || {};

apiGateway.core.utils = {
  // assertParametersDefined refuses a request that lacks one of the parameters named.
  assertParametersDefined: function (params, keys, ignore) {
    var missing = keys.filter(function (k) { return (ignore || []).indexOf(k) < 0 && (params[k] === undefined || params[k] === null); });
    if (missing.length > 0) throw 'Missing required parameters: ' + missing.join(', ');
  },

  // parseParametersToObject picks the parameters named.
  parseParametersToObject: function (params, keys) {
    var out = {};
    keys.forEach(function (k) { if (params[k] !== undefined && params[k] !== null) out[k] = params[k]; });
    return out;
  },

  // encode is text as RFC 3986 has it in a URL.
  encode: function (text) {
    return encodeURIComponent(text).replace(/[!'()*]/g, function (c) { return '%' + c.charCodeAt(0).toString(16).toUpperCase(); });
  },

  // expand puts parameters into a path's variables; {proxy+} keeps its slashes.
  expand: function (path, params) {
    return path.replace(/\{([^{}]+?)(\+?)\}/g, function (all, name, greedy) {
      var value = params[name] === undefined ? '' : String(params[name]);
      return greedy ? value.split('/').map(apiGateway.core.utils.encode).join('/') : apiGateway.core.utils.encode(value);
    });
  },

  // query is an object's members as the query of a URL, sorted.
  query: function (params) {
    var pairs = [], encode = apiGateway.core.utils.encode;
    Object.keys(params).forEach(function (k) {
      [].concat(params[k]).forEach(function (v) { pairs.push([encode(k), encode(v)]); });
    });
    pairs.sort(function (a, b) { return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0; });
    return pairs.map(function (p) { return p.join('='); }).join('&');
  }
};
