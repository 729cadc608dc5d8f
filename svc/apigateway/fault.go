package apigateway

import (
	"encoding/json"
	"net/http"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// A fault is an answer that API Gateway itself gives in place of a back end's.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
type fault struct {
	status  int
	kind    string // x-amzn-ErrorType
	message string
	line    string // of the execution log
	denied  bool   // spells its message with a capital
	silent  bool   // its message is null
	detail  string // $context.error.validationErrorString
	// response is the type of gateway response that it is; "" for one of all of its kind.
	response string
}

func (f *fault) Error() string { return f.message }

func (f *fault) reply() *reply {
	key := "message"
	if f.denied {
		key = "Message"
	}
	body, _ := json.Marshal(map[string]any{key: f.said()})
	return &reply{status: f.status, body: body, header: []gateway.Param{
		{Name: "Content-Type", Value: "application/json"}, {Name: "x-amzn-ErrorType", Value: f.kind}}}
}

// said is the message, or nil.
func (f *fault) said() any {
	if f.silent {
		return nil
	}
	return f.message
}

// The faults, with what the execution log says of them.

func missingToken() *fault {
	return &fault{response: api.GatewayResponseTypeMissingAuthenticationToken, status: http.StatusForbidden, kind: "MissingAuthenticationTokenException", message: "Missing Authentication Token"}
}

func forbidden(line string) *fault {
	return &fault{status: http.StatusForbidden, kind: "ForbiddenException", message: "Forbidden", line: line}
}

func badKey(line string) *fault {
	return &fault{response: api.GatewayResponseTypeInvalidApiKey, status: http.StatusForbidden, kind: "ForbiddenException", message: "Forbidden", line: line}
}

func throttled(line string) *fault {
	return &fault{response: api.GatewayResponseTypeThrottled, status: http.StatusTooManyRequests, kind: "TooManyRequestsException", message: "Too Many Requests", line: line}
}

func exceeded(line string) *fault {
	return &fault{response: api.GatewayResponseTypeQuotaExceeded, status: http.StatusTooManyRequests, kind: "LimitExceededException", message: "Limit Exceeded", line: line}
}

func denied(message string) *fault {
	return &fault{response: api.GatewayResponseTypeAccessDenied, status: http.StatusForbidden, kind: "AccessDeniedException", message: message, denied: true,
		line: "The client is not authorized to perform this operation."}
}

func unauthorized(message string) *fault {
	return &fault{response: api.GatewayResponseTypeUnauthorized, status: http.StatusUnauthorized, kind: "UnauthorizedException", message: message, line: message}
}

// authorizerFailed is the answer where a Lambda authorizer could not be asked, or failed.
func authorizerFailed(why string) *fault {
	return &fault{response: api.GatewayResponseTypeAuthorizerFailure, status: http.StatusInternalServerError, kind: "AuthorizerFailureException", silent: true,
		line: "Execution failed due to an internal error: " + why}
}

// authorizerMisconfigured is the answer where an authorizer's answer is none.
func authorizerMisconfigured(why string) *fault {
	return &fault{response: api.GatewayResponseTypeAuthorizerConfigurationError, status: http.StatusInternalServerError, kind: "AuthorizerConfigurationException", silent: true,
		line: "Execution failed due to configuration error: " + why}
}

func badParameters(message string) *fault {
	return &fault{response: api.GatewayResponseTypeBadRequestParameters, status: http.StatusBadRequest, kind: "BadRequestException", message: message, line: "Request failed due to a bad request: " + message}
}

func badBody(wrong []string) *fault {
	detail := "[" + strings.Join(wrong, ", ") + "]"
	return &fault{response: api.GatewayResponseTypeBadRequestBody, status: http.StatusBadRequest, kind: "BadRequestException", message: "Invalid request body", detail: detail,
		line: "Request body does not match model schema for content type application/json: [\n  " + strings.Join(wrong, "\n  ") + "\n]"}
}

func tooLarge() *fault {
	return &fault{response: api.GatewayResponseTypeRequestTooLarge, status: http.StatusRequestEntityTooLarge, kind: "RequestTooLargeException", message: "Request Too Long"}
}

func unsupported(contentType string) *fault {
	return &fault{response: api.GatewayResponseTypeUnsupportedMediaType, status: http.StatusUnsupportedMediaType, kind: "BadRequestException", message: "Unsupported Media Type",
		line: "No integration template matches the content type '" + contentType + "'. Unsupported Media Type"}
}

func timedOut() *fault {
	return &fault{response: api.GatewayResponseTypeIntegrationTimeout, status: http.StatusGatewayTimeout, kind: "InternalServerErrorException", message: "Endpoint request timed out",
		line: "Execution failed due to a timeout error"}
}

// misconfigured is the 500 of what the API's owner must mend.
func misconfigured(why string) *fault {
	return &fault{response: api.GatewayResponseTypeApiConfigurationError, status: http.StatusInternalServerError, kind: "InternalServerErrorException", message: "Internal server error",
		line: "Execution failed due to configuration error: " + why}
}

// malformed is the 502 of a function's answer that is none.
func malformed(line string) *fault {
	return &fault{status: http.StatusBadGateway, kind: "InternalServerErrorException", message: "Internal server error", line: line}
}
