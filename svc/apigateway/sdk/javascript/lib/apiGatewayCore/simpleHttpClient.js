// Requests that nobody signs.

var apiGateway = apiGateway || {};
apiGateway.core = apiGateway.core || {};

// send sends a request, and resolves to {status, data, headers, config}; an answer that
// is none of success rejects, with the answer as the error's response.
apiGateway.core.send = function (method, url, headers, body) {
  var config = {method: method, url: url, headers: headers};
  if (body !== undefined && method !== 'GET' && method !== 'HEAD') config.data = body;
  return fetch(url, {method: method, headers: headers, body: config.data}).then(function (answer) {
    return answer.text().then(function (text) {
      var result = {status: answer.status, statusText: answer.statusText, headers: {}, data: text, config: config};
      answer.headers.forEach(function (value, name) { result.headers[name] = value; });
      try {
        result.data = JSON.parse(text);
      } catch (e) {
        // it is no JSON, and stays text
      }
      if (answer.status >= 200 && answer.status < 300) return result;
      var error = new Error('Request failed with status code ' + answer.status);
      error.response = result;
      throw error;
    });
  });
};

apiGateway.core.simpleHttpClientFactory = {
  newClient: function (config) {
    return {
      makeRequest: function (request) {
        var query = apiGateway.core.utils.query(request.queryParams);
        var headers = apiGateway.core.headersOf(request, config);
        return apiGateway.core.send(request.verb, config.invokeUrl + request.path + (query ? '?' + query : ''), headers, apiGateway.core.bodyOf(request));
      }
    };
  }
};

// headersOf are a request's headers with the defaults that it does not set.
apiGateway.core.headersOf = function (request, config) {
  var headers = Object.assign({}, request.headers), have = Object.keys(headers).map(function (k) { return k.toLowerCase(); });
  if (have.indexOf('content-type') < 0 && config.defaultContentType && apiGateway.core.bodyOf(request) !== undefined) headers['Content-Type'] = config.defaultContentType;
  if (have.indexOf('accept') < 0 && config.defaultAcceptType) headers['Accept'] = config.defaultAcceptType;
  return headers;
};

// bodyOf is a request's body as it is sent; an empty object is none.
apiGateway.core.bodyOf = function (request) {
  var body = request.body;
  if (request.verb === 'GET' || request.verb === 'HEAD' || body === undefined || body === null || body === '') return undefined;
  if (typeof body === 'string') return body;
  return Object.keys(body).length === 0 ? undefined : JSON.stringify(body);
};
