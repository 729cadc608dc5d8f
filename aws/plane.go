package aws

import "net/http"

// A Plane is an entrance beside the API: the invoke URLs of HTTP APIs, function
// URLs, websites. The front door leads to it every request that Match claims,
// before it looks for an operation.
type Plane struct {
	// Name is what access logs call it: "execute-api".
	Name  string
	Match func(r *http.Request) bool
	// SigningName is the service that its callers sign for; "" where nobody signs.
	SigningName string
	// Handler answers. RequestOf gives it the request; the caller is Anonymous
	// where nobody signed, and what signed callers may do is the plane's to ask.
	Handler http.Handler
}
