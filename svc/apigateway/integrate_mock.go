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
func (x *exchange) mock() (*endpointResponse, error) {
	status := 0
	if t := x.requested; t != nil && t.fixed != nil {
		status = t.status
	} else {
		status = mockStatus(x.integral.body)
	}
	if status == 0 {
		return nil, misconfigured("Unable to parse statusCode. It should be an integer defined in request template.")
	}
	return &endpointResponse{status: status, failure: strconv.Itoa(status)}, nil
}

// mockStatus is the status code that a request template's text gives, which need not quite
// be JSON; 0 if it gives none.
func mockStatus(body []byte) (status int) {
	text := strings.TrimSpace(string(body))
	var doc struct {
		StatusCode json.Number `json:"statusCode"`
	}
	if json.Unmarshal([]byte(text), &doc) == nil {
		status, _ = strconv.Atoi(doc.StatusCode.String())
	} else if m := looseStatus.FindStringSubmatch(text); m != nil {
		status, _ = strconv.Atoi(m[1])
	}
	return status
}
