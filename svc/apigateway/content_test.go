package apigateway

import (
	"testing"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/vtl/gateway"
)

const (
	asBlob = api.ContentHandlingStrategyConvertToBinary
	asText = api.ContentHandlingStrategyConvertToText
)

// The rows of AWS's tables, in their order.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html

func TestRequestConversions(t *testing.T) {
	const png = "image/png"
	for i, row := range []struct {
		body, sent string
		binary     []string
		handling   string
		want       string
		blob       bool
	}{
		{"hi", "text/plain", nil, "", "hi", false},
		{"aGk=", "text/plain", nil, asBlob, "hi", true},
		{"hi", "text/plain", nil, asText, "hi", false},
		{"hi", "text/plain", []string{png}, "", "hi", false},
		{"aGk=", "text/plain", []string{png}, asBlob, "hi", true},
		{"hi", "text/plain", []string{png}, asText, "hi", false},
		{"\xff\x00", png, []string{png}, "", "\xff\x00", true},
		{"\xff\x00", png, []string{png}, asBlob, "\xff\x00", true},
		{"\xff\x00", png, []string{png}, asText, "/wA=", false},
	} {
		x := &exchange{program: &program{binary: row.binary}, method: &method{integration: &integration{contentHandling: row.handling}},
			req: &request{body: []byte(row.body), header: []gateway.Param{{Name: "Content-Type", Value: row.sent}}}}
		body, blob, err := x.requestBody()
		if err != nil || string(body) != row.want || blob != row.blob {
			t.Errorf("row %d: %q, %v, %v; want %q, %v", i+1, body, blob, err, row.want, row.blob)
		}
	}
}

func TestResponseConversions(t *testing.T) {
	const png, text = "image/png", "text/plain"
	set := []string{png}
	for i, row := range []struct {
		body, typed, accept string
		binary              []string
		handling            string
		want                string
	}{
		{"hi", text, text, nil, "", "hi"},
		{"aGk=", text, text, nil, asBlob, "hi"},
		{"hi", text, text, nil, asText, "hi"},
		{"hi", text, text, set, "", "hi"},
		{"aGk=", text, text, set, asBlob, "hi"},
		{"hi", text, text, set, asText, "hi"},
		{"aGk=", text, png, set, "", "hi"},
		{"aGk=", text, png, set, asBlob, "hi"},
		{"aGk=", text, png, set, asText, "aGk="},
		{"\xff\x00", png, text, set, "", "/wA="},
		{"\xff\x00", png, text, set, asBlob, "\xff\x00"},
		{"\xff\x00", png, text, set, asText, "/wA="},
		{"\xff\x00", png, png, set, "", "\xff\x00"},
		{"\xff\x00", png, png, set, asBlob, "\xff\x00"},
		{"\xff\x00", png, png, set, asText, "/wA="},
		// Of more than one accepted type the first counts.
		{"\xff\x00", png, "text/html, image/png", set, "", "/wA="},
		{"\xff\x00", png, "image/png, text/html", set, "", "\xff\x00"},
	} {
		x := &exchange{program: &program{binary: row.binary}, req: &request{header: []gateway.Param{{Name: "Accept", Value: row.accept}}}}
		in := &endpointResponse{body: []byte(row.body), typed: true, header: []gateway.Param{{Name: "Content-Type", Value: row.typed}}}
		body, _, err := x.responseBody(&response{contentHandling: row.handling}, in)
		if err != nil || string(body) != row.want {
			t.Errorf("row %d: %q, %v; want %q", i+1, body, err, row.want)
		}
	}
}
