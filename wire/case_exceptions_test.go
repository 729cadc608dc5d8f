package wire

// Reasons why a case says nothing about a server.
const (
	noBody       = "the case gives no body to decode: it is about the header alone (see TestGzip)"
	clientToken  = "the client fills the token in: a server finds it, and the case's params lack it"
	leavesNoMark = "an empty list or map that the client does not send is, to a server, absent"
	endpointPath = "the path's beginning belongs to the client's endpoint, not to the operation"
	passedOver   = "the answer has what no server of this model sends, to show that clients pass over it"
	emptyAnswer  = "clients bear an answer without a body or its type; this server sends one, or neither"
	emptyPayload = "the client sends {} for a payload that is not there; a server reads an empty structure"
)

// notForServers are the cases that say nothing about a server, and why.
var notForServers = map[string]string{
	"input/ec2/SDKAppliedContentEncoding_ec2Query":                           noBody,
	"input/ec2/SDKAppendsGzipAndIgnoresHttpProvidedEncoding_ec2Query":        noBody,
	"input/json/SDKAppliedContentEncoding_awsJson1_1":                        noBody,
	"input/json/SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1":     noBody,
	"input/json_1_0/SDKAppliedContentEncoding_awsJson1_0":                    noBody,
	"input/json_1_0/SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0": noBody,
	"input/query/SDKAppliedContentEncoding_awsQuery":                         noBody,
	"input/query/SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery":      noBody,
	"input/rest-json/SDKAppliedContentEncoding_restJson1":                    noBody,
	"input/rest-json/SDKAppendedGzipAfterProvidedEncoding_restJson1":         noBody,
	"input/rest-xml/SDKAppliedContentEncoding_restXml":                       noBody,
	"input/rest-xml/SDKAppendedGzipAfterProvidedEncoding_restXml":            noBody,

	"input/ec2/Ec2ProtocolIdempotencyTokenAutoFill":         clientToken,
	"input/query/QueryProtocolIdempotencyTokenAutoFill":     clientToken,
	"input/rest-json/RestJsonQueryIdempotencyTokenAutoFill": clientToken,
	"input/rest-xml/QueryIdempotencyTokenAutoFill":          clientToken,

	"input/ec2/Ec2EmptyQueryLists":                           leavesNoMark,
	"input/query/QueryEmptyQueryMaps":                        leavesNoMark,
	"input/rest-json/RestJsonHttpPrefixHeadersAreNotPresent": leavesNoMark,
	"input/rest-json/RestJsonOmitsEmptyListQueryValues":      leavesNoMark,

	"input/rest-xml/HttpPrefixHeadersAreNotPresent": leavesNoMark,

	"output/json/handles_unexpected_json_output":               passedOver,
	"output/json/AwsJson11DeserializeIgnoreType":               passedOver,
	"output/json/AwsJson11StructuresDontDeserializeNullValues": passedOver,
	"output/json_1_0/AwsJson10DeserializeIgnoreType":           passedOver,
	"output/json_1_0/AwsJson10DeserializeAllowNulls":           passedOver,
	"output/json_1_0/AwsJson10HandlesUnexpectedJsonOutput":     passedOver,

	"output/rest-json/RestJsonDeserializesDenseSetMapAndSkipsNull":                    passedOver,
	"output/rest-json/RestJsonDeserializeIgnoreType":                                  passedOver,
	"output/rest-json/RestJsonDoesntDeserializeNullStructureValues":                   passedOver,
	"output/smithy-rpc-v2-cbor/RpcV2CborDeserializesDenseSetMapAndSkipsNull":          passedOver,
	"output/smithy-rpc-v2-cbor/RpcV2CborClientDoesntDeserializeNullStructureValues":   passedOver,
	"output/smithy-rpc-v2-cbor/RpcV2CborExtraFieldsInTheBodyShouldBeSkippedByClients": passedOver,

	"output/query/QueryEmptyInputAndEmptyOutput":               emptyAnswer,
	"output/query/QueryNoInputAndNoOutput":                     emptyAnswer,
	"output/query/QueryNoInputAndOutput":                       emptyAnswer,
	"output/smithy-rpc-v2-cbor/NoOutputClientAllowsEmptyCbor":  emptyAnswer,
	"output/rest-xml/RestXmlHttpResponseCode":                  emptyAnswer,
	"output/smithy-rpc-v2-cbor/RpcV2CborPayloadWithUnsetUnion": passedOver,
	"output/smithy-rpc-v2-cbor/NoOutputClientAllowsEmptyBody":  emptyAnswer,

	"input/rest-json/RestJsonHostWithPath": endpointPath,

	"input/rest-json/RestJsonHttpWithEmptyStructurePayload": emptyPayload,
	"input/rest-json/RestJsonHttpWithHeadersButNoPayload":   emptyPayload,
}

// queryMaps are the cases, by the member, in which a map of query parameters is given
// without those that named members have. So much for clients: a server puts all of
// them into the map (Smithy's RestJsonServersPutAllQueryParamsInMap), and what else
// the cases say is checked.
var queryMaps = map[string]string{
	"input/rest-json/RestJsonQueryParamsStringListMap":               "Foo",
	"input/rest-json/RestJsonQueryPrecedence":                        "Baz",
	"input/rest-xml/RestXmlQueryParamsStringListMap":                 "Foo",
	"input/rest-xml/RestXmlQueryPrecedence":                          "Baz",
	"input/rest-xml/AllQueryStringTypes":                             "QueryParamsMapOfStrings",
	"input/rest-xml/RestXmlQueryStringEscaping":                      "QueryParamsMapOfStrings",
	"input/rest-xml/RestXmlSupportsNaNFloatQueryValues":              "QueryParamsMapOfStrings",
	"input/rest-xml/RestXmlSupportsInfinityFloatQueryValues":         "QueryParamsMapOfStrings",
	"input/rest-xml/RestXmlSupportsNegativeInfinityFloatQueryValues": "QueryParamsMapOfStrings",
	"input/rest-xml/RestXmlZeroAndFalseQueryValues":                  "QueryParamsMapOfStrings",
}
