package apigateway

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// petstoreHost is the demo back end that AWS keeps for its example API, and which the
// console, the guides and many people's first APIs call. Here it is built in.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-create-api-from-example.html
const petstoreHost = "petstore-demo-endpoint.execute-api.com"

// isPetstore reports whether a host, with a port or without, is the demo back end's.
func isPetstore(host string) bool {
	name, _, _ := strings.Cut(host, ":")
	return strings.EqualFold(name, petstoreHost)
}

type pet struct {
	ID    int     `json:"id"`
	Type  string  `json:"type"`
	Price float64 `json:"price"`
}

// maxPage keeps pets' ids within what they can be.
const maxPage = 1_000_000

// petsOn are the three pets of a page; of one type, if that is given.
func petsOn(page int, kind string) []pet {
	kinds, prices := []string{"dog", "cat", "fish"}, []float64{249.99, 124.99, 0.99}
	if page > 1 {
		prices = []float64{999.99, 249.99, 49.97}
	}
	out := make([]pet, len(kinds))
	for i := range out {
		if out[i] = (pet{(page-1)*len(kinds) + i + 1, kinds[i], prices[i]}); kind != "" {
			out[i].Type = kind
		}
	}
	return out
}

// petstore answers as the demo back end does: it keeps nothing.
func petstore(w http.ResponseWriter, r *http.Request) {
	id, one := strings.CutPrefix(r.URL.Path, "/petstore/pets/")
	switch {
	case r.Method == http.MethodGet && strings.TrimSuffix(r.URL.Path, "/") == "/petstore/pets":
		page, err := strconv.Atoi(r.URL.Query().Get("page"))
		if err != nil || page < 1 || page > maxPage {
			page = 1
		}
		show(w, petsOn(page, r.URL.Query().Get("type")))
	case r.Method == http.MethodGet && one:
		n, err := strconv.Atoi(id)
		if err != nil || n < 1 || n > maxPage {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		show(w, petsOn((n+2)/3, "")[(n-1)%3])
	case r.Method == http.MethodPost && strings.TrimSuffix(r.URL.Path, "/") == "/petstore/pets":
		body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload))
		if err != nil || !json.Valid(body) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		show(w, struct {
			Pet     json.RawMessage `json:"pet"`
			Message string          `json:"message"`
		}{body, "success"})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func show(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // a caller who is gone is no failure of the store
}

// roundTrip sends a request to a back end: to the demo one within this process.
func (x *exchange) roundTrip(r *http.Request) (*http.Response, error) {
	if !isPetstore(r.URL.Host) {
		t, err := x.transport(r.Context())
		if err != nil {
			return nil, err
		}
		return t.RoundTrip(r)
	}
	w := &recorder{header: http.Header{}}
	petstore(w, r)
	w.WriteHeader(http.StatusOK)
	return &http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}
