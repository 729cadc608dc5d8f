package wire

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"reflect"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/aws/awsjson"
)

// MarshalError makes the response for e, in the protocol p, as the service s words
// it. S is nil if the request was for no service that is known.
func MarshalError(p aws.Protocol, s *aws.Service, e *aws.Error, requestID string) *Response {
	if s == nil {
		s = &aws.Service{}
	}
	status := e.Status
	if status < 300 || status > 599 {
		status = http.StatusInternalServerError
	}
	r := newResponse(p, status, requestID)
	m := &failure{Error: e, service: s, code: e.Code, requestID: requestID, fault: "Sender"}
	if name, ok := s.Codes[e.Code]; ok {
		m.code = name
	}
	if status >= 500 {
		m.fault = "Receiver"
	}
	if e.Detail != nil {
		if v := reflect.Indirect(reflect.ValueOf(e.Detail)); v.Kind() == reflect.Struct {
			m.detail, m.plan = v, planOf(v.Type())
			if p == aws.RestJSON || p == aws.RestXML {
				r.headers(m.plan, v)
				r.Status = status
			}
		}
	}
	r.Header["Content-Type"] = []string{contentType(p, s)}
	if s.QueryErrors {
		r.Header["X-Amzn-Query-Error"] = []string{cmp.Or(e.QueryCode, m.code) + ";" + m.fault}
	}
	if p == aws.RestJSON || p == "" {
		r.Header["X-Amzn-Errortype"] = []string{m.code}
	}
	if s.BareErrors {
		r.Header["X-Amz-Id-2"] = []string{hostID(requestID)}
	}
	for k, v := range e.Header {
		r.Header[k] = v
	}
	r.Body = m.append(r.Body, p)
	return r
}

// A failure is an error on its way to the wire.
type failure struct {
	*aws.Error
	service   *aws.Service
	code      string // as the service calls it
	fault     string
	requestID string
	plan      *plan // of the detail, if any
	detail    reflect.Value
}

func (m *failure) append(b []byte, p aws.Protocol) []byte {
	switch p {
	case aws.Query:
		return m.wrapped(&xmlEncoder{b: b}, p)
	case aws.RestXML:
		x := &xmlEncoder{b: append(b, xmlPreamble...)}
		if !m.service.BareErrors {
			return m.wrapped(x, p)
		}
		x.open("Error", "", "")
		m.xml(x, p)
		x.leaf("RequestId", m.requestID)
		x.leaf("HostId", hostID(m.requestID))
		x.close("Error")
		return x.b
	case aws.EC2:
		x := &xmlEncoder{b: append(b, xmlPreamble...)}
		x.open("Response", "", "")
		x.open("Errors", "", "")
		x.open("Error", "", "")
		m.xml(x, p)
		x.close("Error")
		x.close("Errors")
		x.leaf("RequestID", m.requestID)
		x.close("Response")
		return x.b
	case aws.CBOR, aws.AmzCBOR:
		return m.cbor(b, p)
	}
	return m.json(b, p)
}

// hostID is the second id that S3 gives each request: here it says no more than the
// first.
func hostID(requestID string) string { return base64.StdEncoding.EncodeToString([]byte(requestID)) }

// wrapped is the error within an ErrorResponse.
func (m *failure) wrapped(x *xmlEncoder, p aws.Protocol) []byte {
	x.open("ErrorResponse", m.service.XMLNamespace, "")
	x.open("Error", "", "")
	x.leaf("Type", m.fault)
	m.xml(x, p)
	x.close("Error")
	x.leaf("RequestId", m.requestID)
	x.close("ErrorResponse")
	return x.b
}

// xml appends the code, the message and the detail's members.
func (m *failure) xml(x *xmlEncoder, p aws.Protocol) {
	code := m.code
	if p == aws.Query && m.QueryCode != "" {
		code = m.QueryCode
	}
	x.leaf("Code", code)
	message := m.Message
	if p == aws.Query && m.QueryMessage != "" {
		message = m.QueryMessage
	}
	x.leaf("Message", message)
	if m.plan != nil {
		x.members(m.plan, m.detail, p == aws.RestXML)
	}
}

func (m *failure) json(b []byte, p aws.Protocol) []byte {
	b = append(b, '{')
	if p == aws.JSON {
		b = awsjson.AppendString(awsjson.AppendKey(b, "__type"), m.jsonType())
	}
	if m.Message != "" {
		b = awsjson.AppendString(awsjson.AppendKey(b, m.messageName(p)), m.Message)
	}
	if m.plan != nil {
		whole := len(b)
		var err error
		if b, err = appendJSONMembers(b, m.plan, m.detail, p == aws.RestJSON); err != nil {
			b = b[:whole] // the code and the message matter more
		}
	}
	return append(b, '}')
}

// jsonType is the __type of the error: with a namespace in json 1.0, without in 1.1.
func (m *failure) jsonType() string {
	switch {
	case m.service.JSONVersion == "1.1" || m.service.Package == "" && m.service.TargetPrefix == "":
		return m.code
	case m.code == "ValidationException":
		return "com.amazon.coral.validate#" + m.code
	case coralErrors[m.code]:
		return "com.amazon.coral.service#" + m.code
	}
	return namespace(m.service) + "#" + m.code
}

// coralErrors are the errors that come from AWS's service framework and not from a
// service, and that are in the framework's namespace where namespaces show.
var coralErrors = map[string]bool{
	"SerializationException": true, "UnknownOperationException": true, "AccessDeniedException": true,
	"UnrecognizedClientException": true, "InvalidSignatureException": true, "IncompleteSignatureException": true,
	"MissingAuthenticationTokenException": true, "ExpiredTokenException": true, "InternalFailure": true,
	"ServiceUnavailable": true, "NotImplemented": true,
}

// messageName is the key of the message. The framework writes it with a capital in
// two errors.
func (m *failure) messageName(p aws.Protocol) string {
	if m.MessageName == "" && p == aws.JSON && m.service.JSONVersion != "1.1" &&
		(m.code == "SerializationException" || m.code == "AccessDeniedException") {
		return "Message"
	}
	return cmp.Or(m.MessageName, "message")
}

func (m *failure) cbor(b []byte, p aws.Protocol) []byte {
	b = append(b, 0xbf)
	code := m.code
	if p == aws.CBOR {
		code = namespace(m.service) + "#" + code
	}
	b = appendCBORText(appendCBORText(b, "__type"), code)
	if m.Message != "" {
		b = appendCBORText(appendCBORText(b, m.messageName(p)), m.Message)
	}
	if m.plan != nil {
		whole := len(b)
		var err error
		if b, err = appendCBORMembers(b, m.plan, m.detail, p); err != nil {
			b = b[:whole]
		}
	}
	return append(b, 0xff)
}
