package apigateway

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// looseStatus finds the status code in what is nearly JSON: {statusCode: 200}.
var looseStatus = regexp.MustCompile(`^\{(?:[^{}]*,)?\s*['"]?statusCode['"]?\s*:\s*(\d{3})\s*(?:,[^{}]*)?\}$`)

// mock answers with the status code that the request template gives, and no body.
// The template's text need not quite be JSON.
func (x *exchange) mock() (*endpointResponse, error) {
	text := strings.TrimSpace(string(x.integral.body))
	var doc struct {
		StatusCode json.Number `json:"statusCode"`
	}
	status := 0
	if json.Unmarshal([]byte(text), &doc) == nil {
		status, _ = strconv.Atoi(doc.StatusCode.String())
	} else if m := looseStatus.FindStringSubmatch(text); m != nil {
		status, _ = strconv.Atoi(m[1])
	}
	if status == 0 {
		return nil, misconfigured("Unable to parse statusCode. It should be an integer defined in request template.")
	}
	return &endpointResponse{status: status, failure: strconv.Itoa(status)}, nil
}
