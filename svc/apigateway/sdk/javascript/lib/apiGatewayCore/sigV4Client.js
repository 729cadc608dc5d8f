// Requests signed by Signature Version 4.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

var apiGateway = apiGateway || {};
apiGateway.core = apiGateway.core || {};

apiGateway.core.sigV4ClientFactory = {
  newClient: function (config) {
    var sha = apiGateway.core.sha256, service = 'execute-api';

    // sign gives headers the signature of a request.
    function sign(verb, url, query, headers, body) {
      var time = new Date().toISOString().replace(/[:-]|\.\d{3}/g, ''), day = time.slice(0, 8);
      var signed = {host: url.host, 'x-amz-date': time};
      Object.keys(headers).forEach(function (k) { signed[k.toLowerCase()] = String(headers[k]).trim().replace(/ +/g, ' '); });
      var names = Object.keys(signed).sort(), scope = [day, config.region, service, 'aws4_request'].join('/');
      var path = url.pathname.split('/').map(apiGateway.core.utils.encode).join('/'); // what is encoded is encoded again
      var canonical = [verb, path, query, names.map(function (n) { return n + ':' + signed[n] + '\n'; }).join(''), names.join(';'),
        sha.hex(sha.digest(body === undefined ? '' : body))].join('\n');
      var key = [day, config.region, service, 'aws4_request'].reduce(sha.hmac, 'AWS4' + config.secretKey);
      var signature = sha.hex(sha.hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha.hex(sha.digest(canonical))].join('\n')));
      headers['x-amz-date'] = time;
      headers['Authorization'] = 'AWS4-HMAC-SHA256 Credential=' + config.accessKey + '/' + scope + ', SignedHeaders=' + names.join(';') + ', Signature=' + signature;
      if (config.sessionToken) headers['x-amz-security-token'] = config.sessionToken;
      return headers;
    }

    return {
      makeRequest: function (request) {
        var url = new URL(config.invokeUrl + request.path), query = apiGateway.core.utils.query(request.queryParams);
        var body = apiGateway.core.bodyOf(request), headers = sign(request.verb, url, query, apiGateway.core.headersOf(request, config), body);
        return apiGateway.core.send(request.verb, config.invokeUrl + request.path + (query ? '?' + query : ''), headers, body);
      }
    };
  }
};
