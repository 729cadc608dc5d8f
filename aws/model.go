package aws

// A Protocol is one of AWS's ways to put an operation into an HTTP request.
type Protocol string

// The protocols, by the names that AWS's models give them.
const (
	JSON     Protocol = "json" // 1.0 and 1.1; Service.JSONVersion says which
	RestJSON Protocol = "rest-json"
	RestXML  Protocol = "rest-xml"
	Query    Protocol = "query"
	EC2      Protocol = "ec2"
	CBOR     Protocol = "smithy-rpc-v2-cbor"
	// AmzCBOR is the older CBOR of Kinesis: json 1.1's headers, a CBOR body.
	AmzCBOR Protocol = "amz-cbor"
)

// A Service is what a service's model says of the service as a whole. Values are
// generated, one per package below api, and never change.
type Service struct {
	Package        string     // Tule's name: "dynamodb", the last element of the import path
	ID             string     // AWS's service id: "DynamoDB"
	EndpointPrefix string     // first label of the service's host names: "dynamodb"
	SigningName    string     // the service in a SigV4 scope: "dynamodb"
	APIVersion     string     // "2012-08-10"
	TargetPrefix   string     // before the dot in X-Amz-Target: "DynamoDB_20120810"
	JSONVersion    string     // "1.0" or "1.1" for JSON
	Protocols      []Protocol // those that clients may use, the model's own first
	XMLNamespace   string     // of responses, for the XML protocols
	Hosts          []string   // further first labels of its host names
	Global         bool       // one endpoint for all regions: IAM
	QueryErrors    bool       // sends x-amzn-query-error: its clients once spoke query
	BareErrors     bool       // rest-xml errors are <Error> alone, as in S3
	Unsigned       bool       // callers who sign nothing may ask: a resource's policy may let everybody
	// QuotesResources says that refusals put the resource into quotes.
	QuotesResources bool
	// URLMember, if not empty, is the member of inputs that holds the very address that
	// was called, where a query request does not say it: an SQS queue's.
	URLMember string
	// Invalid is the code of the error for an input that breaks the model's
	// constraints, and Malformed that for a body that is not of the model's form.
	Invalid, Malformed string
	// Missing is the code of the error for an input without a required member, by its
	// name in JSON and in queries, where that is not Invalid's.
	Missing, MissingQuery string
	// MaxBody is the longest request body, in bytes, that does not stream.
	MaxBody int64
	// CRC32 says that clients check an X-Amz-Crc32 header on answers.
	CRC32 bool
	// Codes renames errors of the front door that this service calls differently.
	Codes map[string]string
}

// Speaks reports whether p is one of the service's protocols.
func (s *Service) Speaks(p Protocol) bool {
	for _, have := range s.Protocols {
		if have == p {
			return true
		}
	}
	return false
}

// An Operation is what the model says of one operation. Values are generated.
type Operation struct {
	Service *Service
	Name    string
	Method  string // HTTP method, for the REST protocols
	URI     string // path pattern, with {name} and {name+}, and fixed query
	Status  int    // HTTP status of success
	Action  string // IAM action, where it is not the signing name and Name

	// Also are further addresses, each a method and a URI, by which clients of other ages
	// call. There the body may have what the first address has in its query.
	Also []string

	// Demands are what a request must have to be this one of several operations on the
	// same path: "?partNumber", a query parameter; "X-Amz-Copy-Source", a header.
	Demands []string

	// How the input and output lie in XML bodies.
	InputName, InputNamespace string
	ResultWrapper             string
	Root                      string // output root element, rest-xml
	Unwrapped                 bool   // the output's only member is that element

	Anonymous    bool // the model says authtype none: no signature needed
	StreamsIn    bool // the input has a streaming body
	StreamsOut   bool // the output has a streaming body or an event stream
	ChecksumBody bool // the body carries a checksum (Content-MD5 or x-amz-checksum)
	ReadOnly     bool
}

// IAMAction is the action that a policy must allow: "dynamodb:PutItem".
func (o *Operation) IAMAction() string {
	if o.Action != "" {
		return o.Action
	}
	return o.Service.SigningName + ":" + o.Name
}

// Empty is the input or output of an operation that has none.
type Empty struct{}
