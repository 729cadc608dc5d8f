package apigatewayv2

import (
	"errors"
	"net/http"
)

// A reply is what goes to the caller.
type reply struct {
	status int
	header []param
	body   []byte
}

// A fault is an answer that API Gateway itself gives in place of a back end's.
type fault struct {
	status    int
	message   string
	challenge string // WWW-Authenticate
	why       string // for the access log
}

func (f *fault) Error() string { return f.message }

func (f *fault) reply() *reply {
	out := &reply{status: f.status, body: []byte(`{"message":` + quote(f.message) + `}`), header: []param{{"Content-Type", "application/json"}}}
	if f.challenge != "" {
		out.header = append(out.header, param{"Www-Authenticate", f.challenge})
	}
	return out
}

// The faults of HTTP APIs. Why goes to the access log alone.

func notFound() *fault { return &fault{status: http.StatusNotFound, message: "Not Found"} }
func tooMany() *fault {
	return &fault{status: http.StatusTooManyRequests, message: "Too Many Requests"}
}
func badRequest() *fault { return &fault{status: http.StatusBadRequest, message: "Bad Request"} }
func tooLarge() *fault {
	return &fault{status: http.StatusRequestEntityTooLarge, message: "Request Entity Too Large"}
}

func forbidden(why string) *fault {
	return &fault{status: http.StatusForbidden, message: "Forbidden", why: why}
}

func unauthorized(challenge, why string) *fault {
	return &fault{status: http.StatusUnauthorized, message: "Unauthorized", challenge: challenge, why: why}
}

func internal(why string) *fault {
	return &fault{status: http.StatusInternalServerError, message: "Internal Server Error", why: why}
}

func unavailable(why string) *fault {
	return &fault{status: http.StatusServiceUnavailable, message: "Service Unavailable", why: why}
}

func timedOut(why string) *fault {
	return &fault{status: http.StatusGatewayTimeout, message: "Gateway Timeout", why: why}
}

// refuse answers with a fault; an error that is none is one of ours.
func (x *exchange) refuse(err error) *reply {
	var f *fault
	if !errors.As(err, &f) {
		x.s.Logger.Error("a request failed", "api", *x.program.api.ApiId, "stage", *x.stage.StageName, "id", x.req.id, "error", err)
		f = internal("")
	}
	x.fault = f
	return f.reply()
}
