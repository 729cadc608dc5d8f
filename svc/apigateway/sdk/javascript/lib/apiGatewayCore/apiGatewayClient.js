// Chooses whether a request is signed.

var apiGateway = apiGateway || {};
apiGateway.core = apiGateway.core || {};

apiGateway.core.apiGatewayClientFactory = {
  newClient: function (config) {
    var simple = apiGateway.core.simpleHttpClientFactory.newClient(config), signing = apiGateway.core.sigV4ClientFactory.newClient(config);
    return {
      makeRequest: function (request, authType, additionalParams, apiKey) {
        request.headers = Object.assign({}, request.headers, additionalParams.headers);
        request.queryParams = Object.assign({}, request.queryParams, additionalParams.queryParams);
        if (apiKey) request.headers['x-api-key'] = apiKey;
        var known = config.accessKey && config.secretKey;
        return (authType === 'AWS_IAM' && known ? signing : simple).makeRequest(request);
      }
    };
  }
};
