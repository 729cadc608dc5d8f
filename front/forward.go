package front

import (
	"context"
	"mime"
	"net/http"
	"net/url"

	"github.com/tule-cloud/tule/aws"
)

// Forward answers, on w, a request that one service sends another in HTTP, such as API
// Gateway for the owner of an API. It is decoded, authorised, answered and recorded as
// one from outside, but nobody signs it: it is made as the caller of ctx. Its host says
// which service is meant: dynamodb.eu-west-1.amazonaws.com.
//
// An action, if not empty, is the operation, for services that take its name: it goes
// where the service's protocol wants it.
func (f *Front) Forward(ctx context.Context, w http.ResponseWriter, r *http.Request, action string) {
	c := f.open(w, r.WithContext(ctx))
	from := aws.RequestOf(ctx)
	c.req.ID, c.req.Caller, c.req.Region, c.req.SourceIP = from.ID, from.Caller, from.Region, from.SourceIP
	c.req.Secure, c.req.Scheme, c.req.Trace = true, "https", from.Trace
	if err := f.forward(c, action); err != nil {
		f.refuse(c, err)
	}
	took := f.Clock.Now().Sub(c.start)
	if c.event.Op == nil {
		return
	}
	var err error
	if c.err != nil {
		err = c.err
	}
	f.metrics.within(c.event.Op, err, took)
	f.logWithin(c.context(), c.event.Op, err)
	c.event.Took = took
	f.audit(c.context(), &c.event, err)
}

func (f *Front) forward(c *call, action string) error {
	if c.service = f.byHost(c.r.Host); c.service == nil {
		return aws.Errorf(http.StatusNotImplemented, "NotImplemented", "The service at '%.128s' is not available in this version of Tule.", c.r.Host)
	}
	if action != "" {
		if err := c.name(action); err != nil {
			return err
		}
	}
	c.protocol, c.req.Service = protocolOf(c), c.service.Model.SigningName
	if err := f.match(c); err != nil {
		return err
	}
	c.event = aws.Event{Request: &c.req, Op: c.op, Within: true}
	in, err := f.decode(c)
	if err != nil {
		return err
	}
	c.event.In = in
	if err := f.dispatch(c.context(), c.route, &c.event); err != nil {
		return err
	}
	return f.respond(c, c.event.Out)
}

// name puts the operation where the service's protocol has it: into the query, or a
// header.
func (c *call) name(action string) error {
	m := c.service.Model
	switch {
	case m.Speaks(aws.Query):
		query := "Action=" + url.QueryEscape(action) + "&Version=" + url.QueryEscape(m.APIVersion)
		if c.r.URL.RawQuery != "" {
			query += "&" + c.r.URL.RawQuery
		}
		c.r.URL.RawQuery = query
		c.r.Header.Del("X-Amz-Target")
		if content, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); content != "application/x-www-form-urlencoded" {
			c.r.Body = http.NoBody // what is no form says nothing to a query
		}
	case m.Speaks(aws.JSON):
		c.r.Header.Set("X-Amz-Target", m.TargetPrefix+"."+action)
	default:
		return aws.Errorf(http.StatusBadRequest, "UnknownOperationException", "%s takes its operations by path, not by name: %.128s.", m.ID, action)
	}
	return nil
}
