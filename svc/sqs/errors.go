package sqs

import (
	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
)

// Errors that AWS sends and does not model.
var (
	invalidParameter = aws.ErrorModel{Status: 400, Code: "InvalidParameterValueException", QueryCode: "InvalidParameterValue"}.Errorf
	missingParameter = aws.ErrorModel{Status: 400, Code: "MissingRequiredParameterException", QueryCode: "MissingParameter"}.Errorf
)

// invalidValue refuses the value of a parameter, and says why.
func invalidValue(value any, parameter, reason string) *aws.Error {
	return invalidParameter("Value %v for parameter %s is invalid. Reason: %s", value, parameter, reason)
}

// noQueue says that there is no such queue; query clients hear of their protocol, too.
func noQueue() *aws.Error {
	e := api.QueueDoesNotExist("The specified queue does not exist.")
	e.QueryMessage = "The specified queue does not exist for this wsdl version."
	return e
}

// failed is an error as an entry of a batch's answer. It goes by the code of query
// clients there, in both protocols.
func failed(id *string, err error) (api.BatchResultErrorEntry, bool) {
	e, ok := err.(*aws.Error)
	if !ok {
		return api.BatchResultErrorEntry{}, false
	}
	code := e.Code
	if e.QueryCode != "" {
		code = e.QueryCode
	}
	return api.BatchResultErrorEntry{Id: id, Code: &code, Message: &e.Message, SenderFault: new(!e.Server())}, true
}
